"""What an error says: what was requested, what came back, what to do."""

from __future__ import annotations

import pytest
from error_texts import error_of, everything_told_by
from requests_to_send import KEY, SECRET
from stub_server import Answer, free_port

from dagster_hevo.api.errors import (
    HevoApiError,
    HevoAuthenticationError,
    HevoConfigurationError,
    HevoConnectionError,
    HevoNotFoundError,
    HevoPermissionError,
    HevoRateLimitError,
    HevoResponseError,
    HevoServerError,
)
from dagster_hevo.sandbox import Fault

PIPELINE = {"id": 7, "name": "Shop", "status": "INITIALIZED"}
SENT = "GET /api/v1/pipelines/7: "


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
    assert str(error).startswith(f"{SENT}Hevo answered {status}: so it is")
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
        f"{SENT}127.0.0.1:{port} refused the connection. Check region or base_url, its port, "
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
