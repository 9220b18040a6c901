"""The real runner, ledger and sensor decisions against a hostile Hevo, for thousands of seeds."""

from __future__ import annotations

import os
from datetime import datetime, timezone

import pytest

from simulation.play import play

SEEDS = 3000
PARTS = 6
CHOSEN = os.environ.get("HEVO_SIMULATION_BASE", "week")


def base() -> int:
    """Where the seeds of this run of the tests begin: others each week, or each time."""
    if CHOSEN == "random":
        return int.from_bytes(os.urandom(4), "big")
    if CHOSEN != "week":
        return int(CHOSEN)
    year, week, _ = datetime.now(timezone.utc).isocalendar()
    return (year * 100 + week) * SEEDS


BASE = base()

FOUND_DEFECTS = {
    6: "a job that lists equal bare names was taken for a foreign one, and triggered again",
    110: "two re-executions of one run resumed the same request at once",
    135: "a run adopted the job that another run had just triggered",
    228: "a resumed attempt did not know how long ago its trigger was, and claimed a later job",
    232: "SYNC_NOW claimed a HISTORICAL job of another user",
    331: "a job that is listed after job_discovery_timeout was triggered a second time",
    417: "two runs triggered at once, because one had waited for an earlier third",
    558: "a job with a time far ahead made the sensor take all later ones for old",
    790: "the sensor settled a dead run's request with the job of a live one",
    972: "a job left out of one read of the list was forgotten at the moment of deciding",
    1209: "without a Date header, one old job far ahead made our own job an old one",
    42589: "counts of a wider job proved objects of a narrower re-execution loaded",
    451230: "a process died between a claim and its record",
    454175: "a retry resumed a newer request beside one that had loaded",
    460669: "a run that had stopped waiting for another run's trigger claimed that run's job",
    2723: "a job first seen after an outage was taken for one that came too late",
}


@pytest.mark.parametrize("part", range(PARTS))
def test_many_seeds_keep_the_promises(part: int) -> None:
    """Others each week, the same for everyone; with HEVO_SIMULATION_BASE=random, each time."""
    start = BASE + part * SEEDS // PARTS
    print(f"seeds from {start}")  # noqa: T201  # pytest shows it when the test fails
    for seed in range(start, start + SEEDS // PARTS):
        violations = play(seed).violations
        replay = f"python benchmarks/simulate.py --seed {seed}"
        assert not violations, f"{violations}; replay: {replay}"


@pytest.mark.parametrize("seed", FOUND_DEFECTS)
def test_a_seed_that_found_a_defect_finds_none(seed: int) -> None:
    assert not play(seed).violations, FOUND_DEFECTS[seed]


def test_a_seed_replays_to_the_same_trace() -> None:
    first, second = (play(460669, is_traced=True) for _ in range(2))
    assert len(first.trace) > 100
    assert first.trace == second.trace
    assert first.counts == second.counts


def test_tracing_changes_nothing() -> None:
    assert play(460669).counts == play(460669, is_traced=True).counts
