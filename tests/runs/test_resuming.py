"""A death on the way and a retry make one job, not two; a request is settled once."""

from __future__ import annotations

from typing import Any

import dagster as dg
import pytest
from ended_processes import killed_run, wait_for_poll, wait_for_trigger
from shop_runs import failure_of, logged, materialized, told

from dagster_hevo import DagsterHevoTranslator, HevoResource, HevoSyncConfig, hevo_assets
from dagster_hevo.execution.run_ledger import ledger_of_step
from dagster_hevo.jobs.newness import Baseline
from dagster_hevo.jobs.records import Settlement
from dagster_hevo.jobs.request import make_request
from dagster_hevo.sandbox import Fault


def test_a_step_retry_resumes_the_job_that_is_running(shop):
    place = shop(seconds_per_object=0.4)
    attempts: list[int] = []

    @hevo_assets(pipeline_id=101, workspace=place.hevo, retry_policy=dg.RetryPolicy(max_retries=1))
    def fragile(context):
        attempts.append(context.retry_number)
        if context.retry_number == 0:
            config = HevoSyncConfig(wait_for_completion=False)
            yield from place.hevo.materialize(context, config)
            raise RuntimeError("while the job runs")
        yield from place.hevo.materialize(context)

    result = place.run(assets=[fragile])
    assert result.success
    assert attempts == [0, 1]
    assert len(materialized(result)) == 3
    assert len(place.jobs) == 1


def test_a_failed_job_is_triggered_again_on_retry(shop):
    place = shop(jobs_end_as="FAILED")
    assets = place.assets(retry_policy=dg.RetryPolicy(max_retries=1))
    result = place.run(assets=assets)
    assert not result.success
    assert len(place.jobs) == 2


def test_a_lost_answer_makes_one_job(shop):
    for kind in ("cut_after", "status_after", "html", "truncated_body", "delay_after"):
        place = shop(settings={"timeout": 0.5})
        place.sandbox.faults.add(Fault(kind, method="POST", times=1, seconds=0.7))
        result = place.run()
        assert result.success, kind
        assert len(place.jobs) == 1, kind
        assert len(materialized(result)) == 3, kind


def test_a_trigger_that_never_arrived_is_sent_again(shop):
    for kind in ("cut_before", "status_before"):
        place = shop(settings={"job_discovery_timeout": 0.6})
        place.sandbox.faults.add(Fault(kind, method="POST", times=1))
        result = place.run()
        assert result.success, kind
        assert len(place.jobs) == 1, kind
        assert len(place.sandbox.requests_to("*/actions/resync", "POST")) == 2, kind


def test_running_a_finished_run_again_triggers_again(station):
    place = station()
    assert place.run("everything") == 0
    assert place.run("everything") == 0
    jobs = place.shop.jobs
    assert len(jobs) == 2
    for run, job in zip(place.runs, jobs, strict=True):
        assert job.job_id in logged(place.instance, run.run_id)


@pytest.mark.parametrize("moment", ["while the job runs", "after an unanswered trigger"])
def test_a_run_that_was_killed_and_is_executed_again_resumes_its_job(station, moment):
    place = station(seconds_per_object=1.0)
    sandbox = place.shop.sandbox
    if moment == "after an unanswered trigger":
        sandbox.faults.add(Fault("delay_after", method="POST", seconds=20, times=1))
        process = place.launch("everything")
        wait_for_trigger(place)
    else:
        process = place.launch("everything")
        wait_for_poll(place)
    killed = killed_run(place, process)
    assert place.run("everything", again=killed.run_id) == 0
    (job,) = place.shop.jobs
    _, again = place.runs
    assert again.parent_run_id == killed.run_id
    assert place.materialized(again.run_id) == ["table_01", "table_02", "table_03"]
    assert job.job_id in logged(place.instance, again.run_id)


def test_a_vanished_job_is_named_after_three_polls(shop):
    place = shop(seconds_per_object=5)
    place.sandbox.faults.add(Fault("status_before", path="*/jobs/????????-*", status=404, times=9))
    result = place.run()
    assert not result.success
    (job,) = place.jobs
    assert f"Job {job.job_id} of pipeline 101 vanished" in failure_of(result).description
    assert told(failure_of(result).metadata, "job_id") == job.job_id


@dg.job
def any_job() -> None:
    """A job for the sake of its run."""


WHOLE = make_request(101, ["obj-101-1"], ["obj-101-1"])


def resumed(instance: dg.DagsterInstance, parent_run_id: str, hevo: HevoResource) -> Any:
    """The request that a re-execution of a run would resume."""
    retry = instance.create_run_for_job(
        any_job, parent_run_id=parent_run_id, root_run_id=parent_run_id
    )
    ledger = ledger_of_step(instance, retry, "hevo_shop_1_101", base_url=hevo.account, attempt=0)
    return ledger.resume(WHOLE)


def test_a_death_between_the_last_record_and_the_end_of_the_step_leaves_the_request_open(shop):
    place = shop(objects=1)
    run = place.instance.create_run_for_job(any_job)
    ledger = ledger_of_step(
        place.instance, run, "hevo_shop_1_101", base_url=place.hevo.account, attempt=0
    )
    ledger.write_baseline("request", WHOLE, Baseline.of([], None), 1)
    ledger.claim(
        "request", WHOLE, "job-1", is_adopted=False, may_be_cancelled=True, is_detached=False
    )
    ledger.settle("request", WHOLE, "job-1", Settlement.RECORDED)
    earlier = resumed(place.instance, run.run_id, place.hevo)
    assert earlier.job_id == "job-1"
    assert earlier.settlement is Settlement.RECORDED


@pytest.mark.parametrize("waits", [True, False])
def test_a_step_that_succeeded_leaves_nothing_open(shop, waits):
    place = shop(objects=1)
    result = place.run(config={"wait_for_completion": waits})
    assert result.success
    assert resumed(place.instance, result.run_id, place.hevo) is None


def test_a_step_that_failed_with_its_job_leaves_nothing_open(shop):
    place = shop(objects=1, jobs_end_as="FAILED")
    result = place.run()
    assert not result.success
    assert resumed(place.instance, result.run_id, place.hevo) is None


def test_code_that_fails_after_the_load_is_retried_without_a_second_load(shop):
    place = shop()
    attempts: list[int] = []

    @hevo_assets(pipeline_id=101, workspace=place.hevo, retry_policy=dg.RetryPolicy(max_retries=2))
    def fragile(context):
        attempts.append(context.retry_number)
        yield from place.hevo.materialize(context)
        if context.retry_number < 2:
            raise RuntimeError("after the load")

    result = place.run(assets=[fragile])
    assert result.success
    assert attempts == [0, 1, 2]
    assert len(place.jobs) == 1
    assert len(materialized(result)) == 3


def test_code_that_fails_after_the_load_does_not_skip_what_depends_on_it(shop):
    place = shop()

    @hevo_assets(pipeline_id=101, workspace=place.hevo, retry_policy=dg.RetryPolicy(max_retries=1))
    def fragile(context):
        yield from place.hevo.materialize(context)
        if context.retry_number == 0:
            raise RuntimeError("after the load")

    @dg.asset(deps=[place.key(2)])
    def report() -> None: ...

    result = dg.materialize(
        [fragile, report], resources={"hevo": place.hevo}, instance=place.instance
    )
    assert result.success
    assert len(place.jobs) == 1
    assert result.asset_materializations_for_node("report")


def test_a_retry_records_only_what_the_attempt_before_did_not(shop):
    place = shop()

    @hevo_assets(pipeline_id=101, workspace=place.hevo, retry_policy=dg.RetryPolicy(max_retries=1))
    def dying(context):
        for number, event in enumerate(place.hevo.materialize(context)):
            if number == 1 and context.retry_number == 0:
                raise RuntimeError("dies while recording")
            yield event

    result = place.run(assets=[dying])
    assert result.success
    assert len(place.jobs) == 1
    # `materialized` finds an object that is recorded twice.
    assert sorted(materialized(result)) == ["table_01", "table_02", "table_03"]


def test_a_step_whose_assets_depend_on_each_other_records_them_in_that_order(shop):
    place = shop()

    class Dependent(DagsterHevoTranslator):
        def get_asset_spec(self, props):
            spec = super().get_asset_spec(props)
            if spec.key == place.key(1):
                return spec.replace_attributes(deps=[place.key(3)])
            return spec

    result = place.run(assets=place.assets(translator=Dependent()))
    assert result.success
    assert len(materialized(result)) == 3


def test_a_job_that_the_sensor_recorded_late_does_not_hide_what_is_recorded(shop):
    place = shop()
    old = place.sandbox.start_scheduled_job(101)
    place.sandbox.finish_jobs()

    @hevo_assets(pipeline_id=101, workspace=place.hevo, retry_policy=dg.RetryPolicy(max_retries=1))
    def fragile(context):
        yield from place.hevo.materialize(context)
        if context.retry_number == 0:
            for table in (1, 2, 3):
                metadata = {"dagster-hevo/job_id": old.job_id}
                place.instance.report_runless_asset_event(
                    dg.AssetMaterialization(place.key(table), metadata=metadata)
                )
            raise RuntimeError("after the load")

    result = place.run(assets=[fragile])
    assert result.success
    assert sorted(materialized(result)) == ["table_01", "table_02", "table_03"]
