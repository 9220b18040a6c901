"""What the sensor does with a job: by its state, its owner, and for how long it has been so."""

from __future__ import annotations

import pytest

from dagster_hevo.api.models import Job
from dagster_hevo.job_sensor.decide import (
    GIVEN_UP_AFTER,
    LOST_AFTER,
    Decision,
    Owner,
    OwnerKind,
    decide,
)

NOW = 1_790_000_000.0
LOADED = Job(job_id="job", status="COMPLETED")
FAILED = Job(job_id="job", status="FAILED")
RUNNING = Job(job_id="job", status="IN_PROGRESS")
DEFERRED = Job(job_id="job", status="DEFERRED")
ODD = Job(job_id="job", status="A_NEW_WORD")


def decided(job: Job, kind: OwnerKind, waited: float = 0.0) -> Decision:
    return decide(job, Owner(kind), NOW - waited, NOW)


@pytest.mark.parametrize("kind", [OwnerKind.NOBODY, OwnerKind.DETACHED, OwnerKind.ORPHANED])
@pytest.mark.parametrize("job", [LOADED, FAILED])
def test_an_ended_job_that_no_run_will_record_is_recorded_at_once(kind, job):
    assert decided(job, kind) is Decision.RECORD


@pytest.mark.parametrize("job", [LOADED, FAILED, RUNNING, ODD])
def test_what_a_run_has_recorded_is_dropped(job):
    assert decided(job, OwnerKind.RECORDED, GIVEN_UP_AFTER) is Decision.DROP


def test_a_run_in_progress_keeps_its_job_until_it_counts_as_gone():
    assert decided(LOADED, OwnerKind.RUN, LOST_AFTER - 1) is Decision.LATER
    assert decided(LOADED, OwnerKind.RUN, LOST_AFTER) is Decision.RECORD


def test_a_known_retry_keeps_a_job_that_has_loaded_however_long_it_is_queued():
    assert decided(LOADED, OwnerKind.RETRY, GIVEN_UP_AFTER - 1) is Decision.LATER
    assert decided(LOADED, OwnerKind.RETRY, GIVEN_UP_AFTER) is Decision.RECORD


def test_a_job_that_has_not_loaded_needs_not_wait_for_the_retry_which_triggers_another():
    assert decided(FAILED, OwnerKind.RETRY) is Decision.RECORD


@pytest.mark.parametrize("job", [RUNNING, DEFERRED, ODD])
@pytest.mark.parametrize("kind", [OwnerKind.NOBODY, OwnerKind.RUN, OwnerKind.ORPHANED])
def test_a_job_that_never_ends_is_given_up_by_its_age(job, kind):
    assert decided(job, kind, GIVEN_UP_AFTER - 1) is Decision.LATER
    assert decided(job, kind, GIVEN_UP_AFTER) is Decision.GIVE_UP
