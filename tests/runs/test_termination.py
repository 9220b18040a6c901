"""A run that is terminated takes its Hevo job with it, and says so."""

from __future__ import annotations

import pytest
from ended_processes import (
    ended_run,
    terminate,
    terminated_run,
    wait_for_cancels,
    wait_for_poll,
    wait_for_trigger,
)
from shop_runs import failure_of

from dagster_hevo.sandbox import Fault

LONG = 60.0


@pytest.mark.parametrize("job_name", ["everything", "in_steps"])
def test_a_signal_cancels_the_job(station, job_name):
    place = station(seconds_per_object=LONG)
    process = place.launch(job_name)
    job = wait_for_poll(place)
    terminate(process)
    (cancel,) = wait_for_cancels(place)
    assert cancel.path.endswith(f"/{job.job_id}/actions/cancel")
    run = ended_run(place, process)
    assert f"Cancelled job {job.job_id}" in place.logged(run.run_id)


def test_a_signal_between_trigger_and_finding_cancels_the_job_that_shows_up(station):
    place = station(seconds_per_object=LONG, job_appears_after=(1.0, 1.2))
    process = place.launch("everything")
    wait_for_trigger(place)
    terminate(process)
    wait_for_cancels(place)
    process.join(30)


def test_the_job_goes_on_where_that_is_wanted(station):
    place = station(seconds_per_object=LONG, settings={"cancel_on_termination": False})
    process = place.launch("everything")
    job = wait_for_poll(place)
    run = terminated_run(place, process)
    assert f"Job {job.job_id} was not cancelled and goes on" in place.logged(run.run_id)
    assert place.shop.jobs[0].status == "IN_PROGRESS"


def test_a_cancel_that_fails_is_told_and_does_not_hide_the_termination(station):
    place = station(seconds_per_object=LONG, settings={"retry_limit": 1})
    place.shop.sandbox.faults.add(Fault("status_before", path="*/actions/cancel", status=500))
    process = place.launch("everything")
    job = wait_for_poll(place)
    run = terminated_run(place, process)
    assert f"Job {job.job_id} could not be cancelled" in place.logged(run.run_id)


def test_an_adopted_job_is_not_cancelled(shop):
    """A foreign job goes on, whatever becomes of the run that waits for it."""
    place = shop(seconds_per_object=LONG, settings={"poll_timeout": 0.8})
    other = place.sandbox.start_scheduled_job(101)
    result = place.run(config={"if_job_running": "ADOPT"})
    assert not result.success
    assert place.sandbox.requests_to("*/actions/cancel", "POST") == []
    said = f"Job {other.job_id} was not cancelled and goes on: it is a foreign job"
    assert said in failure_of(result).description
