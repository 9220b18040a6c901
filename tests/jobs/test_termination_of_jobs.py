"""A request that is cut off, by its own time limit or by whoever terminates the run.

Only a job that is certainly ours is cancelled.
"""

from __future__ import annotations

import pytest
from ended_runs import REEXECUTION, terminate_run
from sandbox_time import Terminated

from dagster_hevo.api.errors import HevoJobTimeoutError
from dagster_hevo.jobs.request import IfJobRunning, SyncAction
from dagster_hevo.sandbox import FaultKind

STOPPED = {"CANCELLING", "CANCELLED"}


# poll_timeout


def test_when_time_runs_out_the_job_is_cancelled_and_named(make_world):
    world = make_world(seconds=5000)
    with pytest.raises(HevoJobTimeoutError, match="poll_timeout") as raised:
        world.runner(poll_timeout=600).run()
    job = world.jobs()[0]
    assert raised.value.job is not None
    assert raised.value.job.job_id == job.job_id
    assert world.told.warnings(f"Cancelled job {job.job_id}")
    assert job.status in STOPPED
    assert 600 <= world.time.monotonic() < 640


def test_when_time_runs_out_and_the_cancel_fails_people_are_told(make_world):
    world = make_world(seconds=5000)
    world.fault(FaultKind.STATUS_BEFORE, "*/cancel", status=500, times=None)
    with pytest.raises(HevoJobTimeoutError):
        world.runner(poll_timeout=600).run()
    assert world.told.warnings(f"Job {world.jobs()[0].job_id} could not be cancelled")


def test_when_time_runs_out_the_job_goes_on_if_that_is_wanted(make_world):
    world = make_world(seconds=5000)
    with pytest.raises(HevoJobTimeoutError, match="goes on: cancel_on_termination is off"):
        world.runner(poll_timeout=600, cancel_on_termination=False).run()
    assert world.jobs()[0].status == "IN_PROGRESS"


def test_a_retry_goes_on_with_a_job_that_was_longer_than_poll_timeout(make_world):
    world = make_world(seconds=500)
    with pytest.raises(HevoJobTimeoutError):
        world.runner(poll_timeout=600, cancel_on_termination=False).run()
    outcome = world.runner(**REEXECUTION, cancel_on_termination=False).run()
    assert world.triggered_jobs() == [outcome.job.job_id]


def test_beside_another_job_that_may_be_ours_none_is_cancelled(make_world):
    world = make_world(seconds=5000, job_appears_after=(0, 0))
    world.job_between(has_ended=True, type="HISTORICAL", object_ids=world.ids("a", "b"))
    with pytest.raises(HevoJobTimeoutError, match="was not cancelled"):
        world.runner("a", poll_timeout=600).run()
    assert {job.status for job in world.jobs()} == {"COMPLETED", "IN_PROGRESS"}


def test_when_time_runs_out_an_adopted_job_goes_on(make_world):
    world = make_world(seconds=5000)
    world.sandbox.start_scheduled_job(101)
    with pytest.raises(HevoJobTimeoutError, match="goes on: it is a foreign job"):
        world.runner(poll_timeout=600, if_job_running=IfJobRunning.ADOPT).run()
    assert world.jobs()[0].status == "IN_PROGRESS"


def test_when_time_runs_out_before_the_job_is_listed_it_is_still_cancelled(make_world):
    world = make_world(seconds=5000, job_appears_after=(12, 12))
    with pytest.raises(HevoJobTimeoutError):
        world.runner(poll_timeout=5).run()
    assert world.told.warnings("Cancelled job")
    assert world.jobs()[0].status in STOPPED


def test_a_pipeline_that_never_stops_restarting_is_given_up_in_time(make_world):
    world = make_world(status="RESTARTING")
    with pytest.raises(HevoJobTimeoutError, match="waiting to trigger"):
        world.runner(poll_timeout=600).run()
    assert world.triggers() == []


@pytest.mark.parametrize("timeout", [0.5, 1, 3, 20, 100])
def test_poll_timeout_is_kept_while_nothing_answers(make_world, timeout):
    world = make_world(seconds=5000)
    world.outage(0.1, 10_000)
    with pytest.raises(HevoJobTimeoutError):
        world.runner(poll_timeout=timeout).run()
    assert world.time.monotonic() <= timeout + 25


# Terminated


@pytest.mark.parametrize("action", list(SyncAction))
def test_a_run_terminated_before_its_job_is_listed_cancels_the_job_once_it_is(make_world, action):
    world = make_world(seconds=500, job_appears_after=(8, 8))
    terminate_run(world, 1, action=action)
    assert world.jobs()[0].status in STOPPED
    assert world.time.monotonic() <= 15


@pytest.mark.parametrize("names", [(), ("a",)])
@pytest.mark.parametrize("moment", [20, 100, 300])
def test_a_run_terminated_while_polling_cancels_the_job_at_once(make_world, moment, names):
    world = make_world(seconds=500)
    terminate_run(world, moment, *names)
    assert world.jobs()[0].status in STOPPED
    assert world.time.monotonic() == pytest.approx(moment)
    assert world.told.warnings("Cancelled job")


def test_a_terminated_sync_cancels_no_job_that_the_schedule_may_have_started(make_world):
    world = make_world(
        seconds=500,
        schedule={"sync_type": "SCHEDULED", "frequency_minutes": 360},
        own_schedule=False,
    )
    terminate_run(world, 100, action=SyncAction.SYNC_NOW)
    assert world.cancels == 0
    assert world.jobs()[0].status == "IN_PROGRESS"
    assert world.told.warnings("goes on: Hevo's schedule or another user may have started it")


def test_a_terminated_resync_of_a_scheduled_pipeline_is_cancelled(make_world):
    world = make_world(
        seconds=500,
        schedule={"sync_type": "SCHEDULED", "frequency_minutes": 360},
        own_schedule=False,
    )
    terminate_run(world, 100)
    assert world.jobs()[0].status in STOPPED


@pytest.mark.parametrize("moment", [15, 100])
@pytest.mark.parametrize("candidate", [{"job_objects": "never"}, {"job_drops_requested": 1}])
def test_a_candidate_is_not_cancelled(make_world, candidate, moment):
    world = make_world(seconds=500, **candidate)
    terminate_run(world, moment, "a", "b")
    assert world.cancels == 0
    assert world.jobs()[0].status == "IN_PROGRESS"


@pytest.mark.parametrize("moment", [15, 100])
def test_a_job_with_more_objects_than_requested_is_not_cancelled(make_world, moment):
    world = make_world(seconds=500, job_loads_also=1)
    terminate_run(world, moment, "a")
    assert world.cancels == 0


@pytest.mark.parametrize("on_conflict", [500, "ignore"])
def test_a_run_terminated_while_a_foreign_job_is_waited_for_cancels_nothing(
    make_world, on_conflict
):
    world = make_world(seconds=500, on_conflict=on_conflict)
    world.job_between(type="INCREMENTAL")
    terminate_run(world, 200)
    assert world.cancels == 0
    assert world.time.monotonic() == pytest.approx(200)
    assert world.told.warnings("cancelled") == []


def test_a_run_terminated_before_its_trigger_cancels_nothing(make_world):
    world = make_world(status="RESTARTING")
    terminate_run(world, 50)
    assert (world.cancels, world.triggers()) == (0, [])


def test_a_run_terminated_while_its_trigger_is_answered_cancels_its_job(make_world):
    world = make_world(seconds=500)
    client = world.client()
    send = client.resync_pipeline

    def send_and_be_terminated(*given):
        send(*given)
        raise Terminated

    client.resync_pipeline = send_and_be_terminated
    client.within = lambda _: client
    with pytest.raises(Terminated):
        world.runner(client=client).run()
    assert world.jobs()[0].status in STOPPED


def test_a_run_that_was_taken_for_gone_cancels_nothing_that_another_carries_on(make_world):
    world = make_world(seconds=500)
    zombie = world.runner()

    def take_over():
        world.book.end("run", has_succeeded=False)
        world.runner(**REEXECUTION).start()
        raise Terminated

    world.time.at(100, take_over)
    with pytest.raises(Terminated):
        zombie.run()
    assert world.cancels == 0


def test_a_cancel_that_fails_does_not_hide_the_termination(make_world):
    world = make_world(seconds=500)
    world.fault(FaultKind.CUT_BEFORE, "*/cancel", times=None)
    terminate_run(world, 100)
    assert world.told.warnings("could not be cancelled")


@pytest.mark.parametrize("moment", [1, 100])
def test_a_terminated_run_leaves_the_job_if_that_is_wanted(make_world, moment):
    world = make_world(seconds=500)
    terminate_run(world, moment, cancel_on_termination=False)
    assert world.cancels == 0
    assert world.jobs()[0].status == "IN_PROGRESS"


def test_a_terminated_run_leaves_an_adopted_job(make_world):
    world = make_world(seconds=500)
    world.sandbox.start_scheduled_job(101)
    terminate_run(world, 100, if_job_running=IfJobRunning.ADOPT)
    assert world.cancels == 0


def test_a_run_terminated_when_the_job_is_over_cancels_nothing(make_world):
    objects = ["a", {"name": "b", "outcome": "failed"}]
    world = make_world(objects=objects, job_objects="late")
    terminate_run(world, 62)
    assert world.jobs()[0].status == "COMPLETED_WITH_FAILURES"
    assert world.cancels == 0


def test_a_job_that_is_not_listed_in_time_is_named_when_the_run_is_terminated(make_world):
    world = make_world(seconds=500, job_appears_after=(50, 50))
    terminate_run(world, 1)
    assert world.told.warnings("none was cancelled")
    assert world.time.monotonic() < 25


def test_a_terminated_run_does_not_cancel_the_job_that_another_request_owns(make_world):
    world = make_world(seconds=500)
    # This run dies between its trigger, which is lost, and its job.
    world.fault_on_trigger(FaultKind.CUT_BEFORE)
    terminate_run(world, 1, cancel_on_termination=False)
    world.book.end("run", has_succeeded=False)
    other = world.runner(run="other").start()
    terminate_run(world, world.time.monotonic() + 30, **REEXECUTION)
    assert world.book.claimed("other") == [other.job_id]
    assert world.cancels == 0


def test_a_run_terminated_while_it_resumes_a_job_cancels_it(make_world):
    world = make_world(seconds=500)
    terminate_run(world, 100, cancel_on_termination=False)
    world.time.at(500, lambda: world.fault(FaultKind.STATUS_BEFORE, method="GET", times=None))
    world.time.at(599, world.sandbox.faults.clear)
    terminate_run(world, 600, **REEXECUTION)
    assert world.jobs()[0].status in STOPPED


@pytest.mark.parametrize("moment", [1, 100])
def test_a_run_after_a_termination_gets_a_new_job(make_world, moment):
    world = make_world(seconds=500, cancelling_seconds=40, own_schedule=False)
    terminate_run(world, moment)
    outcome = world.runner(**REEXECUTION).run()
    assert outcome.completion.has_loaded
    assert world.triggers() == ["accepted", "accepted"]
