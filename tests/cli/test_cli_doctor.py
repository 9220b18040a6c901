"""`doctor` says what is wrong, how to mend it, and by its exit code how bad it is."""

from __future__ import annotations

import threading
import time
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from dagster_hevo.cli.exits import ExitCode
from dagster_hevo.cli.findings import Level, budget_finding, clock_finding, key_findings
from dagster_hevo.sandbox import Fault, FaultKind


def by_what(ended) -> dict[str, dict[str, str]]:
    return {finding["what"]: finding for finding in ended.json["findings"]}


def test_a_sound_account_is_ok(at):
    line = at()
    ended = line.run("doctor", "--json", HEVO_REQUESTS_PER_MINUTE="100")
    assert ended.code == ExitCode.OK
    assert ended.json["ok"] is True
    found = by_what(ended)
    assert {finding["level"] for finding in found.values()} == {"ok"}
    assert set(found) == {
        *("versions", "address", "reachable", "clock", "budget", "keys", "permission")
    }
    assert "of 100 requests left" in found["budget"]["said"]
    assert len(line.sandbox.requests) <= 3


def test_doctor_for_people_names_each_point_once_with_its_level(at):
    lines = at().run("doctor").out.splitlines()
    assert any(line.startswith("ok    reachable") for line in lines)
    assert any(line.startswith("warn  budget") for line in lines)


def test_missing_keys_are_found_and_the_rest_is_still_looked_at(at):
    ended = at().run("doctor", "--json", HEVO_API_SECRET="")
    assert ended.code == ExitCode.KEYS
    found = by_what(ended)
    assert "HEVO_API_SECRET not set" in found["keys"]["said"]
    assert found["reachable"]["level"] == "ok"


def test_wrong_keys_are_found(at):
    ended = at().run("doctor", "--json", HEVO_API_KEY="wrong")
    assert ended.code == ExitCode.KEYS
    assert by_what(ended)["keys"]["level"] == "wrong"


def test_keys_of_a_member_are_found(at):
    line = at()
    ended = line.run("doctor", "--json", HEVO_API_KEY=line.sandbox.member_key)
    assert ended.code == ExitCode.KEYS
    found = by_what(ended)
    assert found["keys"]["level"] == "ok"
    assert "owner account" in found["permission"]["mend"]


def test_an_address_where_nobody_answers_is_found(at):
    ended = at().run("doctor", "--json", HEVO_BASE_URL="http://127.0.0.1:9")
    assert ended.code == ExitCode.UNREACHABLE
    assert by_what(ended)["reachable"]["level"] == "wrong"


def test_an_address_that_cannot_be_one_is_found(at):
    ended = at().run("doctor", "--json", "--region", "no region")
    assert ended.code == ExitCode.USAGE
    assert by_what(ended)["address"]["level"] == "wrong"


def test_a_failing_hevo_is_found(at):
    line = at()
    line.sandbox.faults.add(Fault(FaultKind.STATUS_BEFORE, status=503))
    assert line.run("doctor", "--json").code == ExitCode.UNREACHABLE


class SomethingElse(BaseHTTPRequestHandler):
    """Answers, and is not Hevo; its `Date` is the machine's own."""

    def do_GET(self):
        self.send_error(404)

    def log_message(self, *_):
        pass


def test_something_else_at_the_address_is_found(at):
    server = HTTPServer(("127.0.0.1", 0), SomethingElse)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    ended = at().run("doctor", "--json", HEVO_BASE_URL=f"http://127.0.0.1:{server.server_port}")
    server.shutdown()
    server.server_close()
    found = by_what(ended)
    assert found["reachable"]["level"] == "warn"
    assert "within" in found["clock"]["said"]
    assert ended.code == ExitCode.NOT_FOUND


def test_a_budget_store_that_cannot_be_used_is_found(at, tmp_path):
    (tmp_path / "file").touch()
    store = f"sqlite:///{tmp_path}/file/budget.sqlite"
    ended = at().run(
        "doctor", "--json", HEVO_RATE_LIMIT_STORE=store, HEVO_REQUESTS_PER_MINUTE="100"
    )
    finding = by_what(ended)["budget"]
    assert finding["level"] == "warn"
    assert "cannot be used" in finding["said"]


def test_the_first_request_carries_no_keys(at):
    line = at()
    line.run("doctor")
    assert line.sandbox.requests[0].status == 401


NOON = 1_800_000_000.0


@pytest.mark.parametrize(
    ("difference", "level", "words"),
    [
        (0, Level.OK, "within"),
        (30, Level.OK, "within"),
        (-30, Level.OK, "within"),
        (600, Level.WARN, "ahead of"),
        (-600, Level.WARN, "600 s behind"),
    ],
)
def test_the_clock_is_compared_with_hevos(difference, level, words):
    here = NOON + difference
    finding = clock_finding(formatdate(NOON, usegmt=True), here, here)
    assert finding.level is level
    assert words in finding.said


@pytest.mark.parametrize("date", [None, "", "yesterday"])
def test_an_answer_without_a_time_says_nothing_of_the_clock(date):
    assert clock_finding(date, time.time(), time.time()).level is Level.OK


@pytest.mark.parametrize("value", ["key\n", " key", '"key"', "'key'"])
def test_a_key_with_something_around_it_is_found_and_not_shown(value):
    (finding,) = key_findings([], {"HEVO_API_KEY": value, "HEVO_API_SECRET": "good"})
    assert finding.level is Level.WARN
    assert "HEVO_API_KEY" in finding.said
    assert value not in finding.said


def test_a_store_is_shown_without_its_password():
    finding = budget_finding(
        limit=100,
        left=90,
        watchers=0,
        store="postgresql://user:password@host/db",
        dagster_home=None,
        complaint=None,
    )
    assert finding.level is Level.OK
    assert "password" not in finding.said


def test_a_budget_that_is_nearly_used_up_is_a_warning():
    finding = budget_finding(
        limit=100, left=3, watchers=9, store=None, dagster_home="/home", complaint=None
    )
    assert finding.level is Level.WARN
    assert "wait a minute" in finding.mend
