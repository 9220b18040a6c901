"""A fuzz of the transport: odd answers, and what the client makes of them.

    python benchmarks/fuzz_transport.py --answers 100000 --processes 2

Each answer is made of a seed; one that is no error of the package's, takes long or shows a secret
is printed with its seed and ends the benchmark with an error.
"""

from __future__ import annotations

import argparse
import logging
import multiprocessing
import random
import resource
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "security"))

from canaries import KEY, SECRET
from odd_bytes import odd_answer
from raw_server import RawServer
from test_fuzz import CALLS, ask

from dagster_hevo.api import HevoClient


def fuzz(first: int, count: int) -> tuple[float, int]:
    """Send so many answers, from a seed on; the longest one's seconds, and the memory in MiB."""
    logging.disable(logging.CRITICAL)
    answer = [b""]
    server = RawServer(lambda _: answer[0])
    longest = 0.0
    with HevoClient(
        api_key=KEY,
        api_secret=SECRET,
        base_url=server.url,
        retry_limit=1,
        timeout=1.0,
        sleep=lambda _: None,
    ) as hevo:
        for seed in range(first, first + count):
            chance = random.Random(seed)
            answer[0] = odd_answer(chance)
            began = time.monotonic()
            ask(hevo, chance.choice(list(CALLS)), seed)
            longest = max(longest, time.monotonic() - began)
    server.stop()
    return longest, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--answers", type=int, default=100_000)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1_000_000)
    options = parser.parse_args()
    share = -(-options.answers // options.processes)
    firsts = range(options.seed, options.seed + options.answers, share)
    began = time.monotonic()
    with multiprocessing.get_context("spawn").Pool(options.processes) as pool:
        found = pool.starmap(fuzz, [(first, share) for first in firsts])
    seconds, memory = max(each[0] for each in found), max(each[1] for each in found)
    print(
        f"{share * len(found):,} answers in {time.monotonic() - began:.0f} s: no error but the "
        f"package's own; the longest took {seconds:.2f} s; {memory} MiB per process at most."
    )


if __name__ == "__main__":
    main()
