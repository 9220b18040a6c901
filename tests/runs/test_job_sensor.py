"""The job sensor records what Hevo ran by itself: once, and nothing that a run records."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import dagster as dg
import pytest
from shop_runs import told

from dagster_hevo import build_hevo_job_sensor
from dagster_hevo.execution.run_ledger import ledger_of_step
from dagster_hevo.jobs.request import make_request
from dagster_hevo.sandbox import Fault


def with_all_due(cursor: str | None) -> str | None:
    """The cursor as if so much time had passed that every pipeline is worth reading again."""
    if cursor is None:
        return None
    content = json.loads(cursor)
    for pipeline in content["pipelines"].values():
        pipeline["due_at"] = 0
    return json.dumps(content)


class Daemon:
    """Ticks a sensor as Dagster's daemon does: its events are recorded, its cursor is kept."""

    def __init__(self, place, **options: Any) -> None:
        self.instance = place.instance
        self.place = place
        self.sensor = build_hevo_job_sensor(workspace=place.hevo, **options)
        self.cursor: str | None = None

    def tick(self, *, keeps_cursor: bool = True) -> list[Any]:
        context = dg.build_sensor_context(
            instance=self.instance, cursor=with_all_due(self.cursor), sensor_name="hevo_job_sensor"
        )
        result = self.sensor(context)
        assert isinstance(result, dg.SensorResult)
        for event in result.asset_events:
            self.instance.report_runless_asset_event(event)
        if keeps_cursor:
            self.cursor = result.cursor
        return [
            event for event in result.asset_events if isinstance(event, dg.AssetMaterialization)
        ]

    def scheduled(self, **options: Any) -> str:
        """Have Hevo run a job by itself, to its end."""
        job = self.place.sandbox.start_scheduled_job(101, **options)
        self.place.sandbox.finish_jobs(101)
        return job.job_id


def tables(events) -> list[str]:
    return sorted(event.asset_key.path[-1] for event in events)


def test_the_first_tick_records_nothing_and_a_later_job_is_recorded_once(shop):
    daemon = Daemon(shop())
    daemon.scheduled()
    daemon.place.sandbox.advance(120)  # Clocks may be a minute apart.
    assert daemon.tick() == []
    job_id = daemon.scheduled()
    recorded = daemon.tick()
    assert tables(recorded) == ["table_01", "table_02", "table_03"]
    assert {told(event.metadata, "job_id") for event in recorded} == {job_id}
    assert daemon.tick() == []


def test_a_job_of_a_part_records_that_part(shop):
    daemon = Daemon(shop())
    daemon.tick()
    daemon.scheduled(object_ids=["obj-101-2"], type="HISTORICAL")
    assert tables(daemon.tick()) == ["table_02"]


def test_a_job_that_runs_is_recorded_when_it_has_ended(shop):
    place = shop(seconds_per_object=30)
    daemon = Daemon(place)
    daemon.tick()
    place.sandbox.start_scheduled_job(101)
    assert daemon.tick() == []
    place.sandbox.finish_jobs(101)
    assert len(daemon.tick()) == 3


def test_a_job_is_not_recorded_twice_where_the_cursor_was_not_kept(shop):
    daemon = Daemon(shop())
    daemon.tick()
    daemon.scheduled()
    assert len(daemon.tick(keeps_cursor=False)) == 3
    assert daemon.tick() == []


def test_a_job_that_a_run_recorded_is_not_recorded_again(shop):
    place = shop()
    daemon = Daemon(place)
    daemon.tick()
    assert place.run().success
    assert daemon.tick() == []
    assert len(place.jobs) == 1


@dg.job
def somebodys_job() -> None:
    """A job for the sake of its run."""


def test_a_job_that_a_run_in_progress_claims_is_left_to_it(shop):
    place = shop()
    daemon = Daemon(place)
    daemon.tick()
    job_id = daemon.scheduled()
    run = place.instance.create_run_for_job(somebodys_job, status=dg.DagsterRunStatus.STARTED)
    ledger = ledger_of_step(place.instance, run, "step", base_url=place.hevo.account, attempt=0)
    ledger.claim(
        "request",
        make_request(101, ["obj-101-1"], ["obj-101-1"]),
        job_id,
        is_adopted=False,
        may_be_cancelled=True,
        is_detached=False,
    )
    assert daemon.tick() == []


def test_the_error_of_one_pipeline_stops_no_other(shop):
    place = shop(pipelines=2, settings={"retry_limit": 1})
    daemon = Daemon(place)
    daemon.tick()
    for pipeline_id in (101, 102):
        place.sandbox.start_scheduled_job(pipeline_id)
    place.sandbox.finish_jobs()
    place.sandbox.faults.add(Fault("status_before", path="*/101/*", status=500, times=1))
    assert Counter(event.asset_key.path[0] for event in daemon.tick()) == {"shop_2": 3}
    assert Counter(event.asset_key.path[0] for event in daemon.tick()) == {"shop_1": 3}


def test_a_failed_object_is_not_recorded(shop):
    place = shop()
    place.sandbox.set_object(101, "table_02", outcome="failed")
    daemon = Daemon(place)
    daemon.tick()
    daemon.scheduled()
    assert tables(daemon.tick()) == ["table_01", "table_03"]


@pytest.mark.parametrize("status", ["FAILED", "CANCELLED"])
def test_a_job_that_did_not_complete_records_what_it_loaded(shop, status):
    place = shop(jobs_end_as=status)
    daemon = Daemon(place)
    daemon.tick()
    daemon.scheduled()
    assert tables(daemon.tick()) == ["table_01", "table_02", "table_03"]


def test_a_job_left_to_the_sensor_is_recorded_by_it(shop):
    place = shop()
    daemon = Daemon(place)
    daemon.tick()
    assert place.run(1, 2, config={"wait_for_completion": False}).success
    place.sandbox.finish_jobs(101)
    assert tables(daemon.tick()) == ["table_01", "table_02"]
