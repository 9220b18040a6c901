"""Freshness of a schedule, tables in the source upstream, a link to Hevo: each only when wanted."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from three_pipelines import component, definitions, specs_of

from dagster_hevo import (
    DagsterHevoTranslator,
    HevoConfigurationError,
    HevoObjectProps,
    HevoResource,
    build_hevo_assets_definitions,
    hevo_assets,
    load_hevo_asset_specs,
)
from dagster_hevo.api.models import (
    Namespace,
    ObjectField,
    Pipeline,
    PipelineObject,
    Schedule,
    Source,
)
from dagster_hevo.definitions.enrichment import AssetFacts, check_url_template, freshness_policy_of
from dagster_hevo.sandbox import HevoSandbox
from dagster_hevo.translator import table_schema


def props(*fields: ObjectField, **pipeline: Any) -> HevoObjectProps:
    """An object `Deal Notes` in the schema `crm`, loaded into `sales.deal_notes`."""
    return HevoObjectProps(
        Pipeline(id=7, name="Sales", status="INITIALIZED", **pipeline),
        PipelineObject(
            object_id="1",
            source_namespace=Namespace(k0="Deal Notes", k1="crm"),
            destination_namespace=Namespace(k0="deal_notes", k1="sales"),
            status="ACTIVE",
            fields=fields or None,
        ),
    )


def with_facts(
    item: HevoObjectProps, translator: DagsterHevoTranslator | None = None, **facts: Any
) -> dg.AssetSpec:
    chosen = translator or DagsterHevoTranslator()
    return AssetFacts(**facts).added_to(chosen.get_asset_spec(item), item, chosen)


@pytest.fixture
def hevo(sandbox: HevoSandbox) -> HevoResource:
    return HevoResource(
        api_key=sandbox.api_key,
        api_secret=sandbox.api_secret,
        base_url=sandbox.url,
        requests_per_minute=0,
        rate_limit_store="memory",
        ui_url_template="https://{region}.hevodata.com/pipeline/{pipeline_id}",
    )


def test_a_schedule_warns_after_one_and_a_half_periods_and_fails_after_three() -> None:
    policy = freshness_policy_of(props(schedule=Schedule(frequency_minutes=60)).pipeline)
    assert policy == dg.FreshnessPolicy.time_window(
        fail_window=timedelta(hours=3), warn_window=timedelta(minutes=90)
    )


@pytest.mark.parametrize(
    "schedule",
    [
        None,
        Schedule(),
        Schedule(frequency_minutes=0),
        Schedule(frequency_minutes=2**62),
        Schedule(sync_type="ON_DEMAND", frequency_minutes=60),
    ],
    ids=str,
)
def test_a_pipeline_without_a_period_has_no_freshness_policy(schedule: Schedule | None) -> None:
    assert freshness_policy_of(props(schedule=schedule).pipeline) is None


def test_a_policy_of_the_translator_is_kept() -> None:
    policy = dg.FreshnessPolicy.time_window(fail_window=timedelta(days=1))

    class Daily(DagsterHevoTranslator):
        def get_asset_spec(self, props: HevoObjectProps) -> dg.AssetSpec:
            return super().get_asset_spec(props).replace_attributes(freshness_policy=policy)

    item = props(schedule=Schedule(frequency_minutes=60))
    assert with_facts(item, Daily(), freshness_from_schedule=True).freshness_policy == policy


def test_the_table_in_the_source_is_upstream_with_the_columns_it_gives() -> None:
    item = props(
        ObjectField(source_name="Deal Id", destination_name="deal_id", primary_key=True),
        ObjectField(destination_name="__hevo__loaded_at"),
        source=Source(name="CRM (live)", source_type="HUBSPOT"),
    )
    spec = with_facts(item, include_source_lineage=True)
    source = dg.AssetKey(["source", "crm_live", "crm", "Deal Notes"])
    assert [dep.asset_key for dep in spec.deps] == [source]
    assert spec.metadata["dagster/column_lineage"] == dg.TableColumnLineage(
        {"deal_id": [dg.TableColumnDep(asset_key=source, column_name="Deal Id")]}
    )


def test_without_columns_there_is_lineage_of_tables_only() -> None:
    spec = with_facts(props(), include_source_lineage=True)
    assert len(list(spec.deps)) == 1
    assert "dagster/column_lineage" not in spec.metadata


def test_the_region_and_the_pipeline_are_filled_into_the_link() -> None:
    spec = with_facts(
        props(), ui_url_template="https://{region}.example.com/p/{pipeline_id}", region="eu"
    )
    assert spec.metadata["dagster-hevo/pipeline_url"] == dg.MetadataValue.url(
        "https://eu.example.com/p/7"
    )


@pytest.mark.parametrize(
    "template", ["https://x/{id}", "https://x/{pipeline_id", "javascript:{pipeline_id}", "x/{0}"]
)
def test_a_link_that_cannot_be_filled_in_is_refused(template: str) -> None:
    with pytest.raises(HevoConfigurationError, match="ui_url_template"):
        check_url_template(template)
    with pytest.raises(HevoConfigurationError, match="ui_url_template"):
        HevoResource(api_key="k", api_secret="s", ui_url_template=template)


def test_a_column_says_what_it_is_in_the_source_where_that_differs() -> None:
    schema = table_schema(
        (
            ObjectField(source_name="Id", source_type="int8", destination_name="id"),
            ObjectField(
                source_name="name",
                source_type="text",
                destination_name="name",
                destination_type="TEXT",
            ),
            ObjectField(
                source_name="at",
                source_type="timestamptz",
                destination_name="at",
                destination_type="TIMESTAMP",
            ),
            ObjectField(destination_name="__hevo_id"),
        )
    )
    assert [column.description for column in schema.columns] == [
        "From Id (int8).",
        None,
        "From at (timestamptz).",
        None,
    ]


def test_nothing_is_added_unless_it_is_asked_for(sandbox: HevoSandbox) -> None:
    plain = HevoResource(
        api_key=sandbox.api_key,
        api_secret=sandbox.api_secret,
        base_url=sandbox.url,
        requests_per_minute=0,
        rate_limit_store="memory",
    )
    specs = load_hevo_asset_specs(plain)
    assert len(specs) == 4
    assert all(not list(spec.deps) and spec.freshness_policy is None for spec in specs)
    assert all("dagster-hevo/pipeline_url" not in spec.metadata for spec in specs)


def test_specs_come_with_those_of_the_sources(hevo: HevoResource) -> None:
    specs = load_hevo_asset_specs(hevo, include_source_lineage=True, freshness_from_schedule=True)
    by_key = {spec.key: spec for spec in specs}
    shop = by_key[dg.AssetKey(["shop", "customers"])]
    (source,) = [dep.asset_key for dep in shop.deps]
    assert source.path[:2] == ["source", "shop_db"]
    assert by_key[source].kinds == {"postgres"}
    assert shop.freshness_policy is not None
    url = shop.metadata["dagster-hevo/pipeline_url"]
    assert url == dg.MetadataValue.url("https://us.hevodata.com/pipeline/101")


def test_definitions_hold_the_sources_as_external_assets(hevo: HevoResource) -> None:
    made = build_hevo_assets_definitions(workspace=hevo, include_source_lineage=True)
    assert [each.is_executable for each in made] == [True, True, True, False]
    defs = dg.Definitions(assets=made, resources={"hevo": hevo})
    dg.Definitions.validate_loadable(defs)
    assert len(defs.resolve_all_asset_specs()) == 8


def test_the_decorator_takes_the_facts_too(hevo: HevoResource) -> None:
    @hevo_assets(
        pipeline_id=101,
        workspace=hevo,
        include_source_lineage=True,
        freshness_from_schedule=True,
    )
    def shop(context, hevo: HevoResource) -> Any:
        yield from hevo.materialize(context)

    spec = shop.specs_by_key[dg.AssetKey(["shop", "orders"])]
    assert len(list(spec.deps)) == 1
    assert spec.freshness_policy is not None


def test_a_source_with_the_key_of_a_loaded_asset_is_refused(hevo: HevoResource) -> None:
    class Same(DagsterHevoTranslator):
        def get_source_asset_spec(self, props: HevoObjectProps) -> dg.AssetSpec | None:
            return dg.AssetSpec(["shop", "orders"]) if props.table == "customers" else None

    with pytest.raises(HevoConfigurationError, match="get_source_asset_spec"):
        load_hevo_asset_specs(hevo, Same(), include_source_lineage=True)


def test_the_component_takes_the_facts_too(tmp_path: Path) -> None:
    made = component(
        workspace={"ui_url_template": "https://hevo.example.com/{pipeline_id}"},
        freshness_from_schedule=True,
        include_source_lineage=True,
        include_metadata=["columns"],
        pipeline_selector={"by_id": [101]},
    )
    specs = specs_of(definitions(made, tmp_path / "state"))
    assert len(specs) == 4
    spec = specs["shop/customers"]
    assert spec.freshness_policy is not None
    assert spec.metadata["dagster-hevo/pipeline_url"].value == "https://hevo.example.com/101"
    lineage = spec.metadata["dagster/column_lineage"]
    assert lineage.deps_by_column["id"][0].column_name == "id"
    assert any(
        column.constraints.other == ["primary key"]
        for column in spec.metadata["dagster/column_schema"].columns
    )
