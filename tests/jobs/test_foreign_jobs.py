"""A foreign job on the pipeline: waited for, adopted or refused, in whatever words Hevo refuses."""

from __future__ import annotations

import pytest

from dagster_hevo.api.errors import (
    HevoApiError,
    HevoConflictError,
    HevoJobNotFoundError,
    HevoJobTimeoutError,
    HevoPipelineBusyError,
    HevoPipelineStateError,
)
from dagster_hevo.jobs.request import IfJobRunning, SyncAction
from dagster_hevo.sandbox import FaultKind

WAIT, ADOPT, FAIL = IfJobRunning.WAIT, IfJobRunning.ADOPT, IfJobRunning.FAIL

WORDINGS = [
    "A job is in progress. To sync now you need to cancel the current job",
    "A job is already in progress for this pipeline",
    "Job already running",
]
UNKNOWN_WORDING = "Please come back later: Q-17"

ALL_STATUSES = [
    "INITIALIZING",
    "INITIALIZE_FAILED",
    "ENABLING",
    "ENABLE_FAILED",
    "DISABLING",
    "DISABLED",
    "DISABLE_FAILED",
    "DELETING",
    "DELETED",
    "DELETE_FAILED",
    "RESTART_FAILED",
]


def test_a_running_job_is_waited_for_and_then_one_trigger_is_sent(make_world):
    world = make_world()
    foreign = world.sandbox.start_scheduled_job(101)
    outcome = world.runner(if_job_running=WAIT).run()
    assert world.triggers() == ["accepted"]
    assert world.triggered_jobs() == [outcome.job.job_id]
    assert outcome.job.job_id != foreign.job_id


def test_a_running_job_is_adopted_without_a_trigger(make_world):
    world = make_world()
    foreign = world.sandbox.start_scheduled_job(101, type="HISTORICAL", object_ids=world.ids("a"))
    outcome = world.runner("a", "b", if_job_running=ADOPT).run()
    assert (outcome.job.job_id, outcome.is_adopted) == (foreign.job_id, True)
    assert world.results(outcome) == {"a": "LOADED", "b": "NOT_INCLUDED"}
    assert world.triggers() == []


def test_a_running_job_fails_the_run_at_once_if_that_is_wanted(make_world):
    world = make_world()
    world.sandbox.start_scheduled_job(101)
    with pytest.raises(HevoPipelineBusyError, match="What to do"):
        world.runner(if_job_running=FAIL).run()
    assert (world.triggers(), world.time.monotonic()) == ([], 0)


@pytest.mark.parametrize(
    ("on_conflict", "is_listed", "action"),
    [
        (500, True, SyncAction.RESYNC),
        (500, False, SyncAction.SYNC_NOW),
        (409, False, SyncAction.RESYNC),
        ("ignore", True, SyncAction.RESYNC),
        ("ignore", False, SyncAction.RESYNC),
        ("ignore", False, SyncAction.SYNC_NOW),
    ],
)
def test_a_job_that_starts_between_baseline_and_trigger_is_waited_for(
    make_world, on_conflict, is_listed, action
):
    world = make_world(on_conflict=on_conflict)
    world.job_between(type="INCREMENTAL", requested_by="user", listed_at_once=is_listed)
    outcome = world.runner(action=action, if_job_running=WAIT).run()
    if on_conflict == "ignore" and action is SyncAction.SYNC_NOW:
        # A scheduled sync and a triggered one do the same and look the same.
        assert outcome.job.job_id == world.jobs("user")[0].job_id
    else:
        assert world.triggered_jobs() == [outcome.job.job_id]
    assert outcome.completion.has_loaded


@pytest.mark.parametrize(
    ("on_conflict", "is_listed"), [(500, False), (409, True), ("ignore", True), ("ignore", False)]
)
def test_a_job_that_starts_between_baseline_and_trigger_is_adopted(
    make_world, on_conflict, is_listed
):
    world = make_world(on_conflict=on_conflict, seconds=120)
    world.job_between(type="INCREMENTAL", requested_by="user", listed_at_once=is_listed)
    outcome = world.runner(if_job_running=ADOPT).run()
    assert outcome.job.job_id == world.jobs("user")[0].job_id
    assert outcome.is_adopted
    assert world.triggered_jobs() == []


@pytest.mark.parametrize(
    ("on_conflict", "is_listed"), [(500, True), (409, False), ("ignore", True), ("ignore", False)]
)
def test_a_job_that_starts_between_baseline_and_trigger_fails_the_run(
    make_world, on_conflict, is_listed
):
    world = make_world(on_conflict=on_conflict, seconds=120)
    world.job_between(type="INCREMENTAL", requested_by="user", listed_at_once=is_listed)
    with pytest.raises(HevoPipelineBusyError):
        world.runner(if_job_running=FAIL).run()
    assert world.triggered_jobs() == []
    assert len(world.triggers()) == 1


@pytest.mark.parametrize("on_conflict", [500, 409])
def test_a_refused_trigger_is_not_sent_again_before_the_job_is_over(make_world, on_conflict):
    world = make_world(on_conflict=on_conflict, seconds=600)
    world.job_between(type="INCREMENTAL")
    world.runner(client=world.client(retry_limit=3)).run()
    assert world.triggers() == ["conflict", "accepted"]


@pytest.mark.parametrize("names", [(), ("a",)])
@pytest.mark.parametrize("as_text", [False, True])
@pytest.mark.parametrize("on_conflict", [500, 409])
@pytest.mark.parametrize("wording", WORDINGS)
def test_a_refusal_is_recognised_by_its_sense(make_world, wording, on_conflict, as_text, names):
    world = make_world(on_conflict=on_conflict, conflict_message=wording, conflict_as_text=as_text)
    world.job_between(type="HISTORICAL", object_ids=world.ids("a"))
    outcome = world.runner(*names).run()
    assert world.triggers() == ["conflict", "accepted"]
    assert world.triggered_jobs() == [outcome.job.job_id]


@pytest.mark.parametrize("as_text", [False, True])
@pytest.mark.parametrize("on_conflict", [500, 409])
def test_a_refusal_in_unknown_words_is_decided_by_the_job_list(make_world, on_conflict, as_text):
    world = make_world(
        on_conflict=on_conflict, conflict_message=UNKNOWN_WORDING, conflict_as_text=as_text
    )
    world.job_between(type="HISTORICAL", object_ids=world.ids("b"))
    outcome = world.runner("a").run()
    assert world.triggers() == ["conflict", "accepted"]
    assert world.triggered_jobs() == [outcome.job.job_id]


@pytest.mark.parametrize("action", list(SyncAction))
def test_a_job_like_ours_is_only_a_candidate_after_a_refusal_in_unknown_words(make_world, action):
    world = make_world(conflict_message=UNKNOWN_WORDING, job_appears_after=(15, 15))
    kind = "RESYNC" if action is SyncAction.RESYNC else "INCREMENTAL"
    world.sandbox.start_scheduled_job(101, type=kind, listed_at_once=False)
    world.time.sleep(5)
    with pytest.raises(HevoJobNotFoundError, match="Candidates"):
        world.runner(action=action).run()
    assert world.triggers() == ["conflict"]
    assert world.book.claimed() == []


def test_a_refusal_for_a_job_that_is_over_before_it_is_listed_triggers_again(make_world):
    world = make_world(job_appears_after=(40, 40))
    world.job_between(type="HISTORICAL", object_ids=world.ids("b", "c"), listed_at_once=False)
    outcome = world.runner("a").run()
    assert world.triggers() == ["conflict", "accepted"]
    assert world.triggered_jobs() == [outcome.job.job_id]


def test_an_error_that_is_not_known_is_a_refusal_while_a_job_runs(make_world):
    world = make_world()
    world.job_between(type="INCREMENTAL")
    world.fault_on_trigger(FaultKind.STATUS_BEFORE, status=422)
    outcome = world.runner().run()
    assert world.triggered_jobs() == [outcome.job.job_id]


def test_an_error_that_is_not_known_is_raised_while_no_job_runs(make_world):
    world = make_world()
    world.fault_on_trigger(FaultKind.STATUS_BEFORE, status=422, times=None)
    with pytest.raises(HevoApiError, match="422"):
        world.runner().run()
    assert world.requests("POST", "*/actions/*") == 2


def test_a_refusal_whose_reason_has_passed_is_triggered_once_more(make_world):
    world = make_world()
    world.fault_on_trigger(FaultKind.STATUS_BEFORE, status=422)
    outcome = world.runner().run()
    assert world.triggered_jobs() == [outcome.job.job_id]


@pytest.mark.parametrize("seconds", [1, 20])
@pytest.mark.parametrize("retry_limit", [1, 3])
@pytest.mark.parametrize("setting", [WAIT, FAIL])
def test_a_rate_limit_on_a_trigger_is_waited_for(make_world, setting, retry_limit, seconds):
    world = make_world()
    world.fault_on_trigger(FaultKind.RATE_LIMITED, seconds=seconds, times=2)
    client = world.client(retry_limit=retry_limit)
    outcome = world.runner("a", client=client, if_job_running=setting).run()
    assert world.triggered_jobs() == [outcome.job.job_id]
    assert world.triggers() == ["accepted"]
    sent = world.sandbox.requests_to("*/actions/*", "POST")
    assert len(sent) == 3
    assert sent[1].at - sent[0].at >= seconds


@pytest.mark.parametrize("names", [(), ("a",)])
def test_where_hevo_accepts_triggers_while_busy_each_request_gets_its_own_job(make_world, names):
    world = make_world(on_conflict="accept", seconds=100)
    world.job_between(type="HISTORICAL", object_ids=world.ids("b"))
    outcome = world.runner(*names).run()
    assert world.triggers() == ["accepted"]
    assert world.triggered_jobs() == [outcome.job.job_id]


def test_a_job_that_is_being_cancelled_is_not_adopted_but_waited_for(make_world):
    world = make_world(cancelling_seconds=50)
    world.sandbox.cancel_job(world.sandbox.start_scheduled_job(101).job_id)
    outcome = world.runner(if_job_running=ADOPT).run()
    assert outcome.completion.has_loaded
    assert world.triggered_jobs() == [outcome.job.job_id]


@pytest.mark.parametrize(
    ("on_conflict", "seconds", "reads"), [(500, 40, 2), ("ignore", 40, 6), ("ignore", 10, 2)]
)
def test_a_running_job_with_an_unknown_status_is_waited_for(
    make_world, on_conflict, seconds, reads
):
    world = make_world(on_conflict=on_conflict, seconds=seconds)
    foreign = world.sandbox.start_scheduled_job(101)
    world.fault(FaultKind.UNKNOWN_VALUES, "*/101/jobs", times=reads)
    outcome = world.runner().run()
    assert outcome.job.job_id != foreign.job_id
    assert world.triggered_jobs() == [outcome.job.job_id]


def test_the_time_to_wait_ends_before_a_foreign_job_does_and_it_is_not_cancelled(make_world):
    world = make_world(seconds=5000)
    foreign = world.sandbox.start_scheduled_job(101)
    with pytest.raises(HevoJobTimeoutError, match="waiting to trigger"):
        world.runner(poll_timeout=900).run()
    assert world.requests("POST", "*") == 0
    assert world.jobs()[0].job_id == foreign.job_id


def test_a_job_deferred_by_the_limits_of_its_source_is_waited_for(make_world):
    world = make_world(defer_seconds=600)
    world.sandbox.start_scheduled_job(101)
    world.time.sleep(40)
    assert world.jobs()[0].status == "DEFERRED"
    assert world.runner().run().completion.has_loaded
    assert world.triggers() == ["accepted"]


def test_a_foreign_job_that_stays_deferred_is_not_waited_for_without_end(make_world):
    world = make_world(deferred_for_ever=True)
    world.sandbox.start_scheduled_job(101)
    world.time.sleep(40)
    with pytest.raises(HevoJobTimeoutError, match="deferred_timeout"):
        world.runner().run()
    assert world.triggers() == []
    assert 6 * 3600 <= world.time.monotonic() < 8 * 3600


def test_an_old_job_left_deferred_is_not_waited_for(make_world):
    past = [{"status": "DEFERRED", "minutes_ago": 90}, {"minutes_ago": 30}]
    world = make_world(history=past)
    world.runner().run()
    assert world.triggers() == ["accepted"]
    assert world.sandbox.triggers(101)[0].at <= world.sandbox.jobs(101)[-1].created


# The pipeline's status


@pytest.mark.parametrize("status", ALL_STATUSES)
def test_a_pipeline_that_starts_no_job_fails_at_once_and_says_what_to_do(make_world, status):
    world = make_world(status=status)
    with pytest.raises(HevoPipelineStateError, match="What to do") as raised:
        world.runner().run()
    assert raised.value.status == status
    assert world.time.monotonic() == 0
    assert world.triggers() == []


@pytest.mark.parametrize("status", ["INITIALIZED", "ENABLED"])
def test_a_pipeline_that_runs_is_triggered(make_world, status):
    assert make_world(status=status).runner().run().completion.has_loaded


def test_a_status_that_is_not_known_is_left_to_hevo(make_world):
    world = make_world()
    world.fault(FaultKind.UNKNOWN_VALUES, "*/pipelines/101")
    assert world.runner().run().completion.has_loaded


def test_a_restarting_pipeline_is_waited_for(make_world):
    world = make_world(status="RESTARTING")
    world.time.at(300, lambda: world.sandbox.set_pipeline_status(101, "INITIALIZED"))
    outcome = world.runner().run()
    assert outcome.completion.has_loaded
    assert world.triggers() == ["accepted"]
    assert world.sandbox.triggers(101)[0].at == world.sandbox.jobs(101)[0].created


def test_a_pipeline_that_restarts_after_the_trigger_is_waited_for(make_world):
    world = make_world(restarting_seconds=200, job_appears_after=(210, 210))
    outcome = world.runner().run()
    assert outcome.completion.has_loaded
    assert world.triggers() == ["accepted"]


@pytest.mark.parametrize("refusal_status", [400, 409, 422, 500])
def test_a_pipeline_that_restarts_before_the_trigger_is_triggered_again(make_world, refusal_status):
    world = make_world(refusal_status=refusal_status)
    world.before_trigger(lambda: world.sandbox.set_pipeline_status(101, "RESTARTING"))
    world.time.at(30, lambda: world.sandbox.set_pipeline_status(101, "INITIALIZED"))
    assert world.runner().run().completion.has_loaded
    assert world.triggers() == ["refused", "accepted"]


@pytest.mark.parametrize("setting", [WAIT, FAIL])
@pytest.mark.parametrize("refusal_status", [400, 409, 500])
def test_a_pipeline_disabled_before_the_trigger_is_named_as_what_it_is(
    make_world, refusal_status, setting
):
    world = make_world(refusal_status=refusal_status)
    world.before_trigger(lambda: world.sandbox.set_pipeline_status(101, "DISABLED"))
    with pytest.raises(HevoPipelineStateError, match="DISABLED"):
        world.runner(if_job_running=setting).run()


def test_a_refusal_that_never_ends_is_an_error(make_world):
    world = make_world()
    world.fault_on_trigger(FaultKind.STATUS_BEFORE, status=409, times=None)
    with pytest.raises(HevoConflictError):
        world.runner().run()
    assert world.triggered_jobs() == []
