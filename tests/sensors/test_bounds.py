"""A tick stays within its bounds: requests, time, the cursor's size, and nobody starves."""

from __future__ import annotations

import json
import time
import uuid

import pytest
from station import Station

from dagster_hevo.api.models import Job
from dagster_hevo.api.rate_limit import open_budget
from dagster_hevo.job_sensor.budget import TickBudget, TickSpent
from dagster_hevo.job_sensor.cursor import PipelineCursor, SensorCursor
from dagster_hevo.job_sensor.walk import Walk
from dagster_hevo.sandbox import Fault
from dagster_hevo.sensors import TickEnvironment


class HandClock:
    """Time that passes only where somebody waits."""

    def __init__(self) -> None:
        self.time = 1000.0

    def __call__(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds


def budget_of(clock: HandClock, limit: int, user: str):
    return open_budget(
        "memory", requests_per_minute=limit, user_key=user, clock=clock, sleep=clock.sleep
    )


def sent_until_spent(budget: TickBudget) -> int:
    sent = 0
    while True:
        try:
            budget.acquire()
        except TickSpent:
            return sent
        sent += 1


def test_two_ticks_within_a_minute_spend_no_more_than_the_share_together():
    clock = HandClock()
    share, whole = budget_of(clock, 50, "share"), budget_of(clock, 100, "whole")
    moments: list[float] = []
    for begin in (0, 40, 60, 61, 130):
        clock.time = max(clock.time, 1000.0 + begin)
        tick = TickBudget(share, whole, share, 50, clock.time + 28, now=clock)
        moments += [clock.time] * sent_until_spent(tick)
    assert len(moments) >= 100
    for start in moments:
        assert sum(start <= moment < start + 60 for moment in moments) <= 50


def test_a_budget_that_others_have_spent_ends_the_tick_within_seconds():
    clock = HandClock()
    share, whole = budget_of(clock, 50, "share"), budget_of(clock, 100, "whole")
    while whole.acquire(timeout=0):
        pass
    began = clock.time
    assert sent_until_spent(TickBudget(share, whole, share, 50, clock.time + 28, now=clock)) == 0
    assert clock.time - began <= 6


def test_a_tick_whose_time_is_up_sends_nothing():
    clock = HandClock()
    share, whole = budget_of(clock, 50, "share"), budget_of(clock, 100, "whole")
    assert sent_until_spent(TickBudget(share, whole, share, 50, clock.time, now=clock)) == 0


@pytest.fixture
def hurried(station):
    """A station with eight pipelines whose ticks may send four requests each."""
    place = station(pipelines=8, objects=1)
    place.make_sensor(environment=TickEnvironment(now=place.now, most_requests=4))
    return place


def test_a_small_share_reaches_every_pipeline_in_turn(hurried: Station):
    place = hurried
    place.ticks(4)
    assert len(place.kept["pipelines"]) == 8
    for pipeline_id in place.sandbox.pipeline_ids:
        place.sandbox.start_scheduled_job(pipeline_id)
    for _ in range(12):
        place.tick()
        assert len(place.requests) <= 4
    assert place.materialized() == place.loaded()


def test_jobs_that_end_before_the_first_look_at_their_pipeline_are_recorded(hurried: Station):
    place = hurried
    for pipeline_id in place.sandbox.pipeline_ids:
        place.run_job(pipeline_id)
    past = [job.job_id for job in place.sandbox.jobs()]
    place.tick()
    for pipeline_id in place.sandbox.pipeline_ids:
        place.run_job(pipeline_id, seconds=0)
    place.ticks(12)
    assert place.materialized() == place.loaded(but_not=past)


def test_a_job_that_ends_while_the_first_looks_fail_is_recorded(station):
    place = station()
    place.run_job()
    place.sandbox.faults.add(Fault("status_before", path="*/101/jobs*", status=500, times=2))
    place.tick()
    job = place.run_job()
    place.ticks(6)
    assert {job_id for job_id, _ in place.materialized()} == {job.job_id}


def test_a_pipeline_with_a_long_backlog_does_not_starve_the_others(hurried: Station):
    place = hurried
    place.ticks(4)
    for _ in range(30):
        place.run_job(101, seconds=25)
    for pipeline_id in place.sandbox.pipeline_ids[1:]:
        place.run_job(pipeline_id, seconds=0)
    place.sandbox.advance(60)
    for _ in range(24):
        place.tick()
    others = {key[1].split("-")[1] for key in place.materialized()}
    assert others == {str(each) for each in place.sandbox.pipeline_ids}
    place.ticks(12)
    assert place.materialized() == place.loaded()


def test_an_idle_pipeline_is_looked_at_less_and_less(station):
    place = station()
    polls: list[int] = []
    for _ in range(60):
        place.tick()
        polls.append(len(place.requests))
    assert sum(polls[:10]) >= 3
    assert sum(polls[30:]) == 3
    place.run_job()
    place.ticks(11)
    assert place.materialized() == place.loaded()


def test_a_hevo_that_does_not_answer_ends_the_tick(station):
    place = station(pipelines=10, objects=1)
    place.make_sensor(environment=TickEnvironment(now=place.now, seconds=1.5, request_timeout=0.2))
    place.tick()
    place.sandbox.faults.add(Fault("delay_before", method="GET", seconds=3))
    began = time.monotonic()
    place.tick(600)
    assert time.monotonic() - began < 3
    place.sandbox.faults.clear()


def test_the_cursor_of_300_pipelines_stays_small():
    cursor = SensorCursor()
    made = 1_700_000_000_000
    for pipeline_id in range(300):
        pipeline = PipelineCursor(since=1.7e9)
        for number in range(50):
            job_id = str(uuid.uuid4())
            told = {"job_id": job_id, "status": "COMPLETED", "created_ts": made + number * 300_000}
            job = Job.model_validate(told)
            pipeline = pipeline.with_settled(job_id, job.created_ts)
            pipeline = pipeline.after_walk(Walk(newest_ms=job.created_ts))
        cursor = cursor.with_pipeline(pipeline_id, pipeline)
    assert len(cursor.to_text()) < 90_000


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "nothing",
        "[]",
        "{}",
        '{"version":2,"pipelines":{"x":1,"²":{"settled":[]},"101":{"settled":7}}}',
        '{"version":1,"pipelines":{"101":{"settled":[],"newest_ts":1,"due_at":9e10}}}',
        '{"version":2,"pipelines":{"101":{"since":Infinity,"due_at":NaN}}}',
        '{"version":2,"pipelines":{"101":{"since":1e300,"open":{"a":"b"},"walk":[]}},"status":7}',
        '{"version":2,"pipelines":[]}',
        "[" * 5000,
        '{"version":2,"pipelines":{"%s":{"since":1}}}' % ("1" * 5000),
        '{"version":2,"pipelines":{"101":{"since":9e10,"due_at":9e10,"polled_at":9e10}}}',
        '{"version":2,"pipelines":{"101":{"since":1,"old_before_ms":99999999999999}}}',
        '{"version":2,"pipelines":{"101":{"since":1e9,"open":{"..":{"since":1}}}}}',
        '{"version":2,"pipelines":{"101":{"since":1e9,"reported":["\\ud800"]}}}',
    ],
)
def test_a_cursor_that_is_not_understood_starts_anew(station, cursor):
    place = station()
    place.cursor = cursor
    place.tick()
    place.tick(60)
    place.run_job()
    place.ticks(3)
    assert place.materialized() == place.loaded()
    assert json.loads(place.cursor or "")["version"] == 2
