"""Odd answers end in one of the package's errors, in bounded time, and hold on to nothing.

Each of these was, or could be, an error of Python's own that ends a run which survives a 503.
"""

from __future__ import annotations

import json
import socket
import threading
import time

import pytest
from canaries import assert_unseen, everything_in
from raw_server import http

from dagster_hevo.api.errors import (
    HevoApiError,
    HevoError,
    HevoGarbledResponseError,
    HevoRateLimitError,
    HevoServerError,
)

DEEP = 600


def nested(depth: int, inner: str = "1") -> bytes:
    return b'{"a":' * depth + inner.encode() + b"}" * depth


def error_of(call) -> HevoError:
    with pytest.raises(HevoError) as raised:
        call()
    return raised.value


@pytest.mark.parametrize("depth", [65, DEEP, 950, 20_000])
@pytest.mark.parametrize(("status", "kind"), [(500, HevoServerError), (400, HevoApiError)])
def test_a_deep_error_keeps_its_status(raw, connect, depth, status, kind):
    hevo = connect(raw(http(nested(depth), status)), retry_limit=1)
    error = error_of(lambda: hevo.get_pipeline(7))
    assert type(error) is kind
    assert error.status_code == status


@pytest.mark.parametrize("depth", [65, DEEP, 950, 20_000])
def test_a_deep_result_is_garbled_and_may_be_tried_again(raw, connect, depth):
    hevo = connect(raw(http(b'{"id": 7, "name": "x", "more": ' + nested(depth) + b"}")))
    error = error_of(lambda: hevo.get_pipeline(7))
    assert type(error) is HevoGarbledResponseError
    assert error.can_retry


def test_a_list_of_deep_entries_is_no_error_of_pythons(raw, connect):
    hevo = connect(raw(http(b'{"data": [{"odd": ' + nested(DEEP) + b"}]}")), retry_limit=1)
    assert isinstance(error_of(lambda: list(hevo.get_job_objects(7, "j"))), HevoError)


@pytest.mark.parametrize("place", ["the parser", "the reader of errors"])
def test_brackets_in_texts_make_nothing_deep(raw, connect, place):
    text = "]}" * 200 + "[{" * 200
    if place == "the parser":
        hevo = connect(raw(http({"id": 7, "name": text})))
        assert hevo.get_pipeline(7).name == text
    else:
        hevo = connect(raw(http({"message": f"so it is {text}"}, 400)))
        assert error_of(lambda: hevo.get_pipeline(7)).message.startswith("so it is")


@pytest.mark.parametrize(
    "charset", ["idna", "undefined", "punycode", "unicode_escape", "utf-7", "rot13", "hex", "zip"]
)
@pytest.mark.parametrize("status", [200, 400, 500])
def test_an_encoding_is_never_chosen_by_the_answer(raw, connect, charset, status):
    body = b"so it is \xe9 \xff" + b"x" * 70_000
    answer = http(body, status, {"Content-Type": f"text/plain; charset={charset}"})
    error = error_of(lambda: connect(raw(answer), retry_limit=1).get_pipeline(7))
    assert "so it is � �" in str(error)
    assert len(everything_in(error)) < 20_000  # and so not the body


@pytest.mark.parametrize("body", [b"\xff\xfe{", b"\xed\xa0\x80", b"\x00" * 100, b"\xef\xbb\xbf{}"])
@pytest.mark.parametrize("status", [200, 400])
def test_bytes_that_are_no_text_are_an_error_of_ours(raw, connect, body, status):
    assert isinstance(
        error_of(lambda: connect(raw(http(body, status)), retry_limit=1).get_pipeline(7)), HevoError
    )


@pytest.mark.parametrize(
    "stated",
    [
        "Wed, 21 Oct 99999999999999999999 07:28:00 GMT",
        "Wed, 99 Oct 2015 07:28:00 GMT",
        "Wed, 21 Oct 2015 07:28:00 +99999999999",
        "1e999",
        "-1e999",
        "nan",
        "9" * 5000,
        "0x10",
        "٣",
        "",
        "Wed, 21 Oct 0000 07:28:00 GMT",
    ],
)
@pytest.mark.parametrize("name", ["Retry-After", "Date"])
def test_no_time_in_a_header_is_too_odd(raw, connect, stated, name):
    headers = {"Retry-After": "5", "Date": "Wed, 21 Oct 2015 07:28:00 GMT", name: stated}
    naps: list[float] = []
    hevo = connect(raw(http(b"", 429, headers)), sleep=naps.append, retry_limit=2)
    assert isinstance(error_of(lambda: hevo.get_pipeline(7)), HevoRateLimitError)
    assert all(0 <= nap <= 300 for nap in naps)
    assert hevo.hevo_now_ms() is None or hevo.hevo_now_ms() < 253_402_300_800_000


@pytest.mark.parametrize(
    "value", ["1" + "0" * 30, "1" + "0" * 5000, "1e400", "-1", "Infinity", "NaN", "true", '"x"']
)
def test_a_number_beyond_all_reason_counts_as_left_out(raw, connect, value):
    job = f'{{"job_id": "j", "created_ts": {value}, "duration": {value}, "events_loaded": {value}}}'
    hevo = connect(raw(http(job.encode())), retry_limit=1)
    try:
        job = hevo.get_job(7, "j")
    except HevoGarbledResponseError:
        assert len(value) > 4300  # Python reads no longer number
    else:
        assert job.created_ts is None
        assert job.events_loaded in range(2**63)


def test_an_odd_answer_to_a_trigger_may_have_started_a_job(raw, connect):
    server = raw(http(nested(DEEP)))
    error = error_of(lambda: connect(server).trigger_pipeline_sync(7))
    assert type(error) is HevoGarbledResponseError
    assert len(server.requests) == 1


def test_whatever_an_answer_makes_stumble_becomes_one_error_from_nothing(raw, connect, monkeypatch):
    hevo = connect(raw(http({"id": 7, "name": "x"}, 429)), retry_limit=1)
    monkeypatch.setattr("dagster_hevo.api.transport.error_text", lambda _: 1 / 0)
    error = error_of(lambda: hevo.get_pipeline(7))
    assert type(error) is HevoGarbledResponseError
    assert "cannot be read (ZeroDivisionError)" in str(error)
    assert (error.__cause__, error.__context__) == (None, None)
    assert_unseen(everything_in(error))


def test_an_interruption_passes_and_takes_no_headers_along(raw, connect, monkeypatch):
    hevo = connect(raw(http({"id": 7, "name": "x"})))

    def interrupted(*_args, **_kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("requests.adapters.HTTPAdapter.send", interrupted)
    with pytest.raises(KeyboardInterrupt) as raised:
        hevo.get_pipeline(7)
    assert_unseen(everything_in(raised.value, package=""))


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\nBroken header \x1b[31m\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\n : \x07\r\n\x1b]0;x\x07: y\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\n\x9b\x00\r\n\r\n{}",
    ],
)
def test_a_broken_head_writes_nothing_of_itself_into_the_log(raw, connect, head, caplog):
    caplog.set_level("DEBUG")
    hevo = connect(raw(head), retry_limit=1)
    assert isinstance(error_of(lambda: hevo.get_pipeline(7)), HevoError)
    shown = caplog.text + "".join(str(record.exc_info) for record in caplog.records)
    assert not set(shown) & set("\x1b\x07\x9b\x00")


def test_an_answer_without_end_ends(connect):
    listening = socket.create_server(("127.0.0.1", 0))

    def drip() -> None:
        connection, _ = listening.accept()
        with connection:
            connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            try:
                while True:
                    connection.sendall(b"1\r\nx\r\n" * 100)
            except OSError:
                return

    thread = threading.Thread(target=drip, daemon=True)
    thread.start()
    hevo = connect(f"http://127.0.0.1:{listening.getsockname()[1]}", timeout=0.5, retry_limit=1)
    began = time.monotonic()
    assert isinstance(error_of(lambda: hevo.get_pipeline(7)), HevoError)
    assert time.monotonic() - began < 5
    listening.close()
    thread.join(5)


def test_a_message_that_is_a_riddle_takes_no_time(raw, connect):
    for piece in (
        "not now ",
        "<a",
        "key-",
        "a='",
        '["',
        "{",
        "already been ",
        "no job is ",
        "&lt;",
    ):
        for body in (piece * 8000, json.dumps({"message": piece * 8000})):
            hevo = connect(raw(http(body.encode(), 500)), retry_limit=1)
            began = time.monotonic()
            error_of(lambda hevo=hevo: hevo.get_pipeline(7))
            assert time.monotonic() - began < 2, piece
