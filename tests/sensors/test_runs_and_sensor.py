"""Runs and the sensor beside each other: every job recorded by one of them, whatever dies."""

from __future__ import annotations

import pytest
from dagster._core.scheduler.instigation import InstigatorStatus
from run_lives import (
    FAILED,
    finish_run,
    logged,
    orphaned_job,
    record_and_settle,
    run_with_job,
    triggered_run,
)
from station import DaemonDied

from dagster_hevo.jobs.request import SyncAction
from dagster_hevo.sandbox import Fault


def test_a_job_that_a_run_waits_for_is_left_to_it(station):
    place = station()
    run, job = run_with_job(place)
    place.ticks(30)
    assert not place.materialized()
    finish_run(place, run, job)
    place.ticks(10)
    assert place.materialized() == place.loaded()
    assert place.records(run) == ["baseline", "answered", "claimed", "recorded"]


def test_a_run_that_has_triggered_and_not_yet_found_its_job_may_own_a_new_one(station):
    place = station()
    run_with_job(place, claims=False)
    place.ticks(5)
    assert not place.materialized()


def test_a_job_of_another_type_than_a_waiting_run_requested_is_recorded(station):
    place = station()
    place.tick()
    run = place.begin_run()
    place.trigger(run, action=SyncAction.RESYNC)
    place.run_job()
    place.ticks(2)
    assert place.materialized() == place.loaded()


def test_a_step_that_recorded_its_job_needs_no_request_when_its_run_goes_on(station):
    place = station()
    run, job = run_with_job(place)
    record_and_settle(place, run, job)
    place.ticks(3)
    assert place.materialized() == place.loaded()
    assert not place.sandbox.requests_to("*/objects")[1:]


@pytest.mark.parametrize("claims", [True, False])
def test_the_job_of_a_run_that_died_and_is_not_retried_is_recorded_at_once(station, claims):
    place = station()
    run, _ = orphaned_job(place, claims=claims)
    place.ticks(4)
    assert place.materialized() == place.loaded()
    assert place.records(run)[-1] == "observed"


def test_the_job_of_a_run_that_died_and_is_retried_is_recorded_by_the_retry(station):
    place = station()
    run, job = orphaned_job(place)
    place.instance.add_run_tags(run.run_id, {"dagster/will_retry": "true"})
    place.ticks(3)
    again = place.begin_run(parent=run.run_id, tags={"dagster/retry_number": "1"})
    place.instance.add_run_tags(run.run_id, {"dagster/auto_retry_run_id": again.run_id})
    place.resume(again, job)
    place.ticks(20)
    finish_run(place, again, job)
    place.ticks(20)
    assert place.materialized() == place.loaded()
    # Executing the first run once more triggers again: its request is settled.
    third = place.begin_run(parent=run.run_id)
    assert place.ledger(third).resume(place.request(SyncAction.SYNC_NOW)) is None


def test_the_failed_job_of_a_run_that_died_is_recorded_at_once(station):
    place = station(seconds_per_object=1000)
    run = triggered_run(place)
    job = place.sandbox.start_scheduled_job(101)
    place.claim(run, job)
    place.end_run(run, FAILED)
    place.sandbox.end_job(job.job_id, "FAILED")
    place.ticks(4)
    assert not any(check.passed for check in place.checked().values())
    assert len(place.checked()) == 2


def test_a_run_that_is_dead_and_said_to_be_in_progress_does_not_hide_its_job_for_ever(station):
    place = station()
    run, _ = run_with_job(place)
    place.ticks(100)
    assert not place.materialized()
    place.ticks(45)
    assert place.materialized() == place.loaded()
    assert place.records(run)[-1] == "observed"


def test_an_older_job_does_not_answer_a_check_again_that_a_newer_one_answered(station):
    place = station()
    run, _ = run_with_job(place)
    place.tick()
    new = place.run_job()
    place.tick()
    place.end_run(run, FAILED)
    place.ticks(30)
    assert place.materialized() == place.loaded()
    job_ids = {check.metadata["dagster-hevo/job_id"].value for check in place.checked().values()}
    assert job_ids == {new.job_id}


def test_jobs_that_are_not_waited_for_are_triggered_once_and_recorded(station):
    place = station(pipelines=20, objects=1)
    place.tick()
    result = place.materialize(wait_for_completion=False)
    assert result.success
    assert len(place.sandbox.triggers()) == 20
    assert not place.materialized()
    place.ticks(6)
    assert len(place.materialized()) == 20
    assert place.materialized() == place.loaded()
    run = result.dagster_run
    steps = [asset.node_def.name for asset in place.assets]
    assert all(place.records(run, step)[-1] == "observed" for step in steps)
    place.assets = place.assets[:1]
    assert place.materialize(wait_for_completion=False).success
    assert len(place.sandbox.triggers()) == 21


def test_a_run_that_did_not_wait_triggers_again_when_it_is_executed_again(station):
    place = station()
    place.tick()
    for _ in range(2):
        assert place.materialize(wait_for_completion=False).success
        place.ticks(4)
    assert len(place.sandbox.triggers()) == 2
    assert place.materialized() == place.loaded()


def test_a_job_that_was_not_waited_for_while_the_sensor_was_off_is_recorded_by_its_first_tick(
    station,
):
    place = station()
    place.materialize(wait_for_completion=False)
    place.sandbox.advance(3600)
    place.tick()
    assert place.materialized() == place.loaded()
    place.ticks(5)
    assert place.materialized() == place.loaded()


@pytest.mark.parametrize("stored", [0, 1])
def test_a_first_tick_that_dies_loses_no_job_that_was_left_to_it(station, stored):
    place = station()
    place.materialize(wait_for_completion=False)
    place.sandbox.advance(3600)
    with pytest.raises(DaemonDied):
        place.tick(dies_after=stored)
    place.ticks(3)
    assert place.materialized() == place.loaded()


def test_a_lost_cursor_records_nothing_twice(station):
    place = station()
    place.tick()
    place.run_job()
    place.materialize(wait_for_completion=False)
    place.ticks(3)
    recorded = place.materialized()
    assert recorded == place.loaded()
    place.cursor = None
    place.ticks(5)
    assert place.materialized() == recorded


def test_the_step_says_when_the_sensor_is_off(station):
    place = station()
    place.switch_sensor(InstigatorStatus.STOPPED)
    result = place.materialize(wait_for_completion=False)
    assert "(hevo_job_sensor) is off: nobody records the outcome" in logged(place, result)


def test_the_step_says_when_no_sensor_has_ticked(station):
    place = station()
    result = place.materialize(wait_for_completion=False)
    assert "No job sensor has ticked on this Dagster instance" in logged(place, result)


def test_the_step_says_nothing_when_the_sensor_is_on(station):
    place = station()
    place.switch_sensor(InstigatorStatus.RUNNING)
    text = logged(place, place.materialize(wait_for_completion=False))
    assert "nobody records" not in text
    assert "the job sensor records its outcome" in text


def test_a_lost_connection_while_runs_and_jobs_go_on_loses_nothing(station):
    place = station(pipelines=4)
    place.tick()
    place.sandbox.faults.add(Fault("cut_before", probability=0.3, method="GET"))
    for number in range(12):
        place.run_job(101 + number % 4)
        place.tick()
    place.sandbox.faults.clear()
    place.ticks(30)
    assert place.materialized() == place.loaded()
