"""Hevo's own time, as its answers tell it."""

from __future__ import annotations

import pytest
from hand_clock import Time
from stub_server import Answer

from dagster_hevo.api.errors import HevoServerError

PIPELINE = {"id": 7, "name": "Shop", "status": "INITIALIZED"}
DATE = "Wed, 21 Oct 2015 07:28:00 GMT"
DATE_MS = 1_445_412_480_000


@pytest.fixture
def on_time(connect, time: Time):
    def make(to, **settings):
        return connect(to, sleep=time.sleep, monotonic=time.clock, **settings)

    return make


def dated(date: str, **rest) -> Answer:
    return Answer(PIPELINE, headers={"Date": date}, **rest)


def test_it_is_unknown_before_an_answer_and_without_a_date(serve, on_time):
    hevo = on_time(serve(Answer(PIPELINE)))
    assert hevo.hevo_now_ms() is None
    hevo.get_pipeline(7)
    assert hevo.hevo_now_ms() is None


def test_it_goes_on_from_the_last_answer(serve, on_time, time):
    hevo = on_time(serve(dated(DATE), dated("Wed, 21 Oct 2015 08:28:00 GMT")))
    hevo.get_pipeline(7)
    assert hevo.hevo_now_ms() == DATE_MS
    time.now += 61.5
    assert hevo.hevo_now_ms() == DATE_MS + 61_500
    hevo.get_pipeline(7)
    assert hevo.hevo_now_ms() == DATE_MS + 3_600_000


@pytest.mark.parametrize(
    "date",
    [
        *("today", "", "21 Oct", "Wed, 99 Oct 2015 07:28:00 GMT", "Wed, 21 Oct 1970 07:28:00 GMT"),
        *("Wed, 21 Oct 2015 07:28:00 +9999", "Wed, 21 Oct 99999999999 07:28:00 GMT", "1445412480"),
    ],
)
def test_an_unreadable_date_leaves_the_time_of_the_answer_before(serve, on_time, date):
    hevo = on_time(serve(dated(DATE), dated(date)))
    hevo.get_pipeline(7)
    hevo.get_pipeline(7)
    assert hevo.hevo_now_ms() == DATE_MS


@pytest.mark.parametrize(
    "date", [DATE, "Wed, 21 Oct 2015 09:28:00 +0200", "Wed, 21 Oct 2015 07:28:00 -0000"]
)
def test_a_date_is_read_in_its_own_zone(serve, on_time, date):
    hevo = on_time(serve(dated(date)))
    hevo.get_pipeline(7)
    assert hevo.hevo_now_ms() == DATE_MS


def test_an_error_tells_the_time_too(serve, on_time):
    hevo = on_time(serve(dated(DATE, status=500)), retry_limit=1)
    with pytest.raises(HevoServerError):
        hevo.get_pipeline(7)
    assert hevo.hevo_now_ms() == DATE_MS


def test_a_client_with_a_deadline_shares_it(serve, on_time, time):
    hevo = on_time(serve(dated(DATE)))
    hevo.with_deadline(time.now + 60).get_pipeline(7)
    assert hevo.hevo_now_ms() == DATE_MS
