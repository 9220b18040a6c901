"""The component in this process: what YAML makes of it, its state, and what can be overridden."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from three_pipelines import component, definitions, place, refreshed, specs_of

from dagster_hevo import (
    HevoAccountComponent,
    HevoConnectionError,
    HevoObjectProps,
    HevoResource,
    HevoSyncConfig,
    IfJobRunning,
    SyncAction,
)
from dagster_hevo.components.account import IS_LOADING
from dagster_hevo.components.forms import env_variable
from dagster_hevo.sandbox import HevoSandbox


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


def test_the_keys_stay_in_the_environment_until_they_are_used() -> None:
    workspace = component().workspace
    assert isinstance(workspace.api_key, dg.EnvVar)
    assert isinstance(workspace.api_secret, dg.EnvVar)
    assert workspace.api_secret.env_var_name == "HEVO_API_SECRET"


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("{{ env.HEVO_API_KEY }}", "HEVO_API_KEY"),
        ("{{env('HEVO_API_KEY')}}", "HEVO_API_KEY"),
        ('{{ env("HEVO_API_KEY") }}', "HEVO_API_KEY"),
        ("{{ env('HEVO_API_KEY', 'other') }}", None),
        ("prefix-{{ env.HEVO_API_KEY }}", None),
        ("HEVO_API_KEY", None),
        (7, None),
    ],
)
def test_a_template_that_only_reads_a_variable_is_known_as_one(
    written: object, expected: str | None
) -> None:
    assert env_variable(written) == expected


def test_every_setting_of_the_resource_can_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLL", "7.5")
    workspace = component(
        workspace={
            "poll_interval": "{{ env.POLL }}",
            "poll_timeout": None,
            "retryable_status_codes": [],
            "extra_headers": {"X-Team": "sources"},
            "extra_kwargs": {"verify": False},
            "cancel_on_termination": False,
        }
    ).workspace
    assert workspace.setting("poll_interval") == 7.5
    assert workspace.poll_timeout is None
    assert workspace.retryable_status_codes == []
    assert workspace.setting("extra_headers") == {"X-Team": "sources"}
    assert workspace.extra_kwargs == {"verify": False}
    assert workspace.cancel_on_termination is False


def test_sync_and_retries_become_what_they_stand_for() -> None:
    made = component(
        sync={"action": "SYNC_NOW", "if_job_running": "ADOPT", "wait_for_completion": False},
        retry_policy={"max_retries": 2, "delay": 30, "backoff": "EXPONENTIAL"},
    )
    assert made.sync.action is SyncAction.SYNC_NOW
    assert made.sync.if_job_running is IfJobRunning.ADOPT
    assert made.sync.wait_for_completion is False
    assert made.retry_policy == dg.RetryPolicy(
        max_retries=2, delay=30, backoff=dg.Backoff.EXPONENTIAL
    )


@pytest.mark.parametrize(
    ("attributes", "named"),
    [
        ({"polling_sensor": True}, "polling_sensor"),
        ({"workspace": {"api_kye": "x"}}, "api_kye"),
        ({"sync": {"mode": "RESYNC"}}, "mode"),
        ({"sync": {"action": "SYNC"}}, "action"),
        ({"job_sensor": {"interval": 30}}, "interval"),
        ({"include_metadata": ["rows"]}, "include_metadata"),
        ({"retry_policy": {"retries": 1}}, "retries"),
        ({"workspace": {"region": "no such place", "base_url": None}}, "region"),
        ({"workspace": {"api_key": ""}}, "api_key is empty"),
    ],
    ids=str,
)
def test_what_cannot_be_meant_is_refused_by_name(attributes: dict[str, Any], named: str) -> None:
    with pytest.raises(Exception, match=named):
        component(**attributes)


def test_one_step_a_pipeline_and_a_check_an_asset(state: Path) -> None:
    defs = definitions(component(), state)
    assert set(specs_of(defs)) == {
        "shop/customers",
        "shop/orders",
        "helpdesk/tickets",
        "test_shop/customers",
    }
    steps = [each for each in defs.assets or () if isinstance(each, dg.AssetsDefinition)]
    assert [each.op.name for each in steps] == [
        "hevo_shop_101",
        "hevo_helpdesk_102",
        "hevo_test_shop_103",
    ]
    assert len(steps[0].check_keys) == 2


def test_checks_can_be_left_out(state: Path) -> None:
    defs = definitions(component(checks=False), state)
    assert all(not each.check_keys for each in defs.assets or ())


def test_steps_take_a_pool_and_a_retry_policy(state: Path) -> None:
    defs = definitions(component(pool="hevo", retry_policy={"max_retries": 3}), state)
    (step, *_) = defs.assets or ()
    assert step.op.pool == "hevo"
    assert step.op.retry_policy == dg.RetryPolicy(max_retries=3)


def test_the_state_holds_no_secret(state: Path, sandbox: HevoSandbox) -> None:
    text = refreshed(component(include_metadata=["columns"]), state).read_text("utf-8")
    assert "customers" in text
    for secret in (sandbox.api_key, sandbox.api_secret, "source-password"):
        assert secret not in text


def test_loading_from_the_state_asks_nothing_and_needs_no_keys(
    state: Path, sandbox: HevoSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    refreshed(component(), state)
    seen = len(sandbox.requests)
    for name in ("HEVO_API_KEY", "HEVO_API_SECRET", "HEVO_BASE_URL"):
        monkeypatch.delenv(name)
    defs = definitions(component(job_sensor=True), state)
    assert "shop/customers" in specs_of(defs)
    assert len(sandbox.requests) == seen


@pytest.mark.parametrize(
    ("written", "names"),
    [({}, {"hevo_job"}), ({"latency_checks": True}, {"hevo_job", "hevo_latency"})],
)
def test_the_check_of_latencies_is_off_unless_it_is_switched_on(
    written: dict[str, Any], names: set[str], state: Path
) -> None:
    defs = definitions(component(**written), state)
    steps = [each for each in defs.assets or () if isinstance(each, dg.AssetsDefinition)]
    assert {key.name for each in steps for key in each.check_keys} == names


def test_only_the_objects_of_selected_pipelines_are_asked_for(
    state: Path, sandbox: HevoSandbox
) -> None:
    seen = len(sandbox.requests)
    made = component(pipeline_selector={"by_name": ["Helpdesk"]})
    defs = definitions(made, state)
    assert set(specs_of(defs)) == {"helpdesk/tickets"}
    paths = [request.path for request in sandbox.requests[seen:]]
    assert paths == ["/api/v1/pipelines", "/api/v1/pipelines/102/objects"]


def test_a_refresh_that_is_asked_for_asks_hevo_again(state: Path, sandbox: HevoSandbox) -> None:
    made = component()
    refreshed(made, state)
    seen = len(sandbox.requests)
    refreshed(made, state)
    assert len(sandbox.requests) == seen + 4


def test_a_failed_refresh_says_so_and_leaves_the_state(state: Path) -> None:
    before = refreshed(component(), state).read_text("utf-8")
    gone = component(workspace={"base_url": "http://127.0.0.1:9", "retry_limit": 1})
    with pytest.raises(HevoConnectionError):
        refreshed(gone, state)
    assert state.read_text("utf-8") == before


@pytest.fixture
def loading() -> Iterator[None]:
    """As while `dagster dev` or a `dg` command loads the definitions, and refreshes as it does."""
    token = IS_LOADING.set(True)
    yield
    IS_LOADING.reset(token)


@pytest.mark.usefixtures("loading")
def test_a_refresh_that_comes_of_loading_makes_do_with_a_recent_state(
    state: Path, sandbox: HevoSandbox
) -> None:
    made = component(pipeline_selector={"by_id": [101]})
    refreshed(made, state)
    seen = len(sandbox.requests)
    refreshed(made, state)
    assert len(sandbox.requests) == seen


@pytest.mark.usefixtures("loading")
def test_a_recent_state_that_lacks_a_selected_pipeline_will_not_do(state: Path) -> None:
    refreshed(component(pipeline_selector={"by_id": [101]}), state)
    assert "tickets" not in state.read_text("utf-8")
    refreshed(component(), state)
    assert "tickets" in state.read_text("utf-8")


@pytest.mark.usefixtures("loading")
def test_where_hevo_is_out_of_reach_loading_goes_on_with_an_old_state(
    state: Path, caplog: pytest.LogCaptureFixture
) -> None:
    before = refreshed(component(), state).read_text("utf-8")
    gone = {"base_url": "http://127.0.0.1:9", "retry_limit": 1, "definitions_max_age": 0}
    with caplog.at_level(logging.WARNING, "dagster_hevo"):
        refreshed(component(workspace=gone), state)
    assert state.read_text("utf-8") == before
    assert "going on with the state of before" in caplog.text


def test_before_the_first_refresh_there_is_nothing_but_a_word_how_to_refresh(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING, "dagster_hevo"):
        defs = component().build_defs_from_state(place(), None)
    assert specs_of(defs) == {}
    assert "dg utils refresh-defs-state" in caplog.text


def test_a_selector_that_takes_nothing_names_what_there_is(
    state: Path, caplog: pytest.LogCaptureFixture
) -> None:
    made = component(pipeline_selector={"by_name": ["Shop*", "Sohp"], "by_id": [7]})
    with caplog.at_level(logging.WARNING, "dagster_hevo"):
        defs = definitions(made, state)
    assert specs_of(defs) == {}
    assert "takes none of the 3 pipelines: 101 (Shop, POSTGRES to Warehouse)" in caplog.text


def test_states_of_different_selections_have_different_keys_and_a_rotated_key_keeps_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def key(**attributes: Any) -> str:
        return component(**attributes).defs_state_config.key

    before = key()
    assert before == "HevoAccountComponent[HEVO_BASE_URL/HEVO_API_KEY]"
    monkeypatch.setenv("HEVO_API_KEY", "rotated")
    assert key() == before
    shop, helpdesk = ({"by_name": [name]} for name in ("Shop", "Helpdesk"))
    assert len({before, key(pipeline_selector=shop), key(pipeline_selector=helpdesk)}) == 3
    assert key(workspace={"api_key": "{{ env.OTHER_KEY }}"}) != before


def test_a_literal_key_is_not_readable_in_the_state_key() -> None:
    made = component(workspace={"api_key": "literal-key", "api_secret": "literal-secret"})
    assert "literal" not in made.defs_state_config.key


def test_the_state_key_can_be_given() -> None:
    defs_state = {"key": "hevo", "management_type": "VERSIONED_STATE_STORAGE"}
    config = component(defs_state=defs_state).defs_state_config
    assert (config.key, config.management_type.value) == ("hevo", "VERSIONED_STATE_STORAGE")


def test_translation_sees_the_object_and_its_pipeline(state: Path) -> None:
    made = component(
        translation={
            "key_prefix": "raw",
            "group_name": "{{ props.pipeline.source.source_type | lower }}",
            "owners": ["team:sources"],
            "tags": {"source": "{{ props.pipeline.source.source_type }}"},
            "metadata": {"schema_of": "{{ spec.key.path[0] }}"},
        }
    )
    spec = specs_of(definitions(made, state))["raw/shop/orders"]
    assert spec.group_name == "postgres"
    assert list(spec.owners) == ["team:sources"]
    assert spec.tags["source"] == "POSTGRES"
    assert spec.metadata["schema_of"] == "shop"
    assert spec.metadata["dagster-hevo/pipeline_id"] == 101


@pytest.mark.skipif(
    "dg" not in dg.ResolutionContext.default().scope,
    reason="before `dg` was known in templates, it was `automation_condition.eager()`",
)
def test_translation_can_give_an_automation_condition(state: Path) -> None:
    made = component(
        translation={"automation_condition": "{{ dg.AutomationCondition.eager() }}"},
        pipeline_selector={"by_id": [102]},
    )
    spec = specs_of(definitions(made, state))["helpdesk/tickets"]
    assert spec.automation_condition == dg.AutomationCondition.eager()


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (False, []),
        (True, [("_job_sensor", 60, dg.DefaultSensorStatus.RUNNING)]),
        (
            {"name": "hevo_ends", "minimum_interval_seconds": 20, "default_status": "STOPPED"},
            [("hevo_ends", 20, dg.DefaultSensorStatus.STOPPED)],
        ),
    ],
    ids=str,
)
def test_the_job_sensor(state: Path, written: object, expected: list[Any]) -> None:
    defs = definitions(component(job_sensor=written), state)
    sensors: Any = list(defs.sensors or ())
    assert len(sensors) == len(expected)
    for sensor, (name, interval, status) in zip(sensors, expected, strict=True):
        assert sensor.name.endswith(name)
        assert sensor.minimum_interval_seconds == interval
        assert sensor.default_status is status


class OwnedAccount(HevoAccountComponent):
    """A component of a team."""

    def get_asset_spec(self, props: HevoObjectProps) -> dg.AssetSpec:
        spec = super().get_asset_spec(props)
        return spec.replace_attributes(owners=["team:sources"], tags={"id": str(props.pipeline.id)})


SAID: list[str] = []


class WordyAccount(HevoAccountComponent):
    """A component that does something before and after."""

    def execute(
        self, context: dg.AssetExecutionContext, hevo: HevoResource, config: HevoSyncConfig
    ) -> Iterator[Any]:
        SAID.append(
            f"before {config.action} of {len(context.selected_asset_keys)} at {hevo.account}"
        )
        yield from super().execute(context, hevo, config)
        SAID.append("after")


def test_a_subclass_can_change_the_specs(state: Path) -> None:
    made = component(OwnedAccount, translation={"tags": {"more": "yes"}})
    spec = specs_of(definitions(made, state))["shop/orders"]
    assert list(spec.owners) == ["team:sources"]
    assert spec.tags["id"] == "101"
    assert spec.tags["more"] == "yes"


def test_a_run_needs_no_resource_and_takes_the_component_config(
    state: Path, sandbox: HevoSandbox
) -> None:
    made = component(pipeline_selector={"by_id": [101]}, sync={"resync_mode": "DROP_AND_LOAD"})
    defs = definitions(made, state)
    result = dg.materialize(list(defs.assets or ()), selection=[dg.AssetKey(["shop", "orders"])])
    assert result.success
    (event,) = result.get_asset_materialization_events()
    assert event.materialization.metadata["dagster-hevo/job_status"].value == "COMPLETED"
    asked = [each for each in sandbox.requests if each.method == "POST"]
    assert asked[-1].body["drop_and_load"] is True


def test_a_subclass_can_do_more_around_a_run(state: Path, sandbox: HevoSandbox) -> None:
    made = component(WordyAccount, pipeline_selector={"by_id": [101]}, checks=False)
    defs = definitions(made, state)
    result = dg.materialize(list(defs.assets or ()), selection=[dg.AssetKey(["shop", "orders"])])
    assert len(result.get_asset_materialization_events()) == 1
    assert [f"before RESYNC of 1 at {sandbox.url}", "after"] == SAID
