"""Eight processes ask for requests as fast as they can: does the shared budget hold?

Prints the most requests let go in any window, the count in each full window, each process's share
and CPU time, and how long urgent requests waited. No request is sent to anybody.

    python benchmarks/limiter.py --seconds 120 --store sqlite:////tmp/budget.sqlite
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import tempfile
import time
from bisect import bisect_left
from multiprocessing.queues import SimpleQueue
from multiprocessing.synchronize import Barrier
from pathlib import Path

from dagster_hevo.api.rate_limit import open_budget

Share = tuple[list[float], list[float], float]


def ask(
    start: Barrier,
    seconds: float,
    store: str,
    rate: int,
    window: float,
    is_watching: bool,
    shares: SimpleQueue[Share],
) -> None:
    """Ask for one ordinary request after the other; report when each was let go."""
    budget = open_budget(
        store, requests_per_minute=rate, user_key="benchmark", window_seconds=window
    )
    sent: list[float] = []
    if is_watching:
        budget.register_watcher(str(os.getpid()))
    budget.remaining()  # opens the store
    start.wait()
    end = time.time() + seconds
    while (left := end - time.time()) > 0:
        if budget.acquire(timeout=left):
            sent.append(time.time())
    cpu = sum(os.times()[:2])
    budget.close()
    shares.put((sent, [], cpu))


def cancel(
    start: Barrier,
    seconds: float,
    store: str,
    rate: int,
    window: float,
    every: float,
    shares: SimpleQueue[Share],
) -> None:
    """Ask for an urgent request now and then; report when each was let go and how long it took."""
    budget = open_budget(
        store, requests_per_minute=rate, user_key="benchmark", window_seconds=window
    )
    sent: list[float] = []
    waits: list[float] = []
    start.wait()
    end = time.time() + seconds
    while time.time() + every < end:
        time.sleep(every)
        asked = time.time()
        if budget.acquire(urgent=True, timeout=end - asked):
            sent.append(time.time())
            waits.append(sent[-1] - asked)
    shares.put((sent, waits, sum(os.times()[:2])))


def most_in_any(window: float, times: list[float]) -> int:
    """The most of ``times``, which are sorted, in any window."""
    return max(
        (i + 1 - bisect_left(times, t - window, 0, i + 1) for i, t in enumerate(times)), default=0
    )


def uncontended_milliseconds(store: str) -> float:
    """How long one acquire takes with nobody else about."""
    budget = open_budget(store, requests_per_minute=10_000, user_key="alone")
    budget.acquire()
    begun = time.perf_counter()
    for _ in range(200):
        budget.acquire()
    return (time.perf_counter() - begun) / 200 * 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--store", help="default: a SQLite file in a new folder")
    parser.add_argument("--processes", type=int, default=8)
    parser.add_argument("--rate", type=int, default=100, help="requests in a window")
    parser.add_argument("--window", type=float, default=60, help="seconds")
    parser.add_argument("--watching", action="store_true", help="as while jobs are watched")
    parser.add_argument("--cancel-every", type=float, metavar="SECONDS", help="urgent requests")
    options = parser.parse_args()
    folder = tempfile.mkdtemp()
    store = options.store or f"sqlite:///{Path(folder) / 'budget.sqlite'}"

    print(f"one acquire, uncontended: {uncontended_milliseconds(store):.2f} ms")
    context = multiprocessing.get_context("spawn")
    shares: SimpleQueue[Share] = context.SimpleQueue()
    start = context.Barrier(options.processes + bool(options.cancel_every))
    # A little longer, so that the last window is a full one.
    common = (start, options.seconds + 1, store, options.rate, options.window)
    workers = [
        context.Process(target=ask, args=(*common, options.watching, shares))
        for _ in range(options.processes)
    ]
    if options.cancel_every:
        arguments = (*common, options.cancel_every, shares)
        workers.append(context.Process(target=cancel, args=arguments))
    for worker in workers:
        worker.start()
    results = [shares.get() for _ in workers]
    for worker in workers:
        worker.join()

    times = sorted(t for sent, _, _ in results for t in sent)
    first = times[0]
    windows = int(options.seconds // options.window)
    starts = [first + i * options.window for i in range(windows)]
    print(f"most in any {options.window:g} s: {most_in_any(options.window, times)}")
    counts = [sum(s <= t < s + options.window for t in times) for s in starts]
    print(f"in each full window from the first request: {counts}")
    print(f"by process: {sorted(len(sent) for sent, _, _ in results)}")
    print(f"CPU seconds by process: {[round(cpu, 2) for _, _, cpu in results]}")
    for _, waits, _ in results:
        if waits:
            print(f"urgent requests waited (s): {[round(wait, 2) for wait in waits]}")


if __name__ == "__main__":
    main()
