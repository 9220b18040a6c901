"""Other ways for a setting to reach Dagster, and what a launcher may not choose beside handles."""

from __future__ import annotations

from typing import Any

import pytest

from dagster_hevo import HevoResource
from dagster_hevo.api.errors import HevoConfigurationError
from dagster_hevo.secrets import check_run_config


class European(HevoResource):
    region: str = "eu"
    extra_headers: dict[str, str] = {"X-Gate": "default-canary"}


def test_the_default_of_a_subclass_is_concealed_and_counts_for_its_own_region():
    resource = European(api_key="key-canary", api_secret="secret-canary")
    assert "canary" not in repr(resource)
    assert resource.account == "https://eu.hevodata.com"
    assert resource.setting("api_secret") == "secret-canary"
    assert resource.setting("extra_headers") == {"X-Gate": "default-canary"}


def test_bytes_are_concealed_like_texts():
    secret: Any = b"secret-canary"
    certificate = [b"pem-canary"]
    resource = HevoResource(api_key="key", api_secret=secret, extra_kwargs={"cert": certificate})
    assert "canary" not in repr(resource)
    assert resource.setting("api_secret") == "secret-canary"


def test_what_is_configured_at_launch_is_concealed():
    partial = HevoResource.configure_at_launch(api_key="key-canary", api_secret="secret-canary")
    assert "canary" not in str(partial.data)


PROXY = {"proxies": {"https": "http://launcher.invalid"}, "verify": False}


@pytest.mark.parametrize(
    "chosen", [{"extra_kwargs": PROXY}, {"extra_headers": {"Host": "launcher.invalid"}}]
)
def test_a_launcher_sends_no_secret_of_the_code_a_way_of_its_own(chosen):
    handle = HevoResource(api_key="key-canary", api_secret="secret").api_key
    with pytest.raises(HevoConfigurationError, match="choose the keys where the run"):
        check_run_config({"api_key": handle, **chosen})
    check_run_config({"api_key": "chosen at launch", **chosen})
    check_run_config({"api_key": handle, "extra_kwargs": {}})
