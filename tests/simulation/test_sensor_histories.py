"""The real tick of the job sensor in many histories: nothing is missing, and nothing twice."""

from __future__ import annotations

import pytest

from simulation.sensor_play import play_sensors

SEEDS = 240
PARTS = 4

FOUND_DEFECTS = {
    1: "what one sensor left alone as past was taken for recorded by another one",
    6: "a first poll that saw no job made the jobs to come old ones",
    16: "a cursor lost before any job with a time was seen made later jobs old ones",
    191: "a job that moved to another page while a walk took several ticks was forgotten",
    286: "another job was met in the place of one that had moved, and the walk seemed complete",
    329: "what a run recorded before it died was recorded again by a sensor",
    1956: "a first walk that began long after the pipeline was followed stopped at its first page",
    561: "a job left out of the first walk, which ran when that began, was old from then on",
    622: "a cursor lost after a first walk without times made jobs without times past",
    5611: "a job that ended while the first tick was going on was past",
    550: "one failed read made a job of long ago one that can never be read",
}


@pytest.mark.parametrize("part", range(PARTS))
def test_many_histories_record_every_object_once(part: int) -> None:
    start = 100_000 + part * SEEDS // PARTS
    for seed in range(start, start + SEEDS // PARTS):
        violations = play_sensors(seed).violations
        replay = f"python benchmarks/simulate_sensors.py --seed {seed}"
        assert not violations, f"{violations}; replay: {replay}"


@pytest.mark.parametrize("seed", FOUND_DEFECTS)
def test_a_seed_that_found_a_defect_finds_none(seed: int) -> None:
    assert not play_sensors(seed).violations, FOUND_DEFECTS[seed]


def test_a_history_replays_to_the_same_trace() -> None:
    first, second = play_sensors(329), play_sensors(329)
    assert len(first.world.trace) > 20
    assert first.world.trace == second.world.trace
