"""One materialization in a Dagster step: from the selection to the events.

The life of the job is `dagster_hevo.jobs`; here it is given Dagster's selection, log and instance,
and its errors become failures that a person can act on.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import dagster as dg

from dagster_hevo.api.errors import HevoConfigurationError, HevoError
from dagster_hevo.dagster_private import attempt_of, outputs_used_in_run, step_key_of
from dagster_hevo.execution.check_alone import answer_checks, answered_in
from dagster_hevo.execution.events import (
    ObjectAsset,
    failure_of_error,
    failure_of_outcome,
    run_events,
    summary,
)
from dagster_hevo.execution.latency import latency_results
from dagster_hevo.execution.recorded import recorded_by
from dagster_hevo.execution.run_ledger import ledger_of_step, mark_recorded, wait_for_sensor
from dagster_hevo.execution.since_loading import (
    changes_since_loading,
    check_account,
    check_results_of_changes,
    is_gone,
)
from dagster_hevo.jobs.objects import ObjectIndex
from dagster_hevo.jobs.outcome import JobOutcome
from dagster_hevo.jobs.pipeline_ledger import SENSOR_PREFIX
from dagster_hevo.jobs.records import Settlement
from dagster_hevo.jobs.request import IfJobRunning, SyncRequest, make_request
from dagster_hevo.jobs.runner import JobRunner
from dagster_hevo.sensor_switch import warning_without_sensor

if TYPE_CHECKING:
    from dagster_hevo.api.client import HevoClient
    from dagster_hevo.api.rate_limit import RequestBudget
    from dagster_hevo.jobs.settings import JobSettings
    from dagster_hevo.sync_config import HevoSyncConfig

StepEvent = dg.MaterializeResult[Any] | dg.AssetMaterialization | dg.AssetCheckResult


@dataclass(frozen=True)
class Chosen:
    """What a step is to load.

    Attributes:
        every_asset: All assets of the step.
        assets: Those whose objects are what they were when the code location was loaded.
        selected: Those of them that are selected.
        checks: The checks of those that are selected.
    """

    every_asset: list[ObjectAsset]
    assets: list[ObjectAsset]
    selected: frozenset[dg.AssetKey]
    checks: frozenset[dg.AssetCheckKey]


class StepAccount(Protocol):
    """What a step has to know of the account. ``HevoResource`` has it."""

    @property
    def account(self) -> str:
        """Hevo's base URL."""
        ...

    @property
    def account_id(self) -> str | None:
        """What tells the account from others."""
        ...

    def get_client(self) -> HevoClient:
        """The client of the account."""
        ...

    def get_budget(self) -> RequestBudget:
        """The request budget that all processes with these keys share."""
        ...

    def job_settings(self, if_job_running: IfJobRunning = ...) -> JobSettings:
        """The bounds of a job's life."""
        ...


def materialize(
    context: dg.AssetExecutionContext, hevo: StepAccount, config: HevoSyncConfig
) -> Iterator[StepEvent]:
    """Load the selected assets of one pipeline; see ``HevoResource.materialize``."""
    try:
        assets = assets_of_one_pipeline(context.assets_def.specs)
        pipeline_id = assets[0].pipeline_id
    except HevoConfigurationError as error:
        raise dg.Failure(description=str(error), allow_retries=False) from error
    try:
        yield from _materialize(context, hevo, config, assets)
    except HevoError as error:
        raise failure_of_error(pipeline_id, error) from error


def _materialize(
    context: dg.AssetExecutionContext,
    hevo: StepAccount,
    config: HevoSyncConfig,
    assets: list[ObjectAsset],
) -> Iterator[StepEvent]:
    selected = frozenset(context.selected_asset_keys)
    checks = frozenset(context.selected_asset_check_keys)
    changes = read_changes(context, hevo, assets)
    if not selected:
        checked = frozenset(check.asset_key for check in checks)
        yield from check_results_of_changes(changes, checked, checks)
        yield from answer_checks(
            hevo.get_client(),
            assets,
            frozenset(check for check in checks if check.asset_key not in changes),
            context.assets_def.check_specs,
            settings=hevo.job_settings(),
            log=context.log,
            answered=answered_in(context.instance),
        )
        return
    chosen = Chosen(assets, assets, selected, checks)
    if changes:
        yield from check_results_of_changes(changes, selected, checks)
        chosen = without_changed(context.log, changes, chosen)
    index = ObjectIndex(asset.known for asset in assets)
    wanted = _wanted_assets(chosen.assets, chosen.selected)
    request = _request_of_step(chosen.assets, wanted, index, config)
    if request.object_ids is not None and request.object_ids != request.wanted_ids:
        log_reloads_with_parents(context.log, wanted, index)
    runner = runner_in_step(context, hevo, request, index, config.if_job_running)
    if not config.wait_for_completion:
        _start_without_waiting(context, hevo, runner)
        return
    outcome = runner.run()
    context.log.info(summary(outcome))
    yield from _record(context, hevo, chosen, runner, outcome)
    failure = failure_of_outcome(
        outcome, accept_completed_with_failures=config.accept_completed_with_failures
    )
    runner.settle(Settlement.RECORDED if failure is None else Settlement.FAILED)
    if failure is not None:
        raise failure


def _wanted_assets(
    assets: list[ObjectAsset], selected: frozenset[dg.AssetKey]
) -> list[ObjectAsset]:
    """The selected assets that Hevo loads.

    Raises:
        HevoConfigurationError: It loads none of them.
    """
    wanted = [asset for asset in assets if asset.key in selected]
    if wanted:
        return wanted
    names = ", ".join(sorted(key.to_user_string() for key in selected))
    raise HevoConfigurationError(
        f"None of the selected assets ({names}) is loaded by Hevo's pipeline "
        f"{assets[0].pipeline_id}: their parents are skipped. Include the parents in Hevo, then "
        "reload the code location."
    )


def _request_of_step(
    assets: list[ObjectAsset],
    wanted: Iterable[ObjectAsset],
    index: ObjectIndex,
    config: HevoSyncConfig,
) -> SyncRequest:
    """What to request of Hevo for the wanted assets of a pipeline."""
    return make_request(
        assets[0].pipeline_id,
        (asset.object_id for asset in wanted),
        index.objects,
        action=config.action,
        resync_mode=config.resync_mode,
        restarted_with={
            asset.object_id: asset.restarted_with
            for asset in assets
            if asset.restarted_with is not None and asset.restarted_with in index.objects
        },
        # A definition of one's own may have a part of the pipeline's assets.
        is_all=len(assets) >= (assets[0].loaded_objects or 0),
    )


def _start_without_waiting(
    context: dg.AssetExecutionContext, hevo: StepAccount, runner: JobRunner
) -> None:
    """Get the job, and leave its outcome to the job sensor."""
    job = runner.start()
    context.log.info(
        f"Not waiting for job {job.job_id} of pipeline {runner.request.pipeline_id} "
        "(wait_for_completion is false): the job sensor records its outcome."
    )
    warning = warning_without_sensor(context.instance, hevo.account)
    if warning is not None:
        context.log.warning(warning)


def _record(
    context: dg.AssetExecutionContext,
    hevo: StepAccount,
    chosen: Chosen,
    runner: JobRunner,
    outcome: JobOutcome,
) -> Iterator[StepEvent]:
    """The events of a job's outcome, without what is recorded already."""
    assets, checks = chosen.assets, chosen.checks
    if (outcome.recorded_by or "").startswith(SENSOR_PREFIX):
        context.log.info(f"The job sensor is recording job {outcome.job.job_id}; waiting for it.")
        wait_for_sensor(context.instance, hevo.account, outcome, chosen.every_asset)
    recorded = recorded_before(context, outcome, assets, is_resumed=runner.state.is_resumed)
    yield from run_events(
        outcome, assets, selected=chosen.selected, checks=checks, recorded=recorded
    )
    loaded = {
        asset.key
        for asset in assets
        if (item := outcome.objects.get(asset.object_id)) is not None and item.result.is_fresh
    }
    yield from latency_results(outcome, context.assets_def.check_specs, checks, loaded)
    # Dagster has stored each event when it requests the next one.
    mark_recorded(context.instance, hevo.account, outcome, chosen.every_asset)


def read_changes(
    context: dg.AssetExecutionContext, hevo: StepAccount, assets: list[ObjectAsset]
) -> Mapping[dg.AssetKey, str]:
    """What has changed since loading, of the account that the assets were loaded from.

    Raises:
        HevoConfigurationError: The resource is of another account.
    """
    loaded_from = account_of(context.assets_def.specs)
    place = None if loaded_from is None else loaded_from.partition("#")[0]
    if place != hevo.account:
        check_account(place, hevo.account)
    has_other_keys = loaded_from is not None and loaded_from != hevo.account_id
    changes = changes_since_loading(
        hevo.get_client(), assets, context.log, must_know=has_other_keys
    )
    if has_other_keys:
        pipeline = hevo.get_client().get_pipeline(assets[0].pipeline_id)
        is_same = pipeline.name == assets[0].pipeline_name
        # Ids are UUIDs: one that both accounts know is one of one account.
        known = changes or {}
        is_proven = is_same and any(not is_gone(known.get(item.key, "")) for item in assets)
        check_account(loaded_from, hevo.account_id, is_proven=is_proven)
    return changes or {}


def account_of(specs: Iterable[dg.AssetSpec]) -> str | None:
    """The account that the assets of a step were loaded from, where their metadata tells it."""
    found = (spec.metadata.get("dagster-hevo/account") for spec in specs)
    return next((account for account in found if isinstance(account, str)), None)


def without_changed(
    log: logging.Logger, changes: Mapping[dg.AssetKey, str], chosen: Chosen
) -> Chosen:
    """What is to be loaded, without the assets whose objects have changed.

    Raises:
        HevoConfigurationError: Nothing of the selection is left.
    """
    told = {key: changes[key] for key in sorted(chosen.selected & changes.keys())}
    for sentence in told.values():
        log.warning(sentence)
    left = chosen.selected - changes.keys()
    if told and not left:
        raise HevoConfigurationError(
            f"Nothing was triggered: no selected asset is what it was. {' '.join(told.values())}"
        )
    return Chosen(
        chosen.every_asset,
        [asset for asset in chosen.assets if asset.key not in changes],
        left,
        frozenset(check for check in chosen.checks if check.asset_key not in changes),
    )


def runner_in_step(
    context: dg.AssetExecutionContext | dg.OpExecutionContext,
    hevo: StepAccount,
    request: SyncRequest,
    index: ObjectIndex,
    if_job_running: IfJobRunning,
    *,
    records_outcome: bool = True,
) -> JobRunner:
    """The runner of a request with this step's log, remembered in the instance."""
    run, attempt = attempt_of(context)
    ledger = ledger_of_step(
        context.instance,
        run,
        step_key_of(context),
        base_url=hevo.account,
        attempt=attempt,
    )
    return JobRunner(
        hevo=hevo.get_client(),
        request=request,
        ledger=ledger,
        index=index,
        settings=hevo.job_settings(if_job_running),
        log=context.log,
        budget=hevo.get_budget(),
        records_outcome=records_outcome,
    )


def recorded_before(
    context: dg.AssetExecutionContext,
    outcome: JobOutcome,
    assets: Iterable[ObjectAsset],
    *,
    is_resumed: bool,
) -> frozenset[dg.AssetKey]:
    """The assets that were recorded for this job already, and that are not recorded again.

    Where another step of this run depends on such an asset, it is recorded once more: Dagster skips
    a step whose input was not produced in its own run.
    """
    if not is_resumed and outcome.recorded_by is None:
        return frozenset()
    used = outputs_used_in_run(context)
    found = frozenset(
        asset.key
        for asset in assets
        if asset.object_id in outcome.objects
        and asset.key not in used
        and recorded_by(context.instance, asset.key, outcome.job) is not None
    )
    if found:
        by = f"run {outcome.recorded_by}" if outcome.recorded_by else "an earlier attempt"
        noun = "asset is" if len(found) == 1 else "assets are"
        context.log.info(
            f"{len(found)} {noun} already recorded for job {outcome.job.job_id} by {by}; not "
            "recorded again."
        )
    return found


def log_reloads_with_parents(
    log: logging.Logger, wanted: list[ObjectAsset], index: ObjectIndex
) -> None:
    """Say which objects are reloaded together with their parent, as Hevo offers no other way."""
    by_parent: dict[str, list[str]] = {}
    for asset in wanted:
        if asset.restarted_with is not None:
            by_parent.setdefault(asset.restarted_with, []).append(asset.known.name)
    for parent_id, children in by_parent.items():
        log.info(
            f"Hevo reloads {', '.join(sorted(children))} only together with the parent "
            f"{index.objects[parent_id].name}: resyncing that."
        )


def assets_of_one_pipeline(specs: Iterable[dg.AssetSpec]) -> list[ObjectAsset]:
    """The assets of a step and their objects.

    Raises:
        HevoConfigurationError: The step has no asset of Hevo's, or of more than one pipeline.
    """
    assets = [asset for asset in map(ObjectAsset.of, specs) if asset is not None]
    pipelines = sorted({asset.pipeline_id for asset in assets})
    if len(pipelines) == 1:
        return assets
    what = (
        "has no asset that stands for a Hevo object"
        if not pipelines
        else f"has assets of several pipelines ({', '.join(map(str, pipelines))})"
    )
    raise HevoConfigurationError(
        f"The step {what}. Make its assets with hevo_assets(pipeline_id=...) or "
        "build_hevo_assets_definitions, one step per pipeline; a translator must keep the "
        "dagster-hevo/ metadata."
    )
