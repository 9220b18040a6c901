"""Every setting may come from an environment variable, while loading and in a run alike."""

from __future__ import annotations

import dagster as dg
import pytest

from dagster_hevo import (
    HevoConfigurationError,
    HevoResource,
    build_hevo_assets_definitions,
    build_hevo_job_sensor,
)

VALUES = {
    "requests_per_minute": ("7", 7),
    "page_size": ("3", 3),
    "retry_limit": ("2", 2),
    "retry_delay": ("0.5", 0.5),
    "timeout": ("12.5", 12.5),
    "poll_timeout": ("null", None),
    "cancel_on_termination": ("false", False),
    "retryable_status_codes": ("[429, 503]", [429, 503]),
    "extra_headers": ('{"X-Team": "sources"}', {"X-Team": "sources"}),
    "extra_kwargs": ('{"verify": false}', {"verify": False}),
    "definitions_max_age": ("0", 0.0),
    "region": ("eu", "eu"),
    "rate_limit_store": ("memory", "memory"),
    "definitions_kept_in": ("defs_state_storage", "defs_state_storage"),
    "ui_url_template": ("https://a.example/{pipeline_id}", "https://a.example/{pipeline_id}"),
}


def in_a_run(hevo: HevoResource, name: str) -> object:
    """The setting's value as a step has it, after Dagster has made the resource again."""
    seen: list[object] = []

    @dg.op
    def look(context, hevo: HevoResource) -> None:
        seen.append(hevo.setting(name))

    @dg.job(resource_defs={"hevo": hevo})
    def looking() -> None:
        look()

    assert looking.execute_in_process().success
    return seen[0]


@pytest.mark.parametrize("name", VALUES)
def test_a_setting_is_read_from_its_variable(monkeypatch, name):
    text, value = VALUES[name]
    monkeypatch.setenv("THE_SETTING", text)
    hevo = HevoResource(api_key="k", api_secret="s", **{name: dg.EnvVar("THE_SETTING")})
    assert hevo.setting(name) == value
    assert in_a_run(hevo, name) == value


@pytest.mark.parametrize("name", ["requests_per_minute", "page_size", "timeout"])
def test_a_whole_number_may_be_given_as_dagster_s_own(monkeypatch, name):
    monkeypatch.setenv("THE_SETTING", "5")
    hevo = HevoResource(api_key="k", api_secret="s", **{name: dg.EnvVar.int("THE_SETTING")})
    assert hevo.setting(name) == 5
    assert in_a_run(hevo, name) == 5


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("extra_headers", {"X-Key": dg.EnvVar("THE_SETTING")}),
        ("extra_kwargs", {"cert": dg.EnvVar("THE_SETTING")}),
        ("extra_kwargs", {"proxies": {"https": dg.EnvVar("THE_SETTING")}}),
    ],
)
def test_a_variable_inside_a_setting_is_read(monkeypatch, name, given):
    monkeypatch.setenv("THE_SETTING", "the value")
    hevo = HevoResource(api_key="k", api_secret="s", **{name: given})
    for found in (hevo.setting(name), in_a_run(hevo, name)):
        assert "the value" in str(found)
        assert "THE_SETTING" not in str(found)


def test_a_budget_from_the_environment_limits_loading_and_the_sensor(account, monkeypatch):
    monkeypatch.setenv("THE_BUDGET", "30")
    _, resource = account()
    hevo = resource(requests_per_minute=dg.EnvVar.int("THE_BUDGET"))
    build_hevo_assets_definitions(workspace=hevo)
    assert hevo.get_budget().remaining() == 30 - 4
    assert hevo.get_budget_share("job sensor", 0.5).remaining() == 15
    sensor = build_hevo_job_sensor(workspace=hevo)
    with dg.DagsterInstance.ephemeral() as instance:
        context = dg.build_sensor_context(instance=instance)
        assert sensor(context).cursor


@pytest.mark.parametrize("name", ["timeout", "extra_headers", "region"])
def test_a_variable_that_is_not_set_is_named_with_its_setting(monkeypatch, name):
    monkeypatch.delenv("THE_SETTING", raising=False)
    given = dg.EnvVar("THE_SETTING")
    hevo = HevoResource(api_key="k", api_secret="s", **{name: given})
    with pytest.raises(HevoConfigurationError, match=f"{name} .* THE_SETTING, which is not set"):
        hevo.setting(name)


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("timeout", "soon", "timeout comes from the environment variable THE_SETTING"),
        ("timeout", "-1", "timeout is -1.0: it must be at least"),
        ("retry_limit", "0", "retry_limit is 0: it must be at least 1"),
        ("extra_headers", "secret-text", "extra_headers comes from"),
        ("definitions_kept_in", "the cloud", "definitions_kept_in is 'the cloud'"),
    ],
)
def test_a_variable_that_does_not_fit_is_refused(monkeypatch, name, text, expected):
    monkeypatch.setenv("THE_SETTING", text)
    hevo = HevoResource(api_key="k", api_secret="s", **{name: dg.EnvVar("THE_SETTING")})
    with pytest.raises(HevoConfigurationError, match=expected) as caught:
        hevo.setting(name)
    assert "secret-text" not in str(caught.value)


def test_a_mistyped_setting_is_refused_with_the_nearest_name():
    with pytest.raises(HevoConfigurationError, match=r"'regoin'\. Did you mean region\?"):
        HevoResource(api_key="k", api_secret="s", regoin="eu")
    with pytest.raises(HevoConfigurationError, match=r"'pol_timeout'\. Did you mean poll_timeout"):
        HevoResource(api_key="k", api_secret="s", from_environment={"pol_timeout": "X"})


@pytest.mark.parametrize(("region", "near"), [("EU", "eu"), ("us_gcp", "us-gcp"), ("us 2", "us2")])
def test_a_malformed_region_is_refused_with_the_nearest_name(region, near):
    with pytest.raises(HevoConfigurationError, match=f"Did you mean {near}"):
        HevoResource(api_key="k", api_secret="s", region=region)
