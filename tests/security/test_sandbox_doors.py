"""The local Hevo's doors: who is answered, what is kept of a request, what a scenario may do."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
import requests
from click.testing import CliRunner

from dagster_hevo.cli import main
from dagster_hevo.sandbox import (
    HevoSandbox,
    SandboxHostError,
    Scenario,
    ScenarioError,
    parse_scenario,
    read_scenario,
)
from dagster_hevo.sandbox.request_log import MOST_REMEMBERED, RequestLog, SeenRequest

PATH = "/api/v1/pipelines"


@pytest.fixture
def sandbox():
    with HevoSandbox(Scenario.simple(objects=1, requests_per_minute=0), speed=0) as running:
        yield running


def get(sandbox: HevoSandbox, keys: bool = True, **headers: str) -> requests.Response:
    auth = (sandbox.api_key, sandbox.api_secret) if keys else None
    return requests.get(f"{sandbox.url}{PATH}", auth=auth, headers=headers, timeout=5)


def post(sandbox: HevoSandbox, body: bytes, keys: bool = True) -> requests.Response:
    auth = (sandbox.api_key, sandbox.api_secret) if keys else None
    return requests.post(
        f"{sandbox.url}{PATH}/101/actions/sync-now", data=body, auth=auth, timeout=30
    )


@pytest.mark.parametrize(
    "host", ["evil.invalid", "evil.invalid:{port}", "127.0.0.1", "127.0.0.1:1", "", "LOCALHOST.:1"]
)
def test_another_host_is_not_answered(sandbox, host):
    answer = get(sandbox, Host=host.format(port=sandbox.port))
    assert answer.status_code in {400, 421}
    assert "Shop" not in answer.text


@pytest.mark.parametrize("host", ["127.0.0.1:{port}", "localhost:{port}", "LocalHost:{port}"])
def test_its_own_names_are_answered(sandbox, host):
    assert get(sandbox, Host=host.format(port=sandbox.port)).status_code == 200


@pytest.mark.parametrize("origin", ["http://evil.invalid", "null", "http://127.0.0.1:{port}"])
def test_requests_of_web_pages_are_not_answered(sandbox, origin):
    answer = get(sandbox, Origin=origin.format(port=sandbox.port))
    assert answer.status_code == 403
    assert sandbox.jobs() == []


def test_keys_are_others_at_each_start_unless_given():
    one, other = HevoSandbox(speed=0), HevoSandbox(speed=0)
    assert one.api_key != other.api_key
    assert one.api_secret != other.api_secret
    assert one.member_key != other.member_key
    given = HevoSandbox(speed=0, api_key="k", api_secret="s", member_key="m")
    assert (given.api_key, given.api_secret, given.member_key) == ("k", "s", "m")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.1", "example.invalid", ""])
def test_an_address_that_others_reach_is_refused(host):
    with pytest.raises(SandboxHostError, match="--allow-remote"):
        HevoSandbox(host=host)
    ended = CliRunner().invoke(main, ["sandbox", "--host", host, "--port", "0"])
    assert ended.exit_code == 2
    assert "--allow-remote" in ended.stderr


def test_an_address_that_others_reach_may_be_allowed():
    with HevoSandbox(host="0.0.0.0", allow_remote=True, speed=0) as running:
        answer = requests.get(
            f"http://127.0.0.1:{running.port}{PATH}",
            auth=(running.api_key, running.api_secret),
            timeout=5,
        )
        assert answer.status_code == 200


def test_bodies_without_keys_are_not_kept(sandbox):
    assert post(sandbox, b'{"planted": 1}' * 1000, keys=False).status_code == 401
    (seen,) = sandbox.requests
    assert (seen.status, seen.body) == (401, None)


def test_a_body_without_end_is_refused(sandbox):
    assert post(sandbox, b"x" * (1024 * 1024 + 1)).status_code == 413
    assert sandbox.requests[-1].body is None
    assert sandbox.jobs() == []


def test_the_record_of_requests_is_bounded():
    log = RequestLog()
    seen = SeenRequest("GET", "/x", "", "k", None, None, 0.0, 0.0, None, None, None)
    for _ in range(MOST_REMEMBERED + 10):
        place = log.add(seen)
    log.answered(place, 200)
    log.answered(0, 500)  # forgotten
    assert len(log.all()) == MOST_REMEMBERED
    assert [each.status for each in log.all()[-2:]] == [None, 200]
    for _ in range(100):
        log.add(seen, size=2**20)
    assert len(log.all()) <= 64


def test_bytes_that_are_no_request_end_nothing(sandbox):
    for sent in (b"\x16\x03\x01", b"GET / HTTP/1.1\r\n\r\n", b"GET /\xff HTTP/9\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", sandbox.port), 5) as connection:
            connection.sendall(sent)
            connection.shutdown(socket.SHUT_WR)
            assert b"Shop" not in connection.recv(65536)
    assert get(sandbox).status_code == 200


LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{chr(98 + n)}: &{chr(98 + n)} [{', '.join([f'*{chr(97 + n)}'] * 10)}]\n" for n in range(8)
)
ODD_SCENARIOS = [
    LAUGHS,
    "&a [*a]",
    "pipelines: &a [{name: x, objects: *a}]",
    "[" * 5000,
    "{a: " * 3000,
    "2020-99-99",
    "a: 2020-02-31",
    "!!python/object/apply:os.system [ls]",
    "!!int 'x'",
    "? [a]\n: b",
    "? {a: b}\n: c",
    "5",
    "false",
    "[]",
    '"\\ud800"',
    "\x00",
    "name: \x1b[31m",
    "seed: " + "9" * 5000,
    "seed: .inf",
    "pipelines: [{name: x, seconds_per_object: .inf}, {name: y, seconds_per_object: .nan}]",
    "pipelines: [{name: x, objects: [{name: x, rows: 1e300}]}]",
    "account: {requests_per_minute: .nan}",
    "1: 2",
    "null: null",
    "name: [1, 2",
    "\t- x",
    "%YAML 9.9\n---\na: b",
]


@pytest.mark.parametrize("text", ODD_SCENARIOS, ids=lambda text: repr(text[:30]))
def test_an_odd_scenario_is_an_error_of_ours_or_a_scenario(text, tmp_path: Path):
    path = tmp_path / "scenario.yaml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    found: Scenario | str
    try:
        found = read_scenario(path)
    except ScenarioError as error:
        found = str(error)
    if isinstance(found, str):
        assert str(path) in found
        assert len(found) < 20_000
    else:
        with HevoSandbox(found, speed=0) as running:
            assert get(running).status_code == 200


def test_bytes_that_are_no_text_are_an_error_of_ours(tmp_path: Path):
    path = tmp_path / "scenario.yaml"
    path.write_bytes(b"\xff\xfe\x00\x80 name: x: y")
    with pytest.raises(ScenarioError):
        read_scenario(path)


@pytest.mark.parametrize("name", ["\x00", "x" * 5000, "/", "/proc/self/mem", "/nowhere/x"])
def test_a_file_that_cannot_be_read_is_an_error_of_ours(name):
    with pytest.raises(ScenarioError):
        read_scenario(name)


def test_an_endless_file_is_an_error_of_ours(tmp_path: Path):
    path = tmp_path / "scenario.yaml"
    path.write_bytes(b"#" * (9 * 2**20))
    with pytest.raises(ScenarioError, match="longer than 8 MiB"):
        read_scenario(path)


def test_the_command_tells_an_odd_scenario_in_a_message(tmp_path: Path):
    path = tmp_path / "scenario.yaml"
    path.write_text("&a [*a]")
    ended = CliRunner().invoke(main, ["sandbox", "--scenario", str(path), "--port", "0"])
    assert ended.exit_code == 2
    assert "Traceback" not in ended.output


def test_aliases_are_still_allowed():
    text = "pipelines: [{name: a, objects: &o [x, y]}, {name: b, objects: *o}]"
    assert len(parse_scenario(text).pipelines[1].objects) == 2
