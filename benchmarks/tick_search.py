"""How long a tick of the job sensor searches many finished runs of other jobs.

python benchmarks/tick_search.py [--runs 2000]
"""

from __future__ import annotations

import argparse
import logging
import sys
import time

import dagster as dg
from dagster_daemon import folder

from dagster_hevo.job_owners import RunSearch
from dagster_hevo.sensor_cursor import SensorCursor


def measure_search(count: int) -> bool:
    """How long a tick takes that finds so many finished runs of other jobs, and the one after."""

    @dg.op
    def nothing() -> None: ...

    @dg.job
    def another() -> None:
        nothing()

    with folder() as home, dg.DagsterInstance.local_temp(str(home)) as instance:
        for _ in range(count):
            another.execute_in_process(instance=instance)
            # Read by a process that has not opened their logs, as a tick does.
        with dg.DagsterInstance.local_temp(str(home)) as fresh:
            cursor, searches, is_complete = SensorCursor(), 0, False
            began = time.monotonic()
            longest = 0.0
            while not is_complete:
                start = time.monotonic()
                search = RunSearch(fresh, {101}, until=time.time() + 12)
                cursor, is_complete = search.advance(cursor)
                longest = max(longest, time.monotonic() - start)
                searches += 1
            took = time.monotonic() - began
            time.sleep(61)
            start = time.monotonic()
            cursor, _ = RunSearch(fresh, {101}).advance(cursor)
            idle = time.monotonic() - start
            once_more = time.monotonic()
            RunSearch(fresh, {101}).advance(cursor)
            idle = min(idle, time.monotonic() - once_more)
    print(f"{'finished runs':<42}{count:>8}")
    print(f"{'seconds until all were searched':<42}{took:>8.1f}")
    print(f"{'ticks that took':<42}{searches:>8}")
    print(f"{'longest search in a tick, seconds':<42}{longest:>8.1f}")
    print(f"{'a search that finds none new, seconds':<42}{idle:>8.3f}")
    return longest < 20


def main() -> int:
    """Print the figures; the exit code is 0 if no search was too long for a tick."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--runs", type=int, default=2000)
    logging.disable(logging.CRITICAL)  # Dagster tells every event on stderr.
    return 0 if measure_search(parser.parse_args().runs) else 1


if __name__ == "__main__":
    sys.exit(main())
