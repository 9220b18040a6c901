"""Settings that cannot work are refused before anything is sent, and the refusal names them."""

from __future__ import annotations

import math

import pytest

from dagster_hevo.api.client import HevoClient
from dagster_hevo.api.errors import HevoConfigurationError, HevoError
from dagster_hevo.api.settings import DEFAULT_RETRYABLE_STATUS_CODES, resolve_base_url


@pytest.mark.parametrize("region", ["us", "us2", "eu", "in", "asia", "au", "moon-1"])
def test_a_region_known_or_new_is_a_host_of_hevos(region):
    client = HevoClient(api_key="k", api_secret="s", region=region)
    assert client.base_url == f"https://{region}.hevodata.com"


@pytest.mark.parametrize(
    "region",
    ["", " ", "US", "eu.", "eu/", "evil.com/", "eu@evil.com", "eu.evil.com#", "-eu", "eu\n", "é"],
)
def test_what_could_lead_to_another_host_is_no_region(region):
    with pytest.raises(HevoConfigurationError, match=r"region is .*set base_url"):
        resolve_base_url(region, None)


@pytest.mark.parametrize(
    ("base_url", "resolved"),
    [
        ("https://eu.hevodata.com", "https://eu.hevodata.com"),
        ("https://eu.hevodata.com/", "https://eu.hevodata.com"),
        (" https://eu.hevodata.com\n", "https://eu.hevodata.com"),
        ("https://gateway.example.com:8443/hevo/", "https://gateway.example.com:8443/hevo"),
        ("http://localhost:8765", "http://localhost:8765"),
        ("http://127.0.0.1:8765", "http://127.0.0.1:8765"),
        ("http://127.9.9.9", "http://127.9.9.9"),
        ("http://[::1]:8765", "http://[::1]:8765"),
    ],
)
def test_any_full_address_is_accepted(base_url, resolved):
    assert resolve_base_url("us", base_url) == resolved


def test_a_full_address_wins_over_the_region():
    assert resolve_base_url("not a region", "https://x.example.com") == "https://x.example.com"


@pytest.mark.parametrize(
    "base_url",
    [
        "http://eu.hevodata.com",
        "http://10.0.0.1",
        "http://0.0.0.0:8765",
        "http://127.0.0.1.evil.com",
        "http://localhost.evil.com",
        "http://2130706433",
        "HTTP://eu.hevodata.com",
    ],
)
def test_plain_http_to_another_machine_is_refused(base_url):
    with pytest.raises(HevoConfigurationError, match=r"plain http to .*use https"):
        HevoClient(api_key="k", api_secret="s", base_url=base_url)


@pytest.mark.parametrize(
    "base_url", ["https://user:pass-word@eu.hevodata.com", "https://user@eu.hevodata.com"]
)
def test_keys_in_the_address_are_refused_and_not_repeated(base_url):
    with pytest.raises(HevoConfigurationError, match="user name or password") as raised:
        HevoClient(api_key="k", api_secret="s", base_url=base_url)
    assert "pass-word" not in str(raised.value)


@pytest.mark.parametrize(
    "base_url",
    [
        *("", "eu", "eu.hevodata.com", "ftp://eu.hevodata.com", "https://", "https:///path"),
        *("https://eu.hevodata.com?x=1", "https://eu.hevodata.com#x", "https://eu:port"),
        "http://[broken",
    ],
)
def test_what_is_no_address_is_refused(base_url):
    with pytest.raises(HevoConfigurationError, match="base_url must be an address"):
        HevoClient(api_key="k", api_secret="s", base_url=base_url)


@pytest.mark.parametrize("name", ["api_key", "api_secret"])
@pytest.mark.parametrize("value", ["", "  ", None])
def test_empty_keys_are_refused_with_the_variable_to_set(name, value):
    keys = {"api_key": "k", "api_secret": "s", name: value}
    with pytest.raises(HevoConfigurationError, match=f"{name} is empty.*HEVO_{name.upper()}"):
        HevoClient(**keys)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("retry_limit", 0), ("retry_limit", -1), ("retry_delay", -0.1)),
        *(("timeout", 0), ("timeout", -1), ("page_size", 0)),
    ],
)
def test_a_number_out_of_range_is_refused_by_name(name, value):
    with pytest.raises(HevoConfigurationError, match=f"{name} is {value}"):
        HevoClient(api_key="k", api_secret="s", **{name: value})


@pytest.mark.parametrize("name", ["retry_limit", "retry_delay", "timeout", "page_size"])
@pytest.mark.parametrize("value", [math.nan, math.inf, 1e12, "3", None, True, [3]])
def test_what_is_no_number_that_can_work_is_refused_by_name(name, value):
    with pytest.raises(HevoConfigurationError, match=f"{name} is "):
        HevoClient(api_key="k", api_secret="s", **{name: value})


@pytest.mark.parametrize("codes", [["500"], 500, [True], "500", [5.5]])
def test_status_codes_that_no_answer_has_are_refused(codes):
    with pytest.raises(HevoConfigurationError, match="retryable_status_codes"):
        HevoClient(api_key="k", api_secret="s", retryable_status_codes=codes)


@pytest.mark.parametrize("name", ["api_key", "api_secret", "region", "base_url"])
def test_a_text_of_another_type_is_refused_without_repeating_it(name):
    with pytest.raises(HevoConfigurationError, match=f"{name} is not text") as raised:
        HevoClient(**{"api_key": "k", "api_secret": "s", name: 123456})
    assert "123456" not in str(raised.value)


def test_an_address_in_the_place_of_a_region_is_not_repeated():
    with pytest.raises(HevoConfigurationError, match="set base_url") as raised:
        HevoClient(api_key="k", api_secret="s", region="https://me:password@eu.hevodata.com")
    assert "password" not in str(raised.value)


@pytest.mark.parametrize("name", ["retry_limit", "retry_delay", "timeout"])
@pytest.mark.parametrize("value", [-1])
def test_a_negative_number_is_refused_by_name(name, value):
    with pytest.raises(HevoConfigurationError, match=f"{name} is {value}"):
        HevoClient(api_key="k", api_secret="s", **{name: value})


@pytest.mark.parametrize(
    "name",
    [
        *("allow_redirects", "auth", "data", "files", "headers", "json"),
        *("method", "params", "stream", "timeout", "url"),
    ],
)
def test_extra_arguments_that_the_client_sets_itself_are_refused(name):
    with pytest.raises(HevoConfigurationError, match=f"may not hold {name}"):
        HevoClient(api_key="k", api_secret="s", extra_kwargs={name: None})


def test_extra_arguments_that_requests_does_not_have_are_refused():
    with pytest.raises(HevoConfigurationError, match="holds ssl, which requests"):
        HevoClient(api_key="k", api_secret="s", extra_kwargs={"ssl": False})


@pytest.mark.parametrize("value", ["secret\r\nX-Evil: 1", " secret", "secret €", 5])
def test_a_header_that_cannot_be_sent_is_refused_by_name_only(value):
    with pytest.raises(HevoConfigurationError, match="'X-Mine' cannot be sent") as raised:
        HevoClient(api_key="k", api_secret="s", extra_headers={"X-Mine": value})
    assert "secret" not in str(raised.value)
    assert raised.value.__context__ is None


def test_a_refused_setting_is_one_of_our_errors_and_not_worth_a_retry():
    with pytest.raises(HevoError) as raised:
        HevoClient(api_key="", api_secret="s")
    assert not raised.value.can_retry


def test_by_default_429_and_all_server_errors_are_worth_another_attempt():
    assert frozenset({429, *range(500, 600)}) == DEFAULT_RETRYABLE_STATUS_CODES
