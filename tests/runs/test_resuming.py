"""A death on the way and a retry make one job, not two; a wish that is carried out is closed."""

from __future__ import annotations

import dagster as dg
import pytest
from shop_runs import failure_of, logged, materialized, told, wait_until

from dagster_hevo import HevoSyncConfig, hevo_assets
from dagster_hevo.jobs.ledger import Mark, Note, NoteKind
from dagster_hevo.jobs.plan import plan_sync
from dagster_hevo.run_ledger import RunLedger
from dagster_hevo.sandbox import Fault


def test_a_step_retry_takes_up_the_job_that_is_running(shop):
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


def test_a_failed_job_is_asked_for_again_on_retry(shop):
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


def test_a_question_that_never_arrived_is_asked_again(shop):
    for kind in ("cut_before", "status_before"):
        place = shop(settings={"job_discovery_timeout": 0.6})
        place.sandbox.faults.add(Fault(kind, method="POST", times=1))
        result = place.run()
        assert result.success, kind
        assert len(place.jobs) == 1, kind
        assert len(place.sandbox.requests_to("*/actions/resync", "POST")) == 2, kind


def test_running_a_finished_run_again_asks_anew(station):
    place = station()
    assert place.run("everything") == 0
    assert place.run("everything") == 0
    jobs = place.shop.jobs
    assert len(jobs) == 2
    for run, job in zip(place.runs, jobs, strict=True):
        assert job.job_id in logged(place.instance, run.run_id)


@pytest.mark.parametrize("moment", ["while the job runs", "after an unanswered question"])
def test_a_run_that_was_killed_and_is_executed_again_takes_up_its_job(station, moment):
    place = station(seconds_per_object=1.0)
    sandbox = place.shop.sandbox
    if moment == "after an unanswered question":
        sandbox.faults.add(Fault("delay_after", method="POST", seconds=20, times=1))
        process = place.launch("everything")
        wait_until(lambda: sandbox.triggers(101), what="the question")
    else:
        process = place.launch("everything")
        wait_until(lambda: sandbox.requests_to("*/jobs/*"), what="a look at the job")
    process.kill()
    process.join()
    (killed,) = place.runs
    # What run monitoring does with a run whose worker is gone.
    place.instance.report_run_failed(killed)
    assert place.run("everything", again=killed.run_id) == 0
    (job,) = place.shop.jobs
    _, again = place.runs
    assert again.parent_run_id == killed.run_id
    assert place.materialized(again.run_id) == ["table_01", "table_02", "table_03"]
    assert job.job_id in logged(place.instance, again.run_id)


def test_a_vanished_job_is_named_after_three_looks(shop):
    place = shop(seconds_per_object=5)
    place.sandbox.faults.add(Fault("status_before", path="*/jobs/????????-*", status=404, times=9))
    result = place.run()
    assert not result.success
    (job,) = place.jobs
    assert f"Job {job.job_id} of pipeline 101 vanished" in failure_of(result).description
    assert told(failure_of(result).metadata, "job_id") == job.job_id


@dg.job
def somebodys_job() -> None:
    """A job for the sake of its run."""


WHOLE = plan_sync(101, ["obj-101-1"], ["obj-101-1"])


def ledger_of_retry(instance: dg.DagsterInstance, parent_run_id: str, step: str) -> RunLedger:
    """The ledger of a run that executes another one again."""
    retry = instance.create_run_for_job(
        somebodys_job, parent_run_id=parent_run_id, root_run_id=parent_run_id
    )
    return RunLedger(instance, retry, step)


def test_a_death_between_the_last_note_and_the_end_of_the_step_leaves_the_wish_open():
    with dg.DagsterInstance.ephemeral() as instance:
        run = instance.create_run_for_job(somebodys_job)
        ledger = RunLedger(instance, run, "step")
        for kind, job_id in (("marked", None), ("claimed", "job-1"), ("closed", None)):
            ledger.write(Note(NoteKind(kind), WHOLE.key, 101, Mark(frozenset()), job_id), kind)
        entry = ledger_of_retry(instance, run.run_id, "step").open_entry(WHOLE)
    assert entry is not None
    assert entry.job_id == "job-1"


@pytest.mark.parametrize("waits", [True, False])
def test_a_step_that_succeeded_leaves_nothing_open(shop, waits):
    place = shop(objects=1)
    result = place.run(config={"wait_for_completion": waits})
    assert result.success
    ledger = ledger_of_retry(place.instance, result.run_id, "hevo_shop_1_101")
    assert ledger.open_entry(WHOLE) is None


def test_a_step_that_failed_with_its_job_leaves_nothing_open(shop):
    place = shop(objects=1, jobs_end_as="FAILED")
    result = place.run()
    assert not result.success
    ledger = ledger_of_retry(place.instance, result.run_id, "hevo_shop_1_101")
    assert ledger.open_entry(WHOLE) is None
