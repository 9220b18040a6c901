"""A translator that drops what a step needs is refused while loading."""

from __future__ import annotations

import dagster as dg
import pytest
from odd_accounts import a_pipeline, an_object, resource

from dagster_hevo import (
    DagsterHevoTranslator,
    HevoConfigurationError,
    HevoObjectProps,
    build_hevo_assets_definitions,
    hevo_assets,
    load_hevo_asset_specs,
)


class Forgetful(DagsterHevoTranslator):
    def get_asset_spec(self, props: HevoObjectProps) -> dg.AssetSpec:
        return super().get_asset_spec(props).replace_attributes(metadata={"team": "sources"})


class FromScratch(DagsterHevoTranslator):
    def get_asset_spec(self, props: HevoObjectProps) -> dg.AssetSpec:
        return dg.AssetSpec(["raw", props.table])


class OfAnother(DagsterHevoTranslator):
    def get_asset_spec(self, props: HevoObjectProps) -> dg.AssetSpec:
        spec = super().get_asset_spec(props)
        return spec.merge_attributes(metadata={"dagster-hevo/object_id": "another"})


@pytest.mark.parametrize("translator", [Forgetful(), FromScratch(), OfAnother()])
def test_an_asset_without_its_metadata_is_refused_with_asset_and_translator(tmp_path, translator):
    hevo = resource(tmp_path, a_pipeline([an_object(1, "orders")]))
    expected = rf"/orders of orders of pipeline 101 \(Shop\).* as {type(translator).__qualname__} "
    with pytest.raises(HevoConfigurationError, match=expected):
        load_hevo_asset_specs(hevo, translator)
    with pytest.raises(HevoConfigurationError, match=expected):
        build_hevo_assets_definitions(workspace=hevo, translator=translator)
    with pytest.raises(HevoConfigurationError, match=expected):
        hevo_assets(pipeline_id=101, workspace=hevo, translator=translator)


def test_metadata_that_is_added_to_is_accepted(tmp_path):
    class Teams(DagsterHevoTranslator):
        def get_asset_spec(self, props: HevoObjectProps) -> dg.AssetSpec:
            return super().get_asset_spec(props).merge_attributes(metadata={"team": "sources"})

    (spec,) = load_hevo_asset_specs(resource(tmp_path, a_pipeline([an_object(1, "a")])), Teams())
    assert spec.metadata["team"] == "sources"
