"""Deadlines handed down to a client: nothing begins, waits or reads past them."""

from __future__ import annotations

import time as real_time

import pytest
from hand_clock import START, Time, budget_on, use_up
from requests_to_send import every_repeatable, every_trigger
from stub_server import Answer, free_port

from dagster_hevo.api.errors import (
    HevoConnectionError,
    HevoRateLimitError,
    HevoServerError,
)

PIPELINE = {"id": 7, "name": "Shop", "status": "INITIALIZED"}
GOOD = Answer(PIPELINE)


@pytest.fixture
def on_time(connect, time: Time):
    """Make a client whose clock is moved by its waits alone."""

    def make(to, **settings):
        return connect(to, sleep=time.sleep, monotonic=time.clock, **settings)

    return make


def page(*entries, **rest) -> Answer:
    return Answer({"data": list(entries), **rest})


@every_repeatable
def test_no_request_is_sent_past_the_deadline(serve, on_time, call):
    server = serve(GOOD)
    for deadline in (START, START - 1):
        with pytest.raises(HevoConnectionError, match="no time was left") as raised:
            call(on_time(server).with_deadline(deadline))
        assert not raised.value.was_sent
    assert server.requests == []


@every_trigger
def test_no_trigger_is_sent_past_the_deadline(serve, on_time, call):
    server = serve(Answer(status=204))
    with pytest.raises(HevoConnectionError, match="no time was left") as raised:
        call(on_time(server).with_deadline(START))
    assert not raised.value.was_sent
    assert server.requests == []


def test_an_attempts_timeout_is_cut_to_the_time_left(serve, on_time, time):
    server = serve(Answer(PIPELINE, delay=2))
    began = real_time.monotonic()
    with pytest.raises(HevoConnectionError, match=r"within 0\.2 s \(timeout\)") as raised:
        on_time(server, timeout=30).with_deadline(START + 0.2).trigger_pipeline_sync(7)
    assert real_time.monotonic() - began < 1
    assert raised.value.was_sent


def test_a_shorter_timeout_stays(serve, on_time):
    server = serve(Answer(PIPELINE, delay=2))
    with pytest.raises(HevoConnectionError, match=r"within 0\.1 s"):
        on_time(server, timeout=0.1, retry_limit=1).with_deadline(START + 60).get_pipeline(7)


def test_a_backoff_that_would_reach_past_the_deadline_raises_the_last_error(serve, on_time, time):
    server = serve(Answer({"message": "oops"}, status=503))
    with pytest.raises(HevoServerError, match="oops") as raised:
        on_time(server, retry_limit=9).with_deadline(START + 10).get_pipeline(7)
    assert len(server.requests) == 3  # after waits of 2 to 3 and 4 to 5 seconds; 8 are too many
    assert time.passed < 10
    assert (raised.value.__cause__, raised.value.__context__) == (None, None)


def test_a_retry_that_fits_before_the_deadline_is_made(serve, on_time):
    server = serve(Answer(status=503), GOOD)
    assert on_time(server).with_deadline(START + 10).get_pipeline(7).name == "Shop"


def test_a_refused_connection_is_not_tried_again_past_the_deadline(on_time, time):
    hevo = on_time(f"http://127.0.0.1:{free_port()}").with_deadline(START + 1)
    with pytest.raises(HevoConnectionError, match="refused"):
        hevo.trigger_pipeline_sync(7)
    assert time.naps == []


@every_trigger
def test_a_429_on_a_trigger_is_waited_for_and_repeated_before_the_deadline(
    serve, on_time, time, call
):
    too_many = Answer(status=429, headers={"Retry-After": "20"})
    server = serve(too_many, too_many, Answer(status=204))
    call(on_time(server).with_deadline(START + 60))
    assert time.naps == [20, 20]
    assert len(server.requests) == 3


@every_trigger
@pytest.mark.parametrize("deadline", [0.5, 19, 20])
def test_a_429_on_a_trigger_is_not_waited_for_past_the_deadline(
    serve, on_time, time, call, deadline
):
    server = serve(Answer(status=429, headers={"Retry-After": "20"}))
    with pytest.raises(HevoRateLimitError) as raised:
        call(on_time(server).with_deadline(START + deadline))
    assert raised.value.retry_after == 20
    assert (len(server.requests), time.naps) == (1, [])


@every_trigger
def test_a_429_on_a_trigger_is_repeated_within_the_retry_limit(serve, on_time, time, call):
    server = serve(Answer(status=429, headers={"Retry-After": "20"}))
    with pytest.raises(HevoRateLimitError):
        call(on_time(server, retry_limit=2))
    assert (len(server.requests), time.naps) == (2, [20])


def test_the_pages_of_a_list_share_the_deadline(serve, on_time, time):
    server = serve(page(PIPELINE, has_more=True, next_cursor="x"), page(PIPELINE))
    pipelines = on_time(server).with_deadline(START + 5).list_pipelines()
    next(pipelines)
    time.now += 5
    with pytest.raises(HevoConnectionError, match="no time was left"):
        next(pipelines)
    assert len(server.requests) == 1


def test_waiting_for_the_request_budget_ends_at_the_deadline(serve, on_time, time):
    server = serve(GOOD)
    budget = budget_on("memory", time)
    use_up(budget)
    hevo = on_time(server, budget=budget).with_deadline(START + 25)
    with pytest.raises(HevoConnectionError, match="request budget had no room") as raised:
        hevo.trigger_pipeline_sync(7)
    assert not raised.value.was_sent
    assert time.passed == pytest.approx(25)
    assert server.requests == []


def test_a_request_budget_with_room_before_the_deadline_is_waited_for(serve, on_time, time):
    budget = budget_on("memory", time)
    use_up(budget)
    hevo = on_time(serve(GOOD), budget=budget).with_deadline(START + 70)
    assert hevo.get_pipeline(7).name == "Shop"
    assert 60 < time.passed < 62


class PlainBudget:
    """A request budget that knows no timeout; each request waits for a minute."""

    def __init__(self, time: Time) -> None:
        self._time = time

    def acquire(self, urgent: bool = False) -> None:
        self._time.sleep(60)

    def exhaust(self, retry_after: float) -> None:
        pass


def test_a_request_budget_without_a_timeout_is_used_as_before(serve, on_time, time):
    server = serve(GOOD)
    hevo = on_time(server, budget=PlainBudget(time))
    assert hevo.get_pipeline(7).name == "Shop"
    assert hevo.with_deadline(START + 200).get_pipeline(7).name == "Shop"
    with pytest.raises(HevoConnectionError, match="no time was left"):
        hevo.with_deadline(START + 170).get_pipeline(7)
    assert len(server.requests) == 2


def test_no_deadline_is_no_bound(serve, on_time, time):
    server = serve(Answer(status=503), GOOD)
    assert on_time(server, retry_delay=50).with_deadline(None).get_pipeline(7).name == "Shop"
    assert time.passed >= 50


def test_the_earlier_of_two_deadlines_counts(serve, on_time):
    server = serve(GOOD)
    early = on_time(server).with_deadline(START)
    for hevo in (early.with_deadline(START + 60), early.with_deadline(None)):
        with pytest.raises(HevoConnectionError, match="no time was left"):
            hevo.get_pipeline(7)
    with pytest.raises(HevoConnectionError, match="no time was left"):
        on_time(server).with_deadline(START + 60).with_deadline(START).get_pipeline(7)


def test_a_deadline_may_be_given_in_seconds_from_now(serve, on_time, time):
    server = serve(GOOD)
    hevo = on_time(server).within(10)
    assert hevo.get_pipeline(7).name == "Shop"
    time.now += 10
    with pytest.raises(HevoConnectionError, match="no time was left"):
        hevo.get_pipeline(7)
    assert len(server.requests) == 1


def test_a_client_with_a_deadline_leaves_the_first_one_as_it_was(serve, on_time):
    server = serve(GOOD)
    hevo = on_time(server)
    with hevo.with_deadline(START + 60) as bounded:
        bounded.get_pipeline(7)
    hevo.with_deadline(START)
    assert hevo.get_pipeline(7).name == "Shop"
    assert len({seen.connection for seen in server.requests}) == 1
    assert hevo.requests_sent == bounded.requests_sent == 2
