"""What an error never says: keys, headers, settings of a source."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from error_texts import error_of, everything_told_by
from requests_to_send import KEY, SECRET
from stub_server import Answer, free_port

from dagster_hevo.api.client import HevoClient
from dagster_hevo.api.errors import HevoError

PIPELINE = {"id": 7, "name": "Shop", "status": "INITIALIZED"}
TOKEN = base64.b64encode(f"{KEY}:{SECRET}".encode()).decode()
PASSWORD = 'pass "word" & <more> ü'

ECHOES: list[Callable[[str], Answer]] = [
    lambda secret: Answer({"message": f"bad key {secret}"}, status=401),
    lambda secret: Answer({"code": 1, "seen": {"deep": [secret]}}, status=400),
    lambda secret: Answer({"code": 1, secret: 2}, status=400),
    lambda secret: Answer(f"you sent {secret}", status=500),
    lambda secret: Answer(f"<p>you sent {html.escape(secret)}</p>", status=500),
    lambda secret: Answer(f"<p>you sent {html.escape(secret)}</p>"),
    lambda secret: Answer(f"login?key={quote(secret)}"),
    lambda secret: Answer(json.dumps({"message": secret})[:-1], status=500),
    lambda secret: Answer(f"half of {json.dumps({'password': secret})}"),
    lambda secret: Answer(status=302, headers={"Location": f"http://x.invalid/{quote(secret)}"}),
    lambda secret: Answer(
        status=302, headers={"Location": f"http://u:{quote(secret, safe='')}@x.invalid/"}
    ),
    lambda secret: Answer({"id": {secret: secret}, "name": [secret], "status": {"a": secret}}),
    lambda secret: Answer({"data": secret, "status": 5}),
]


@pytest.mark.parametrize("echo", ECHOES)
def test_no_key_is_told_even_if_the_server_echoes_it(serve, connect, echo):
    for secret in (KEY, SECRET, TOKEN, f"Basic {TOKEN}"):
        hevo = connect(serve(echo(secret)))
        told = everything_told_by(error_of(lambda hevo=hevo: hevo.get_pipeline(7)))
        for hidden in (KEY, SECRET, TOKEN):
            assert hidden not in told


@pytest.mark.parametrize("echo", ECHOES)
def test_no_value_of_an_extra_header_and_no_password_of_a_proxy_is_told(serve, connect, echo):
    settings = {
        "extra_headers": {"X-Gateway-Key": "gate/way key&1", "Accept": "application/json"},
        "extra_kwargs": {"proxies": {"ftp": "http://me:pro%2Fxy-password@proxy.invalid"}},
    }
    for secret in ("gate/way key&1", "pro/xy-password", "pro%2Fxy-password"):
        hevo = connect(serve(echo(secret)), **settings)
        told = everything_told_by(error_of(lambda hevo=hevo: hevo.get_pipeline(7)))
        assert secret not in told


def test_a_key_on_the_edge_of_what_is_shown_is_not_cut_in_half(serve, connect):
    server = serve(Answer({"message": "x" * 495 + SECRET}, status=400))
    error = error_of(lambda: connect(server).get_pipeline(7))
    assert error.message == "x" * 495 + "***"


def failing_connections(serve: Any) -> list[tuple[str, dict[str, Any]]]:
    other = serve(Answer())
    return [
        (f"http://127.0.0.1:{free_port()}", {}),
        ("https://hevo.invalid", {}),
        (other.url.replace("http", "https"), {}),
        (serve(Answer(PIPELINE, cut="at once")).url, {}),
        (serve(Answer(PIPELINE, cut="in the body")).url, {}),
        (serve(Answer(PIPELINE, delay=0.3)).url, {"timeout": 0.1}),
        (serve(Answer(status=302, headers={"Location": other.url})).url, {}),
        (other.url, {"extra_kwargs": {"proxies": {"http": f"http://127.0.0.1:{free_port()}"}}}),
    ]


@pytest.mark.parametrize("answer", [Answer(cut="at once"), Answer("half of {"), Answer(status=500)])
def test_an_error_holds_on_to_nothing_that_led_to_it(serve, connect, answer):
    error = error_of(lambda: connect(serve(answer)).get_pipeline(7))
    assert (error.__cause__, error.__context__) == (None, None)


def test_no_key_is_told_by_any_failed_connection(serve, connect):
    for base_url, settings in failing_connections(serve):
        hevo = connect(base_url, **settings)
        told = everything_told_by(error_of(lambda hevo=hevo: hevo.get_pipeline(7)))
        for hidden in (KEY, SECRET, TOKEN):
            assert hidden not in told


@pytest.mark.parametrize(
    ("echo", "config"),
    [
        *((echo, {"password": PASSWORD}) for echo in ECHOES),
        (ECHOES[0], {"config": {"password": PASSWORD}}),
        (ECHOES[0], {"ssh": {"keys": ({"private": PASSWORD},)}}),
    ],
)
def test_a_source_password_that_was_sent_is_never_told(serve, connect, echo, config):
    hevo = connect(serve(echo(PASSWORD)), retry_limit=1)
    call = lambda: hevo.update_pipeline_sources(7, config)  # noqa: E731 (named for the error)
    try:
        told = repr(call())
    except HevoError as error:
        told = everything_told_by(error)
    spellings = (PASSWORD, html.escape(PASSWORD), quote(PASSWORD), json.dumps(PASSWORD)[1:-1])
    for hidden in (*spellings, 'pass "', "<more>"):
        assert hidden not in told


def test_a_source_pin_that_was_sent_as_a_number_is_never_told(serve, connect):
    pin = 918000 + 273
    server = serve(Answer({"message": f"pin {pin} is wrong"}, status=400))
    error = error_of(lambda: connect(server).update_pipeline_sources(7, {"pin": pin}))
    assert str(pin) not in everything_told_by(error)
    assert "what it says is not shown, because the request held settings" in str(error)


def test_a_password_sent_with_other_fields_of_a_pipeline_is_never_told(serve, connect):
    server = serve(Answer({"message": f"{PASSWORD} is too weak"}, status=400))
    fields = {"name": "Shop", "source": {"config": {"password": PASSWORD}}}
    error = error_of(lambda: connect(server).update_pipeline(7, fields))
    assert PASSWORD not in everything_told_by(error)


SETTINGS = {"host": "db", "user": "reader", "password": "hunter2-of-the-source"}


@pytest.mark.parametrize(
    "answer",
    [
        Answer({**PIPELINE, "name": ["x"], "source": {"config": SETTINGS}}),
        Answer({**PIPELINE, "source": {"config": [SETTINGS]}}),
        Answer({**PIPELINE, "source": SETTINGS["password"]}),
        Answer(json.dumps({**PIPELINE, "source": {"config": SETTINGS}})[:-3]),
        Answer(json.dumps({**PIPELINE, "source": {"config": SETTINGS}})[1:]),
        Answer(json.dumps(json.dumps({"config": SETTINGS}))[:-3]),
        Answer({"source": {"config": SETTINGS}}, status=500),
        Answer(json.dumps({"source": {"config": SETTINGS}})[:-3], status=500),
    ],
)
def test_a_sources_settings_are_not_told_when_the_answer_is_malformed(serve, connect, answer):
    hevo: HevoClient = connect(serve(answer))
    try:
        told = repr(hevo.get_pipeline(7))
    except HevoError as error:
        told = everything_told_by(error)
    assert SETTINGS["password"] not in told
