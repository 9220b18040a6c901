"""The bound on a body's size, counted after unpacking, and bodies that cannot be read."""

from __future__ import annotations

import gzip
import json

import pytest
from requests_to_send import SECRET, every_trigger
from stub_server import Answer

from dagster_hevo.api.errors import (
    HevoApiError,
    HevoConnectionError,
    HevoError,
    HevoGarbledResponseError,
    HevoResponseError,
    HevoServerError,
)

PIPELINE = {"id": 7, "name": "Shop", "status": "INITIALIZED"}
GZIP = {"Content-Encoding": "gzip"}


@pytest.fixture(scope="module")
def bomb() -> bytes:
    """Seventy kilobytes that unpack to 65 MiB of JSON."""
    return gzip.compress(b'"' + b"x" * (65 * 2**20) + b'"', compresslevel=9)


def test_a_body_that_unpacks_beyond_the_bound_names_the_bound_and_is_read_once(
    serve, connect, bomb
):
    server = serve(Answer(bomb, headers=GZIP), Answer(PIPELINE))
    hevo = connect(server)
    with pytest.raises(HevoResponseError, match="more than 64 MiB") as raised:
        hevo.get_pipeline(7)
    assert type(raised.value) is HevoResponseError
    assert len(server.requests) == 1
    assert hevo.get_pipeline(7).name == "Shop"


def test_a_trigger_whose_answer_is_too_long_may_have_worked(serve, connect, bomb):
    server = serve(Answer(bomb, headers=GZIP))
    with pytest.raises(HevoGarbledResponseError, match="more than 64 MiB"):
        connect(server).trigger_pipeline_sync(7)
    assert len(server.requests) == 1


def test_a_packed_answer_is_unpacked(serve, connect):
    server = serve(Answer(gzip.compress(json.dumps(PIPELINE).encode()), headers=GZIP))
    assert connect(server).get_pipeline(7).name == "Shop"


def test_an_error_is_read_for_64_kilobytes_and_keeps_its_kind(serve, connect, bomb):
    server = serve(Answer(bomb, status=503, headers=GZIP), Answer(PIPELINE))
    hevo = connect(server, retry_limit=1)
    with pytest.raises(HevoServerError) as raised:
        hevo.get_pipeline(7)
    assert raised.value.status_code == 503
    assert len(raised.value.message) == 500
    assert hevo.get_pipeline(7).name == "Shop"


@pytest.mark.parametrize("shown", [1, 5, len(SECRET) - 1])
def test_a_key_on_the_edge_of_what_is_read_of_an_error_is_not_told(serve, connect, shown):
    filler = " " * (64 * 1024 - shown - 4)
    server = serve(Answer(f"key:{filler}{SECRET} and more", status=400))
    with pytest.raises(HevoApiError) as raised:
        connect(server).get_pipeline(7)
    assert raised.value.message == "key: ***"


def test_an_answer_that_is_not_packed_as_it_says_is_a_connection_error(serve, connect):
    server = serve(Answer(b"not gzip", headers=GZIP))
    with pytest.raises(HevoConnectionError) as raised:
        connect(server, retry_limit=1).get_pipeline(7)
    assert raised.value.was_sent


def test_an_error_that_is_not_packed_as_it_says_keeps_its_status(serve, connect):
    server = serve(Answer(b"not gzip", status=403, headers=GZIP))
    with pytest.raises(HevoApiError) as raised:
        connect(server).get_pipeline(7)
    assert (raised.value.status_code, raised.value.message) == (403, "")


DEEP = [600, 5_000, 200_000]
CHARSETS = [
    "nonsense",
    "",
    "undefined",
    "idna",
    "punycode",
    "hex",
    "utf-16",
    "\x00",
    "\xe9",
    "x" * 999,
]


@every_trigger
@pytest.mark.parametrize("levels", DEEP)
def test_an_answer_too_deep_to_read_fails_no_worse_than_other_texts(serve, connect, call, levels):
    deep = "[" * levels + "]" * levels
    for answer in (Answer(deep), Answer(deep, status=500), Answer(f'{{"a":{deep}}}', status=400)):
        try:
            call(connect(serve(answer)))
        except HevoError as error:
            assert (error.__cause__, error.__context__) == (None, None)  # noqa: PT017


@pytest.mark.parametrize("levels", DEEP)
def test_a_value_too_deep_to_read_is_a_response_error(serve, connect, levels):
    server = serve(Answer("[" * levels + "]" * levels))
    with pytest.raises(HevoResponseError):
        connect(server).get_pipeline(7)


@pytest.mark.parametrize("charset", CHARSETS)
@pytest.mark.parametrize("body", [b"\xff\xfe words \x00", "<p>wörter</p>", b'{"id": 7, "name'])
def test_an_answer_in_an_odd_charset_is_a_response_error(serve, connect, charset, body):
    headers = {"Content-Type": f"text/html; charset={charset}"}
    with pytest.raises(HevoGarbledResponseError) as raised:
        connect(serve(Answer(body, headers=headers)), retry_limit=1).get_pipeline(7)
    assert (raised.value.__cause__, raised.value.__context__) == (None, None)
    with pytest.raises(HevoApiError):
        connect(serve(Answer(body, status=400, headers=headers))).get_pipeline(7)


def test_a_number_too_long_for_python_is_a_response_error(serve, connect):
    with pytest.raises(HevoGarbledResponseError):
        connect(serve(Answer("1" * 9_999)), retry_limit=1).get_pipeline(7)


@pytest.mark.parametrize(
    ("body", "was_json"),
    [
        ({"message": "no"}, True),
        ({}, True),
        (["no"], False),
        ('"no"', False),
        ("<html>Bad gateway</html>", False),
        ('{"message": "n', False),
        ("", False),
    ],
)
@pytest.mark.parametrize("status", [400, 409, 502])
def test_an_error_tells_whether_its_body_was_a_json_object(serve, connect, body, was_json, status):
    server = serve(Answer(body if isinstance(body, str) else Answer(body).raw, status=status))
    with pytest.raises(HevoApiError) as raised:
        connect(server, retry_limit=1).get_pipeline(7)
    assert raised.value.was_json is was_json


def test_an_error_made_without_an_answer_was_no_json():
    assert HevoApiError(500, "GET", "/", "no").was_json is False
