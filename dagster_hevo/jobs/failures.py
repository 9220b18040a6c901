"""Why no job was started, said for people: the errors of `trigger.py`, each with its way out."""

from __future__ import annotations

from dagster_hevo.api.enums import PipelineStatus
from dagster_hevo.api.errors import (
    HevoJobNotFoundError,
    HevoJobTimeoutError,
    HevoPipelineBusyError,
    HevoPipelineStateError,
)
from dagster_hevo.api.models import Pipeline
from dagster_hevo.jobs.plan import SyncPlan
from dagster_hevo.jobs.settings import as_text


def state_error(pipeline: Pipeline) -> HevoPipelineStateError:
    """The error for a pipeline in whose state Hevo starts no job, with the way out."""
    status = pipeline.status
    ways_out = {
        PipelineStatus.DISABLED: "enable it in Hevo, or with HevoClient.enable_pipeline",
        PipelineStatus.DISABLING: "enable it in Hevo once it is DISABLED",
        PipelineStatus.DELETED: "reload the code location: its assets are gone with it",
        PipelineStatus.DELETING: "reload the code location: its assets are going with it",
        PipelineStatus.INITIALIZING: "wait until Hevo has set it up, then materialize again",
        PipelineStatus.ENABLING: "wait until Hevo has enabled it, then materialize again",
    }
    way_out = ways_out.get(status, "open it in Hevo, mend what it reports, then materialize again")
    return HevoPipelineStateError(
        f"Pipeline {pipeline.id} ({pipeline.name}) is {status}, so Hevo starts no job for it. "
        f"What to do: {way_out}.",
        str(status),
        can_retry=status in {PipelineStatus.INITIALIZING, PipelineStatus.ENABLING},
    )


def busy_error(plan: SyncPlan, job: str) -> HevoPipelineBusyError:
    """The error for a job of somebody else's in the way, where ``if_job_running`` is FAIL."""
    return HevoPipelineBusyError(
        f"Pipeline {plan.pipeline_id} is busy with {job}, and if_job_running is FAIL. "
        "What to do: materialize again when it has ended, or set if_job_running to WAIT or "
        "ADOPT."
    )


def no_job_error(plan: SyncPlan, asks: int, discovery_timeout: float) -> HevoJobNotFoundError:
    """The error for an asking of which no job came within so many seconds."""
    times = "once" if asks == 1 else f"{asks} times"
    return HevoJobNotFoundError(
        f"Asked Hevo {times} to {plan}, and no new job showed up within "
        f"{as_text(discovery_timeout)} (job_discovery_timeout). Look at the pipeline's jobs in "
        "Hevo: if there is one, raise job_discovery_timeout; if not, materialize again."
    )


def out_of_time_error(plan: SyncPlan, doing: str) -> HevoJobTimeoutError:
    """The error for a deadline that came before there was a job of ours."""
    return HevoJobTimeoutError(
        f"poll_timeout ran out while {doing} to {plan}; no job of ours was seen."
    )
