"""Two accounts in one code location: each step asks its own, and refuses any other."""

from __future__ import annotations

import dagster as dg
import pytest

from dagster_hevo import (
    HevoConfigurationError,
    HevoResource,
    build_hevo_assets_definitions,
    build_hevo_job_sensor,
    hevo_assets,
)
from dagster_hevo.sandbox import ObjectScenario, PipelineScenario, Scenario

QUICK = {"poll_interval": 0.01, "job_discovery_timeout": 5, "job_objects_timeout": 5}


def shop(table: str, name: str = "Shop") -> Scenario:
    return Scenario(
        pipelines=(
            PipelineScenario(id=101, name=name, objects=(ObjectScenario(name=table, rows=3),)),
        )
    )


def failure_of(result) -> str:
    (event,) = [event for event in result.all_events if event.is_step_failure]
    return event.step_failure_data.user_failure_data.description


@pytest.fixture
def both(account):
    """Two accounts with a pipeline 101 each: the tables `bills` and `ads`."""
    first, of_first = account(shop("bills"))
    second, of_second = account(shop("ads", "Marketing"))
    return (first, of_first(**QUICK)), (second, of_second(**QUICK))


def test_two_accounts_load_and_run_side_by_side(both):
    (first, hevo), (second, marketing) = both
    definitions = dg.Definitions.merge(
        dg.Definitions(
            assets=build_hevo_assets_definitions(workspace=hevo),
            sensors=[build_hevo_job_sensor(workspace=hevo)],
            resources={"hevo": hevo},
        ),
        dg.Definitions(
            assets=build_hevo_assets_definitions(workspace=marketing, resource_key="hevo_ads"),
            sensors=[build_hevo_job_sensor(workspace=marketing, resource_key="hevo_ads")],
            resources={"hevo_ads": marketing},
        ),
    )
    dg.Definitions.validate_loadable(definitions)
    repository = definitions.get_repository_def()
    assert {sensor.name for sensor in repository.sensor_defs} == {
        "hevo_job_sensor",
        "hevo_ads_job_sensor",
    }
    job = definitions.resolve_implicit_global_asset_job_def()
    assert {node.name for node in job.nodes} == {"hevo_shop_101", "hevo_ads__marketing_101"}
    assert job.execute_in_process().success
    assert len(first.triggers()) == len(second.triggers()) == 1


def test_a_resource_of_another_account_is_refused_before_anything_is_triggered(both):
    (first, hevo), (second, marketing) = both
    assets = build_hevo_assets_definitions(workspace=marketing)
    result = dg.materialize(assets, resources={"hevo": hevo}, raise_on_error=False)
    assert "loaded from the Hevo account http" in failure_of(result)
    assert "resource_key" in failure_of(result)
    assert not first.triggers()
    assert not second.triggers()
    assert not result.get_asset_materialization_events()


def test_a_decorated_step_refuses_it_too(both):
    (first, hevo), (_, marketing) = both

    @hevo_assets(pipeline_id=101, workspace=marketing)
    def ads(context, hevo: HevoResource):
        yield from hevo.materialize(context)

    result = dg.materialize([ads], resources={"hevo": hevo}, raise_on_error=False)
    assert "Nothing was triggered" in failure_of(result)
    assert not first.triggers()


def test_other_keys_of_one_address_are_refused_where_the_pipeline_is_another(account, tmp_path):
    """Accounts of one region have one base URL: what Hevo says of the pipeline tells them apart."""
    sandbox, resource = account(shop("bills"))
    loaded = resource(**QUICK)
    assets = build_hevo_assets_definitions(workspace=loaded)
    for definition in assets:
        assert loaded.account_id in str(next(iter(definition.specs)).metadata)
    other = [
        definition.map_asset_specs(
            lambda spec: spec.merge_attributes(
                metadata={
                    "dagster-hevo/account": f"{loaded.account}#00000000",
                    "dagster-hevo/pipeline_name": "Marketing",
                }
            )
        )
        for definition in assets
    ]
    result = dg.materialize(other, resources={"hevo": loaded}, raise_on_error=False)
    assert "Nothing was triggered" in failure_of(result)
    assert not sandbox.triggers()


def test_other_keys_of_the_same_account_may_run(account):
    """Keys are rotated, and one user's keys may load what another's run."""
    sandbox, resource = account(shop("bills"))
    loaded = resource(**QUICK)
    assets = [
        definition.map_asset_specs(
            lambda spec: spec.merge_attributes(
                metadata={"dagster-hevo/account": f"{loaded.account}#00000000"}
            )
        )
        for definition in build_hevo_assets_definitions(workspace=loaded)
    ]
    assert dg.materialize(assets, resources={"hevo": loaded}).success
    assert len(sandbox.triggers()) == 1


@pytest.mark.parametrize("key", ["", "two words", "1st", "größe"])
def test_a_resource_key_that_dagster_cannot_take_is_refused(both, key):
    (_, hevo), _ = both
    with pytest.raises(HevoConfigurationError, match="resource_key is"):
        build_hevo_assets_definitions(workspace=hevo, resource_key=key)
    with pytest.raises(HevoConfigurationError, match="resource_key is"):
        build_hevo_job_sensor(workspace=hevo, resource_key=key)
