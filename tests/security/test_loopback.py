"""Plain http is for this machine alone: no proxy of the environment gets the keys to read."""

from __future__ import annotations

import json

import pytest
from canaries import TOKEN, everything_in
from raw_server import http

from dagster_hevo.api.errors import HevoConfigurationError

PIPELINE = {"id": 7, "name": "Shop"}
PROXY_SETTINGS = (
    "http_proxy",
    "HTTP_PROXY",
    "https_proxy",
    "HTTPS_PROXY",
    "all_proxy",
    "ALL_PROXY",
)


@pytest.fixture
def proxy(raw, monkeypatch):
    """A proxy that the environment names for everything, and that keeps what it is sent."""
    server = raw(http(PIPELINE))
    for name in PROXY_SETTINGS:
        monkeypatch.setenv(name, server.url)
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    return server


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.1.2.3"])
def test_what_goes_to_this_machine_goes_through_no_proxy(raw, connect, proxy, host):
    hevo = raw(http(PIPELINE))
    url = hevo.url.replace("127.0.0.1", host)
    if host == "127.1.2.3":  # another loopback address, on which nobody listens
        with pytest.raises(Exception, match=host):
            connect(url, retry_limit=1).get_pipeline(7)
    else:
        assert connect(url).get_pipeline(7).id == 7
        assert TOKEN in hevo.requests[0].decode("latin-1")
    assert proxy.requests == []


def test_a_redirect_on_this_machine_goes_through_no_proxy_either(raw, connect, proxy):
    answers = iter([http(b"", 302, {"Location": "/elsewhere"}), http(PIPELINE)])
    hevo = raw(lambda _: next(answers))
    assert connect(hevo).get_pipeline(7).id == 7
    assert proxy.requests == []


def test_the_rest_of_the_world_still_goes_through_the_proxy(connect, proxy):
    with pytest.raises(Exception, match="proxy"):
        connect("https://hevo.invalid", retry_limit=1).get_pipeline(7)
    assert [request.split()[0] for request in proxy.requests] == [b"CONNECT"]
    assert TOKEN not in proxy.requests[0].decode("latin-1")


@pytest.mark.parametrize("scheme", ["http", "all", "http://127.0.0.1"])
def test_a_proxy_elsewhere_is_refused_for_plain_http(connect, scheme):
    kwargs = {"proxies": {scheme: "http://me:pass-of-the-proxy@proxy.invalid:3128"}}
    with pytest.raises(HevoConfigurationError, match=r"proxy\.invalid") as raised:
        connect("http://127.0.0.1:9", extra_kwargs=kwargs)
    assert "pass-of-the-proxy" not in everything_in(raised.value)


def test_a_proxy_on_this_machine_may_be_set(raw, connect):
    proxy = raw(http(PIPELINE))
    hevo = connect("http://127.0.0.1:9", extra_kwargs={"proxies": {"http": proxy.url}})
    assert hevo.get_pipeline(7).id == 7


def test_the_doctor_looks_for_this_machine_without_the_proxy_too(raw, proxy, monkeypatch):
    from click.testing import CliRunner

    from dagster_hevo.cli import main

    hevo = raw(http({"data": []}))
    monkeypatch.setenv("HEVO_API_KEY", "k")
    monkeypatch.setenv("HEVO_API_SECRET", "s")
    monkeypatch.setenv("HEVO_RATE_LIMIT_STORE", "memory")
    found = CliRunner().invoke(main, ["doctor", "--json", "--base-url", hevo.url])
    told = {each["what"]: each for each in json.loads(found.stdout)["findings"]}
    assert told["reachable"]["level"] == "ok"
    assert proxy.requests == []
