"""An asking whose answer is lost: the list of jobs decides, and Hevo gets one job."""

from __future__ import annotations

import pytest

from dagster_hevo.api.errors import (
    HevoConnectionError,
    HevoGarbledResponseError,
    HevoJobNotFoundError,
    HevoOutageError,
    HevoServerError,
)
from dagster_hevo.jobs.plan import SyncAction
from dagster_hevo.sandbox import FaultKind

WITHOUT_EFFECT = [
    {"kind": FaultKind.CUT_BEFORE},
    {"kind": FaultKind.STATUS_BEFORE, "status": 500},
    {"kind": FaultKind.STATUS_BEFORE, "status": 502},
    {"kind": FaultKind.STATUS_BEFORE, "status": 503},
    {"kind": FaultKind.DELAY_BEFORE, "seconds": 0.3},
]
WITH_EFFECT = [
    {"kind": FaultKind.CUT_AFTER},
    {"kind": FaultKind.STATUS_AFTER, "status": 500},
    {"kind": FaultKind.STATUS_AFTER, "status": 502},
    {"kind": FaultKind.STATUS_AFTER, "status": 503},
    {"kind": FaultKind.DELAY_AFTER, "seconds": 0.3},
    {"kind": FaultKind.HTML},
    {"kind": FaultKind.CUT_JSON},
    {"kind": FaultKind.TRUNCATED_BODY},
]


def named(fault) -> str:
    return "-".join(str(value) for value in fault.values())


@pytest.mark.parametrize("fault", WITHOUT_EFFECT, ids=named)
def test_an_asking_without_effect_is_repeated_once_its_job_must_have_shown_up(world, fault):
    life = world()
    life.fault_on_trigger(**fault)
    outcome = life.life(client=life.client(timeout=0.15, retry_limit=3)).carry_out()
    assert [job.job_id for job in life.asked_jobs()] == [outcome.job.job_id]
    asked = life.sandbox.requests_to("*/actions/*", "POST")
    assert len(asked) == 2
    assert asked[1].at - asked[0].at >= 60


@pytest.mark.parametrize("fault", WITH_EFFECT, ids=named)
def test_an_asking_with_effect_is_not_repeated(world, fault):
    life = world(empty_answers=False, job_appears_after=(15, 15))
    life.fault_on_trigger(**fault)
    client = life.client(timeout=0.15, retry_limit=3)
    outcome = life.life("a", client=client).carry_out()
    assert [job.job_id for job in life.asked_jobs()] == [outcome.job.job_id]
    assert life.triggers() == ["accepted"]


def test_a_conflict_on_the_second_asking_is_with_the_job_of_the_first(world):
    life = world(job_appears_after=(70, 70), seconds=300)
    life.fault_on_trigger(FaultKind.CUT_AFTER)
    outcome = life.life().carry_out()
    assert life.triggers() == ["accepted", "conflict"]
    assert [job.job_id for job in life.asked_jobs()] == [outcome.job.job_id]


def test_a_passing_job_does_not_hide_that_the_first_asking_is_what_conflicts(world):
    life = world(job_appears_after=(70, 70), seconds=300)

    def come_and_go():
        life.sandbox.start_scheduled_job(101)
        life.sandbox.finish_jobs(101)

    life.when_marked(come_and_go)
    life.fault_on_trigger(FaultKind.CUT_AFTER)
    outcome = life.life("a").carry_out()
    assert [job.job_id for job in life.asked_jobs()] == [outcome.job.job_id]


def test_a_no_op_on_the_second_asking_leaves_the_job_of_the_first(world):
    life = world(job_appears_after=(70, 70), seconds=300, on_conflict="ignore")
    life.fault_on_trigger(FaultKind.CUT_AFTER)
    outcome = life.life().carry_out()
    assert life.triggers() == ["accepted", "ignored"]
    assert [job.job_id for job in life.asked_jobs()] == [outcome.job.job_id]


def test_askings_that_never_take_effect_end_with_their_error(world):
    life = world()
    life.fault_on_trigger(FaultKind.STATUS_BEFORE, times=None)
    with pytest.raises(HevoServerError):
        life.life().carry_out()
    assert life.triggers() == []
    assert life.requests("POST", "*/actions/*") == 3


@pytest.mark.parametrize("kind", [FaultKind.CUT_BEFORE, FaultKind.STATUS_BEFORE, FaultKind.HTML])
def test_hevo_out_of_reach_before_anything_was_asked_is_told_at_once(world, kind):
    life = world()
    life.fault(kind, times=None)
    with pytest.raises((HevoConnectionError, HevoServerError, HevoGarbledResponseError)):
        life.life().carry_out()
    assert life.time.monotonic() == 0
    assert life.book.notes == []


def test_an_outage_right_after_the_asking_is_survived(world):
    life = world()
    life.outage(1, 400)
    outcome = life.life().carry_out()
    assert [job.job_id for job in life.asked_jobs()] == [outcome.job.job_id]


def test_an_outage_while_waiting_for_somebody_elses_job_is_survived(world):
    life = world(seconds=300)
    life.sandbox.start_scheduled_job(101)
    life.outage(850, 1200)
    outcome = life.life().carry_out()
    assert outcome.completion.has_loaded
    assert [job.job_id for job in life.asked_jobs()] == [outcome.job.job_id]


def test_the_list_of_jobs_cut_short_is_read_again(world):
    life = world()
    life.fault(FaultKind.CUT_JSON, "*/jobs", skip=1, times=4)
    assert life.life().carry_out().completion.has_loaded
    assert life.triggers() == ["accepted"]


# Watching


def test_ten_minutes_without_the_api_are_survived_with_a_line_a_minute(world):
    life = world(seconds=600)
    life.outage(100, 700)
    outcome = life.life().carry_out()
    assert outcome.completion.has_loaded
    told = life.told.warnings("no usable answer")
    assert 6 <= len(told) <= 11
    assert len(life.told.lines("answers again")) == 1


def test_sixteen_minutes_without_the_api_are_named_as_an_outage(world):
    life = world(seconds=600)
    life.outage(100, 100 + 40 * 60)
    with pytest.raises(HevoOutageError, match="15m"):
        life.life().carry_out()
    assert life.requests("POST", "*/cancel") == 0
    assert len(life.told.warnings("no usable answer")) <= 16


def test_a_run_after_an_outage_takes_the_job_up_again(world):
    life = world(seconds=600)
    life.outage(100, 100 + 40 * 60)
    with pytest.raises(HevoOutageError):
        life.life().carry_out()
    life.time.sleep(40 * 60)
    outcome = life.life(run="second", retries=("run",)).carry_out()
    assert [job.job_id for job in life.asked_jobs()] == [outcome.job.job_id]


def test_a_deferred_job_is_waited_for(world):
    life = world(defer_seconds=8 * 3600)
    outcome = life.life().carry_out()
    assert outcome.completion.has_loaded
    assert life.time.monotonic() > 8 * 3600


def test_an_unknown_state_is_waited_for_with_one_warning(world):
    life = world(seconds=400)
    life.time.at(100, lambda: life.fault(FaultKind.UNKNOWN_VALUES, "*/jobs/*", times=5))
    outcome = life.life().carry_out()
    assert outcome.completion.has_loaded
    assert len(life.told.warnings("does not know")) == 1


@pytest.mark.parametrize(
    ("status", "spelling"),
    [
        ("COMPLETED", {}),
        ("COMPLETED_WITH_FAILURES", {}),
        ("FAILED", {}),
        ("SKIPPED", {}),
        ("CANCELLED", {}),
        ("CANCELLED", {"cancelled_spelling": "CANCELED"}),
        ("DEFERRED_WITH_FAILURES", {}),
        ("DEFERRED_WITH_FAILURES", {"deferred_spelling": "DEFERRED_WITH_FAILURE"}),
    ],
)
def test_every_end_of_a_job_is_an_outcome(world, status, spelling):
    life = world(jobs_end_as=status, **spelling)
    outcome = life.life().carry_out()
    assert str(outcome.job.status) == status
    assert life.triggers() == ["accepted"]


def test_a_job_that_somebody_cancels_ends_with_what_it_had_loaded(world):
    life = world(seconds=100)
    life.time.at(150, lambda: life.sandbox.cancel_job(life.jobs()[0].job_id))
    outcome = life.life().carry_out()
    assert outcome.job.status.was_cancelled
    fresh = [item.name for item in outcome.objects.values() if item.result.is_fresh]
    assert fresh == ["a"]


def test_a_job_that_vanishes_is_an_error_after_three_looks(world):
    life = world(seconds=400)
    looks = []

    def vanish():
        looks.append(life.requests("GET", "*/jobs/*"))
        life.fault(FaultKind.STATUS_BEFORE, "*/jobs/*", status=404, times=None)

    life.time.at(100, vanish)
    with pytest.raises(HevoJobNotFoundError, match="vanished") as raised:
        life.life().carry_out()
    assert raised.value.job is not None
    assert life.requests("GET", "*/jobs/*") - looks[0] == 3


def test_a_job_that_is_missing_for_two_looks_is_waited_for(world):
    life = world(seconds=400)
    life.fault(FaultKind.STATUS_BEFORE, "*/jobs/*", status=404, times=2)
    assert life.life().carry_out().completion.has_loaded


def test_a_day_of_watching_spends_few_requests(world):
    life = world(seconds=7 * 3600, history=[{"type": "RESYNC", "count": 5, "seconds": 75000}])
    life.life(poll_timeout=None).carry_out()
    assert len(life.sandbox.requests) < 400


def test_objects_that_are_listed_after_the_end_are_waited_for_where_something_failed(world):
    objects = ["a", {"name": "b", "outcome": "failed"}, "c"]
    life = world(objects=objects, job_objects="late", job_objects_late_seconds=30)
    outcome = life.life().carry_out()
    results = {item.name: str(item.result) for item in outcome.objects.values()}
    assert results == {"a": "LOADED", "b": "FAILED", "c": "LOADED"}


def test_objects_that_are_never_listed_are_not_fresh_where_one_of_them_failed(world):
    life = world(objects=["a", {"name": "b", "outcome": "failed"}], job_objects="never")
    outcome = life.life().carry_out()
    assert not any(item.result.is_fresh for item in outcome.objects.values())


@pytest.mark.parametrize("action", list(SyncAction))
def test_each_object_gets_its_own_result(world, action):
    objects = [
        "good",
        {"name": "lossy", "outcome": "failed_events", "failed_events": 2},
        {"name": "broken", "outcome": "failed"},
        {"name": "shut", "outcome": "blocked"},
        {"name": "left", "outcome": "skipped"},
        {"name": "quiet", "mentioned": False},
    ]
    life = world(objects=objects)
    outcome = life.life(action=action).carry_out()
    results = {item.name: str(item.result) for item in outcome.objects.values()}
    assert results == {
        "good": "LOADED",
        "lossy": "LOADED_WITH_FAILURES",
        "broken": "FAILED",
        "shut": "FAILED",
        "left": "SKIPPED",
        "quiet": "NOT_MENTIONED",
    }
