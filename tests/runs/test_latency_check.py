"""The check `hevo_latency` in a run: off by default, and answered where the job tells a latency."""

from __future__ import annotations

import dagster as dg
import pytest
from shop_runs import quick_scenario, quick_settings, told

from dagster_hevo import HevoResource, build_hevo_assets_definitions
from dagster_hevo.sandbox import HevoSandbox


def test_the_check_exists_where_it_is_wanted_and_a_step_without_a_latency_leaves_it_open(shop):
    place = shop()
    (plain,) = build_hevo_assets_definitions(workspace=place.hevo)
    assert {key.name for key in plain.check_keys} == {"hevo_job"}
    (asset,) = build_hevo_assets_definitions(workspace=place.hevo, include_latency_check=True)
    assert {key.name for key in asset.check_keys} == {"hevo_job", "hevo_latency"}
    result = dg.materialize([asset], instance=place.instance, resources={"hevo": place.hevo})
    assert result.success
    answered = {item.check_name for item in result.get_asset_check_evaluations()}
    assert answered <= {"hevo_job", "hevo_latency"}
    assert "hevo_job" in answered


@pytest.mark.parametrize(("alert", "passed"), [(1, False), (10, True)])
def test_a_step_warns_where_the_data_came_later_than_the_pipelines_alert_allows(alert, passed):
    """Jobs of two minutes, and time that runs 200 times as fast."""
    made = quick_scenario(objects=2, seconds_per_object=60, optional_fields=True)
    pipeline = made.pipelines[0].model_copy(update={"latency_alert_minutes": alert})
    scenario = made.model_copy(update={"pipelines": (pipeline,)})
    with HevoSandbox(scenario, speed=200) as sandbox:
        hevo = HevoResource(**quick_settings(sandbox))
        assets = build_hevo_assets_definitions(workspace=hevo, include_latency_check=True)
        result = dg.materialize(assets, resources={"hevo": hevo})
        assert result.success
        answers = [
            item
            for item in result.get_asset_check_evaluations()
            if item.check_name == "hevo_latency"
        ]
        assert [item.passed for item in answers] == [passed, passed]
        assert {item.severity for item in answers} == {dg.AssetCheckSeverity.WARN}
        assert {told(item.metadata, "latency_threshold_minutes") for item in answers} == {alert}
        # The asset is fresh all the same.
        assert len(result.get_asset_materialization_events()) == 2
