"""Any name that a table may have: one asset per table, under its real name as far as possible."""

from __future__ import annotations

import re

import dagster as dg
import pytest
from odd_accounts import a_pipeline, an_object, location, resource

from dagster_hevo import (
    HevoConfigurationError,
    HevoResource,
    build_hevo_assets_definitions,
    hevo_assets,
    load_hevo_asset_specs,
)
from dagster_hevo.definitions.names import check_name, output_name, step_name
from dagster_hevo.sandbox import ObjectScenario, PipelineScenario, Scenario
from dagster_hevo.translator import key_part, name_in_key

ODD = [
    "user events",
    "Übersicht",
    "客户",
    "price$",
    "it's",
    'say "hi"',
    "a.b",
    "\u00fc",
    "u\u0308",
]
COLLIDING = ["user-events", "user_events", "user.events", "user events", "User_Events"]


@pytest.mark.parametrize("name", ODD)
def test_a_key_has_the_table_s_real_name(tmp_path, name):
    hevo = resource(tmp_path, a_pipeline([an_object(1, name)]))
    (spec,) = load_hevo_asset_specs(hevo)
    assert spec.key == dg.AssetKey(["shop", name])
    assert location(hevo).resolve_asset_graph().has(spec.key)


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("a/b", "a~2Fb"),
        ("a~2Fb", "a~7E2Fb"),
        ("100%", "100~25"),
        ("~", "~"),
        ("~/", "~~2F"),
        ("line\nbreak", "line~0Abreak"),
        ("zero​width", "zero~E2~80~8Bwidth"),
        ("\ud800", "~ED~A0~80"),
    ],
)
def test_what_dagster_does_not_take_is_encoded_and_can_be_read_back(name, part):
    assert key_part(name) == part
    assert name_in_key(part) == name


def test_tables_that_differ_in_punctuation_or_case_alone_are_assets_of_their_own(tmp_path):
    objects = [an_object(number, name) for number, name in enumerate(COLLIDING)]
    definitions = location(
        resource(tmp_path, a_pipeline(objects)),
        include_latency_check=True,
        include_source_lineage=True,
    )
    keys = {spec.key for spec in definitions.resolve_all_asset_specs()}
    assert {key.path[-1] for key in keys if key.path[0] == "shop"} == set(COLLIDING)
    sources = {key.path[-1] for key in keys if key.path[0] == "source"}
    assert sources == set(COLLIDING)


def test_a_part_of_the_oddly_named_tables_can_be_selected(tmp_path):
    hevo = resource(tmp_path, a_pipeline(an_object(n, name) for n, name in enumerate(ODD)))
    definitions = location(hevo)
    key = dg.AssetKey(["shop", "客户"])
    job = dg.define_asset_job("some", dg.AssetSelection.assets(key))
    resolved = job.resolve(asset_graph=definitions.resolve_asset_graph())
    assert resolved.asset_layer.selected_asset_keys == {key}


def test_an_asset_downstream_depends_on_an_oddly_named_table(tmp_path):
    key = dg.AssetKey(["shop", "user events"])

    @dg.asset(ins={"events": dg.AssetIn(key, dagster_type=dg.Nothing)})
    def report() -> None: ...

    hevo = resource(tmp_path, a_pipeline([an_object(1, "user events")]))
    definitions = dg.Definitions.merge(location(hevo), dg.Definitions(assets=[report]))
    dg.Definitions.validate_loadable(definitions)
    assert definitions.resolve_asset_graph().get(report.key).parent_keys == {key}


@pytest.mark.parametrize("decorated", [True, False])
def test_an_oddly_named_table_is_materialized(account, decorated):
    scenario = Scenario(
        pipelines=(
            PipelineScenario(
                name="客户 Shop",
                schema_name="shop",
                objects=(
                    ObjectScenario(name="user events", table="user_events", rows=3),
                    ObjectScenario(name="user-events", table="user_events_2", rows=3),
                ),
            ),
        )
    )
    sandbox, resource_of = account(scenario)
    hevo = resource_of(poll_interval=0.01, job_discovery_timeout=5)
    if decorated:

        @hevo_assets(pipeline_id=sandbox.pipeline_ids[0], workspace=hevo)
        def assets(context, hevo: HevoResource):
            yield from hevo.materialize(context)
    else:
        (assets,) = build_hevo_assets_definitions(workspace=hevo)
    result = dg.materialize([assets], resources={"hevo": hevo})
    assert len(result.get_asset_materialization_events()) == 2
    assert all(check.passed for check in result.get_asset_check_evaluations())
    assert len(result.get_asset_check_evaluations()) == 2


def test_step_names_of_usual_pipelines_are_as_they_were(tmp_path):
    item = a_pipeline([])
    assert step_name(item.pipeline) == "hevo_shop_101"
    long = a_pipeline([], name="客" + "x" * 250)
    assert re.fullmatch(r"hevo_x{115}_101", step_name(long.pipeline))


def test_outputs_of_usual_tables_are_named_as_dagster_names_them():
    assert output_name(dg.AssetKey(["shop", "user_events"])) == "shop__user_events"


def test_no_two_keys_share_a_name_of_an_output_or_a_check():
    parts = ["a", "b", "a__b", "a_", "_a", "a_b", "a-b", "a.b", "hevo_job", "a_hevo_job", "ä", "客"]
    keys = [dg.AssetKey([one, other]) for one in parts for other in parts]
    keys += [dg.AssetKey([one]) for one in parts] + [dg.AssetKey(["a", "b", "c"])]
    keys += [dg.AssetKey(["a__b", "c"]), dg.AssetKey(["a", "b__c"]), dg.AssetKey(["x" * 300, "a"])]
    names = [output_name(key) for key in keys] + [check_name(key, "hevo_job") for key in keys]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[A-Za-z0-9_]{1,150}", name) for name in names)


def test_two_objects_with_one_key_are_refused_with_pipeline_and_object(tmp_path):
    hevo = resource(tmp_path, a_pipeline([an_object(1, "a"), an_object(2, "a")]))
    with pytest.raises(HevoConfigurationError, match=r"shop/a: a of pipeline 101 \(Shop\), a of"):
        load_hevo_asset_specs(hevo)


def test_objects_of_a_deleted_pipeline_are_no_assets(tmp_path):
    old = a_pipeline([an_object(1, "orders")], id=7, status="DELETED")
    new = a_pipeline([an_object(2, "orders")], id=8)
    hevo = resource(tmp_path, old, new)
    (spec,) = load_hevo_asset_specs(hevo)
    assert spec.metadata["dagster-hevo/pipeline_id"] == 8
    with pytest.raises(HevoConfigurationError, match=r"Pipeline 7 \(Shop\) is DELETED"):
        hevo_assets(pipeline_id=7, workspace=hevo)
