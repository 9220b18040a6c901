"""Somebody else's job in the way: waited for, adopted or refused, however Hevo says so."""

from __future__ import annotations

import pytest

from dagster_hevo.api.errors import HevoApiError, HevoJobTimeoutError, HevoPipelineBusyError
from dagster_hevo.jobs.outcome import ObjectResult
from dagster_hevo.jobs.plan import IfJobRunning, SyncAction
from dagster_hevo.sandbox import FaultKind

CONFLICTS = pytest.mark.parametrize("on_conflict", [500, 409, "ignore"])
WAIT, ADOPT, FAIL = IfJobRunning.WAIT, IfJobRunning.ADOPT, IfJobRunning.FAIL


def come_between(life, *, shows_up=True, **job):
    """Let somebody's job start after our look at the list and before we ask."""

    life.when_marked(
        lambda: life.sandbox.start_scheduled_job(
            101, requested_by="user", listed_at_once=shows_up, **job
        )
    )


def test_a_running_job_is_waited_for_and_then_hevo_is_asked_once(world):
    life = world()
    theirs = life.sandbox.start_scheduled_job(101)
    outcome = life.life(if_job_running=WAIT).carry_out()
    assert life.triggers() == ["accepted"]
    assert outcome.job.job_id == life.asked_jobs()[0].job_id != theirs.job_id


def test_a_running_job_is_adopted_without_asking(world):
    life = world()
    theirs = life.sandbox.start_scheduled_job(
        101, type="HISTORICAL", object_ids=life.sandbox.object_ids(101, "a")
    )
    outcome = life.life("a", "b", if_job_running=ADOPT).carry_out()
    a, b = life.sandbox.object_ids(101, "a", "b")
    assert (outcome.job.job_id, outcome.is_adopted) == (theirs.job_id, True)
    assert outcome.objects[a].result is ObjectResult.LOADED
    assert outcome.objects[b].result is ObjectResult.NOT_LOADED
    assert life.triggers() == []


def test_a_running_job_fails_the_run_at_once_if_that_is_wanted(world):
    life = world()
    life.sandbox.start_scheduled_job(101)
    with pytest.raises(HevoPipelineBusyError, match="What to do"):
        life.life(if_job_running=FAIL).carry_out()
    assert (life.triggers(), life.time.monotonic()) == ([], 0)


@pytest.mark.parametrize(
    ("on_conflict", "shows_up", "action"),
    [
        (500, True, SyncAction.RESYNC),
        (500, False, SyncAction.SYNC_NOW),
        (409, False, SyncAction.RESYNC),
        ("ignore", True, SyncAction.RESYNC),
        ("ignore", False, SyncAction.RESYNC),
        ("ignore", False, SyncAction.SYNC_NOW),
    ],
)
def test_a_job_that_starts_between_look_and_asking_is_waited_for(
    world, on_conflict, shows_up, action
):
    life = world(on_conflict=on_conflict)
    come_between(life, shows_up=shows_up, type="INCREMENTAL")
    outcome = life.life(action=action, if_job_running=WAIT).carry_out()
    if on_conflict == "ignore" and action is SyncAction.SYNC_NOW:
        # A scheduled sync and one that was asked for do the same and look the same.
        assert outcome.job.job_id == life.jobs("user")[0].job_id
    else:
        assert [job.job_id for job in life.asked_jobs()] == [outcome.job.job_id]
    assert outcome.completion.has_loaded


@pytest.mark.parametrize(
    ("on_conflict", "shows_up"), [(500, False), (409, True), ("ignore", True), ("ignore", False)]
)
def test_a_job_that_starts_between_look_and_asking_is_adopted(world, on_conflict, shows_up):
    life = world(on_conflict=on_conflict)
    come_between(life, shows_up=shows_up, type="INCREMENTAL")
    outcome = life.life(if_job_running=ADOPT).carry_out()
    assert outcome.job.job_id == life.jobs("user")[0].job_id
    assert outcome.is_adopted
    assert life.asked_jobs() == []


@pytest.mark.parametrize(
    ("on_conflict", "shows_up"), [(500, True), (409, False), ("ignore", True), ("ignore", False)]
)
def test_a_job_that_starts_between_look_and_asking_fails_the_run(world, on_conflict, shows_up):
    life = world(on_conflict=on_conflict)
    come_between(life, shows_up=shows_up, type="INCREMENTAL")
    with pytest.raises(HevoPipelineBusyError):
        life.life(if_job_running=FAIL).carry_out()
    assert life.asked_jobs() == []
    assert len(life.triggers()) == 1


@pytest.mark.parametrize("on_conflict", [500, 409])
def test_a_conflict_is_not_sent_again_before_the_job_is_over(world, on_conflict):
    life = world(on_conflict=on_conflict, seconds=600)
    come_between(life, type="INCREMENTAL")
    life.life(client=life.client(retry_limit=3)).carry_out()
    assert life.triggers() == ["conflict", "accepted"]


@CONFLICTS
def test_a_long_wait_for_somebody_else_asks_once_more_and_no_more(world, on_conflict):
    life = world(on_conflict=on_conflict, seconds=1200)
    come_between(
        life, type="HISTORICAL", object_ids=life.sandbox.object_ids(101, "b", "c"), shows_up=False
    )
    outcome = life.life("a").carry_out()
    assert [job.job_id for job in life.asked_jobs()] == [outcome.job.job_id]
    assert len(life.triggers()) == 2


def test_a_refusal_in_words_that_are_not_known_is_a_conflict_while_a_job_runs(world):
    life = world()
    come_between(life, type="INCREMENTAL")
    life.fault_on_trigger(FaultKind.STATUS_BEFORE, status=422)
    outcome = life.life().carry_out()
    assert [job.job_id for job in life.asked_jobs()] == [outcome.job.job_id]


def test_a_refusal_in_words_that_are_not_known_is_an_error_while_no_job_runs(world):
    life = world()
    life.fault_on_trigger(FaultKind.STATUS_BEFORE, status=422, times=None)
    with pytest.raises(HevoApiError, match="422"):
        life.life().carry_out()
    assert len(life.sandbox.requests_to("*/actions/*", "POST")) == 2


def test_a_refusal_for_what_has_passed_since_is_asked_once_more(world):
    life = world()
    life.fault_on_trigger(FaultKind.STATUS_BEFORE, status=422)
    outcome = life.life().carry_out()
    assert [job.job_id for job in life.asked_jobs()] == [outcome.job.job_id]


def test_a_job_that_is_being_cancelled_is_not_adopted_but_waited_for(world):
    life = world(cancelling_seconds=50)
    life.sandbox.cancel_job(life.sandbox.start_scheduled_job(101).job_id)
    outcome = life.life(if_job_running=ADOPT).carry_out()
    assert outcome.completion.has_loaded
    assert [job.job_id for job in life.asked_jobs()] == [outcome.job.job_id]


@pytest.mark.parametrize(
    ("on_conflict", "seconds", "looks"), [(500, 40, 2), ("ignore", 40, 14), ("ignore", 10, 2)]
)
def test_a_running_job_in_a_state_that_is_not_known_is_waited_for(
    world, on_conflict, seconds, looks
):
    life = world(on_conflict=on_conflict, seconds=seconds)
    theirs = life.sandbox.start_scheduled_job(101)
    life.fault(FaultKind.UNKNOWN_VALUES, "*/101/jobs", times=looks)
    outcome = life.life().carry_out()
    assert outcome.job.job_id != theirs.job_id
    assert [job.job_id for job in life.asked_jobs()] == [outcome.job.job_id]


def test_the_time_to_wait_runs_out_before_somebodys_job_ends_and_it_is_left_alone(world):
    life = world(seconds=5000)
    theirs = life.sandbox.start_scheduled_job(101)
    with pytest.raises(HevoJobTimeoutError, match=r"not started by this run.*not cancelled"):
        life.life(poll_timeout=900).carry_out()
    assert life.requests("POST", "*") == 0
    assert life.jobs()[0].job_id == theirs.job_id


def test_a_job_deferred_by_the_sources_limits_is_in_the_way(world):
    life = world(defer_seconds=600)
    life.sandbox.start_scheduled_job(101)
    life.sandbox.advance(40)
    assert life.jobs()[0].status == "DEFERRED"
    assert life.life().carry_out().completion.has_loaded
    assert life.triggers() == ["accepted"]


def test_an_old_job_left_deferred_is_not_in_the_way(world):
    past = [{"status": "DEFERRED", "minutes_ago": 90}, {"minutes_ago": 30}]
    life = world(history=past)
    life.life().carry_out()
    assert life.sandbox.triggers(101)[0].at - life.sandbox.now() < 0
    assert life.triggers() == ["accepted"]
