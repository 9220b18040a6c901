"""Faults strike where they are told to, and the request takes effect or not as they say."""

from __future__ import annotations

import json
import socket
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


def sent_bytes(hevo, path="/pipelines"):
    """The bytes of an answer in the parts in which they arrive, until the connection is closed."""
    request = requests.Request("GET", f"{hevo.sandbox.url}/api/v1{path}", auth=hevo.session.auth)
    authorization = request.prepare().headers["Authorization"]
    with socket.create_connection(("127.0.0.1", hevo.sandbox.port), timeout=2) as connection:
        connection.sendall(
            f"GET /api/v1{path} HTTP/1.1\r\nHost: 127.0.0.1:{hevo.sandbox.port}\r\n"
            "Connection: close\r\n"
            f"Authorization: {authorization}\r\n\r\n".encode()
        )
        parts = []
        while part := connection.recv(65536):
            parts.append(part)
    return parts


@pytest.mark.parametrize("kind", ["drip_headers", "drip_body"])
def test_headers_or_body_can_come_byte_by_byte(start, kind):
    _, hevo = start(faults=[Fault(kind, seconds=0.002)])
    parts = sent_bytes(hevo)
    _, body = b"".join(parts).split(b"\r\n\r\n", 1)
    assert json.loads(body)["data"][0]["id"] == 101
    # Bytes may arrive together, but an answer that is sent whole comes in two or three parts.
    assert len(parts) > 10


@pytest.mark.parametrize("kind", ["drip_headers", "drip_body"])
def test_a_dripping_answer_is_the_same_as_any_other(start, kind):
    sandbox, hevo = start(faults=[Fault(kind, seconds=0, times=1)])
    dripped, whole = hevo.get("/pipelines"), hevo.get("/pipelines")
    assert (dripped.status_code, dripped.json()) == (200, whole.json())
    assert dripped.headers["Date"] == whole.headers["Date"]
    assert [seen.status for seen in sandbox.requests] == [200, 200]


@pytest.mark.parametrize("kind", ["drip_headers", "drip_body"])
def test_a_trigger_whose_answer_drips_takes_effect(start, kind):
    sandbox, hevo = start(faults=[Fault(kind, seconds=0)])
    assert hevo.post(SYNC).status_code == 204
    assert len(sandbox.jobs(101)) == 1


@pytest.mark.parametrize("kind", ["drip_headers", "drip_body"])
def test_a_client_can_give_up_on_a_dripping_answer(start, kind):
    _, hevo = start(faults=[Fault(kind, seconds=30, times=1)])
    with pytest.raises((requests.Timeout, requests.ConnectionError)):
        hevo.get("/pipelines", timeout=0.2)
    assert hevo.get("/pipelines").status_code == 200


def test_a_sandbox_stops_while_an_answer_drips(start):
    sandbox, hevo = start(faults=[Fault("drip_body", seconds=30)])
    hevo.session.get(f"{sandbox.url}/api/v1/pipelines", stream=True, timeout=5)
    began = time.monotonic()
    sandbox.stop()
    assert time.monotonic() - began < 2


def test_an_answer_without_a_body_can_be_garbled_too(start):
    sandbox, hevo = start(faults=[Fault("cut_json")])
    answer = hevo.post(SYNC)
    assert (answer.status_code, answer.text) == (200, '{"')
    assert len(sandbox.jobs(101)) == 1


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
