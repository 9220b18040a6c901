"""Ops for jobs that are built of ops: sync, resync, refresh a schema, enable, disable, cancel.

Each is a few lines over what the assets use: a request is carried out by `jobs/runner.py` and
remembered by `execution/run_ledger.py`. They record no assets; the job sensor does that.
"""

# No `from __future__ import annotations` here: Dagster reads the annotations of an op's config as
# they stand, and text would be no config to it.
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager

import dagster as dg
from pydantic import Field

from dagster_hevo.api.client import HevoClient
from dagster_hevo.api.enums import PipelineStatus, ResyncMode
from dagster_hevo.api.errors import HevoError, HevoPipelineStateError
from dagster_hevo.api.models import Job, Pipeline, PipelineObject
from dagster_hevo.dagster_private import step_key_of
from dagster_hevo.execution.events import (
    failure_of_error,
    failure_of_outcome,
    job_metadata,
    summary,
)
from dagster_hevo.execution.run_ledger import InstanceStore
from dagster_hevo.execution.step import runner_in_step
from dagster_hevo.jobs.job_list import read_jobs, running_job
from dagster_hevo.jobs.objects import KnownObject, ObjectIndex
from dagster_hevo.jobs.records import Settlement
from dagster_hevo.jobs.request import IfJobRunning, SyncAction, make_request
from dagster_hevo.jobs.runner import JobRunner
from dagster_hevo.jobs.settings import as_text
from dagster_hevo.object_choice import ObjectChoiceError, choose_objects
from dagster_hevo.op_results import HevoJobResult, HevoPipelineResult
from dagster_hevo.resources import HevoResource

AFTER = {"after": dg.In(dg.Nothing, description="Anything that has to happen before.")}
TAGS = {"dagster/compute_kind": "hevo"}
LONGEST_POLL_INTERVAL = 5.0


class HevoPipelineConfig(dg.Config):
    """Which pipeline an op is about."""

    pipeline_id: int = Field(description="The number that Hevo shows for the pipeline.")


class HevoSyncOpConfig(HevoPipelineConfig):
    """What `hevo_sync_op` waits for, and what it accepts."""

    if_job_running: IfJobRunning = Field(
        default=IfJobRunning.WAIT,
        description="When the pipeline is busy with a job not started here: WAIT for its end and "
        "then trigger, ADOPT it as ours, or FAIL.",
    )
    accept_completed_with_failures: bool = Field(
        default=True,
        description="Whether a job that ends COMPLETED_WITH_FAILURES lets the op succeed.",
    )
    wait_for_completion: bool = Field(
        default=True, description="If false, the op ends as soon as the job is found."
    )


class HevoResyncOpConfig(HevoSyncOpConfig):
    """What `hevo_resync_op` loads again, and how."""

    object_ids: list[str] = Field(
        default_factory=list,
        description="The objects, by id or by a name that only one has; none: the whole pipeline.",
    )
    resync_mode: ResyncMode = Field(
        default=ResyncMode.EVOLVE_AND_MERGE,
        description="EVOLVE_AND_MERGE evolves the tables' schema and merges rows; DROP_AND_LOAD "
        "drops the tables and loads them afresh.",
    )


class HevoSwitchConfig(HevoPipelineConfig):
    """How long `hevo_enable_pipeline_op` waits for the pipeline to be in the new state."""

    wait_seconds: float = Field(
        default=120.0,
        description="Seconds for the pipeline to get there, after which the op fails; 0 does not "
        "wait.",
    )


class HevoDisableOpConfig(HevoSwitchConfig):
    """What `hevo_disable_pipeline_op` does with a running job."""

    cancel_active_jobs: bool = Field(
        default=False, description="Whether to stop the jobs that are running now."
    )


class HevoCancelJobConfig(HevoPipelineConfig):
    """Which job `hevo_cancel_job_op` stops."""

    job_id: str | None = Field(
        default=None, description="The job; none: the one that is running, if one is."
    )
    wait_for_completion: bool = Field(
        default=True, description="Whether to wait until the job has stopped."
    )


@dg.op(ins=AFTER, tags=TAGS)
def hevo_sync_op(
    context: dg.OpExecutionContext, config: HevoSyncOpConfig, hevo: HevoResource
) -> HevoJobResult:
    """Run a pipeline's own sync once, exactly once also across retries, and wait for its end.

    Returns the job's id, its end and its counts; see docs/ops.md.
    """
    return _carry_out(context, hevo, config, SyncAction.SYNC_NOW)


@dg.op(ins=AFTER, tags=TAGS)
def hevo_resync_op(
    context: dg.OpExecutionContext, config: HevoResyncOpConfig, hevo: HevoResource
) -> HevoJobResult:
    """Load some objects of a pipeline again, or all of them, and wait for the end.

    Returns the job's id, its end and its counts; see docs/ops.md.
    """
    return _carry_out(
        context,
        hevo,
        config,
        SyncAction.RESYNC,
        wanted=config.object_ids,
        resync_mode=config.resync_mode,
    )


@dg.op(ins=AFTER, tags=TAGS)
def hevo_refresh_schema_op(
    context: dg.OpExecutionContext, config: HevoPipelineConfig, hevo: HevoResource
) -> HevoPipelineResult:
    """Have Hevo read the source's schema again. Hevo does it in its own time.

    Returns the pipeline's id.
    """
    with failures_named(config.pipeline_id):
        hevo.get_client().refresh_schema(config.pipeline_id)
    context.log.info(
        f"Asked Hevo to read the source schema of pipeline {config.pipeline_id} again."
    )
    return HevoPipelineResult(config.pipeline_id)


@dg.op(ins=AFTER, tags=TAGS)
def hevo_enable_pipeline_op(
    context: dg.OpExecutionContext, config: HevoSwitchConfig, hevo: HevoResource
) -> HevoPipelineResult:
    """Let a pipeline's syncs run again, and wait until it takes them.

    Returns the pipeline's id and status.
    """
    with failures_named(config.pipeline_id):
        hevo.get_client().enable_pipeline(config.pipeline_id)
        return _settled(context, hevo, config, lambda status: status.accepts_triggers)


@dg.op(ins=AFTER, tags=TAGS)
def hevo_disable_pipeline_op(
    context: dg.OpExecutionContext, config: HevoDisableOpConfig, hevo: HevoResource
) -> HevoPipelineResult:
    """Let no sync of a pipeline run until it is enabled again, and wait until that holds.

    Returns the pipeline's id and status.
    """
    with failures_named(config.pipeline_id):
        hevo.get_client().disable_pipeline(config.pipeline_id, config.cancel_active_jobs)
        return _settled(context, hevo, config, lambda status: status is PipelineStatus.DISABLED)


@dg.op(ins=AFTER, tags=TAGS)
def hevo_cancel_job_op(
    context: dg.OpExecutionContext, config: HevoCancelJobConfig, hevo: HevoResource
) -> HevoJobResult:
    """Stop a job, and wait until it has stopped. What it has loaded stays loaded and billed.

    Returns the job's id, status and counts; the id is None where no job was running.
    """
    client, pipeline_id = hevo.get_client(), config.pipeline_id
    with failures_named(pipeline_id):
        job = _job_to_cancel(context, client, config)
        if job is None:
            context.log.info(f"No job of pipeline {pipeline_id} is running: nothing to cancel.")
            return HevoJobResult(pipeline_id)
        if not job.is_terminal:
            client.cancel_job(pipeline_id, job.job_id)
            context.log.info(f"Asked Hevo to cancel job {job.job_id} of pipeline {pipeline_id}.")
            job = _end_of(context, hevo, pipeline_id, job) if config.wait_for_completion else job
    context.add_output_metadata(job_metadata(pipeline_id, job))
    return HevoJobResult.of(pipeline_id, job)


def _job_to_cancel(
    context: dg.OpExecutionContext, client: HevoClient, config: HevoCancelJobConfig
) -> Job | None:
    """The job, by its id; else the running one. A retry takes the one that it took before."""
    pipeline_id = config.pipeline_id
    if config.job_id is not None:
        return client.get_job(pipeline_id, config.job_id)
    store = InstanceStore(context.instance)
    root = context.run.root_run_id or context.run.run_id
    name = f"cancelled/{root}/{step_key_of(context)}"
    for job_id in store.read(name):
        return client.get_job(pipeline_id, job_id)
    job = running_job(read_jobs(client, pipeline_id).jobs, also_unknown=True)
    if job is not None:
        store.append(name, [job.job_id])
    return job


@contextmanager
def failures_named(pipeline_id: int) -> Generator[None]:
    """Turn errors of Hevo into failures of the step, with metadata.

    Raises:
        dagster.Failure: Hevo could not be asked, refused, or the job broke off.
    """
    try:
        yield
    except HevoError as error:
        raise failure_of_error(pipeline_id, error) from error


def _carry_out(
    context: dg.OpExecutionContext,
    hevo: HevoResource,
    config: HevoSyncOpConfig,
    action: SyncAction,
    *,
    wanted: list[str] | None = None,
    resync_mode: ResyncMode = ResyncMode.EVOLVE_AND_MERGE,
) -> HevoJobResult:
    pipeline_id = config.pipeline_id
    with failures_named(pipeline_id):
        runner = runner_in_op(context, hevo, config, action, wanted or [], resync_mode)
        if not config.wait_for_completion:
            job = runner.start()
            context.log.info(f"Not waiting for job {job.job_id} of pipeline {pipeline_id}.")
            context.add_output_metadata(job_metadata(pipeline_id, job))
            return HevoJobResult.of(pipeline_id, job)
        outcome = runner.run()
        context.log.info(summary(outcome))
    failure = failure_of_outcome(
        outcome, accept_completed_with_failures=config.accept_completed_with_failures
    )
    runner.settle(Settlement.RECORDED if failure is None else Settlement.FAILED)
    if failure is not None:
        raise failure
    context.add_output_metadata(job_metadata(pipeline_id, outcome.job))
    return HevoJobResult.of(pipeline_id, outcome.job, outcome)


def runner_in_op(
    context: dg.OpExecutionContext,
    hevo: HevoResource,
    config: HevoSyncOpConfig,
    action: SyncAction,
    wanted: list[str],
    resync_mode: ResyncMode,
) -> JobRunner:
    """The runner of the request that an op makes.

    Raises:
        HevoError: The pipeline's objects could not be read, or a wanted one is not among them.
    """
    pipeline_id = config.pipeline_id
    known = tuple(hevo.get_client().list_objects(pipeline_id))
    active = [item for item in known if item.is_replicated]
    chosen = choose_objects(pipeline_id, known, wanted) if wanted else active
    if not chosen:
        raise ObjectChoiceError(
            f"Pipeline {pipeline_id} has no object that Hevo replicates: there is nothing to load."
        )
    request = make_request(
        pipeline_id, _ids(chosen), _ids(active), action=action, resync_mode=resync_mode
    )
    index = ObjectIndex(KnownObject.all_of(known))
    return runner_in_step(
        context, hevo, request, index, config.if_job_running, records_outcome=False
    )


def _ids(objects: tuple[PipelineObject, ...] | list[PipelineObject]) -> list[str]:
    return [item.object_id for item in objects]


def _end_of(context: dg.OpExecutionContext, hevo: HevoResource, pipeline_id: int, job: Job) -> Job:
    request = make_request(pipeline_id, [job.job_id], [], action=SyncAction.SYNC_NOW)
    runner = runner_in_step(context, hevo, request, ObjectIndex(()), IfJobRunning.WAIT)
    return runner.follow(job)


def _settled(
    context: dg.OpExecutionContext,
    hevo: HevoResource,
    config: HevoSwitchConfig,
    is_there: Callable[[PipelineStatus], bool],
) -> HevoPipelineResult:
    """Wait until the pipeline is in the state that was asked for."""
    client, began = hevo.get_client(), time.monotonic()
    while True:
        pipeline = client.get_pipeline(config.pipeline_id)
        if is_there(pipeline.status) or config.wait_seconds <= 0:
            context.log.info(f"Pipeline {pipeline.id} ({pipeline.name}) is {pipeline.status}.")
            return HevoPipelineResult.of(pipeline)
        waited = time.monotonic() - began
        if str(pipeline.status).endswith("_FAILED") or waited >= config.wait_seconds:
            raise _not_settled(pipeline, waited)
        time.sleep(
            min(hevo.setting("poll_interval"), LONGEST_POLL_INTERVAL, config.wait_seconds - waited)
        )


def _not_settled(pipeline: Pipeline, waited: float) -> HevoPipelineStateError:
    return HevoPipelineStateError(
        f"Pipeline {pipeline.id} ({pipeline.name}) is {pipeline.status} {as_text(waited)} after "
        "it was asked to change. What to do: look at it in Hevo; raise wait_seconds if it is only "
        "slow.",
        str(pipeline.status),
        can_retry=True,
    )
