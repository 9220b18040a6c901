"""One materialization in a Dagster step: from the selection to the events.

The job's life is `jobs/life.py`; here it is given Dagster's selection, log, event log and clock,
and its errors become failures that a person can act on.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import dagster as dg

from dagster_hevo.api.errors import HevoConfigurationError, HevoError
from dagster_hevo.dagster_private import step_key_of
from dagster_hevo.events import (
    ObjectAsset,
    check_result,
    failure_of_error,
    failure_of_outcome,
    run_events,
    summary,
)
from dagster_hevo.jobs.job_list import read_newest_jobs
from dagster_hevo.jobs.life import JobLife
from dagster_hevo.jobs.outcome import ObjectIndex, judge_job
from dagster_hevo.jobs.plan import IfJobRunning, SyncPlan, plan_sync
from dagster_hevo.run_ledger import RunLedger
from dagster_hevo.sensor_switch import JOB_SENSORS, warning_without_sensor

if TYPE_CHECKING:
    from dagster_hevo.resources import HevoResource
    from dagster_hevo.sync_config import HevoSyncConfig

JOBS_A_CHECK_LOOKS_AT = 5

StepEvent = dg.MaterializeResult[Any] | dg.AssetMaterialization | dg.AssetCheckResult


def materialize(
    context: dg.AssetExecutionContext, hevo: HevoResource, config: HevoSyncConfig
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
    hevo: HevoResource,
    config: HevoSyncConfig,
    assets: list[ObjectAsset],
) -> Iterator[StepEvent]:
    selected = frozenset(context.selected_asset_keys)
    checks = frozenset(context.selected_asset_check_keys)
    index = ObjectIndex(asset.known for asset in assets)
    pipeline_id = assets[0].pipeline_id
    if not selected:
        yield from answer_checks(hevo, assets, index, checks)
        return
    wanted = [asset for asset in assets if asset.key in selected]
    if not wanted:
        names = ", ".join(sorted(key.to_user_string() for key in selected))
        raise HevoConfigurationError(
            f"None of the selected assets ({names}) is loaded by Hevo's pipeline {pipeline_id}: "
            "their parents are skipped. Include the parents in Hevo, then reload the location."
        )
    plan = plan_sync(
        pipeline_id,
        (asset.object_id for asset in wanted),
        index.objects,
        action=config.action,
        resync_mode=config.resync_mode,
        restarted_with={
            asset.object_id: asset.restarted_with
            for asset in assets
            if asset.restarted_with is not None and asset.restarted_with in index.objects
        },
    )
    if plan.object_ids is not None and plan.object_ids != plan.wanted_ids:
        tell_restarts(context.log, wanted, index)
    life = life_in_step(context, hevo, plan, index, config.if_job_running)
    if not config.wait_for_completion:
        started = life.start()
        context.log.info(
            f"Not waiting for job {started.job.job_id} of pipeline {pipeline_id} "
            "(wait_for_completion is false): the job sensor records its outcome."
        )
        warning = warning_without_sensor(context.instance, JOB_SENSORS)
        if warning is not None:
            context.log.warning(warning)
        return
    outcome = life.carry_out()
    context.log.info(summary(outcome))
    yield from run_events(outcome, assets, selected=selected, checks=checks)
    failure = failure_of_outcome(
        outcome, accept_completed_with_failures=config.accept_completed_with_failures
    )
    life.close()
    if failure is not None:
        raise failure


def life_in_step(
    context: dg.AssetExecutionContext | dg.OpExecutionContext,
    hevo: HevoResource,
    plan: SyncPlan,
    index: ObjectIndex,
    if_job_running: IfJobRunning,
) -> JobLife:
    """The life of a job with this step's log, and remembered in its run's event log."""
    return JobLife(
        client=hevo.get_client(),
        plan=plan,
        ledger=RunLedger(
            context.instance, context.run, step_key_of(context), oldest=hevo.poll_timeout
        ),
        index=index,
        settings=hevo.job_settings(if_job_running),
        log=context.log,
        budget=hevo.get_budget(),
    )


def tell_restarts(log: logging.Logger, wanted: list[ObjectAsset], index: ObjectIndex) -> None:
    """Say which objects are restarted together with their parent, as Hevo offers no other way."""
    by_parent: dict[str, list[str]] = {}
    for asset in wanted:
        if asset.restarted_with is not None:
            by_parent.setdefault(asset.restarted_with, []).append(asset.known.name)
    for parent_id, children in by_parent.items():
        log.info(
            f"Hevo restarts {', '.join(sorted(children))} only together with the parent "
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
        "build_hevo_assets_definitions, one step a pipeline; a translator must keep the "
        "dagster-hevo/ metadata."
    )


def answer_checks(
    hevo: HevoResource,
    assets: list[ObjectAsset],
    index: ObjectIndex,
    checks: frozenset[dg.AssetCheckKey],
) -> Iterator[dg.AssetCheckResult]:
    """Answer checks that were run without their assets: by the last jobs, triggering none."""
    client, pipeline_id = hevo.get_client(), assets[0].pipeline_id
    open_assets = {
        asset.object_id: asset
        for asset in assets
        if any(check.asset_key == asset.key for check in checks)
    }
    over = [job for job in read_newest_jobs(client, pipeline_id).jobs if job.is_terminal]
    over.sort(key=lambda job: job.created_ts or 0, reverse=True)
    for job in over[:JOBS_A_CHECK_LOOKS_AT]:
        mentioned = list(client.get_job_objects(pipeline_id, job.job_id))
        outcome = judge_job(pipeline_id, job, mentioned, index, asked=())
        for item in outcome.objects.values():
            asset = open_assets.pop(item.object_id, None)
            if asset is not None:
                yield check_result(outcome, item, asset.key)
        if not open_assets:
            return
    if open_assets:
        names = ", ".join(sorted(asset.known.name for asset in open_assets.values())[:10])
        raise HevoConfigurationError(
            f"None of the last {JOBS_A_CHECK_LOOKS_AT} finished jobs of pipeline {pipeline_id} has "
            f"{names}: there is nothing to check. Materialize the assets first."
        )
