"""Why a request did not get its job or lost it, said for people: each error with its way out."""

from __future__ import annotations

from collections.abc import Iterable

from dagster_hevo.api.enums import PipelineStatus
from dagster_hevo.api.errors import (
    HevoError,
    HevoJobNotFoundError,
    HevoJobTimeoutError,
    HevoOutageError,
    HevoPipelineBusyError,
    HevoPipelineStateError,
    HevoRequestTakenOverError,
)
from dagster_hevo.api.models import Job, Pipeline
from dagster_hevo.jobs.request import SyncRequest
from dagster_hevo.jobs.settings import as_text

JOBS_NAMED = 5


def job_text(job: Job) -> str:
    """A job in a few words."""
    return f"{job.job_id} ({job.type or 'type unknown'}, {job.status})"


def state_error(pipeline: Pipeline) -> HevoPipelineStateError:
    """The error for a pipeline in whose state Hevo starts no job, with the way out."""
    status = pipeline.status
    ways_out = {
        PipelineStatus.DISABLED: "enable it in Hevo, or with hevo_enable_pipeline_op",
        PipelineStatus.DISABLING: "enable it in Hevo once it is DISABLED",
        PipelineStatus.DELETED: "reload the code location: its assets are gone with it",
        PipelineStatus.DELETING: "reload the code location: its assets are going with it",
        PipelineStatus.INITIALIZING: "wait until Hevo has set it up, then materialize again",
        PipelineStatus.ENABLING: "wait until Hevo has enabled it, then materialize again",
    }
    way_out = ways_out.get(status, "open it in Hevo, fix what it reports, then materialize again")
    return HevoPipelineStateError(
        f"Pipeline {pipeline.id} ({pipeline.name}) is {status}, so Hevo starts no job for it. "
        f"What to do: {way_out}.",
        str(status),
        can_retry=status in {PipelineStatus.INITIALIZING, PipelineStatus.ENABLING},
    )


def busy_error(request: SyncRequest, job: str) -> HevoPipelineBusyError:
    """The error for a foreign job that keeps the pipeline busy."""
    return HevoPipelineBusyError(
        f"Pipeline {request.pipeline_id} is busy with {job}, so it was not triggered ({request}). "
        "What to do: materialize again when that job has ended, or set if_job_running to WAIT or "
        "ADOPT."
    )


def ignored_error(request: SyncRequest, job: str, triggers: int = 1) -> HevoPipelineBusyError:
    """The error for triggers that Hevo ignored, because a foreign job was running."""
    times = "once" if triggers == 1 else f"{triggers} times"
    return HevoPipelineBusyError(
        f"Pipeline {request.pipeline_id} was triggered {times} ({request}), but Hevo started no "
        f"job, because {job} was running. What to do: materialize again when that job has ended, "
        "or set if_job_running to WAIT or ADOPT."
    )


def not_found_error(request: SyncRequest, seconds: float) -> HevoJobNotFoundError:
    """The error for a trigger that Hevo accepted, and no job that appeared."""
    return HevoJobNotFoundError(
        f"Hevo accepted the trigger ({request}), and no job of it appeared within "
        f"{as_text(seconds)}. It is not triggered again, because the job "
        "may still appear: a retry or re-execution of this run looks for it. What to do: look at "
        "the pipeline's jobs in Hevo. If there is none, materialize in a new run; if jobs appear "
        "later than that, raise job_discovery_timeout."
    )


def lost_error(request: SyncRequest, triggers: int, last: HevoError | None) -> HevoError:
    """The error for triggers whose answers were lost or unclear and that started no job."""
    if last is not None and triggers <= 1:
        return last
    return HevoJobNotFoundError(
        f"Triggered {triggers} times ({request}), each time without a clear answer, and no job "
        f"appeared. Last: {last or 'no answer.'} What to do: look at the pipeline's jobs in Hevo, "
        "then materialize again."
    )


def candidates_error(request: SyncRequest, jobs: Iterable[Job]) -> HevoJobNotFoundError:
    """The error for jobs that may be the result of a request, without proof."""
    listed = tuple(jobs)
    named = ", ".join(job_text(job) for job in listed[:JOBS_NAMED])
    return HevoJobNotFoundError(
        f"No job is proven to be the result of this request ({request}). Candidates: {named}. What "
        "Hevo says of them (when they were made, and which objects they hold) does not prove it, "
        "so no asset is recorded and nothing is triggered again. What to do: look at these jobs in "
        "Hevo; the job sensor records what they loaded. To trigger another load, materialize in a "
        "new run.",
        listed[-1] if listed else None,
        can_retry=False,
    )


def vanished_error(request: SyncRequest, job: Job | None, job_id: str) -> HevoJobNotFoundError:
    """The error for a job that Hevo does not know any more."""
    return HevoJobNotFoundError(
        f"Job {job_id} of pipeline {request.pipeline_id} vanished: Hevo answered 404 to several "
        "polls in a row. What became of it cannot be proven. What to do: look at the pipeline's "
        "jobs in Hevo; to load the data again, materialize in a new run.",
        job,
    )


def timeout_error(request: SyncRequest, doing: str, job: Job | None = None) -> HevoJobTimeoutError:
    """The error for poll_timeout."""
    if job is None:
        return HevoJobTimeoutError(
            f"poll_timeout ran out while {doing} ({request}). What to do: raise poll_timeout, or "
            "retry when the pipeline is free."
        )
    return HevoJobTimeoutError(
        f"Job {job.job_id} of pipeline {request.pipeline_id} was still {job.status} when "
        "poll_timeout ran out. What to do: raise poll_timeout; a retry waits for the job if it "
        "still runs.",
        job,
    )


def with_remark(error: HevoError | None, remark: str) -> HevoError | None:
    """The error of a timeout with what became of the job; any other error as it is."""
    if not isinstance(error, HevoJobTimeoutError):
        return error
    return HevoJobTimeoutError(f"{error} {remark}", error.job)


def blocked_error(request: SyncRequest, job: Job, seconds: float) -> HevoJobTimeoutError:
    """The error for a foreign job that stays DEFERRED and keeps the pipeline busy."""
    return HevoJobTimeoutError(
        f"Pipeline {request.pipeline_id} is blocked by foreign job {job.job_id}, which has been "
        f"DEFERRED for {as_text(seconds)} (deferred_timeout). Nothing was triggered ({request}). "
        "What to do: wait until the source's limits reset, then materialize again.",
        job,
    )


def deferred_error(request: SyncRequest, job: Job, seconds: float) -> HevoJobTimeoutError:
    """The error for our own job that stays DEFERRED."""
    return HevoJobTimeoutError(
        f"Job {job.job_id} of pipeline {request.pipeline_id} has been DEFERRED for "
        f"{as_text(seconds)} (deferred_timeout). Hevo defers a job while the source's own limits "
        "are used up; it may continue later. It was not cancelled. What to do: look at the "
        "source's limits; a retry or re-execution of this run resumes this job.",
        job,
    )


def outage_error(what: str, seconds: float, last: HevoError) -> HevoOutageError:
    """The error for an API that is out for too long."""
    return HevoOutageError(
        f"Hevo's API has given no usable answer for {as_text(seconds)} while reading {what}. If "
        "a job was triggered, it goes on in Hevo. What to do: when the API is back, retry or "
        f"re-execute this run from failure; it resumes that job. Last: {last}"
    )


def taken_over_error(request: SyncRequest) -> HevoRequestTakenOverError:
    """The error for a run that lives on after another one has taken its request over."""
    return HevoRequestTakenOverError(
        f"Another run carries this request on ({request}), because Dagster took this one for gone. "
        "This run records nothing and cancels nothing. What to do: nothing; look at the run that "
        "re-executes this one."
    )
