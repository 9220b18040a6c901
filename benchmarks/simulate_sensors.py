"""Plays many histories of job sensors (`tests/simulation`): none missing, none twice.

    python benchmarks/simulate_sensors.py --seeds 20000     # from --start, on all cores
    python benchmarks/simulate_sensors.py --seed 4711       # one seed, with what happened

Exit code 1: an object was recorded twice or never, or a trait never occurred.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from simulation.sensor_play import TRAITS, play_sensors  # noqa: E402

CHUNK = 50
MUST_OCCUR = (
    *TRAITS,
    "killed between events",
    "killed before the cursor",
    "run died",
    "run resumes",
)


def play_range(seeds: range) -> tuple[list[tuple[int, str]], Counter[str]]:
    """Play some seeds: their violations, and what occurred."""
    violations: list[tuple[int, str]] = []
    counts: Counter[str] = Counter()
    for seed in seeds:
        history = play_sensors(seed)
        violations += [(seed, text) for text in history.violations]
        counts.update(history.world.counts)
    return violations, counts


def play_many(start: int, count: int, workers: int) -> bool:
    """Play seeds on several cores and report; say whether all is well."""
    chunks = [
        range(at, min(at + CHUNK, start + count)) for at in range(start, start + count, CHUNK)
    ]
    began = time.perf_counter()
    violations: list[tuple[int, str]] = []
    counts: Counter[str] = Counter()
    with multiprocessing.Pool(workers) as pool:
        for done, (found, seen) in enumerate(pool.imap_unordered(play_range, chunks), start=1):
            for seed, text in found:
                print(f"seed {seed}: {text}", flush=True)
            violations += found
            counts.update(seen)
            if done % 20 == 0:
                print(f"  {done * CHUNK:,} seeds", flush=True)
    for name, times in counts.most_common():
        print(f"  {times:>10,}  {name}")
    missing = [name for name in MUST_OCCUR if not counts[name]] if count >= 2000 else []
    for name in missing:
        print(f"HOLE: {name!r} never occurred.")
    took = time.perf_counter() - began
    seeds = len({seed for seed, _ in violations})
    print(f"{count:,} seeds in {took:.0f} s. Violations: {len(violations)} in {seeds} seeds.")
    return not violations and not missing


def show(seed: int) -> bool:
    """Print what happened in one seed; say whether all is well."""
    history = play_sensors(seed)
    print("\n".join(history.world.trace))
    for text in history.violations:
        print(f"VIOLATION: {text}")
    return not history.violations


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=1000, help="how many seeds to play")
    parser.add_argument("--start", type=int, default=0, help="the first of them")
    parser.add_argument("--seed", type=int, help="play this one alone, and print what happened")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    if options.seed is not None:
        return 0 if show(options.seed) else 1
    return 0 if play_many(options.start, options.seeds, options.workers) else 1


if __name__ == "__main__":
    raise SystemExit(main())
