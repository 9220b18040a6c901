"""What the ops return: plain values that any I/O manager can store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from dagster_hevo.api.models import Job, Pipeline
from dagster_hevo.jobs.outcome import JobOutcome


@dataclass(frozen=True)
class HevoObjectResult:
    """What became of one object in a job.

    Attributes:
        object_id: The object.
        name: Its name.
        result: What became of it, such as ``LOADED``.
        events_loaded: Events that reached its table; None where Hevo does not tell.
        events_failed: Events that did not.
    """

    object_id: str
    name: str
    result: str
    events_loaded: int | None
    events_failed: int | None


@dataclass(frozen=True)
class HevoPipelineResult:
    """What an op returns that changed a pipeline.

    Attributes:
        pipeline_id: The pipeline.
        status: Its status when the op ended; None where the op did not read it.
    """

    pipeline_id: int
    status: str | None = None

    @classmethod
    def of(cls, pipeline: Pipeline) -> HevoPipelineResult:
        """The result for a pipeline as it is now."""
        return cls(pipeline.id, str(pipeline.status))


@dataclass(frozen=True)
class HevoJobResult:
    """What an op returns of a job.

    Attributes:
        pipeline_id: The job's pipeline.
        job_id: The job; None where there was no job to cancel.
        job_type: Its type, such as ``INCREMENTAL``.
        job_status: Its status when the op ended, such as ``COMPLETED``.
        events_ingested: Events that it read from the source.
        events_loaded: Events that reached the destination.
        events_failed: Events that did not.
        objects_success: How many objects it loaded.
        objects_failed: How many objects failed.
        objects_skipped: How many objects were skipped.
        duration_ms: How long it took, in milliseconds, where Hevo tells.
        is_adopted: Whether another job was taken as the result, with ``if_job_running=ADOPT``; None
            where the op did not wait.
        objects: What became of each object, by its id; empty where the op did not wait.
    """

    pipeline_id: int
    job_id: str | None = None
    job_type: str | None = None
    job_status: str | None = None
    events_ingested: int = 0
    events_loaded: int = 0
    events_failed: int = 0
    objects_success: int = 0
    objects_failed: int = 0
    objects_skipped: int = 0
    duration_ms: int | None = None
    is_adopted: bool | None = None
    objects: Mapping[str, HevoObjectResult] = field(default_factory=dict[str, HevoObjectResult])

    @classmethod
    def of(cls, pipeline_id: int, job: Job, outcome: JobOutcome | None = None) -> HevoJobResult:
        """The result for a job.

        Args:
            pipeline_id: The job's pipeline.
            job: The job as last seen.
            outcome: What became of its objects, where the op waited for it.
        """
        return cls(
            pipeline_id,
            job.job_id,
            None if job.type is None else str(job.type),
            str(job.status),
            job.events_ingested,
            job.events_loaded,
            job.events_failed,
            job.objects_success,
            job.objects_failed,
            job.objects_skipped,
            job.duration,
            None if outcome is None else outcome.is_adopted,
            {
                item.object_id: HevoObjectResult(
                    item.object_id,
                    item.name,
                    str(item.result),
                    item.events_loaded,
                    item.events_failed,
                )
                for item in (() if outcome is None else outcome.objects.values())
            },
        )
