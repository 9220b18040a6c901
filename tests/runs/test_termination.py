"""A run that is terminated takes its Hevo job with it, and says so."""

from __future__ import annotations

import os
import signal

import dagster as dg
import pytest
from shop_runs import failure_of, wait_until

from dagster_hevo.sandbox import Fault

LONG = 60.0
# Without a request to terminate in the instance, Dagster calls a run that a signal ended failed.
ENDED = (dg.DagsterRunStatus.CANCELED, dg.DagsterRunStatus.FAILURE)


def running_job(place):
    """The shop's job, once the run is looking at it."""
    sandbox = place.shop.sandbox
    wait_until(lambda: sandbox.requests_to("*/jobs/*"), what="a look at the job")
    (job,) = place.shop.jobs
    return job


def terminate(process) -> None:
    """Send the signal that a run launcher sends."""
    os.kill(process.pid, signal.SIGTERM)


@pytest.mark.parametrize("job_name", ["everything", "in_steps"])
def test_a_signal_cancels_the_job(station, job_name):
    place = station(seconds_per_object=LONG)
    process = place.launch(job_name)
    job = running_job(place)
    terminate(process)
    sandbox = place.shop.sandbox
    (cancel,) = wait_until(lambda: sandbox.requests_to("*/actions/cancel", "POST"))
    assert cancel.path.endswith(f"/{job.job_id}/actions/cancel")
    process.join(30)
    (run,) = place.runs
    assert run.status in ENDED
    assert f"Cancelled job {job.job_id}" in place.logged(run.run_id)


def test_a_signal_between_trigger_and_finding_cancels_the_job_that_shows_up(station):
    place = station(seconds_per_object=LONG, job_appears_after=(1.0, 1.2))
    process = place.launch("everything")
    sandbox = place.shop.sandbox
    wait_until(lambda: sandbox.triggers(101), what="the trigger")
    terminate(process)
    wait_until(lambda: sandbox.requests_to("*/actions/cancel", "POST"), what="the cancel")
    process.join(30)


def test_the_job_goes_on_where_that_is_wished(station):
    place = station(seconds_per_object=LONG, settings={"cancel_on_termination": False})
    process = place.launch("everything")
    job = running_job(place)
    terminate(process)
    process.join(30)
    (run,) = place.runs
    assert run.status in ENDED
    assert f"Job {job.job_id} was not cancelled and goes on" in place.logged(run.run_id)
    assert place.shop.jobs[0].status == "IN_PROGRESS"


def test_a_cancel_that_fails_is_told_and_does_not_hide_the_termination(station):
    place = station(seconds_per_object=LONG, settings={"retry_limit": 1})
    place.shop.sandbox.faults.add(Fault("status_before", path="*/actions/cancel", status=500))
    process = place.launch("everything")
    job = running_job(place)
    terminate(process)
    process.join(30)
    (run,) = place.runs
    assert run.status in ENDED
    assert f"Job {job.job_id} could not be cancelled" in place.logged(run.run_id)


def test_an_adopted_job_is_not_cancelled(shop):
    """Somebody else's job goes on, whatever becomes of the run that waits for it."""
    place = shop(seconds_per_object=LONG, settings={"poll_timeout": 0.8})
    other = place.sandbox.start_scheduled_job(101)
    result = place.run(config={"if_job_running": "ADOPT"})
    assert not result.success
    assert place.sandbox.requests_to("*/actions/cancel", "POST") == []
    said = f"Job {other.job_id} was not cancelled and goes on: it is a foreign job"
    assert said in failure_of(result).description
