"""The check `hevo_latency` in a run: off by default, and answered where the job tells a latency."""

from __future__ import annotations

import dagster as dg

from dagster_hevo import build_hevo_assets_definitions


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
