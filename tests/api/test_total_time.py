"""The bound on one attempt's total time: connecting, headers and body together."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator

import pytest
from requests_to_send import every_trigger
from stub_server import Answer

from dagster_hevo.api.errors import HevoConnectionError

PIPELINE = {"id": 7, "name": "Shop", "status": "INITIALIZED"}
LIMIT = 0.2


@contextlib.contextmanager
def at_most(seconds: float) -> Iterator[None]:
    began = time.monotonic()
    yield
    assert time.monotonic() - began < seconds


@contextlib.contextmanager
def silent_port(waiting: int) -> Iterator[int]:
    """A port where connections are taken by the system, but never answered."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(waiting)
        yield listener.getsockname()[1]


@pytest.mark.parametrize("drip", ["headers", "body"])
@every_trigger
def test_a_dripping_answer_to_a_trigger_ends_in_time_and_may_have_worked(
    serve, connect, call, drip
):
    server = serve(Answer({"status": "x" * 1000}, drip=drip))
    with at_most(1), pytest.raises(HevoConnectionError, match="timeout") as raised:
        call(connect(server, timeout=LIMIT))
    assert raised.value.was_sent
    assert (raised.value.__cause__, raised.value.__context__) == (None, None)
    assert len(server.requests) == 1


@pytest.mark.parametrize("drip", ["headers", "body"])
def test_a_dripping_answer_over_tls_ends_in_time(serve, connect, certificate, drip):
    server = serve(Answer(PIPELINE, drip=drip), certificate=certificate)
    hevo = connect(server, timeout=LIMIT, retry_limit=1, extra_kwargs={"verify": str(certificate)})
    with at_most(1), pytest.raises(HevoConnectionError, match=r"within 0\.2 s \(timeout\)"):
        hevo.get_pipeline(7)


def test_a_dripping_error_ends_in_time(serve, connect):
    server = serve(Answer({"message": "x" * 1000}, status=500, drip="body"))
    with at_most(1), pytest.raises(HevoConnectionError, match="timeout"):
        connect(server, timeout=LIMIT, retry_limit=1).get_pipeline(7)


def test_a_dripping_proxy_ends_in_time(serve, connect):
    proxy = serve(Answer(drip="headers"))
    hevo = connect(
        "https://127.0.0.1:9",
        timeout=LIMIT,
        retry_limit=1,
        extra_kwargs={"proxies": {"https": proxy.url}},
    )
    with at_most(1), pytest.raises(HevoConnectionError):
        hevo.get_pipeline(7)


def test_a_tls_handshake_that_is_not_answered_ends_in_time(connect):
    with silent_port(waiting=5) as port:
        hevo = connect(f"https://127.0.0.1:{port}", timeout=LIMIT, retry_limit=1)
        with at_most(1), pytest.raises(HevoConnectionError, match="timeout"):
            hevo.get_pipeline(7)


def test_a_slow_answer_that_is_in_time_is_read(serve, connect):
    server = serve(Answer(b'{"id":7,"name":"a"}', drip="body"))
    assert connect(server, timeout=5).get_pipeline(7).name == "a"


def test_a_connection_that_timed_out_is_not_used_again(serve, connect):
    server = serve(Answer(PIPELINE, delay=0.4), Answer({**PIPELINE, "name": "Second"}))
    hevo = connect(server, timeout=LIMIT, retry_limit=1)
    with pytest.raises(HevoConnectionError):
        hevo.get_pipeline(7)
    assert hevo.get_pipeline(7).name == "Second"
    assert len({seen.connection for seen in server.requests}) == 2


def test_the_time_of_one_exchange_does_not_shorten_the_next_on_its_connection(serve, connect):
    server = serve(Answer(PIPELINE, delay=0.12))
    hevo = connect(server, timeout=LIMIT, retry_limit=1)
    for _ in range(3):
        assert hevo.get_pipeline(7).name == "Shop"
    assert len({seen.connection for seen in server.requests}) == 1


def test_a_long_request_is_sent_whole(serve, connect):
    server = serve(Answer(status=204))
    ids = [f"{number:036}" for number in range(5_000)]
    connect(server).resync_objects(7, ids)
    assert len(server.requests[0].body) > 3 * 64 * 1024
    assert server.requests[0].body.endswith(b'"drop_and_load": false}')
    assert all(each.encode() in server.requests[0].body for each in ids[::1000])


def test_a_name_with_several_addresses_is_reached_at_the_one_that_answers(serve, connect):
    server = serve(Answer(PIPELINE))  # listens at 127.0.0.1, and not at ::1
    assert connect(f"http://localhost:{server.port}").get_pipeline(7).name == "Shop"


def test_waiting_for_a_free_connection_ends_in_time(serve, connect):
    from concurrent.futures import ThreadPoolExecutor

    server = serve(Answer(PIPELINE, delay=0.5))
    patient = connect(server)
    hasty = patient.with_deadline(time.monotonic() + 0.3)
    with ThreadPoolExecutor(9) as pool:
        busy = [pool.submit(patient.get_pipeline, 7) for _ in range(8)]
        while len(server.requests) < 8:
            time.sleep(0.005)
        with pytest.raises(HevoConnectionError, match="were in use for") as raised:
            hasty.get_pipeline(7)
        assert not raised.value.was_sent
        assert [each.result().name for each in busy] == ["Shop"] * 8
