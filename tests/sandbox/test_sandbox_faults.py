"""Faults strike where they are told to, and the request takes effect or not as they say."""

from __future__ import annotations

import time

import pytest
import requests

from dagster_hevo.sandbox import Fault, FaultBook, Scenario

SYNC = "/pipelines/101/actions/sync-now"


@pytest.mark.parametrize(("kind", "jobs"), [("cut_before", 0), ("cut_after", 1)])
def test_a_cut_connection_gives_no_answer(start, kind, jobs):
    sandbox, hevo = start(faults=[Fault(kind, times=1)])
    with pytest.raises(requests.ConnectionError):
        hevo.post(SYNC)
    assert len(sandbox.jobs(101)) == jobs
    assert [(seen.status, seen.fault) for seen in sandbox.requests] == [(None, kind)]


def test_after_a_cut_the_next_request_is_answered(start):
    _, hevo = start(faults=[Fault("cut_after", times=1)])
    with pytest.raises(requests.ConnectionError):
        hevo.post(SYNC)
    assert hevo.get("/pipelines").status_code == 200


@pytest.mark.parametrize(("kind", "jobs"), [("delay_before", 0), ("delay_after", 1)])
def test_a_delay_outlasts_the_clients_patience(start, kind, jobs):
    sandbox, hevo = start(faults=[Fault(kind, method="POST", seconds=0.5)])
    with pytest.raises(requests.ReadTimeout):
        hevo.post(SYNC, timeout=0.15)
    time.sleep(0.6)
    assert len(sandbox.jobs(101)) == jobs


@pytest.mark.parametrize("kind", ["delay_before", "delay_after"])
def test_a_patient_client_gets_its_answer(start, kind):
    sandbox, hevo = start(faults=[Fault(kind, seconds=0.1)])
    assert hevo.post(SYNC).status_code == 204
    assert len(sandbox.jobs(101)) == 1


@pytest.mark.parametrize(("kind", "jobs"), [("status_before", 0), ("status_after", 1)])
@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_server_error_before_or_after_the_effect(start, kind, jobs, status):
    sandbox, hevo = start(faults=[Fault(kind, status=status)])
    assert hevo.post(SYNC).status_code == status
    assert len(sandbox.jobs(101)) == jobs


def test_a_429_on_demand_says_when_to_come_back(start):
    sandbox, hevo = start(faults=[Fault("rate_limited", seconds=7)])
    answer = hevo.post(SYNC)
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "7")
    assert sandbox.jobs(101) == []


def test_a_page_of_html_with_status_200(start):
    _, hevo = start(faults=[Fault("html")])
    answer = hevo.get("/pipelines")
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/html")


def test_a_body_shorter_than_its_content_length(start):
    _, hevo = start(faults=[Fault("truncated_body")])
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        hevo.get("/pipelines")


def test_json_that_ends_too_early(start):
    _, hevo = start(faults=[Fault("cut_json")])
    answer = hevo.get("/pipelines")
    assert answer.status_code == 200
    with pytest.raises(requests.exceptions.JSONDecodeError):
        answer.json()


def test_unknown_words_unknown_fields_and_missing_fields(start):
    script = [Fault(kind, times=1) for kind in ("unknown_values", "unknown_fields")]
    _, hevo = start(faults=[*script, Fault("missing_fields", times=1)])
    words, more, less = (hevo.get("/pipelines/101").json() for _ in range(3))
    assert words["status"] == "SOMETHING_NEW"
    assert {"brand_new", "name", "status"} <= more.keys()
    assert less.keys() == {"id", "name", "status"}


def test_a_script_strikes_only_what_it_names(start):
    sandbox, hevo = start()
    sandbox.faults.add(
        Fault("status_before", method="POST", path="*/actions/resync", times=1, skip=1)
    )
    codes = [
        hevo.get("/pipelines").status_code,
        hevo.post("/pipelines/101/actions/resync").status_code,
        hevo.post("/pipelines/101/actions/resync").status_code,
    ]
    assert codes == [200, 204, 503]
    assert len(sandbox.faults.struck) == 1
    assert sandbox.faults.pending == ()


def test_faults_by_chance_repeat_with_the_seed():
    def strikes(seed):
        book = FaultBook(seed=seed)
        book.add_by_chance(["status_before"], 0.3)
        return [book.pick("GET", "/") is not None for _ in range(200)]

    assert strikes(1) == strikes(1) != strikes(2)
    assert 30 < sum(strikes(1)) < 90


def test_faults_come_with_a_scenario(start):
    scenario = Scenario.model_validate({"faults": [{"kind": "status_before", "status": 502}]})
    _, hevo = start(scenario)
    assert hevo.get("/pipelines").status_code == 502
