"""What changed in Hevo since the definitions were loaded is noticed before a trigger."""

from __future__ import annotations

import dagster as dg
import pytest

from dagster_hevo import build_hevo_assets_definitions
from dagster_hevo.sandbox import Fault, FaultKind, ObjectScenario, PipelineScenario, Scenario

QUICK = {"poll_interval": 0.01, "job_discovery_timeout": 5, "job_objects_timeout": 5}
PAYMENTS = dg.AssetKey(["shop", "payments"])
ORDERS = dg.AssetKey(["shop", "orders"])


@dg.asset(deps=[PAYMENTS])
def revenue() -> None: ...


@pytest.fixture
def shop(account):
    scenario = Scenario(
        pipelines=(
            PipelineScenario(
                name="Shop",
                id=101,
                schema_name="shop",
                objects=tuple(ObjectScenario(name=name, rows=3) for name in ("orders", "payments")),
            ),
        )
    )
    sandbox, resource = account(scenario)
    hevo = resource(**QUICK)
    return sandbox, hevo, build_hevo_assets_definitions(workspace=hevo)


def changed(sandbox, how: str, assets) -> tuple[list[dg.AssetsDefinition], str]:
    """The table `payments` has changed in Hevo: the assets, and what the check has to say."""
    if how == "inactive":
        sandbox.set_object(101, "payments", status="INACTIVE")
        return assets, "payments of pipeline 101 is INACTIVE in Hevo now"
    if how == "renamed":
        sandbox.set_object(101, "payments", table="payments_v2")
        return assets, "is loaded into shop.payments_v2 now, and was loaded into shop.payments"
    # Loaded while Hevo had another object of this name.
    earlier = {"dagster-hevo/object_id": "an-id-of-long-ago"}
    loaded = [
        definition.map_asset_specs(
            lambda spec: spec.merge_attributes(metadata=earlier) if spec.key == PAYMENTS else spec
        )
        for definition in assets
    ]
    return loaded, "payments of pipeline 101 is not in the pipeline any more"


HOW = ["inactive", "renamed", "removed"]


@pytest.mark.parametrize("how", HOW)
def test_a_changed_table_is_not_recorded_and_nothing_runs_on_it(shop, how):
    sandbox, hevo, assets = shop
    assets, said = changed(sandbox, how, assets)
    result = dg.materialize([*assets, revenue], resources={"hevo": hevo})
    recorded = {event.asset_key for event in result.get_asset_materialization_events()}
    assert recorded == {ORDERS}
    checks = {check.asset_key: check for check in result.get_asset_check_evaluations()}
    assert checks[ORDERS].passed
    assert not checks[PAYMENTS].passed
    assert checks[PAYMENTS].severity is dg.AssetCheckSeverity.ERROR
    assert said in checks[PAYMENTS].description
    assert "Reload the code location" in checks[PAYMENTS].description
    (trigger,) = sandbox.triggers()
    assert trigger.object_ids == sandbox.object_ids(101, "orders")


@pytest.mark.parametrize("how", HOW)
def test_where_no_selected_table_is_what_it_was_nothing_is_triggered(shop, how):
    sandbox, hevo, assets = shop
    assets, said = changed(sandbox, how, assets)
    result = dg.materialize(
        assets, selection=[PAYMENTS], resources={"hevo": hevo}, raise_on_error=False
    )
    assert not result.success
    (check,) = result.get_asset_check_evaluations()
    assert not check.passed
    assert said in check.description
    assert not sandbox.triggers()


def test_noticing_costs_one_request(shop):
    sandbox, hevo, assets = shop
    counted = len(sandbox.requests)
    dg.materialize(assets, selection=[ORDERS], resources={"hevo": hevo})
    paths = [seen.path for seen in sandbox.requests[counted:]]
    assert paths.count("/api/v1/pipelines/101/objects") == 1
    assert paths[0] == "/api/v1/pipelines/101/objects"


def test_objects_that_cannot_be_read_just_then_stop_nothing(shop):
    sandbox, hevo, assets = shop
    sandbox.faults.add(Fault(FaultKind.STATUS_BEFORE, path="*/101/objects", method="GET"))
    result = dg.materialize(assets, resources={"hevo": hevo})
    assert len(result.get_asset_materialization_events()) == 2


def test_the_check_alone_says_it_too(shop):
    sandbox, hevo, assets = shop
    assert dg.materialize(assets, resources={"hevo": hevo}).success
    assets, said = changed(sandbox, "inactive", assets)
    checks = dg.AssetSelection.checks(
        *[dg.AssetCheckKey(key, "hevo_job") for key in (PAYMENTS, ORDERS)]
    )
    result = dg.materialize(assets, selection=checks, resources={"hevo": hevo})
    found = {check.asset_key: check for check in result.get_asset_check_evaluations()}
    assert found[ORDERS].passed
    assert said in found[PAYMENTS].description
