"""The machine's clock may be set back, and a slow storage may not stop a tick from ending."""

from __future__ import annotations

import json

import dagster as dg
import pytest
from station import DaemonDied, Station

from dagster_hevo.execution.run_ledger import InstanceStore
from dagster_hevo.job_sensor.cursor import PipelineCursor, SensorCursor
from dagster_hevo.job_sensor.open_job import OpenJob
from dagster_hevo.sandbox import Fault
from dagster_hevo.sensors import TickEnvironment

HOUR = 3600.0


class SetClock:
    """The daemon's clock: the sandbox's, and so much ahead."""

    def __init__(self, place: Station, ahead: float) -> None:
        self.place, self.ahead = place, ahead

    def __call__(self) -> float:
        return self.place.now() + self.ahead


@pytest.fixture
def ahead(station):
    """A station whose daemon's clock is ten hours ahead."""

    def begin(hours: float = 10.0, **options) -> tuple[Station, SetClock]:
        place = station(**options)
        clock = SetClock(place, hours * HOUR)
        place.make_sensor(environment=TickEnvironment(now=clock))
        return place, clock

    return begin


@pytest.mark.parametrize("hours", [0.5, 10, 23])
def test_a_clock_that_is_set_back_delays_no_poll_and_loses_nothing(ahead, hours):
    place, clock = ahead(hours, pipelines=2, objects=1, seconds_per_object=5)
    place.ticks(3)
    place.run_job()
    place.ticks(2)
    clock.ahead = 0.0
    place.run_job()
    place.run_job(102)
    place.ticks(4)
    assert place.materialized() == place.loaded()


def test_a_job_that_ended_before_the_first_poll_is_recorded_although_the_clock_is_set_back(ahead):
    place, clock = ahead(10, pipelines=3, objects=1, seconds_per_object=5)
    place.make_sensor(environment=TickEnvironment(now=clock, most_requests=2))
    place.tick()
    for pipeline_id in place.sandbox.pipeline_ids:
        place.run_job(pipeline_id, seconds=30)
    place.tick()
    clock.ahead = 0.0
    place.ticks(12)
    assert place.materialized() == place.loaded()


def test_pauses_end_after_their_time_although_the_clock_is_set_back(ahead):
    place, clock = ahead(10, objects=1, seconds_per_object=5)
    place.tick()
    job = place.run_job()
    path = f"*/jobs/{job.job_id}/objects"
    place.sandbox.faults.add(Fault("status_before", path=path, status=500, times=4))
    place.ticks(4)
    clock.ahead = 0.0
    place.ticks(40)
    assert place.materialized() == place.loaded()


def test_another_sensor_that_began_in_the_future_is_gone_after_an_hour(ahead):
    place, clock = ahead(10, objects=2, seconds_per_object=5)
    place.tick()
    place.run_job()
    with pytest.raises(DaemonDied):
        place.tick(dies_after=1)
    clock.ahead = 0.0
    place.make_sensor(name="another", environment=TickEnvironment(now=clock))
    place.cursor = None
    place.ticks(8, every=600)
    assert place.materialized() == place.loaded()


def test_all_times_of_a_cursor_are_set_back_together():
    pipeline = PipelineCursor(
        since=5000.0,
        due_at=90_000.0,
        polled_at=80_000.0,
        unreadable_since=70_000.0,
        open={"job": OpenJob(60_000.0, 95_000.0, waits_since=50_000.0)},
    )
    cursor = SensorCursor({1: pipeline}, ticked_at=81_000.0, growing_since=75_000.0)
    assert cursor.set_back_to(81_000.0) is cursor
    after = cursor.set_back_to(41_000.0)
    moved = after.pipelines[1]
    assert (moved.due_at, moved.polled_at, moved.unreadable_since) == (50_000, 40_000, 30_000)
    assert moved.open["job"] == OpenJob(20_000.0, 55_000.0, waits_since=10_000.0)
    assert moved.since == 1.0
    assert after.growing_since == 35_000.0


# A slow storage


@pytest.fixture
def slow(station, monkeypatch):
    """A station with 60 pipelines, whose storage takes half a second per read or write."""
    place = station(pipelines=60, objects=1)
    passed = [0.0]

    def delayed(real):
        def call(*args):
            passed[0] += 0.5
            return real(*args)

        return call

    for name in ("append", "read", "remove", "is_running"):
        monkeypatch.setattr(InstanceStore, name, delayed(getattr(InstanceStore, name)))
    environment = TickEnvironment(now=place.now, monotonic=lambda: passed[0])
    place.make_sensor(environment=environment)
    return place, passed


def test_a_tick_ends_in_time_however_slow_the_storage_is(slow):
    place, passed = slow
    for _ in range(3):
        began = passed[0]
        place.tick()
        assert passed[0] - began < 45


def test_pipelines_that_a_tick_did_not_come_to_are_followed_since_the_first_tick(slow):
    place, _ = slow
    place.tick()
    kept = json.loads(place.cursor or "")["pipelines"]
    assert len(kept) == 60
    assert any(each.get("is_new") for each in kept.values())
    jobs = [place.run_job(pipeline_id, seconds=0) for pipeline_id in place.sandbox.pipeline_ids]
    place.sandbox.advance(30)
    place.ticks(40)
    assert len(place.materialized()) == len(jobs)
    assert place.materialized() == place.loaded()


# Many slow requests


def test_pipelines_are_polled_however_long_that_takes_while_runs_end(station):
    """45 pipelines at 0.3 seconds per request, and a run that ends each minute."""
    place = station(pipelines=45, objects=1, seconds_per_object=5)
    place.make_sensor(
        environment=TickEnvironment(
            now=place.now, monotonic=lambda: 0.3 * len(place.sandbox.requests)
        )
    )

    def run_ends() -> None:
        run = place.begin_run()
        place.trigger(run)
        job = place.run_job(101, seconds=10)
        place.claim(run, job)
        place.record(run, job)
        place.settle(run, job)
        place.succeed_step(run)
        place.end_run(run, dg.DagsterEventType.RUN_SUCCESS)

    place.tick()
    for pipeline_id in place.sandbox.pipeline_ids[1:]:
        place.sandbox.start_scheduled_job(pipeline_id)
    for _ in range(3):
        run_ends()
        place.tick()
    assert {job.pipeline_id for job in place.sandbox.jobs()} == set(place.sandbox.pipeline_ids)
    assert place.materialized() == place.loaded()
