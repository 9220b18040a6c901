"""What is recorded already comes from the ledger: the event log is searched only where somebody may
have died while recording, and for many assets at once."""

from __future__ import annotations

import time
from collections import Counter

import dagster as dg
import pytest
from dagster._core.storage.event_log import sql_event_log
from run_lives import SUCCEEDED, finish_run, run_with_job
from station import DaemonDied


@pytest.fixture
def searches(monkeypatch) -> Counter[str]:
    """How often the event log is searched."""
    found: Counter[str] = Counter()
    for name in (
        "get_latest_materialization_events",
        "fetch_materializations",
        "get_latest_asset_check_execution_by_key",
        "get_asset_check_execution_history",
    ):
        real = getattr(sql_event_log.SqlEventLogStorage, name)

        def counted(self, *args, _name=name, _real=real, **kwargs):
            found[_name] += 1
            return _real(self, *args, **kwargs)

        monkeypatch.setattr(sql_event_log.SqlEventLogStorage, name, counted)
    return found


def test_a_job_that_nobody_began_to_record_is_recorded_without_searching(station, searches):
    place = station(objects=30)
    place.tick()
    place.run_job(seconds=40)
    searches.clear()
    place.tick()
    assert len(place.last.asset_events) == 60
    assert not searches


def test_after_a_death_all_assets_of_a_job_are_searched_at_once(station, searches):
    place = station(objects=30)
    place.tick()
    place.run_job(seconds=40)
    with pytest.raises(DaemonDied):
        place.tick(dies_after=31)
    searches.clear()
    place.tick()
    assert searches["get_latest_materialization_events"] == 1
    assert searches["get_latest_asset_check_execution_by_key"] == 1
    assert place.materialized() == place.loaded()


def test_thirty_runs_with_the_sensor_off_are_not_recorded_again(station):
    place = station(objects=1)
    place.tick()
    for _ in range(30):
        run = place.begin_run()
        place.trigger(run)
        job = place.run_job()
        place.claim(run, job)
        finish_run(place, run, job)
    place.ticks(4)
    assert sum(place.materialized().values()) == 30
    assert place.materialized() == place.loaded()


def test_a_body_that_makes_results_of_its_own_is_not_recorded_again(station):
    place = station(objects=1)
    run, job = run_with_job(place)
    place.settle(run, job)  # Its events say nothing of the job.
    place.succeed_step(run)
    place.end_run(run, SUCCEEDED)
    place.ticks(6)
    assert not place.materialized()


def test_many_objects_are_decided_and_recorded_within_3_ms_each(station):
    place = station(pipelines=4, objects=250, settings={"page_size": 100})
    place.tick()
    for pipeline_id in place.sandbox.pipeline_ids:
        place.sandbox.start_scheduled_job(pipeline_id)
    place.sandbox.advance(60)
    place.sandbox.finish_jobs()
    began = time.thread_time()
    place.sandbox.advance(0)
    with dg.build_sensor_context(
        instance=place.instance, cursor=place.cursor, sensor_name=place.sensor.name
    ) as context:
        result = place.sensor(context)
    took = time.thread_time() - began
    assert len(result.asset_events) == 2000
    assert took / 1000 < 0.003
