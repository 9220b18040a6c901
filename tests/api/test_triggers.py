"""Triggers: each may have started a job, so none is sent twice unless it certainly did nothing."""

from __future__ import annotations

import time

import pytest
from requests_to_send import every_trigger
from stub_server import Answer, free_port

from dagster_hevo.api.errors import (
    HevoConflictError,
    HevoConnectionError,
    HevoGarbledResponseError,
    HevoRateLimitError,
    HevoResponseError,
    HevoServerError,
)
from dagster_hevo.sandbox import Fault

PIPELINE = {"id": 7, "name": "Shop", "status": "INITIALIZED"}
BUSY = "A job is in progress. To sync now you need to cancel the current job"


@every_trigger
@pytest.mark.parametrize("cut", ["at once", "in the body"])
def test_a_trigger_is_not_repeated_after_a_cut_connection(serve, connect, naps, call, cut):
    server = serve(Answer({"status": "SUCCESS"}, cut=cut))
    with pytest.raises(HevoConnectionError) as raised:
        call(connect(server))
    assert raised.value.was_sent
    assert (len(server.requests), len(naps)) == (1, 0)


@every_trigger
def test_a_trigger_is_not_repeated_after_a_timeout(serve, connect, call):
    server = serve(Answer(delay=0.25))
    with pytest.raises(HevoConnectionError, match="timeout") as raised:
        call(connect(server, timeout=0.1))
    time.sleep(0.05)
    assert raised.value.was_sent
    assert len(server.requests) == 1


@every_trigger
@pytest.mark.parametrize("status", [500, 503])
def test_a_trigger_is_not_repeated_after_a_server_error(serve, connect, call, status):
    server = serve(Answer({"message": "oops"}, status=status))
    with pytest.raises(HevoServerError):
        call(connect(server))
    assert len(server.requests) == 1


@every_trigger
@pytest.mark.parametrize("body", ["<html>hello</html>", '{"status": "SUC'])
def test_a_trigger_is_not_repeated_after_a_garbled_success(serve, connect, call, body):
    server = serve(Answer(body))
    with pytest.raises(HevoGarbledResponseError):
        call(connect(server))
    assert len(server.requests) == 1


@every_trigger
def test_a_trigger_is_not_repeated_after_a_redirect(serve, connect, call):
    server = serve(Answer(status=307, headers={"Location": "/elsewhere"}))
    with pytest.raises(HevoResponseError, match="redirect"):
        call(connect(server))
    assert len(server.requests) == 1


@every_trigger
@pytest.mark.parametrize("status", [300, 302, 304, 305, 399])
@pytest.mark.parametrize("headers", [{}, {"Location": "/elsewhere"}])
def test_a_3xx_does_not_count_as_accepted(serve, connect, call, status, headers):
    server = serve(Answer({"message": "fine"}, status=status, headers=headers))
    with pytest.raises(HevoResponseError) as raised:
        call(connect(server))
    assert type(raised.value) is HevoResponseError
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [302, 304])
def test_a_3xx_on_a_change_does_not_count_as_accepted(serve, connect, status):
    server = serve(Answer(PIPELINE, status=status))
    with pytest.raises(HevoResponseError, match=f"status {status}"):
        connect(server).update_pipeline(7, {"name": "Shop"})
    assert len(server.requests) == 1


@every_trigger
@pytest.mark.parametrize("status", [200, 202, 204])
def test_a_2xx_counts_as_accepted(serve, connect, call, status):
    assert call(connect(serve(Answer(status=status)))) is None


@every_trigger
def test_a_trigger_is_not_repeated_after_a_proxy_has_cut_it(serve, connect, call):
    proxy = serve(Answer(cut="at once"))
    hevo = connect("http://127.0.0.1:9", extra_kwargs={"proxies": {"http": proxy.url}})
    with pytest.raises(HevoConnectionError) as raised:
        call(hevo)
    assert raised.value.was_sent
    assert len(proxy.requests) == 1


def test_a_trigger_is_not_repeated_after_a_cut_tls_connection(serve, connect, certificate):
    server = serve(Answer(cut="at once"), certificate=certificate)
    hevo = connect(server, extra_kwargs={"verify": str(certificate)})
    with pytest.raises(HevoConnectionError) as raised:
        hevo.trigger_pipeline_sync(7)
    assert raised.value.was_sent
    assert len(server.requests) == 1


@every_trigger
def test_a_trigger_is_repeated_after_a_refused_connection(connect, naps, call):
    with pytest.raises(HevoConnectionError) as raised:
        call(connect(f"http://127.0.0.1:{free_port()}"))
    assert not raised.value.was_sent
    assert len(naps) == 2


def test_a_trigger_is_repeated_after_a_refused_certificate(serve, connect, naps, certificate):
    server = serve(Answer(), certificate=certificate)
    with pytest.raises(HevoConnectionError) as raised:
        connect(server).trigger_pipeline_sync(7)
    assert not raised.value.was_sent
    assert (len(server.requests), len(naps)) == (0, 2)


def test_a_trigger_is_repeated_when_a_proxy_opened_no_tunnel(serve, connect):
    proxy = serve(Answer(status=407))
    hevo = connect("https://127.0.0.1:9", extra_kwargs={"proxies": {"https": proxy.url}})
    with pytest.raises(HevoConnectionError) as raised:
        hevo.trigger_pipeline_sync(7)
    assert not raised.value.was_sent
    assert [seen.method for seen in proxy.requests] == ["CONNECT"] * 3


@every_trigger
def test_a_trigger_is_repeated_after_too_many_requests(serve, connect, naps, call):
    server = serve(Answer(status=429, headers={"Retry-After": "5"}), Answer(status=204))
    call(connect(server))
    assert len(server.requests) == 2
    assert naps.seconds == [5]


def test_a_trigger_is_not_repeated_after_a_429_that_is_not_retryable(serve, connect):
    server = serve(Answer(status=429))
    with pytest.raises(HevoRateLimitError):
        connect(server, retryable_status_codes=[]).trigger_pipeline_sync(7)
    assert len(server.requests) == 1


@every_trigger
@pytest.mark.parametrize("status", [400, 409, 500])
def test_a_running_job_is_a_conflict_whatever_the_status_and_is_asked_once(
    serve, connect, naps, call, status
):
    server = serve(Answer({"message": BUSY}, status=status))
    with pytest.raises(HevoConflictError, match="wait until the running job ends") as raised:
        call(connect(server))
    assert raised.value.status_code == status
    assert (len(server.requests), len(naps)) == (1, 0)


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"message": BUSY}},
        {"errors": [{"detail": BUSY.upper()}]},
        {"code": 17, "reason": BUSY},
        BUSY,
        f"<html><body>{'<br>' * 400}{BUSY}</body></html>",
    ],
)
def test_a_conflict_is_known_by_its_words_wherever_they_stand(serve, connect, body):
    server = serve(Answer(body, status=500))
    with pytest.raises(HevoConflictError):
        connect(server).trigger_pipeline_sync(7)


def test_a_conflict_is_known_although_a_key_is_one_of_its_words(serve, connect):
    server = serve(Answer({"message": BUSY}, status=500))
    with pytest.raises(HevoConflictError, match=r"A \*\*\* is in progress"):
        connect(server, api_key="job").trigger_pipeline_sync(7)


@pytest.mark.parametrize("status", [500, 409])
def test_the_sandbox_starts_no_second_job_for_a_refused_trigger(sandbox, connect, status):
    sandbox.set_behaviour(on_conflict=status)
    sandbox.start_scheduled_job(101)
    with pytest.raises(HevoConflictError):
        connect(sandbox).resync_pipeline(101)
    assert len(sandbox.requests) == 1
    assert len(sandbox.jobs(101)) == 1


@pytest.mark.parametrize("kind", ["cut_after", "status_after", "html", "truncated_body"])
def test_a_trigger_whose_answer_was_lost_starts_one_job(sandbox, connect, kind):
    sandbox.set_behaviour(empty_answers=False)
    sandbox.faults.add(Fault(kind))
    with pytest.raises((HevoConnectionError, HevoServerError, HevoResponseError)):
        connect(sandbox).trigger_pipeline_sync(101)
    assert len(sandbox.jobs(101)) == 1
    assert len(sandbox.requests) == 1
