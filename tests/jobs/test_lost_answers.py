"""A trigger whose answer is lost: the job list decides, and Hevo gets one job."""

from __future__ import annotations

import pytest

from dagster_hevo.api.errors import (
    HevoConnectionError,
    HevoError,
    HevoGarbledResponseError,
    HevoJobNotFoundError,
    HevoServerError,
)
from dagster_hevo.sandbox import FaultKind

WITHOUT_EFFECT = [
    {"kind": FaultKind.CUT_BEFORE},
    {"kind": FaultKind.STATUS_BEFORE, "status": 500},
    {"kind": FaultKind.STATUS_BEFORE, "status": 502},
    {"kind": FaultKind.STATUS_BEFORE, "status": 503},
    {"kind": FaultKind.STATUS_BEFORE, "status": 302},
    {"kind": FaultKind.STATUS_BEFORE, "status": 408},
    {"kind": FaultKind.DELAY_BEFORE, "seconds": 0.3},
]
WITH_EFFECT = [
    {"kind": FaultKind.CUT_AFTER},
    {"kind": FaultKind.STATUS_AFTER, "status": 500},
    {"kind": FaultKind.STATUS_AFTER, "status": 502},
    {"kind": FaultKind.STATUS_AFTER, "status": 503},
    {"kind": FaultKind.STATUS_AFTER, "status": 303},
    {"kind": FaultKind.STATUS_AFTER, "status": 304},
    {"kind": FaultKind.STATUS_AFTER, "status": 408},
    {"kind": FaultKind.DELAY_AFTER, "seconds": 0.3},
    {"kind": FaultKind.HTML},
    {"kind": FaultKind.CUT_JSON},
    {"kind": FaultKind.TRUNCATED_BODY},
]


def named(fault) -> str:
    return "-".join(str(value) for value in fault.values())


@pytest.mark.parametrize("fault", WITHOUT_EFFECT, ids=named)
def test_a_trigger_without_effect_is_repeated_once_its_job_must_have_appeared(make_world, fault):
    world = make_world()
    world.fault_on_trigger(**fault)
    outcome = world.runner(client=world.client(timeout=0.15, retry_limit=3)).run()
    assert world.triggered_jobs() == [outcome.job.job_id]
    sent = world.sandbox.requests_to("*/actions/*", "POST")
    assert len(sent) == 2
    assert sent[1].at - sent[0].at >= 60


@pytest.mark.parametrize("fault", WITH_EFFECT, ids=named)
def test_a_trigger_with_effect_is_not_repeated(make_world, fault):
    world = make_world(empty_answers=False, job_appears_after=(15, 15))
    world.fault_on_trigger(**fault)
    client = world.client(timeout=0.15, retry_limit=3)
    outcome = world.runner("a", client=client).run()
    assert world.triggered_jobs() == [outcome.job.job_id]
    assert world.triggers() == ["accepted"]


@pytest.mark.parametrize("on_conflict", [500, 409, "ignore", "accept"])
@pytest.mark.parametrize("names", [(), ("a",)])
def test_a_lost_answer_is_waited_for_twice_as_long(make_world, names, on_conflict):
    world = make_world(job_appears_after=(110, 110), seconds=300, on_conflict=on_conflict)
    world.fault_on_trigger(FaultKind.CUT_AFTER)
    outcome = world.runner(*names).run()
    assert world.triggers() == ["accepted"]
    assert world.triggered_jobs() == [outcome.job.job_id]


@pytest.mark.parametrize("names", [(), ("a",)])
def test_a_foreign_job_in_between_does_not_hide_the_job_of_a_lost_answer(make_world, names):
    world = make_world(job_appears_after=(70, 70), seconds=300)
    world.job_between(has_ended=True, type="INCREMENTAL")
    world.fault_on_trigger(FaultKind.CUT_AFTER)
    outcome = world.runner(*names).run()
    assert world.triggered_jobs() == [outcome.job.job_id]


@pytest.mark.parametrize("names", [(), ("a",)])
def test_a_foreign_job_after_a_lost_answer_is_not_taken_for_ours(make_world, names):
    world = make_world(seconds=100)
    world.fault_on_trigger(FaultKind.CUT_BEFORE)
    world.time.at(20, lambda: world.sandbox.start_scheduled_job(101, type="INCREMENTAL"))
    outcome = world.runner(*names).run()
    assert world.triggered_jobs() == [outcome.job.job_id]


def test_triggers_that_never_have_an_effect_end_with_an_error(make_world):
    world = make_world()
    world.fault_on_trigger(FaultKind.STATUS_BEFORE, times=None)
    with pytest.raises(HevoJobNotFoundError, match="Triggered 3 times"):
        world.runner().run()
    assert world.triggers() == []
    assert world.requests("POST", "*/actions/*") == 3


def test_the_number_of_triggers_without_an_answer_is_bounded_over_retries(make_world):
    world = make_world()
    world.fault_on_trigger(FaultKind.STATUS_BEFORE, times=None)
    for run, parent in [("run", None), ("second", "run")]:
        with pytest.raises(HevoError):
            world.runner(run=run, reexecutes=parent).run()
    assert world.requests("POST", "*/actions/*") <= 6


@pytest.mark.parametrize("kind", [FaultKind.CUT_BEFORE, FaultKind.STATUS_BEFORE, FaultKind.HTML])
def test_hevo_out_of_reach_before_any_trigger_is_told_at_once(make_world, kind):
    world = make_world()
    world.fault(kind, times=None)
    with pytest.raises((HevoConnectionError, HevoServerError, HevoGarbledResponseError)):
        world.runner().run()
    assert world.time.monotonic() == 0
    assert world.book.records() == ()


def test_an_outage_right_after_the_trigger_is_survived(make_world):
    world = make_world()
    world.outage(1, 400)
    outcome = world.runner().run()
    assert world.triggered_jobs() == [outcome.job.job_id]


def test_an_outage_while_waiting_for_a_foreign_job_is_survived(make_world):
    world = make_world(seconds=300)
    world.sandbox.start_scheduled_job(101)
    world.outage(850, 1200)
    outcome = world.runner().run()
    assert outcome.completion.has_loaded
    assert world.triggered_jobs() == [outcome.job.job_id]


def test_a_job_list_that_is_cut_short_is_read_again(make_world):
    world = make_world()
    world.fault(FaultKind.CUT_JSON, "*/jobs", skip=1, times=4)
    assert world.runner().run().completion.has_loaded
    assert world.triggers() == ["accepted"]
