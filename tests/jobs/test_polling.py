"""A job of ours is polled until it ends: through outages, unknown words and deferrals."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ended_runs import REEXECUTION

from dagster_hevo.api.errors import (
    HevoJobNotFoundError,
    HevoJobTimeoutError,
    HevoOutageError,
)
from dagster_hevo.sandbox import FaultKind


def test_ten_minutes_without_the_api_are_survived_with_a_line_per_minute(make_world):
    world = make_world(seconds=600)
    world.outage(100, 700)
    outcome = world.runner().run()
    assert outcome.completion.has_loaded
    told = world.told.warnings("no usable answer")
    assert 6 <= len(told) <= 11
    assert len(world.told.lines("answers again")) == 1


def test_sixteen_minutes_without_the_api_are_named_as_an_outage(make_world):
    world = make_world(seconds=600)
    world.outage(100, 100 + 40 * 60)
    with pytest.raises(HevoOutageError, match="15m"):
        world.runner().run()
    assert world.cancels == 0
    assert len(world.told.warnings("no usable answer")) <= 16


def test_a_run_after_an_outage_resumes_the_job(make_world):
    world = make_world(seconds=600)
    world.outage(100, 100 + 40 * 60)
    with pytest.raises(HevoOutageError):
        world.runner().run()
    world.time.sleep(40 * 60)
    outcome = world.runner(**REEXECUTION).run()
    assert world.triggered_jobs() == [outcome.job.job_id]


class WrongShape:
    """What answers in Hevo's place for a while: status 200, and JSON of another shape."""

    status = 200

    def __init__(self, body: Any, path: str) -> None:
        self.body, self.path = json.dumps(body).encode(), path
        self.times = 0

    def __call__(self, response: Any, **_: Any) -> Any:
        if self.times > 0 and response.url.partition("?")[0].endswith(self.path):
            self.times -= 1
            response.raw.read()
            response._content = self.body
            response._content_consumed = True
            response.status_code = self.status
        return response


class NoRoute(WrongShape):
    """A balancer that knows no way to Hevo for a while."""

    status = 404


@pytest.mark.parametrize("body", [{"error": "try later"}, [], "maintenance", None, {"data": 7}])
def test_an_answer_of_the_wrong_shape_while_polling_is_transient(make_world, body):
    world = make_world(seconds=400)
    proxy = WrongShape(body, "")
    client = world.client(extra_kwargs={"hooks": {"response": proxy}})

    def begin() -> None:
        proxy.path = world.jobs()[0].job_id
        proxy.times = 3

    world.time.at(100, begin)
    outcome = world.runner(client=client).run()
    assert proxy.times == 0
    assert outcome.completion.has_loaded
    assert world.triggers() == ["accepted"]


def test_a_404_that_is_not_hevos_while_polling_is_transient(make_world):
    world = make_world(seconds=400)
    balancer = NoRoute("default backend - 404", "")
    client = world.client(extra_kwargs={"hooks": {"response": balancer}})

    def begin() -> None:
        balancer.path = world.jobs()[0].job_id
        balancer.times = 9

    world.time.at(100, begin)
    assert world.runner(client=client).run().completion.has_loaded
    assert balancer.times == 0


@pytest.mark.parametrize("status", [408, 502])
def test_an_error_of_a_balancer_while_polling_is_transient(make_world, status):
    world = make_world(seconds=400)
    world.time.at(100, lambda: world.fault("status_before", "*/jobs/*", status=status, times=9))
    outcome = world.runner().run()
    assert outcome.completion.has_loaded
    assert world.triggers() == ["accepted"]


def test_the_end_of_another_job_in_place_of_ours_is_transient(make_world):
    world = make_world(seconds=400)
    proxy = WrongShape({"job_id": "another", "status": "COMPLETED", "objects_success": 3}, "")
    client = world.client(extra_kwargs={"hooks": {"response": proxy}})

    def begin() -> None:
        proxy.path = world.jobs()[0].job_id
        proxy.times = 3

    world.time.at(100, begin)
    outcome = world.runner(client=client).run()
    assert proxy.times == 0
    assert [outcome.job.job_id] == world.triggered_jobs()


@pytest.mark.parametrize("kind", [FaultKind.HTML, FaultKind.CUT_JSON, FaultKind.RATE_LIMITED])
def test_an_answer_that_cannot_be_used_while_polling_is_transient(make_world, kind):
    world = make_world(seconds=400)
    world.time.at(100, lambda: world.fault(kind, "*/jobs/*", times=3))
    assert world.runner().run().completion.has_loaded
    assert world.triggers() == ["accepted"]


def test_a_deferred_job_is_waited_for_and_said_to_be_deferred(make_world):
    world = make_world(defer_seconds=5 * 3600)
    outcome = world.runner().run()
    assert outcome.completion.has_loaded
    assert world.time.monotonic() > 5 * 3600
    assert len(world.told.warnings("is DEFERRED")) == 1


def test_a_job_that_stays_deferred_ends_with_deferred_timeout_and_is_not_cancelled(make_world):
    world = make_world(deferred_for_ever=True)
    with pytest.raises(HevoJobTimeoutError, match="deferred_timeout") as raised:
        world.runner().run()
    assert raised.value.job is not None
    assert 6 * 3600 <= world.time.monotonic() < 8 * 3600
    assert world.cancels == 0


def test_a_retry_goes_on_with_a_job_that_was_deferred_for_too_long(make_world):
    world = make_world(defer_seconds=600)
    with pytest.raises(HevoJobTimeoutError):
        world.runner(deferred_timeout=300).run()
    outcome = world.runner(**REEXECUTION, deferred_timeout=900).run()
    assert outcome.completion.has_loaded
    assert world.triggered_jobs() == [outcome.job.job_id]


def test_an_unknown_status_is_waited_for_with_one_warning(make_world):
    world = make_world(seconds=400)
    world.time.at(100, lambda: world.fault(FaultKind.UNKNOWN_VALUES, "*/jobs/*", times=5))
    outcome = world.runner().run()
    assert outcome.completion.has_loaded
    assert len(world.told.warnings("does not know")) == 1


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
def test_every_end_of_a_job_is_an_outcome(make_world, status, spelling):
    world = make_world(jobs_end_as=status, **spelling)
    outcome = world.runner().run()
    assert str(outcome.job.status) == status
    assert world.triggers() == ["accepted"]


def test_a_job_that_vanishes_is_an_error_after_three_polls(make_world):
    world = make_world(seconds=400)
    polls = []

    def vanish():
        polls.append(world.requests("GET", "*/jobs/*"))
        world.fault(FaultKind.STATUS_BEFORE, "*/jobs/*", status=404, times=None)

    world.time.at(100, vanish)
    with pytest.raises(HevoJobNotFoundError, match="vanished") as raised:
        world.runner().run()
    assert raised.value.job is not None
    assert world.requests("GET", "*/jobs/*") - polls[0] == 3


def test_a_job_that_is_missing_from_two_polls_is_waited_for(make_world):
    world = make_world(seconds=400)
    world.time.at(
        100, lambda: world.fault(FaultKind.STATUS_BEFORE, "*/jobs/*", status=404, times=2)
    )
    assert world.runner().run().completion.has_loaded


def test_a_day_of_polling_sends_few_requests(make_world):
    world = make_world(seconds=7 * 3600, history=[{"type": "RESYNC", "count": 5, "seconds": 75000}])
    world.runner(poll_timeout=None).run()
    assert len(world.sandbox.requests) < 400


def test_a_started_job_is_left_to_the_sensor_once_it_is_found(make_world):
    world = make_world(seconds=600)
    job = world.runner().start()
    assert world.triggered_jobs() == [job.job_id]
    assert world.time.monotonic() < 20
    assert world.jobs()[0].status == "IN_PROGRESS"


def test_a_foreign_job_is_followed_to_its_end_and_nothing_is_triggered(make_world):
    world = make_world(seconds=100)
    world.sandbox.start_scheduled_job(101)
    (job,) = world.client().list_jobs(101)
    ended = world.runner().follow(job)
    assert (ended.job_id, str(ended.status)) == (job.job_id, "COMPLETED")
    assert world.triggers() == []
