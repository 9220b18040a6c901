"""From a Hevo account to asset definitions: specs, a decorator for one pipeline, a factory for all.

What the account holds is read once, when the code location loads (`definitions/loader.py`); how
definitions are made of it is `definitions/build.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import dagster as dg

from dagster_hevo.api.errors import HevoConfigurationError
from dagster_hevo.definitions.build import (
    assets_of_pipeline,
    definitions_of,
    load_account,
    op_of,
    specs_of_account,
)
from dagster_hevo.definitions.options import (
    FactoryArguments,
    HevoDefinitionsOptions,
    SpecArguments,
    StepArguments,
    options_of,
)
from dagster_hevo.definitions.snapshot import AccountSnapshot, PipelineSelector, no_collection
from dagster_hevo.definitions.specs import changed, executable
from dagster_hevo.resources import HevoResource
from dagster_hevo.translator import DagsterHevoTranslator

if TYPE_CHECKING:
    from dagster import AssetExecutionContext
    from typing_extensions import Unpack


@no_collection()
def load_hevo_asset_specs(
    workspace: HevoResource,
    translator: DagsterHevoTranslator | None = None,
    pipeline_selector_fn: PipelineSelector | None = None,
    *,
    options: HevoDefinitionsOptions | None = None,
    **arguments: Unpack[SpecArguments],
) -> list[dg.AssetSpec]:
    """The specs of all objects that Hevo replicates, for use as external assets or of your own.

    Args:
        workspace: The account.
        translator: Makes the specs; default ``DagsterHevoTranslator``.
        pipeline_selector_fn: Which pipelines to take; default all.
        options: How the specs are made; see `HevoDefinitionsOptions`.
        arguments: ``include_column_metadata``, ``freshness_from_schedule``,
            ``include_source_lineage`` and ``strict``, over ``options``.

    Returns:
        A spec per object, pipelines in the order of their ids; then those of the sources' tables.

    Raises:
        HevoConfigurationError: Two objects have one key, a translator dropped metadata, or the
            account has no pipelines.
        HevoError: Hevo could not be read.
    """
    chosen = options_of(options, arguments, SpecArguments, "load_hevo_asset_specs")
    if translator is not None:
        chosen = replace(chosen, translator=translator)
    if pipeline_selector_fn is not None:
        chosen = replace(chosen, pipeline_selector_fn=pipeline_selector_fn)
    return specs_of_account(workspace, chosen)


def hevo_assets(
    *,
    pipeline_id: int,
    workspace: HevoResource,
    name: str | None = None,
    group_name: str | None = None,
    options: HevoDefinitionsOptions | None = None,
    **arguments: Unpack[StepArguments],
) -> Callable[[Callable[..., Any]], dg.AssetsDefinition]:
    """Turn a function into the step that materializes the objects of one pipeline.

    Args:
        pipeline_id: The pipeline.
        workspace: The account.
        name: The step's name; default: the resource's key and the pipeline's name and id.
        group_name: A group for all its assets, instead of the translator's.
        options: How the step is made; see `HevoDefinitionsOptions`.
        arguments: The options by their names, over ``options``: ``translator``, ``resource_key``,
            ``op_tags``, ``pool``, ``retry_policy``, ``include_checks``, ``include_latency_check``,
            ``include_column_metadata``, ``freshness_from_schedule``, ``include_source_lineage``
            and ``strict``. The specs of the sources' tables come with `load_hevo_asset_specs` and
            `build_hevo_assets_definitions`.

    Example:
        ::

            @hevo_assets(pipeline_id=123, workspace=hevo)
            def shop(context: dg.AssetExecutionContext, hevo: HevoResource, config: HevoSyncConfig):
                yield from hevo.materialize(context, config)

    Raises:
        HevoNotFoundError: There is no such pipeline in this account.
        HevoConfigurationError: It is deleted or has no active object, two objects have one key, or
            a translator dropped metadata.
    """
    chosen = options_of(options, arguments, StepArguments, "hevo_assets")
    account_specs, account = load_account(workspace, chosen, pipeline_id)
    found = account_specs.by_pipeline(account)
    if not found or not found[0][1]:
        raise _nothing_to_load(account, pipeline_id)
    props, specs = found[0][0], executable(found[0][1])
    if group_name is not None:
        specs = [changed(spec, group_name=group_name) for spec in specs]

    def decorate(function: Callable[..., Any]) -> dg.AssetsDefinition:
        op = op_of(function, chosen)
        return assets_of_pipeline(props.pipeline, specs, op, chosen, name=name)

    return decorate


@no_collection()
def build_hevo_assets_definitions(
    *,
    workspace: HevoResource,
    options: HevoDefinitionsOptions | None = None,
    **arguments: Unpack[FactoryArguments],
) -> Sequence[dg.AssetsDefinition]:
    """Make one multi-asset per pipeline of all objects that Hevo replicates.

    The definitions need the account as the resource ``resource_key``, which is ``hevo`` by default.
    With ``include_source_lineage`` the last of them holds the sources' tables, which are external
    assets.

    Args:
        workspace: The account.
        options: How the definitions are made; see `HevoDefinitionsOptions`.
        arguments: Any of the options by its name, over ``options``.

    Raises:
        HevoConfigurationError: Two objects have one key, a translator dropped metadata, or the
            account has no pipelines.
        HevoError: Hevo could not be read.
    """
    chosen = options_of(options, arguments, FactoryArguments, "build_hevo_assets_definitions")
    account_specs, account = load_account(workspace, chosen)

    def materialize(context: AssetExecutionContext, config: Any) -> Iterator[Any]:
        bound = getattr(context.resources, chosen.resource_key)
        yield from bound.materialize(context, config)

    return definitions_of(
        account,
        account_specs,
        materialize,
        chosen,
        required_resource_keys={chosen.resource_key},
    )


def _nothing_to_load(account: AccountSnapshot, pipeline_id: int) -> HevoConfigurationError:
    item = account.pipeline(pipeline_id)
    if item is not None and item.is_gone:
        return HevoConfigurationError(
            f"Pipeline {pipeline_id} ({item.pipeline.name}) is {item.pipeline.status} in Hevo, so "
            "there is no asset to make of it. Name the pipeline that has replaced it."
        )
    return HevoConfigurationError(
        f"Pipeline {pipeline_id} has no active object, so there is no asset to make of it. "
        "Include objects in Hevo, then reload the code location."
    )
