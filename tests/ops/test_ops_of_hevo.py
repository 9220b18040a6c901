"""Each op does one thing in Hevo, returns what came of it, and fails so that one can act on it."""

from __future__ import annotations

import dagster as dg
import pytest

from dagster_hevo import (
    HevoCancelJobConfig,
    HevoDisableOpConfig,
    HevoPipelineConfig,
    HevoPipelineResult,
    HevoResyncOpConfig,
    HevoSwitchConfig,
    HevoSyncOpConfig,
    build_hevo_job_sensor,
    hevo_cancel_job_op,
    hevo_disable_pipeline_op,
    hevo_enable_pipeline_op,
    hevo_refresh_schema_op,
    hevo_resync_op,
    hevo_sync_op,
)
from dagster_hevo.execution.run_ledger import InstanceStore
from dagster_hevo.jobs.pipeline_ledger import PipelineLedger
from dagster_hevo.sandbox import Fault, FaultKind


def test_sync_runs_the_pipelines_own_sync_and_returns_its_counts(at):
    place = at(objects=3)
    returned = place.output(hevo_sync_op, HevoSyncOpConfig(pipeline_id=101))
    (job,) = place.sandbox.jobs(101)
    assert returned.job_id == job.job_id
    assert (returned.job_type, returned.job_status) == ("INCREMENTAL", "COMPLETED")
    assert returned.events_loaded == job.events_loaded
    assert returned.objects_success == 3
    assert {item.result for item in returned.objects.values()} == {"LOADED"}


def test_resync_loads_the_objects_that_are_named(at):
    place = at(objects=4)
    config = HevoResyncOpConfig(pipeline_id=101, object_ids=["obj-101-1", "table_03"])
    returned = place.output(hevo_resync_op, config)
    (job,) = place.sandbox.jobs(101)
    assert set(job.object_ids) == set(returned.objects) == {"obj-101-1", "obj-101-3"}


def test_resync_without_objects_loads_the_whole_pipeline(at):
    place = at()
    config = HevoResyncOpConfig(pipeline_id=101, resync_mode="DROP_AND_LOAD")
    returned = place.output(hevo_resync_op, config)
    assert returned.job_type == "RESYNC_WITH_DROP_AND_LOAD"
    assert len(returned.objects) == 3


def test_an_op_that_does_not_wait_ends_with_the_job_under_way(at):
    place = at(seconds_per_object=60.0)
    config = HevoSyncOpConfig(pipeline_id=101, wait_for_completion=False)
    returned = place.output(hevo_sync_op, config)
    (job,) = place.sandbox.jobs(101)
    assert (returned.job_id, job.status) == (job.job_id, "IN_PROGRESS")


def test_the_counts_of_a_job_are_metadata_of_the_output(at):
    place = at()
    result = place.run(hevo_sync_op, HevoSyncOpConfig(pipeline_id=101))
    (event,) = [event for event in result.all_events if event.is_successful_output]
    metadata = event.step_output_data.metadata
    assert metadata["dagster-hevo/job_id"].value == place.sandbox.jobs(101)[0].job_id
    assert metadata["dagster-hevo/objects_success"].value == 3


def test_a_failed_job_fails_the_op_with_the_job_in_its_metadata(at):
    place = at(jobs_end_as="FAILED")
    failure = place.failure(hevo_sync_op, HevoSyncOpConfig(pipeline_id=101))
    assert failure.metadata["dagster-hevo/job_status"].value == "FAILED"
    assert "ended FAILED" in failure.description


@pytest.mark.parametrize("accept", [True, False])
def test_failed_events_fail_the_op_only_if_they_are_not_accepted(at, accept):
    place = at()
    place.sandbox.set_object(101, "table_02", outcome="failed_events", failed_events=4)
    config = HevoResyncOpConfig(pipeline_id=101, accept_completed_with_failures=accept)
    result = place.run(hevo_resync_op, config)
    assert result.success is accept


def test_a_pipeline_that_is_not_there_fails_the_op_and_is_not_tried_again(at):
    result = at().run(hevo_sync_op, HevoSyncOpConfig(pipeline_id=999), max_retries=1)
    (event,) = [event for event in result.all_events if event.is_step_failure]
    assert event.step_failure_data.user_failure_data.metadata["status_code"].value == 404
    assert not [event for event in result.all_events if event.is_step_up_for_retry]


def test_an_object_that_is_not_there_fails_before_hevo_is_asked_for_a_job(at):
    place = at()
    config = HevoResyncOpConfig(pipeline_id=101, object_ids=["nothing"])
    failure = place.failure(hevo_resync_op, config)
    assert "table_01" in failure.description
    assert place.sandbox.triggers(101) == []


def test_a_retried_op_takes_up_the_job_that_is_running(at):
    place = at(seconds_per_object=0.5)
    one_job = "*/jobs/*-????????????"
    place.sandbox.faults.add(
        Fault(FaultKind.STATUS_BEFORE, method="GET", path=one_job, status=404, times=3)
    )
    result = place.run(hevo_sync_op, HevoSyncOpConfig(pipeline_id=101), max_retries=1)
    assert result.success
    assert [event for event in result.all_events if event.is_step_up_for_retry]
    assert len(place.sandbox.triggers(101)) == 1


def unsettled(place) -> list[str | None]:
    """The jobs that requests have claimed and that nobody has settled."""
    ledger = PipelineLedger(InstanceStore(place.instance), place.hevo.account, 101)
    return [pointer.job_id for pointer in ledger.claimed()]


def test_an_op_that_waited_leaves_nothing_open_for_the_sensor(at):
    place = at()
    place.run(hevo_sync_op, HevoSyncOpConfig(pipeline_id=101))
    assert unsettled(place) == []


def test_an_op_that_did_not_wait_leaves_its_job_to_the_sensor(at):
    place = at(seconds_per_object=60.0)
    config = HevoSyncOpConfig(pipeline_id=101, wait_for_completion=False)
    place.run(hevo_sync_op, config)
    assert unsettled(place) == [place.sandbox.jobs(101)[0].job_id]


def test_refresh_schema_asks_for_it_once(at):
    place = at()
    returned = place.output(hevo_refresh_schema_op, HevoPipelineConfig(pipeline_id=101))
    assert returned == HevoPipelineResult(101)
    assert len(place.sandbox.requests_to("*/objects/actions/refresh-schema", "POST")) == 1


def test_disable_and_enable_wait_until_the_pipeline_is_there(at):
    place = at()
    returned = place.output(hevo_disable_pipeline_op, HevoDisableOpConfig(pipeline_id=101))
    assert returned == HevoPipelineResult(101, "DISABLED")
    returned = place.output(hevo_enable_pipeline_op, HevoSwitchConfig(pipeline_id=101))
    assert returned.status in {"INITIALIZED", "ENABLED"}


def test_disable_that_takes_too_long_fails(at):
    place = at(transition_seconds=60.0)
    config = HevoDisableOpConfig(pipeline_id=101, wait_seconds=0.2)
    failure = place.failure(hevo_disable_pipeline_op, config)
    assert failure.metadata["pipeline_status"].value == "DISABLING"


def test_disable_that_does_not_wait_returns_the_status_of_the_moment(at):
    place = at(transition_seconds=60.0)
    config = HevoDisableOpConfig(pipeline_id=101, wait_seconds=0)
    returned = place.output(hevo_disable_pipeline_op, config)
    assert returned.status == "DISABLING"


def test_disable_stops_the_running_job_if_told_so(at):
    place = at(seconds_per_object=60.0)
    place.sandbox.start_scheduled_job(101)
    config = HevoDisableOpConfig(pipeline_id=101, cancel_active_jobs=True)
    place.output(hevo_disable_pipeline_op, config)
    assert place.sandbox.jobs(101)[0].status in {"CANCELLING", "CANCELLED"}


def test_cancel_stops_the_running_job_and_waits_until_it_has(at):
    place = at(seconds_per_object=60.0)
    job = place.sandbox.start_scheduled_job(101)
    returned = place.output(hevo_cancel_job_op, HevoCancelJobConfig(pipeline_id=101))
    assert (returned.job_id, returned.job_status) == (job.job_id, "CANCELLED")


def test_cancel_of_a_job_that_is_over_cancels_nothing(at):
    place = at()
    job = place.sandbox.start_scheduled_job(101)
    place.sandbox.finish_jobs()
    config = HevoCancelJobConfig(pipeline_id=101, job_id=job.job_id)
    assert place.output(hevo_cancel_job_op, config).job_status == "COMPLETED"
    assert place.sandbox.requests_to("*/actions/cancel", "POST") == []


def test_cancel_where_no_job_is_running_succeeds(at):
    returned = at().output(hevo_cancel_job_op, HevoCancelJobConfig(pipeline_id=101))
    assert returned.job_id is None


@pytest.mark.parametrize("wait", [True, False])
def test_the_job_sensor_records_the_objects_that_an_op_loaded(at, wait):
    place = at(objects=3)
    sensor = build_hevo_job_sensor(workspace=place.hevo, minimum_interval_seconds=0)

    def tick(cursor: str | None) -> dg.SensorResult:
        with dg.build_sensor_context(instance=place.instance, cursor=cursor) as context:
            return sensor(context)

    cursor = tick(None).cursor
    place.output(hevo_sync_op, HevoSyncOpConfig(pipeline_id=101, wait_for_completion=wait))
    place.sandbox.finish_jobs()
    found = tick(cursor)
    loaded = [event for event in found.asset_events if isinstance(event, dg.AssetMaterialization)]
    assert sorted(event.asset_key.path[-1] for event in loaded) == [
        *("table_01", "table_02", "table_03")
    ]
    assert not tick(found.cursor).asset_events
