"""A life that is cut off: by its own time limit, or by somebody who terminates the run."""

from __future__ import annotations

import pytest
from harness import Interrupted

from dagster_hevo.api.errors import HevoJobTimeoutError
from dagster_hevo.jobs.plan import IfJobRunning
from dagster_hevo.sandbox import FaultKind

STOPPED = {"CANCELLING", "CANCELLED"}


def cancels(life) -> int:
    return life.requests("POST", "*/cancel")


# poll_timeout


def test_when_time_runs_out_the_job_is_cancelled_and_named(world):
    life = world(seconds=5000)
    with pytest.raises(HevoJobTimeoutError) as raised:
        life.life(poll_timeout=600).carry_out()
    job = life.jobs()[0]
    assert f"Cancelled job {job.job_id}" in str(raised.value)
    assert raised.value.job is not None
    assert job.status in STOPPED
    assert 600 <= life.time.monotonic() < 640


def test_when_time_runs_out_and_the_cancel_fails_the_error_says_so(world):
    life = world(seconds=5000)
    life.fault(FaultKind.STATUS_BEFORE, "*/cancel", status=500, times=None)
    with pytest.raises(HevoJobTimeoutError, match="could not be cancelled") as raised:
        life.life(poll_timeout=600).carry_out()
    assert life.jobs()[0].job_id in str(raised.value)


def test_when_time_runs_out_the_job_goes_on_if_that_is_wanted(world):
    life = world(seconds=5000)
    with pytest.raises(HevoJobTimeoutError, match="goes on: cancel_on_termination is off"):
        life.life(poll_timeout=600, cancel_on_termination=False).carry_out()
    assert life.jobs()[0].status == "IN_PROGRESS"


def test_when_time_runs_out_an_adopted_job_goes_on(world):
    life = world(seconds=5000)
    life.sandbox.start_scheduled_job(101)
    with pytest.raises(HevoJobTimeoutError, match="somebody else and goes on"):
        life.life(poll_timeout=600, if_job_running=IfJobRunning.ADOPT).carry_out()
    assert life.jobs()[0].status == "IN_PROGRESS"


def test_when_time_runs_out_before_the_job_shows_up_it_is_still_cancelled(world):
    life = world(seconds=5000, job_appears_after=(12, 12))
    with pytest.raises(HevoJobTimeoutError, match="Cancelled job"):
        life.life(poll_timeout=5).carry_out()
    assert life.jobs()[0].status in STOPPED


def test_a_pipeline_that_never_stops_restarting_is_given_up_in_time(world):
    life = world(status="RESTARTING")
    with pytest.raises(HevoJobTimeoutError, match="no job of ours"):
        life.life(poll_timeout=600).carry_out()
    assert life.triggers() == []


# Terminated


def test_a_run_terminated_between_asking_and_finding_cancels_the_job_once_it_shows_up(world):
    life = world(seconds=500, job_appears_after=(8, 8))
    life.time.interrupt_at(1)
    with pytest.raises(Interrupted):
        life.life().carry_out()
    assert life.jobs()[0].status in STOPPED
    assert life.time.monotonic() <= 15


@pytest.mark.parametrize("moment", [20, 100, 300])
def test_a_run_terminated_while_watching_cancels_the_job_at_once(world, moment):
    life = world(seconds=500)
    life.time.interrupt_at(moment)
    with pytest.raises(Interrupted):
        life.life().carry_out()
    assert life.jobs()[0].status in STOPPED
    assert life.time.monotonic() == pytest.approx(moment)
    assert life.told.warnings("Cancelled job")


@pytest.mark.parametrize("on_conflict", [500, "ignore"])
def test_a_run_terminated_while_waiting_for_somebody_else_cancels_nothing(world, on_conflict):
    life = world(seconds=500, on_conflict=on_conflict)
    life.when_marked(lambda: life.sandbox.start_scheduled_job(101, type="INCREMENTAL"))
    life.time.interrupt_at(200)
    with pytest.raises(Interrupted):
        life.life().carry_out()
    assert cancels(life) == 0
    assert life.time.monotonic() == pytest.approx(200)
    assert life.told.warnings("could not be cancelled") == []


def test_a_run_terminated_before_asking_cancels_nothing(world):
    life = world(status="RESTARTING")
    life.time.interrupt_at(50)
    with pytest.raises(Interrupted):
        life.life().carry_out()
    assert (cancels(life), life.triggers()) == (0, [])


def test_a_cancel_that_fails_does_not_hide_the_termination(world):
    life = world(seconds=500)
    life.fault(FaultKind.CUT_BEFORE, "*/cancel", times=None)
    life.time.interrupt_at(100)
    with pytest.raises(Interrupted):
        life.life().carry_out()
    assert life.told.warnings("could not be cancelled")


def test_a_terminated_run_leaves_the_job_if_that_is_wanted(world):
    life = world(seconds=500)
    life.time.interrupt_at(100)
    with pytest.raises(Interrupted):
        life.life(cancel_on_termination=False).carry_out()
    assert cancels(life) == 0
    assert life.told.warnings("cancel_on_termination is off")


def test_a_terminated_run_leaves_an_adopted_job(world):
    life = world(seconds=500)
    life.sandbox.start_scheduled_job(101)
    life.time.interrupt_at(100)
    with pytest.raises(Interrupted):
        life.life(if_job_running=IfJobRunning.ADOPT).carry_out()
    assert cancels(life) == 0


def test_a_run_terminated_when_the_job_is_over_cancels_nothing(world):
    objects = ["a", {"name": "b", "outcome": "failed"}]
    life = world(objects=objects, job_objects="late")
    life.time.interrupt_at(62)
    with pytest.raises(Interrupted):
        life.life().carry_out()
    assert life.jobs()[0].status == "COMPLETED_WITH_FAILURES"
    assert cancels(life) == 0


def test_a_job_that_never_shows_up_is_named_when_the_run_is_terminated(world):
    life = world(seconds=500, job_appears_after=(50, 50))
    life.time.interrupt_at(1)
    with pytest.raises(Interrupted):
        life.life().carry_out()
    assert life.told.warnings("could not be cancelled")
    assert life.time.monotonic() < 25


def test_a_terminated_run_does_not_cancel_the_job_that_another_run_calls_its_own(world):
    life = world(seconds=500)
    life.fault_on_trigger(FaultKind.CUT_BEFORE)
    other = life.life(run="other")
    life.when_marked(lambda: life.time.at(1, other.start))
    life.time.interrupt_at(30)
    with pytest.raises(Interrupted):
        life.life().carry_out()
    assert life.jobs()[0].status == "IN_PROGRESS"
    assert life.book.kinds("other") == ["marked", "claimed"]


def test_a_run_terminated_while_it_takes_up_an_earlier_job_cancels_it(world):
    life = world(seconds=500)
    life.time.interrupt_at(100)
    with pytest.raises(Interrupted):
        life.life(cancel_on_termination=False).carry_out()
    life.outage(101, 500)
    life.time.sleep(2)
    life.time.interrupt_at(600)
    life.time.at(599, life.sandbox.faults.clear)
    life.time.at(500, lambda: life.fault(FaultKind.STATUS_BEFORE, method="GET", times=None))
    with pytest.raises(Interrupted):
        life.life(run="second", retries=("run",)).carry_out()
    assert life.jobs()[0].status in STOPPED


@pytest.mark.parametrize("moment", [1, 100])
def test_a_run_begun_anew_after_a_termination_gets_a_new_job(world, moment):
    life = world(seconds=500, cancelling_seconds=40, own_schedule=False)
    life.time.interrupt_at(moment)
    with pytest.raises(Interrupted):
        life.life().carry_out()
    outcome = life.life(run="second", retries=("run",)).carry_out()
    assert outcome.completion.has_loaded
    assert life.triggers() == ["accepted", "accepted"]
