"""What is sent again, how often, after how long, after which errors.

What must never be sent twice is in `test_triggers.py`.
"""

from __future__ import annotations

import pytest
from requests_to_send import every_repeatable, every_trigger
from stub_server import Answer, free_port

from dagster_hevo.api.errors import (
    HevoApiError,
    HevoConnectionError,
    HevoRateLimitError,
    HevoResponseError,
    HevoServerError,
)

PIPELINE = {"id": 7, "name": "Shop", "status": "INITIALIZED"}
GOOD = Answer(PIPELINE)


def in_backoff(seconds: list[float], first: float) -> bool:
    """Whether each delay doubles the one before, apart from a share for jitter."""
    return all(first * 2**n <= waited <= first * (2**n + 0.5) for n, waited in enumerate(seconds))


@every_repeatable
@pytest.mark.parametrize("status", [429, 503, 599])
def test_a_repeatable_request_is_tried_three_times(serve, connect, naps, call, status):
    server = serve(Answer({"message": "not now"}, status=status))
    with pytest.raises(HevoApiError) as raised:
        call(connect(server))
    assert raised.value.status_code == status
    assert len(server.requests) == 3
    assert len(naps) == 2
    assert in_backoff(naps.seconds, 2.0)
    assert len({(seen.method, seen.target, seen.body) for seen in server.requests}) == 1


def test_the_second_attempt_may_succeed(serve, connect, naps):
    server = serve(Answer(status=503), GOOD)
    assert connect(server).get_pipeline(7).name == "Shop"
    assert (len(server.requests), len(naps)) == (2, 1)


def test_one_attempt_is_one_attempt(serve, connect, naps):
    server = serve(Answer(status=503))
    with pytest.raises(HevoServerError):
        connect(server, retry_limit=1).get_pipeline(7)
    assert (len(server.requests), len(naps)) == (1, 0)


def test_delays_grow_to_a_minute_and_no_further(serve, connect, naps):
    server = serve(Answer(status=503))
    with pytest.raises(HevoServerError):
        connect(server, retry_limit=9).get_pipeline(7)
    assert in_backoff(naps.seconds[:5], 2.0)
    assert all(60 <= waited <= 61 for waited in naps.seconds[5:])


def test_a_first_delay_of_more_than_a_minute_is_kept(serve, connect, naps):
    server = serve(Answer(status=503), GOOD)
    connect(server, retry_delay=90).get_pipeline(7)
    assert 90 <= naps.seconds[0] <= 135


def test_no_delay_is_no_delay(serve, connect, naps):
    server = serve(Answer(status=503))
    with pytest.raises(HevoServerError):
        connect(server, retry_delay=0).get_pipeline(7)
    assert naps.seconds == [0, 0]


class TestTheClientsOfHevosOwnDocumentation:
    """Its two examples of a hook, with the same settings."""

    PATIENT = {
        "retry_limit": 5,
        "retry_delay": 3,
        "timeout": 60,
        "retryable_status_codes": [429, 500, 502, 503, 504],
        "extra_headers": {"X-Custom-Header": "value"},
    }
    NETWORK_ONLY = {"retry_limit": 3, "retryable_status_codes": []}

    @pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
    def test_the_patient_one_tries_five_times(self, serve, connect, naps, status):
        server = serve(Answer(status=status))
        with pytest.raises(HevoApiError):
            connect(server, **self.PATIENT).get_pipeline(7)
        assert [seen.headers["X-Custom-Header"] for seen in server.requests] == ["value"] * 5
        assert len(naps) == 4
        assert in_backoff(naps.seconds, 3.0)

    @pytest.mark.parametrize("status", [400, 404, 501, 505])
    def test_the_patient_one_gives_up_on_other_codes_at_once(self, serve, connect, status):
        server = serve(Answer(status=status))
        with pytest.raises(HevoApiError):
            connect(server, **self.PATIENT).get_pipeline(7)
        assert len(server.requests) == 1

    @pytest.mark.parametrize("status", [429, 500, 503])
    def test_the_other_repeats_no_status(self, serve, connect, status):
        server = serve(Answer(status=status))
        with pytest.raises(HevoApiError):
            connect(server, **self.NETWORK_ONLY).get_pipeline(7)
        assert len(server.requests) == 1

    def test_the_other_repeats_after_network_errors(self, serve, connect):
        server = serve(Answer(cut="at once"), Answer(cut="at once"), GOOD)
        assert connect(server, **self.NETWORK_ONLY).get_pipeline(7).name == "Shop"
        assert len(server.requests) == 3


@every_repeatable
@pytest.mark.parametrize("cut", ["at once", "in the body"])
def test_a_cut_connection_is_always_tried_again(serve, connect, call, cut):
    server = serve(Answer(PIPELINE, cut=cut))
    with pytest.raises(HevoConnectionError, match="broke") as raised:
        call(connect(server, retryable_status_codes=[]))
    assert raised.value.was_sent
    assert len(server.requests) == 3


def test_a_timeout_is_always_tried_again(serve, connect):
    server = serve(Answer(delay=0.4), GOOD)
    hevo = connect(server, timeout=0.2, retryable_status_codes=[])
    assert hevo.get_pipeline(7).name == "Shop"


def test_a_refused_connection_is_tried_again(connect, naps):
    hevo = connect(f"http://127.0.0.1:{free_port()}", retryable_status_codes=[])
    with pytest.raises(HevoConnectionError, match="refused"):
        hevo.get_pipeline(7)
    assert len(naps) == 2


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 408, 410, 422, 499])
def test_no_other_4xx_is_tried_again(serve, connect, status):
    server = serve(Answer({"message": "no"}, status=status))
    with pytest.raises(HevoApiError):
        connect(server).get_pipeline(7)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "body", ["<html>Please log in</html>", '{"id": 7, "name"', b"\xff\xfe\xfd"]
)
def test_a_garbled_answer_is_tried_again(serve, connect, body):
    server = serve(Answer(body), GOOD)
    assert connect(server).get_pipeline(7).name == "Shop"
    assert len(server.requests) == 2


def test_an_answer_of_the_wrong_shape_is_not_tried_again(serve, connect):
    server = serve(Answer({"id": 7}))
    with pytest.raises(HevoResponseError):
        connect(server).get_pipeline(7)
    assert len(server.requests) == 1


# How long to wait is Hevo's to say.


@pytest.mark.parametrize(
    ("asked", "waited"),
    [("7", 7), ("0", 0), ("1.5", 1.5), ("-3", 0), ("86400", 300), ("inf", 300)],
)
@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_in_seconds_is_honoured_and_capped(serve, connect, naps, status, asked, waited):
    server = serve(Answer(status=status, headers={"Retry-After": asked}), GOOD)
    connect(server).get_pipeline(7)
    assert naps.seconds == [waited]


@pytest.mark.parametrize(
    ("until", "waited"),
    [
        ("Wed, 21 Oct 2015 07:28:30 GMT", 30),
        ("Wed, 21 Oct 2015 09:28:30 +0200", 30),
        ("Wed, 21 Oct 2015 07:27:00 GMT", 0),
        ("Thu, 22 Oct 2015 07:28:00 GMT", 300),
    ],
)
def test_a_date_in_retry_after_is_read_by_the_servers_clock(serve, connect, naps, until, waited):
    headers = {"Retry-After": until, "Date": "Wed, 21 Oct 2015 07:28:00 GMT"}
    server = serve(Answer(status=429, headers=headers), GOOD)
    connect(server).get_pipeline(7)
    assert naps.seconds == [waited]


@pytest.mark.parametrize(
    "headers",
    [
        {"Retry-After": "soon"},
        {"Retry-After": ""},
        {"Retry-After": "nan"},
        {"Retry-After": "Wed, 21 Oct 2015 07:28:30 GMT"},
        {"Retry-After": "Wed, 21 Oct 2015 07:28:30 GMT", "Date": "today"},
        {
            "Retry-After": "Wed, 21 Oct 2015 07:28:30 -0000",
            "Date": "Wed, 21 Oct 2015 07:28:00 GMT",
        },
    ],
)
def test_a_retry_after_that_says_nothing_leaves_the_usual_delay(serve, connect, naps, headers):
    server = serve(Answer(status=429, headers=headers), GOOD)
    connect(server).get_pipeline(7)
    assert in_backoff(naps.seconds, 2.0)


def test_the_error_tells_how_long_to_wait(serve, connect):
    server = serve(Answer(status=429, headers={"Retry-After": "42"}))
    with pytest.raises(HevoRateLimitError) as raised:
        connect(server, retry_limit=1).get_pipeline(7)
    assert raised.value.retry_after == 42


class Budget:
    """A request budget that lets everything pass and notes what it was asked."""

    def __init__(self) -> None:
        self.urgent: list[bool] = []
        self.exhausted: list[float] = []

    def acquire(self, urgent: bool = False) -> None:
        self.urgent.append(urgent)

    def exhaust(self, retry_after: float) -> None:
        self.exhausted.append(retry_after)


def test_every_attempt_passes_the_budget_and_a_429_fills_it(serve, connect):
    budget = Budget()
    too_many = Answer(status=429, headers={"Retry-After": "9"})
    server = serve(too_many, Answer(status=429), GOOD)
    connect(server, budget=budget).get_pipeline(7)
    assert budget.urgent == [False] * 3
    assert budget.exhausted == [9, 60]


@every_trigger
def test_triggers_go_before_others_in_the_budget(serve, connect, call):
    budget = Budget()
    call(connect(serve(Answer()), budget=budget))
    assert budget.urgent == [True]
