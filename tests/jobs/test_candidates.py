"""A job that is not proven ours: waited for, never recorded or cancelled, and no second trigger."""

from __future__ import annotations

import pytest
from ended_runs import REEXECUTION

from dagster_hevo.api.errors import HevoJobNotFoundError
from dagster_hevo.jobs.request import IfJobRunning
from dagster_hevo.sandbox import FaultKind


def test_a_job_that_never_lists_its_objects_is_a_candidate_that_is_waited_for(make_world):
    world = make_world(job_objects="never", seconds=100)
    with pytest.raises(HevoJobNotFoundError, match="Candidates") as raised:
        world.runner("a", "b").run()
    assert str(world.triggered_jobs()[0]) in str(raised.value)
    assert not raised.value.can_retry
    assert world.jobs()[0].status == "COMPLETED"
    assert world.triggers() == ["accepted"]
    assert world.cancels == 0


def test_a_job_without_some_of_the_requested_objects_is_a_candidate(make_world):
    world = make_world(job_drops_requested=1)
    with pytest.raises(HevoJobNotFoundError, match="Candidates"):
        world.runner("a", "b").run()
    assert world.triggers() == ["accepted"]
    assert world.book.claimed() == []


def test_a_candidate_is_never_recorded_by_a_retry_nor_triggered_over(make_world):
    world = make_world(job_objects="never")
    for run, parent in [("run", None), ("second", "run"), ("third", "second")]:
        with pytest.raises(HevoJobNotFoundError, match="Candidates"):
            world.runner("a", run=run, reexecutes=parent).run()
    assert world.triggers() == ["accepted"]


def test_a_candidate_that_failed_lets_a_retry_trigger_again(make_world):
    world = make_world(job_objects="never", jobs_end_as="FAILED")
    with pytest.raises(HevoJobNotFoundError):
        world.runner("a").run()
    world.sandbox.set_behaviour(job_objects="live", jobs_end_as="COMPLETED")
    outcome = world.runner("a", **REEXECUTION).run()
    assert world.triggered_jobs()[1] == outcome.job.job_id


# Not proven ours is not proven foreign


def ends_with_one_trigger_and_candidates(world, *names, **given):
    with pytest.raises(HevoJobNotFoundError, match="Candidates"):
        world.runner(*names, **given).run()
    assert world.triggers() == ["accepted"]
    assert world.cancels == 0


@pytest.mark.parametrize("setting", [IfJobRunning.WAIT, IfJobRunning.FAIL])
@pytest.mark.parametrize("words", ["prefixed", "hashed"])
def test_words_for_objects_that_nobody_knows_are_no_reason_for_a_second_trigger(
    make_world, words, setting
):
    world = make_world(job_object_fields="short", job_object_names=words)
    ends_with_one_trigger_and_candidates(world, "a", if_job_running=setting)


@pytest.mark.parametrize("names", [(), ("a",)])
@pytest.mark.parametrize("skew", [90, 300])
def test_a_clock_that_is_minutes_off_is_no_reason_for_a_second_trigger(make_world, names, skew):
    world = make_world(date_header_skew_seconds=skew, history=[{"minutes_ago": 9}])
    ends_with_one_trigger_and_candidates(world, *names)


def test_an_old_job_without_a_status_is_no_reason_to_wait_or_to_trigger_again(make_world):
    world = make_world(
        odd_job_values=True, triggers_without_effect_every=1, history=[{"minutes_ago": 900}]
    )
    with pytest.raises(HevoJobNotFoundError, match="not triggered again"):
        world.runner("a").run()
    assert world.requests("POST", "*/actions/*") == 1
    assert world.time.monotonic() < 120


def test_an_old_deferred_job_is_no_reason_to_wait_or_to_trigger_again(make_world):
    past = [{"status": "DEFERRED", "minutes_ago": 300}, {"minutes_ago": 60}]
    world = make_world(triggers_without_effect_every=1, history=past)
    with pytest.raises(HevoJobNotFoundError, match="not triggered again"):
        world.runner("a").run()
    assert world.requests("POST", "*/actions/*") == 1
    assert world.time.monotonic() < 120


def test_a_foreign_resync_of_the_other_mode_is_not_taken_nor_cancelled(make_world):
    world = make_world(on_conflict="ignore", seconds=100)
    world.job_between(type="RESYNC_WITH_DROP_AND_LOAD")
    with pytest.raises(HevoJobNotFoundError, match="RESYNC_WITH_DROP_AND_LOAD"):
        world.runner().run()
    assert world.cancels == 0


@pytest.mark.parametrize("status", [500, 403])
def test_a_candidate_whose_objects_cannot_be_read_does_not_end_the_search(make_world, status):
    world = make_world(on_conflict="accept", seconds=20)
    world.job_between(type="HISTORICAL", object_ids=world.ids("b"), has_ended=True)

    def spoil():
        (foreign,) = world.jobs()
        world.fault(
            FaultKind.STATUS_BEFORE, f"*/jobs/{foreign.job_id}/objects", times=None, status=status
        )

    world.before_trigger(spoil)
    outcome = world.runner("a").run()
    assert world.triggered_jobs() == [outcome.job.job_id]


# Accepted, and no job


def test_an_accepted_trigger_without_a_job_is_an_error_that_says_what_to_do(make_world):
    world = make_world(job_appears_after=(500, 500))
    with pytest.raises(HevoJobNotFoundError, match="job_discovery_timeout"):
        world.runner().run()
    assert world.triggers() == ["accepted"]


@pytest.mark.parametrize("names", [(), ("a",)])
def test_an_accepted_trigger_without_effect_fails_and_is_never_sent_again(make_world, names):
    world = make_world(triggers_without_effect_every=1)
    for run, parent in [("run", None), ("second", "run")]:
        with pytest.raises(HevoJobNotFoundError, match="not triggered again"):
            world.runner(*names, run=run, reexecutes=parent).run()
    assert world.requests("POST", "*/actions/*") == 1
    assert world.jobs() == []


@pytest.mark.parametrize("names", [(), ("a",)])
def test_a_job_listed_later_than_the_discovery_timeout_is_found_by_the_retry(make_world, names):
    world = make_world(job_appears_after=(100, 100), seconds=120)
    with pytest.raises(HevoJobNotFoundError):
        world.runner(*names).run()
    outcome = world.materialize(*names, **REEXECUTION)
    assert world.triggered_jobs() == [outcome.job.job_id]
    assert set(world.results(outcome).values()) == {"LOADED"}


@pytest.mark.parametrize("pause", [0, 3600, 48 * 3600])
def test_a_late_job_is_found_however_much_later_the_retry_comes(make_world, pause):
    world = make_world(job_appears_after=(100, 100))
    with pytest.raises(HevoJobNotFoundError):
        world.runner().run()
    world.time.sleep(pause)
    outcome = world.runner(**REEXECUTION).run()
    assert world.triggered_jobs() == [outcome.job.job_id]
