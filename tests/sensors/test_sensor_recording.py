"""What a tick records: every job that ended once, as the events that a run would have made."""

from __future__ import annotations

import dagster as dg
import pytest
from run_lives import alarm, count, refresh
from station import DaemonDied, told

from dagster_hevo.sandbox import Fault, ObjectScenario, PipelineScenario, Scenario


def test_the_first_tick_records_nothing_of_the_past(station):
    place = station()
    place.run_job()
    assert not place.tick().asset_events
    assert not place.tick(60).asset_events


def test_a_job_that_was_going_on_at_the_first_tick_is_recorded(station):
    place = station()
    place.sandbox.start_scheduled_job(101)
    place.tick(0)
    place.ticks(3)
    assert place.materialized() == place.loaded()


def test_a_job_of_hevos_own_schedule_is_recorded_as_a_run_records_it(station):
    place = station()
    place.tick()
    job = place.run_job()
    place.ticks(2)
    assert place.materialized() == place.loaded()
    (record,) = place.instance.fetch_materializations(
        dg.AssetKey(["shop_1", "table_01"]), 1
    ).records
    metadata = record.asset_materialization.metadata
    assert told(metadata, "job_id") == job.job_id
    assert told(metadata, "job_status") == "COMPLETED"
    ended = place.sandbox.jobs(101)[-1].finished
    assert told(metadata, "job_completed_at") == pytest.approx(ended, abs=0.001)
    check = place.checked()["table_01"]
    assert check.passed
    assert told(check.metadata, "job_id") == job.job_id


def test_a_job_that_begins_and_ends_between_two_ticks_is_recorded(station):
    place = station()
    place.tick()
    for _ in range(3):
        place.run_job(seconds=20)
    place.tick()
    assert len(place.materialized()) == 6
    assert place.materialized() == place.loaded()


def test_a_failed_job_fails_the_checks_and_materializes_nothing(station):
    place = station(jobs_end_as="FAILED", seconds_per_object=1000)
    place.tick()
    job = place.sandbox.start_scheduled_job(101)
    place.sandbox.end_job(job.job_id, "FAILED")
    place.ticks(4)
    assert not place.materialized()
    checks = place.checked()
    assert sorted(checks) == ["table_01", "table_02"]
    assert not any(check.passed for check in checks.values())
    assert {told(check.metadata, "job_status") for check in checks.values()} == {"FAILED"}


def test_only_the_objects_that_failed_fail_their_check(station):
    objects = (ObjectScenario(name="good"), ObjectScenario(name="bad", outcome="failed"))
    pipeline = PipelineScenario(name="Shop", seconds_per_object=5, objects=objects)
    place = station(Scenario(pipelines=(pipeline,)))
    place.tick()
    place.run_job()
    place.ticks(2)
    checks = place.checked()
    assert checks["good"].passed
    assert not checks["bad"].passed
    assert checks["bad"].severity is dg.AssetCheckSeverity.ERROR
    assert len(place.materialized()) == 1


@pytest.mark.parametrize("stored", range(5))
def test_a_death_of_the_daemon_between_two_events_neither_loses_nor_doubles_any(station, stored):
    place = station()
    place.tick()
    place.run_job()
    with pytest.raises(DaemonDied):
        place.tick(dies_after=stored)
    place.tick()
    assert place.materialized() == place.loaded()
    assert sorted(place.checked()) == ["table_01", "table_02"]
    evaluations = [
        place.instance.event_log_storage.get_asset_check_execution_history(key, limit=10)
        for asset in place.assets
        for key in asset.check_keys
    ]
    assert [len(each) for each in evaluations] == [1, 1]


def test_objects_that_hevo_lists_late_are_waited_for(station):
    place = station(job_objects="late", job_objects_late_seconds=100)
    place.tick()
    job = place.run_job(type="HISTORICAL", object_ids=["obj-101-1"], seconds=25)
    place.tick()
    assert not place.materialized()
    place.tick(60)
    assert place.materialized() == {(job.job_id, "obj-101-1"): 1}


def test_a_job_that_never_lists_its_objects_is_recorded_by_its_kind(station):
    place = station(job_objects="never")
    place.tick()
    place.run_job()
    place.ticks(4)
    assert place.materialized() == place.loaded()


def test_more_jobs_than_a_page_holds_are_all_recorded(station):
    place = station(settings={"page_size": 12}, seconds_per_object=1)
    place.run_job()
    place.tick()
    for _ in range(40):
        place.run_job(seconds=60)
    place.tick()
    assert len(place.materialized()) == 80


def test_a_job_deferred_for_days_behind_many_newer_ones_is_recorded_when_it_ends(station):
    place = station(
        settings={"page_size": 12}, seconds_per_object=1, defer_at=0.5, defer_seconds=3 * 24 * 3600
    )
    place.tick()
    place.sandbox.start_scheduled_job(101)
    place.ticks(60, every=3600)
    sent = len(place.requests)
    assert sent <= 2
    place.ticks(15, every=3600)
    assert place.materialized() == place.loaded()


def test_jobs_in_a_list_without_order_are_all_recorded(station):
    place = station(settings={"page_size": 12}, seconds_per_object=1, job_order="shuffled")
    place.tick()
    for _ in range(30):
        place.run_job(seconds=60)
    place.tick()
    assert len(place.materialized()) == 60
    assert place.materialized() == place.loaded()


def test_one_pipelines_error_does_not_stop_the_others(station):
    place = station(pipelines=3)
    place.tick()
    for pipeline_id in place.sandbox.pipeline_ids:
        place.run_job(pipeline_id)
    place.sandbox.faults.add(Fault("status_before", path="*/101/jobs*", status=500, times=2))
    place.tick(60)
    assert {key[1].split("-")[1] for key in place.materialized()} == {"102", "103"}
    place.ticks(12)
    assert place.materialized() == place.loaded()


def test_a_pipeline_that_fails_from_the_beginning_does_not_use_up_the_requests(station):
    place = station(pipelines=2)
    place.sandbox.faults.add(Fault("status_before", path="*/101/jobs*", status=404))
    place.ticks(20)
    sent = place.sandbox.requests_to("*/101/jobs*")
    assert len(sent) <= 6


def test_wrong_keys_fail_the_tick(station):
    place = station()
    place.tick()
    place.sandbox.faults.add(Fault("status_before", path="*/jobs", status=401))
    with pytest.raises(Exception, match="401"):
        place.tick(60)


def test_run_requests_carry_the_hevo_job(station):
    place = station(
        pipelines=2,
        seconds_per_object=1000,
        sensor={
            "request_jobs_on_completion": {101: refresh, "Shop 2": refresh, 102: count},
            "request_jobs_on_failure": {lambda pipeline: pipeline.id == 101: alarm},
        },
    )
    place.tick()
    first = place.sandbox.start_scheduled_job(101)
    place.sandbox.end_job(first.job_id, "FAILED")
    second = place.sandbox.start_scheduled_job(102)
    place.sandbox.finish_jobs(102)
    place.tick(150)
    requested: dict[str, list[str]] = {}
    for _ in range(4):
        for request in place.last.run_requests:
            requested.setdefault(request.job_name, []).append(request.run_key)
        place.tick(60)
    assert requested == {
        "alarm": [first.job_id],
        "refresh": [second.job_id],
        "count": [f"{second.job_id}/count"],
    }


def test_run_requests_are_made_again_after_a_death_before_they_were_submitted(station):
    place = station(sensor={"request_jobs_on_completion": {101: refresh}})
    place.tick()
    job = place.run_job()
    with pytest.raises(DaemonDied):
        place.tick(dies_after=99)
    place.tick()
    assert [request.run_key for request in place.last.run_requests] == [job.job_id]
