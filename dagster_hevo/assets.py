"""From a Hevo account to asset definitions: specs, a decorator for one pipeline, a factory for all.

What an account holds is asked for once, when the code location loads (`workspace.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import dagster as dg
from pydantic import create_model

from dagster_hevo.api.errors import HevoConfigurationError
from dagster_hevo.definitions.enrichment import AssetFacts
from dagster_hevo.definitions.reading import Wanted
from dagster_hevo.definitions.snapshot import (
    AccountSnapshot,
    PipelineSelector,
    no_collection,
)
from dagster_hevo.definitions.specs import AccountSpecs, changed, executable, is_silenced
from dagster_hevo.execution.events import check_spec
from dagster_hevo.execution.latency import latency_check_spec, threshold_minutes
from dagster_hevo.resources import HevoResource
from dagster_hevo.sync_config import HevoSyncConfig
from dagster_hevo.translator import DagsterHevoTranslator, HevoObjectProps, group_name_of

if TYPE_CHECKING:
    from dagster import AssetExecutionContext


@no_collection()
def load_hevo_asset_specs(
    workspace: HevoResource,
    translator: DagsterHevoTranslator | None = None,
    pipeline_selector_fn: PipelineSelector | None = None,
    *,
    include_column_metadata: bool = False,
    freshness_from_schedule: bool = False,
    include_source_lineage: bool = False,
    strict: bool = False,
) -> list[dg.AssetSpec]:
    """The specs of all objects that Hevo replicates, for use as external assets or of your own.

    Args:
        workspace: The account.
        translator: Makes the specs; default ``DagsterHevoTranslator``.
        pipeline_selector_fn: Which pipelines to take; default all.
        include_column_metadata: Whether to read each object's columns (types, primary keys), a
            request an object; remembered until the source's schema changes.
        freshness_from_schedule: Whether each asset has a freshness policy made of its pipeline's
            frequency: a warning after 1.5 periods without news, a failure after 3.
        include_source_lineage: Whether the tables in the source are assets upstream, with column
            lineage where the columns are known.
        strict: Whether one pipeline that fails to load fails all; else it is left out with a
            warning.

    Returns:
        A spec an object, pipelines in the order of their ids; then those of the sources' tables.

    Raises:
        HevoConfigurationError: Two objects have one key, or the account has no pipelines.
        HevoError: Hevo could not be asked.
    """
    account_specs = AccountSpecs(
        translator, _facts_of(workspace, freshness_from_schedule, include_source_lineage)
    )
    wanted = Wanted(
        pipeline_selector_fn,
        strict=strict,
        include_columns=include_column_metadata,
        on_loaded=account_specs.make_early,
    )
    account = workspace.loader.load(wanted)
    specs = [spec for _, specs in account_specs.by_pipeline(account) for spec in specs]
    return [*specs, *account_specs.sources(account, specs)]


def hevo_assets(
    *,
    pipeline_id: int,
    workspace: HevoResource,
    name: str | None = None,
    group_name: str | None = None,
    translator: DagsterHevoTranslator | None = None,
    op_tags: Mapping[str, Any] | None = None,
    pool: str | None = None,
    retry_policy: dg.RetryPolicy | None = None,
    include_checks: bool = True,
    include_latency_check: bool = False,
    include_column_metadata: bool = False,
    freshness_from_schedule: bool = False,
    include_source_lineage: bool = False,
) -> Callable[[Callable[..., Any]], dg.AssetsDefinition]:
    """Turn a function into the step that materializes the objects of one pipeline.

    Args:
        pipeline_id: The pipeline.
        workspace: The account.
        name: The step's name; default ``hevo_`` and the pipeline's name and id.
        group_name: A group for all its assets, instead of the translator's.
        translator: Makes the specs; default ``DagsterHevoTranslator``.
        op_tags: Tags of the step.
        pool: The concurrency pool that the step takes a slot of.
        retry_policy: When Dagster runs the step again. A retry takes up the job that is there.
        include_checks: Whether each asset has the check ``hevo_job``.
        include_latency_check: Whether each asset has the check ``hevo_latency`` too: a warning
            where a job's latency exceeds the threshold of the pipeline's latency alert in Hevo.
        include_column_metadata: Whether to read each object's columns (types, primary keys), a
            request an object; remembered until the source's schema changes.
        freshness_from_schedule: Whether each asset has a freshness policy made of its pipeline's
            frequency: a warning after 1.5 periods without news, a failure after 3.
        include_source_lineage: Whether each asset depends on its table in the source, with column
            lineage where the columns are known. The specs of those tables come with
            `load_hevo_asset_specs` and `build_hevo_assets_definitions`.

    Example:
        ::

            @hevo_assets(pipeline_id=123, workspace=hevo)
            def shop(context: dg.AssetExecutionContext, hevo: HevoResource, config: HevoSyncConfig):
                yield from hevo.materialize(context, config)

    Raises:
        HevoNotFoundError: There is no such pipeline in this account.
        HevoConfigurationError: It has no active object, or two objects have one key.
    """
    wanted = Wanted(pipeline_id=pipeline_id, include_columns=include_column_metadata)
    account = workspace.loader.load(wanted)
    facts = _facts_of(workspace, freshness_from_schedule, include_source_lineage)
    found = AccountSpecs(translator, facts).by_pipeline(account)
    if not found or not found[0][1]:
        raise HevoConfigurationError(
            f"Pipeline {pipeline_id} has no active object, so there is no asset to make of it. "
            "Include objects in Hevo, then reload the code location."
        )
    props, specs = found[0][0], executable(found[0][1])
    if group_name is not None:
        specs = [changed(spec, group_name=group_name) for spec in specs]
    return dg.multi_asset(
        name=name or step_name(props),
        specs=specs,
        check_specs=_check_specs(
            props, specs, has_checks=include_checks, has_latency=include_latency_check
        ),
        can_subset=True,
        op_tags=op_tags,
        pool=pool,
        retry_policy=retry_policy,
    )


@no_collection()
def build_hevo_assets_definitions(
    *,
    workspace: HevoResource,
    translator: DagsterHevoTranslator | None = None,
    pipeline_selector_fn: PipelineSelector | None = None,
    config: HevoSyncConfig | None = None,
    pool: str | None = None,
    retry_policy: dg.RetryPolicy | None = None,
    include_checks: bool = True,
    include_latency_check: bool = False,
    include_column_metadata: bool = False,
    freshness_from_schedule: bool = False,
    include_source_lineage: bool = False,
    strict: bool = False,
) -> Sequence[dg.AssetsDefinition]:
    """Make one multi-asset a pipeline of all objects that Hevo replicates.

    The definitions need the account as the resource ``hevo``. With ``include_source_lineage`` the
    last of them holds the sources' tables, which are external assets.

    Args:
        workspace: The account.
        translator: Makes the specs; default ``DagsterHevoTranslator``.
        pipeline_selector_fn: Which pipelines to take; default all.
        config: What a materialization asks for unless the launchpad says otherwise.
        pool: The concurrency pool that each step takes a slot of.
        retry_policy: When Dagster runs a step again. A retry takes up the job that is there.
        include_checks: Whether each asset has the check ``hevo_job``.
        include_latency_check: Whether each asset has the check ``hevo_latency`` too: a warning
            where a job's latency exceeds the threshold of the pipeline's latency alert in Hevo.
        include_column_metadata: Whether to read each object's columns (types, primary keys), a
            request an object; remembered until the source's schema changes.
        freshness_from_schedule: Whether each asset has a freshness policy made of its pipeline's
            frequency: a warning after 1.5 periods without news, a failure after 3.
        include_source_lineage: Whether the tables in the source are assets upstream, with column
            lineage where the columns are known.
        strict: Whether one pipeline that fails to load fails all; else it is left out with a
            warning.

    Raises:
        HevoConfigurationError: Two objects have one key, or the account has no pipelines.
        HevoError: Hevo could not be asked.
    """
    account_specs = AccountSpecs(
        translator, _facts_of(workspace, freshness_from_schedule, include_source_lineage)
    )
    wanted = Wanted(
        pipeline_selector_fn,
        strict=strict,
        include_columns=include_column_metadata,
        on_loaded=account_specs.make_early,
    )
    account = workspace.loader.load(wanted)

    def make_step() -> Callable[..., Any]:
        def materialize(context: AssetExecutionContext, hevo: HevoResource, config: Any) -> Any:
            yield from hevo.materialize(context, config)

        materialize.__annotations__["hevo"] = HevoResource
        return materialize

    return definitions_of(
        account,
        account_specs,
        make_step,
        config=config,
        pool=pool,
        retry_policy=retry_policy,
        include_checks=include_checks,
        include_latency_check=include_latency_check,
    )


def definitions_of(
    account: AccountSnapshot,
    account_specs: AccountSpecs,
    make_step: Callable[[], Callable[..., Any]],
    *,
    config: HevoSyncConfig | None,
    pool: str | None,
    retry_policy: dg.RetryPolicy | None,
    include_checks: bool,
    include_latency_check: bool = False,
) -> list[dg.AssetsDefinition]:
    """One multi-asset a pipeline, and last what is there to be seen but not to be run.

    Args:
        account: The pipelines and their objects.
        account_specs: Makes the specs.
        make_step: Makes what a step does, a new function for each pipeline: it takes ``context``,
            ``config`` and perhaps resources.
        config: What a materialization asks for unless the launchpad says otherwise.
        pool: The concurrency pool that each step takes a slot of.
        retry_policy: When Dagster runs a step again.
        include_checks: Whether each asset has the check ``hevo_job``.
        include_latency_check: Whether each asset has the check ``hevo_latency``.
    """
    config_type = config_with_defaults(config)
    found = account_specs.by_pipeline(account)
    sources = account_specs.sources(account, (spec for _, specs in found for spec in specs))
    definitions = [
        _assets_of_pipeline(
            props,
            specs,
            make_step(),
            config_type,
            pool=pool,
            retry=retry_policy,
            checks=include_checks,
            latency_checks=include_latency_check,
        )
        for props, specs in ((props, executable(specs)) for props, specs in found)
        if specs
    ]
    # Sources, and objects that Hevo shows but does not load, are there to be seen, not to be run.
    shown = [*sources, *(spec for _, specs in found for spec in specs if is_silenced(spec))]
    return [*definitions, dg.AssetsDefinition(specs=shown)] if shown else definitions


def _assets_of_pipeline(
    props: HevoObjectProps,
    specs: list[dg.AssetSpec],
    materialize: Callable[..., Any],
    config_type: type[HevoSyncConfig],
    *,
    pool: str | None,
    retry: dg.RetryPolicy | None,
    checks: bool,
    latency_checks: bool,
) -> dg.AssetsDefinition:
    # Dagster reads the config's fields and defaults from the annotation.
    materialize.__annotations__["config"] = config_type
    materialize.__annotations__["context"] = dg.AssetExecutionContext
    pipeline = props.pipeline
    return dg.multi_asset(
        name=step_name(props),
        description=f"Hevo's pipeline {pipeline.name} ({pipeline.id}).",
        specs=specs,
        check_specs=_check_specs(props, specs, has_checks=checks, has_latency=latency_checks),
        can_subset=True,
        pool=pool,
        retry_policy=retry,
    )(materialize)


def _check_specs(
    props: HevoObjectProps, specs: Iterable[dg.AssetSpec], *, has_checks: bool, has_latency: bool
) -> list[dg.AssetCheckSpec]:
    """The checks of a pipeline's assets."""
    keys = [spec.key for spec in specs]
    found = [check_spec(key) for key in keys] if has_checks else []
    if has_latency:
        minutes = threshold_minutes(props.pipeline.latency_alert)
        found += [latency_check_spec(key, minutes) for key in keys]
    return found


def config_with_defaults(config: HevoSyncConfig | None) -> type[HevoSyncConfig]:
    """The config type whose defaults are the values of ``config``: the launchpad shows them."""
    if config is None:
        return HevoSyncConfig
    fields: dict[str, Any] = {
        name: (field.annotation, getattr(config, name))
        for name, field in HevoSyncConfig.model_fields.items()
    }
    return create_model("HevoSyncConfig", __base__=HevoSyncConfig, **fields)


def step_name(props: HevoObjectProps) -> str:
    """The name of a pipeline's step: readable, and unique by the pipeline's id."""
    return f"hevo_{group_name_of(props.pipeline.name)}_{props.pipeline.id}"


def _facts_of(workspace: HevoResource, freshness: bool, source_lineage: bool) -> AssetFacts:
    return workspace.asset_facts(
        freshness_from_schedule=freshness, include_source_lineage=source_lineage
    )


def keys_of(definitions: Iterable[dg.AssetsDefinition]) -> list[dg.AssetKey]:
    """The keys of all assets of these definitions, in order."""
    return [spec.key for definition in definitions for spec in definition.specs]
