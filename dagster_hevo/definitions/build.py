"""From an account's snapshot to asset definitions: one multi-asset per pipeline.

Inputs, outputs and checks get names of their own (`names.py`), which `dagster.multi_asset` has no
argument for: the definition is put together from an op, as that decorator does it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, Protocol

import dagster as dg
from pydantic import create_model

from dagster_hevo.api.models import Pipeline
from dagster_hevo.dagster_private import OUTPUT, assets_of_op, op_like, output_of_spec
from dagster_hevo.definitions.checks import check_spec, latency_check_spec, threshold_minutes
from dagster_hevo.definitions.enrichment import AssetFacts
from dagster_hevo.definitions.loader import AccountLoader
from dagster_hevo.definitions.names import check_name, input_name, output_name, step_name
from dagster_hevo.definitions.options import HevoDefinitionsOptions
from dagster_hevo.definitions.snapshot import AccountSnapshot, no_collection
from dagster_hevo.definitions.specs import AccountSpecs, executable, is_not_loaded
from dagster_hevo.markdown import as_markdown
from dagster_hevo.sync_config import HevoSyncConfig

StepFunction = Callable[..., Any]


class AccountToBuildOf(Protocol):
    """What has to be known of an account to make definitions of it. ``HevoResource`` has it."""

    @property
    def account_id(self) -> str | None:
        """What tells the account from others."""
        ...

    @property
    def loader(self) -> AccountLoader:
        """Reads what the account holds."""
        ...

    def asset_facts(
        self, *, freshness_from_schedule: bool = ..., include_source_lineage: bool = ...
    ) -> AssetFacts:
        """What to add to the specs of its assets."""
        ...


def load_account(
    workspace: AccountToBuildOf, options: HevoDefinitionsOptions, pipeline_id: int | None = None
) -> tuple[AccountSpecs, AccountSnapshot]:
    """What makes the specs of an account, and what the account holds."""
    account_specs = AccountSpecs(
        options.translator,
        workspace.asset_facts(
            freshness_from_schedule=options.freshness_from_schedule,
            include_source_lineage=options.include_source_lineage,
        ),
        account_id=workspace.account_id,
    )
    wanted = replace(options.wanted(pipeline_id), on_loaded=account_specs.make_early)
    return account_specs, workspace.loader.load(wanted)


def specs_of_account(
    workspace: AccountToBuildOf, options: HevoDefinitionsOptions
) -> list[dg.AssetSpec]:
    """The specs of all objects that Hevo replicates, then those of the sources' tables."""
    with no_collection():
        account_specs, account = load_account(workspace, options)
        specs = [spec for _, specs in account_specs.by_pipeline(account) for spec in specs]
        return [*specs, *account_specs.sources(account, specs)]


def definitions_of(
    account: AccountSnapshot,
    account_specs: AccountSpecs,
    step: StepFunction,
    options: HevoDefinitionsOptions,
    *,
    required_resource_keys: set[str] | None = None,
) -> list[dg.AssetsDefinition]:
    """One multi-asset per pipeline, and last what is shown and not run.

    Args:
        account: The pipelines and their objects.
        account_specs: Makes the specs.
        step: What each step does: a function of ``context`` and ``config``.
        options: How the steps are made.
        required_resource_keys: The resources that the steps need.
    """
    # Dagster reads the config's fields and defaults from the annotation.
    step.__annotations__["config"] = config_with_defaults(options.config)  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType] (dg.Config is partly untyped)
    step.__annotations__["context"] = dg.AssetExecutionContext
    op = op_of(step, options, required_resource_keys=required_resource_keys)
    found = account_specs.by_pipeline(account)
    sources = account_specs.sources(account, (spec for _, specs in found for spec in specs))
    definitions = [
        assets_of_pipeline(props.pipeline, specs, op, options)
        for props, specs in ((props, executable(specs)) for props, specs in found)
        if specs
    ]
    # Sources, and objects that Hevo shows but does not load, are shown and not run.
    shown = [*sources, *(spec for _, specs in found for spec in specs if is_not_loaded(spec))]
    return [*definitions, dg.AssetsDefinition(specs=shown)] if shown else definitions


def op_of(
    step: StepFunction,
    options: HevoDefinitionsOptions,
    *,
    required_resource_keys: set[str] | None = None,
) -> dg.OpDefinition:
    """The op of a step function, which the op of each pipeline is made like.

    Args:
        step: What the step does.
        options: How it is made.
        required_resource_keys: The resources that it needs, besides those that its function takes.
    """
    return dg.op(  # pyright: ignore[reportUnknownMemberType] (partly untyped in Dagster)
        out={"a_table": OUTPUT, "its_check": OUTPUT},
        required_resource_keys=required_resource_keys,
        tags=options.op_tags,
        retry_policy=options.retry_policy,
        pool=options.pool,
    )(step)


def assets_of_pipeline(
    pipeline: Pipeline,
    specs: list[dg.AssetSpec],
    op: dg.OpDefinition,
    options: HevoDefinitionsOptions,
    *,
    name: str | None = None,
) -> dg.AssetsDefinition:
    """The multi-asset of one pipeline.

    Args:
        pipeline: The pipeline.
        specs: Its assets that a step can materialize.
        op: What the step does, as `op_of` makes it.
        options: How it is made.
        name: The step's name; default: the resource's key and the pipeline's name and id.
    """
    outputs = {output_name(spec.key): spec for spec in specs}
    check_specs = _check_specs(pipeline, specs, options)
    checks = {check_name(spec.asset_key, spec.name): spec for spec in check_specs}
    upstream = dict.fromkeys(dep.asset_key for spec in specs for dep in spec.deps)
    # An asset of this step that others of it depend on is an input where only those are selected.
    inputs = {input_name(key): key for key in upstream}
    return assets_of_op(
        op_like(
            op,
            name=name or step_name(pipeline, options.resource_key),
            description=op.description
            or f"Hevo's pipeline {as_markdown(pipeline.name)} ({pipeline.id}).",
            ins={each: dg.In(dg.Nothing) for each in inputs},
            outs={
                **{each: output_of_spec(spec) for each, spec in outputs.items()},
                **dict.fromkeys(checks, OUTPUT),
            },
        ),
        keys_by_input_name=inputs,
        keys_by_output_name={each: spec.key for each, spec in outputs.items()},
        check_specs_by_output_name=checks,
        specs=specs,
    )


def _check_specs(
    pipeline: Pipeline, specs: Iterable[dg.AssetSpec], options: HevoDefinitionsOptions
) -> list[dg.AssetCheckSpec]:
    """The checks of a pipeline's assets."""
    keys = [spec.key for spec in specs]
    found = [check_spec(key) for key in keys] if options.include_checks else []
    if options.include_latency_check:
        minutes = threshold_minutes(pipeline.latency_alert)
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
