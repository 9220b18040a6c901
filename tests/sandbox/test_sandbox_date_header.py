"""The Date header is written from the sandbox's clock, so that it can be compared with `*_ts`."""

from __future__ import annotations

import re
from email.utils import parsedate_to_datetime

import pytest
import requests

from dagster_hevo.sandbox import Fault, Scenario

IMF_FIXDATE = r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT"
TWO = Scenario.simple(pipelines=2, objects=1)


def date_of(answer):
    return parsedate_to_datetime(answer.headers["Date"]).timestamp()


@pytest.mark.parametrize("offset", [0, -3600, 86400])
def test_it_is_the_sandboxs_time_with_its_offset_in_whole_seconds(start, offset):
    sandbox, hevo = start(TWO, clock_offset=offset)
    sandbox.advance(30 * 86400)
    answer = hevo.get("/pipelines")
    assert re.fullmatch(IMF_FIXDATE, answer.headers["Date"])
    assert date_of(answer) == int(sandbox.now() + offset)


def test_it_is_sent_once_and_by_no_other_server(start):
    _, hevo = start(TWO)
    answer = requests.get(hevo.sandbox.url + "/api/v1/pipelines", auth=hevo.session.auth, timeout=5)
    assert answer.raw.headers.getlist("Date") == [answer.headers["Date"]]


def test_it_can_be_compared_with_the_times_of_jobs(start):
    sandbox, hevo = start(TWO, clock_offset=-500)
    sandbox.start_scheduled_job(101)
    answer = hevo.get("/pipelines/101/jobs")
    assert date_of(answer) == answer.json()["data"][0]["created_ts"] // 1000


@pytest.mark.parametrize("skew", [-90, 45])
def test_a_gateways_clock_shifts_only_the_header(start, skew):
    sandbox, hevo = start(TWO, behaviour={"date_header_skew_seconds": skew})
    sandbox.start_scheduled_job(101)
    answer = hevo.get("/pipelines/101/jobs")
    assert answer.json()["data"][0]["created_ts"] == round(sandbox.now() * 1000)
    assert date_of(answer) == int(sandbox.now() + skew)


def test_it_can_be_left_out(start):
    _, hevo = start(TWO, behaviour={"date_header": False})
    assert "Date" not in hevo.get("/pipelines").headers


def test_one_pipeline_can_leave_it_out(start):
    sandbox, hevo = start(TWO)
    sandbox.set_behaviour(102, date_header=False)
    paths = ("/pipelines", "/pipelines/101", "/pipelines/101/jobs", "/pipelines/102/jobs")
    assert ["Date" in hevo.get(path).headers for path in paths] == [True, True, True, False]


def test_it_is_switched_for_all_answers_while_the_sandbox_runs(start):
    sandbox, hevo = start(TWO)
    sandbox.set_behaviour(date_header=False)
    paths = ("/pipelines", "/pipelines/101", "/pipelines/102/jobs", "/nothing")
    assert not any("Date" in hevo.get(path).headers for path in paths)


@pytest.mark.parametrize("kind", ["status_before", "status_after", "rate_limited", "html"])
def test_errors_carry_it_too(start, kind):
    sandbox, hevo = start(TWO, faults=[Fault(kind)])
    sandbox.advance(1_000_000)
    assert date_of(hevo.get("/pipelines")) == int(sandbox.now())


def test_refusals_carry_it_too(start):
    sandbox, hevo = start(TWO)
    answers = [
        requests.get(f"{sandbox.url}/api/v1/pipelines", timeout=5),
        hevo.get("/pipelines/7"),
        hevo.get("/pipelines/99999999999999999999999"),
    ]
    assert [answer.status_code for answer in answers] == [401, 404, 404]
    assert {date_of(answer) for answer in answers} == {int(sandbox.now())}
