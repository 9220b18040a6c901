"""Plays many seeds of the simulation (`tests/simulation`) and reports what they found.

    python benchmarks/simulate.py --seeds 100000       # from --start, on all cores
    python benchmarks/simulate.py --seed 4711          # one seed, with a readable trace
    python benchmarks/simulate.py --mutants            # undo single rules: each must be found

Exit code 1: an invariant was violated, a trait or phase never occurred, or a mutant survived.
"""

from __future__ import annotations

import argparse
import gc
import multiprocessing
import os
import sys
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from simulation.mutants import MUTANTS, undone  # noqa: E402
from simulation.play import play  # noqa: E402
from simulation.traits import ALWAYS, HEVO_TRAITS, WORLD_TRAITS  # noqa: E402

from dagster_hevo.jobs.state import Phase  # noqa: E402

CHUNK = 50
VIOLATIONS_SHOWN = 20
MOST_SEEDS_PER_MUTANT = 20_000

Result = tuple[list[tuple[int, str]], "Counter[str]"]


def play_range(seeds: range) -> Result:
    """Play some seeds: their violations, and what occurred."""
    violations: list[tuple[int, str]] = []
    counts: Counter[str] = Counter()
    for seed in seeds:
        played = play(seed)
        violations += [(seed, text) for text in played.violations]
        counts.update(played.counts)
    return violations, counts


def pin_to_a_core() -> None:
    """Keep a worker on one core: its threads hand each other the baton, and never run at once."""
    gc.freeze()
    gc.set_threshold(100_000)
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        number = multiprocessing.current_process()._identity[0]  # type: ignore[attr-defined]
        os.sched_setaffinity(0, {cores[number % len(cores)]})


def play_many(start: int, count: int, workers: int) -> bool:
    """Play seeds on several cores and report; say whether all is well."""
    chunks = [
        range(at, min(at + CHUNK, start + count)) for at in range(start, start + count, CHUNK)
    ]
    began = time.perf_counter()
    violations: list[tuple[int, str]] = []
    counts: Counter[str] = Counter()
    with multiprocessing.Pool(workers, pin_to_a_core) as pool:
        for done, (found, seen) in enumerate(pool.imap_unordered(play_range, chunks), start=1):
            for seed, text in found:
                if len(violations) < VIOLATIONS_SHOWN:
                    print(f"seed {seed}: {text}", flush=True)
                violations.append((seed, text))
            counts.update(seen)
            if done % 100 == 0:
                rate = done * CHUNK / (time.perf_counter() - began)
                print(f"  {done * CHUNK:,} seeds, {rate:.0f} per second", flush=True)
    took = time.perf_counter() - began
    missing = report(counts)
    print(
        f"\n{count:,} seeds in {took:.0f} s: {count / took:.0f} per second on {workers} cores. "
        f"Violations: {len(violations)} in {len({seed for seed, _ in violations})} seeds."
    )
    if violations:
        print(f"Replay: python benchmarks/simulate.py --seed {min(violations)[0]}")
    for name in missing:
        print(f"HOLE: {name!r} never occurred.")
    return not violations and not missing


def report(counts: Counter[str]) -> list[str]:
    """Print how often everything occurred; return what never did."""
    traits = (*ALWAYS, *HEVO_TRAITS, *WORLD_TRAITS)
    phases = tuple(f"phase: {phase.value}" for phase in Phase)
    cases = sorted(name for name in counts if name.startswith("case: "))
    for title, names in (("Traits", traits), ("Phases", phases), ("Named cases", cases)):
        print(f"\n{title}")
        for name in names:
            print(f"  {counts[name]:>10,}  {name.removeprefix('phase: ').removeprefix('case: ')}")
    return [name for name in (*traits, *phases) if not counts[name]]


def show(seed: int) -> bool:
    """Print the trace of one seed; say whether all is well."""
    played = play(seed, is_traced=True)
    for moment, who, what in played.trace:
        print(f"{moment:10.2f}  {who:8}  {what}")
    for text in played.violations:
        print(f"VIOLATION: {text}")
    print(f"Seed {seed}: {len(played.violations)} violations.")
    return not played.violations


def first_violation(name: str, seeds: Iterable[int]) -> tuple[int, str] | None:
    """The first seed that finds a mutant, and what it found; without it, the seed finds nothing."""
    for seed in seeds:
        with undone(name):
            played = play(seed)
        if played.violations and not play(seed).violations:
            return seed, played.violations[0]
    return None


def hunt(name: str) -> tuple[str, tuple[int, str] | None]:
    """Search for a violation that undoing one rule causes."""
    return name, first_violation(name, range(MOST_SEEDS_PER_MUTANT))


def try_mutants(workers: int) -> bool:
    """Undo single rules, one at a time; say whether the simulation finds each."""
    survivors = 0
    with multiprocessing.Pool(workers, pin_to_a_core) as pool:
        for name, found in pool.imap_unordered(hunt, MUTANTS):
            if found is None:
                survivors += 1
                print(f"SURVIVES {MOST_SEEDS_PER_MUTANT:,} seeds: {name}", flush=True)
            else:
                print(f"found by seed {found[0]}: {name}\n    {found[1]}", flush=True)
    print(f"{len(MUTANTS) - survivors} of {len(MUTANTS)} mutants found.")
    return not survivors


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=3000, help="how many seeds to play")
    parser.add_argument("--start", type=int, default=0, help="the first of them")
    parser.add_argument("--seed", type=int, help="play this one alone, and print its trace")
    parser.add_argument("--mutants", action="store_true", help="undo single rules")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    if options.seed is not None:
        return 0 if show(options.seed) else 1
    if options.mutants:
        return 0 if try_mutants(options.workers) else 1
    return 0 if play_many(options.start, options.seeds, options.workers) else 1


if __name__ == "__main__":
    raise SystemExit(main())
