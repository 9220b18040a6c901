"""Interim answers (1xx), which proxies send before the answer, over real HTTP."""

from __future__ import annotations

import pytest
from stub_server import Answer

from dagster_hevo.api.errors import HevoConnectionError

EARLY_HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n"
PROCESSING = b"HTTP/1.1 102 Processing\r\n\r\n"


def job(job_id: str, **given: object) -> Answer:
    return Answer({"job_id": job_id, "status": "COMPLETED"}, **given)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("interim", [EARLY_HINTS, PROCESSING, EARLY_HINTS * 3 + PROCESSING])
def test_no_request_gets_the_answer_to_the_one_before(serve, connect, interim):
    server = serve(job("a", interim=interim, delay=0.1), job("b", interim=interim), job("c"))
    client = connect(server)
    assert [client.get_job(7, each).job_id for each in "abc"] == ["a", "b", "c"]
    assert len({seen.connection for seen in server.requests}) == 1


def test_a_trigger_is_accepted_after_an_interim_answer(serve, connect):
    server = serve(Answer(status=204, interim=PROCESSING, delay=0.1))
    connect(server).trigger_pipeline_sync(7)
    assert len(server.requests) == 1


def test_a_trigger_answered_in_another_protocol_may_have_worked(serve, connect):
    server = serve(Answer(verbatim=b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n"))
    with pytest.raises(HevoConnectionError) as raised:
        connect(server).trigger_pipeline_sync(7)
    assert raised.value.was_sent
    assert len(server.requests) == 1


def test_interim_answers_without_end_end_in_time(serve, connect):
    server = serve(Answer(interim=EARLY_HINTS * 100_000, delay=2, body={}))
    with pytest.raises(HevoConnectionError, match="timeout"):
        connect(server, timeout=0.5, retry_limit=1).get_job(7, "a")


def test_a_chunk_of_negative_length_is_a_connection_error(serve, connect):
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    server = serve(Answer(verbatim=head + b"-5\r\n{}\r\n0\r\n\r\n"))
    with pytest.raises(HevoConnectionError) as raised:
        connect(server).trigger_pipeline_sync(7)
    assert raised.value.was_sent
