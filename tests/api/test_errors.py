"""What an error says, and what it must never say: keys, headers, settings of a source."""

from __future__ import annotations

import base64
import html
import json
import traceback
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from requests_to_send import KEY, SECRET
from stub_server import Answer, free_port

from dagster_hevo.api.client import HevoClient
from dagster_hevo.api.errors import (
    HevoApiError,
    HevoAuthenticationError,
    HevoConfigurationError,
    HevoConnectionError,
    HevoError,
    HevoNotFoundError,
    HevoPermissionError,
    HevoRateLimitError,
    HevoResponseError,
    HevoServerError,
)
from dagster_hevo.sandbox import Fault

PIPELINE = {"id": 7, "name": "Shop", "status": "INITIALIZED"}
ASKED = "GET /api/v1/pipelines/7: "
TOKEN = base64.b64encode(f"{KEY}:{SECRET}".encode()).decode()
PASSWORD = 'pass "word" & <more> ü'


def error_of(call: Callable[[], object]) -> HevoError:
    with pytest.raises(HevoError) as raised:
        call()
    return raised.value


def everything_told_by(error: BaseException) -> str:
    """All text that an error and what led to it can put before anybody's eyes."""
    told: list[str] = []
    at: BaseException | None = error
    while at is not None:
        told += [str(at), repr(at), *traceback.format_exception(at)]
        told += [f"{name}={value!r}" for name, value in vars(at).items() if isinstance(value, str)]
        at = at.__cause__ or at.__context__
    return "\n".join(told)


# Each kind: what was asked, what came back, what to do.


@pytest.mark.parametrize(
    ("status", "kind", "to_do"),
    [
        (400, HevoApiError, "Check the request"),
        (401, HevoAuthenticationError, "check api_key and api_secret"),
        (403, HevoPermissionError, "make the API keys with an owner account"),
        (404, HevoNotFoundError, "check the id, the region and the account"),
        (418, HevoApiError, "Check the request"),
        (429, HevoRateLimitError, "wait a minute"),
        (500, HevoServerError, "try again in a few minutes"),
        (503, HevoServerError, "try again in a few minutes"),
    ],
)
def test_an_error_status_has_its_own_error(serve, connect, status, kind, to_do):
    server = serve(Answer({"message": "so it is"}, status=status))
    error = error_of(lambda: connect(server).get_pipeline(7))
    assert type(error) is kind
    assert str(error).startswith(f"{ASKED}Hevo answered {status}: so it is")
    assert to_do in str(error)
    assert (error.status_code, error.method, error.path, error.message) == (
        status,
        "GET",
        "/api/v1/pipelines/7",
        "so it is",
    )


@pytest.mark.parametrize("status", [401, 403, 404, 400])
def test_what_cannot_succeed_later_is_not_worth_a_retry(serve, connect, status):
    server = serve(Answer(status=status))
    assert not error_of(lambda: connect(server).get_pipeline(7)).can_retry


def test_wrong_keys_are_an_authentication_error(sandbox, connect):
    hevo = connect(sandbox, api_secret="wrong")
    assert isinstance(error_of(lambda: hevo.get_pipeline(101)), HevoAuthenticationError)


def test_a_members_keys_are_told_to_be_made_by_an_owner(sandbox, connect):
    error = error_of(lambda: connect(sandbox, api_key=sandbox.member_key).get_pipeline(101))
    assert isinstance(error, HevoPermissionError)
    assert "account members are not permitted to perform this action" in str(error)
    assert "owner account" in str(error)


def test_an_unknown_pipeline_is_not_found(sandbox, connect):
    error = error_of(lambda: connect(sandbox).get_pipeline(999))
    assert isinstance(error, HevoNotFoundError)
    assert "999" in str(error)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"message": "m"}, "m"),
        ({"error": "e"}, "e"),
        ({"error": {"message": "deep"}}, "deep"),
        ({"errors": [{"detail": "listed"}, {"detail": "second"}]}, "listed"),
        ({"message": None, "error": "e"}, "e"),
        ({"detail": [{"loc": ["body"], "msg": "too short", "input": "i"}]}, "too short"),
        ({"code": 17}, ""),
        ({"code": 17, "config": {"host": "h"}}, ""),
        ({"deep": [{"dbPassword": "p", "at": 3}]}, ""),
        ('"text"', "text"),
        ("plain\n  words", "plain words"),
        ("", ""),
    ],
)
def test_the_message_is_found_wherever_it_stands(serve, connect, body, message):
    server = serve(Answer(body, status=400))
    error = error_of(lambda: connect(server).get_pipeline(7))
    assert error.message == message


def test_a_long_message_is_cut_at_500_characters(serve, connect):
    server = serve(Answer({"message": "x" * 10_000}, status=400))
    error = error_of(lambda: connect(server).get_pipeline(7))
    assert error.message == "x" * 500
    assert len(str(error)) < 700


def test_nobody_listening_is_a_connection_error(connect):
    port = free_port()
    error = error_of(lambda: connect(f"http://127.0.0.1:{port}").get_pipeline(7))
    assert isinstance(error, HevoConnectionError)
    assert str(error) == (
        f"{ASKED}127.0.0.1:{port} refused the connection. Check region or base_url, its port, "
        "and this machine's network and firewall."
    )


def test_a_name_that_does_not_resolve_names_the_known_regions(connect):
    error = error_of(lambda: connect("https://uss.hevodata.invalid").get_pipeline(7))
    assert isinstance(error, HevoConnectionError)
    assert "uss.hevodata.invalid does not resolve" in str(error)
    assert "us, us2, eu, in, asia, au" in str(error)


def test_a_certificate_that_nobody_vouches_for_says_what_to_set(serve, connect, certificate):
    server = serve(Answer(PIPELINE), certificate=certificate)
    error = error_of(lambda: connect(server).get_pipeline(7))
    assert isinstance(error, HevoConnectionError)
    assert f"the certificate of 127.0.0.1:{server.port} was not accepted" in str(error)
    assert "extra_kwargs={'verify'" in str(error)
    assert server.requests == []


def test_https_to_a_port_that_speaks_http_says_so(serve, connect):
    server = serve(Answer(PIPELINE))
    error = error_of(lambda: connect(server.url.replace("http", "https")).get_pipeline(7))
    assert isinstance(error, HevoConnectionError)
    assert "Check that base_url speaks https" in str(error)


def test_a_ca_file_that_is_not_there_is_a_configuration_error(connect):
    hevo = connect("https://127.0.0.1:9", extra_kwargs={"verify": "/nowhere/ca.pem"})
    error = error_of(lambda: hevo.get_pipeline(7))
    assert isinstance(error, HevoConfigurationError)
    assert "verify or cert" in str(error)


def test_a_proxy_that_is_not_there_is_named_as_the_cause_without_its_password(connect):
    proxy = f"http://user:proxy-password@127.0.0.1:{free_port()}"
    hevo = connect("http://127.0.0.1:9", extra_kwargs={"proxies": {"http": proxy}})
    error = error_of(lambda: hevo.get_pipeline(7))
    assert isinstance(error, HevoConnectionError)
    assert "Check the proxy settings" in str(error)
    assert "proxy-password" not in everything_told_by(error)


def test_a_page_with_status_200_is_shown_and_explained(sandbox, connect):
    sandbox.faults.add(Fault("html"))
    error = error_of(lambda: connect(sandbox).get_pipeline(101))
    assert isinstance(error, HevoResponseError)
    assert "status 200 with an answer that is not JSON (text/html)" in str(error)
    assert "Please log in" in str(error)
    assert "no proxy or login page" in str(error)


def test_a_long_page_is_cut_at_500_characters(serve, connect):
    server = serve(Answer("<p>" + "x" * 10_000))
    assert len(str(error_of(lambda: connect(server).get_pipeline(7)))) < 800


def test_truncated_json_is_a_response_error_that_quotes_nothing(sandbox, connect):
    sandbox.faults.add(Fault("cut_json"))
    error = error_of(lambda: connect(sandbox).get_pipeline(101))
    assert isinstance(error, HevoResponseError)
    assert "JSON that is cut short or broken" in str(error)
    assert "config" not in str(error)


def test_json_too_deep_to_read_is_a_response_error(serve, connect):
    server = serve(Answer("[" * 200_000))
    assert isinstance(error_of(lambda: connect(server).get_pipeline(7)), HevoResponseError)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_another_host_is_not_followed(serve, connect, status):
    other = serve(Answer(PIPELINE))
    server = serve(Answer(status=status, headers={"Location": f"{other.url}/api/v1/pipelines/7"}))
    error = error_of(lambda: connect(server).get_pipeline(7))
    assert isinstance(error, HevoResponseError)
    assert f"redirect to {other.url}, which is not followed" in str(error)
    assert other.requests == []


@pytest.mark.parametrize(
    "location", ["https://127.0.0.1:{port}/", "//elsewhere.invalid/", "http://[broken", "ftp://x/"]
)
def test_a_redirect_to_another_scheme_or_to_nowhere_is_not_followed(serve, connect, location):
    server = serve(Answer(status=302))
    server.answers[0] = Answer(status=302, headers={"Location": location.format(port=server.port)})
    error = error_of(lambda: connect(server).get_pipeline(7))
    assert isinstance(error, HevoResponseError)
    assert len(server.requests) == 1


def test_a_redirect_on_the_same_host_is_followed_for_reading(serve, connect):
    server = serve(
        Answer(status=308, headers={"Location": "/api/v2/pipelines?limit=100"}),
        Answer({"data": [PIPELINE]}),
    )
    assert len(list(connect(server).list_pipelines())) == 1
    assert [seen.target for seen in server.requests] == [
        "/api/v1/pipelines?limit=100",
        "/api/v2/pipelines?limit=100",
    ]
    assert server.requests[1].keys == (KEY, SECRET)


@pytest.mark.parametrize("status", [300, 302, 304, 307, 399])
def test_a_3xx_that_leads_nowhere_is_a_response_error(serve, connect, status):
    server = serve(Answer(PIPELINE, status=status))
    error = error_of(lambda: connect(server).get_pipeline(7))
    assert isinstance(error, HevoResponseError)
    assert f"status {status}, which is neither a result nor an error" in str(error)
    assert len(server.requests) == 1


def test_redirects_in_circles_end(serve, connect):
    server = serve(Answer(status=302, headers={"Location": "/api/v1/pipelines/7"}))
    assert "circles" in str(error_of(lambda: connect(server).get_pipeline(7)))
    assert len(server.requests) == 4


@pytest.mark.parametrize(
    "body", [rb'{"message": "no \ud800\u0000\n\u001b[31mline"}', b"no \x00\x00\n\x1b[31mline"]
)
def test_an_answer_cannot_write_lines_or_colours_into_a_log(serve, connect, body):
    message = error_of(lambda: connect(serve(Answer(body, status=400))).get_pipeline(7)).message
    assert message.isprintable()
    assert message in {r"no ?\x00 \x1b[31mline", r"no \x00\x00 \x1b[31mline"}


# What is never told.

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


def failing_addresses(serve: Any) -> list[tuple[str, dict[str, Any]]]:
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
    for address, settings in failing_addresses(serve):
        hevo = connect(address, **settings)
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
