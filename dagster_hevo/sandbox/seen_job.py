"""A job of the local Hevo as tests see it, without HTTP.

The job itself is in `jobs.py`; `server.py` hands these out.
"""

from __future__ import annotations

from dataclasses import dataclass

from dagster_hevo.sandbox.jobs import JobRun, RequestedBy


@dataclass(frozen=True)
class SeenJob:
    """A job as the server knows it, listed or not. Moments are sandbox seconds.

    Attributes:
        object_ids: The objects that it really loads, requested, listed and counted or not.
        requested_by: "api", "schedule" or "user" (somebody in Hevo's own pages).
        listed_at: From when on the job list shows it.
        finished: When it ended; none while it runs.
        events_loaded: Rows loaded so far.
        loaded_object_ids: Those of its objects that are loaded by now, with failed events or not.
    """

    job_id: str
    pipeline_id: int
    type: str
    status: str
    object_ids: tuple[str, ...]
    requested_by: RequestedBy
    created: float
    listed_at: float
    finished: float | None
    events_loaded: int
    events_failed: int
    loaded_object_ids: tuple[str, ...] = ()

    @classmethod
    def of(cls, job: JobRun, now: float) -> SeenJob:
        """The job as it is at that moment."""
        objects = job.progress(now)
        return cls(
            job.job_id,
            job.pipeline_id,
            job.type,
            job.status(now),
            tuple(entry.object_id for entry in objects),
            job.requested_by,
            job.created,
            job.listed_at,
            job.ended_at,
            sum(entry.loaded for entry in objects),
            sum(entry.failed for entry in objects),
            tuple(entry.object_id for entry in objects if entry.is_success),
        )
