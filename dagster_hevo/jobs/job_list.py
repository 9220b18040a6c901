"""Reading a pipeline's jobs, as many as needed: Hevo's list can be long and promises no order."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from dagster_hevo.api.enums import JobStatus
from dagster_hevo.api.models import Job

if TYPE_CHECKING:
    from dagster_hevo.jobs.hevo_api import HevoApi

JOBS_THAT_SHOW_AN_ORDER = 10


@dataclass(frozen=True)
class JobList:
    """The newest jobs of a pipeline, or all of them, each once.

    Attributes:
        jobs: The jobs, as listed.
        is_complete: Whether these are all jobs of the pipeline.
    """

    jobs: tuple[Job, ...]
    is_complete: bool


def read_jobs(hevo: HevoApi, pipeline_id: int, *, all_pages: bool = False) -> JobList:
    """Read the newest jobs, or all where the list does not show that it starts with the newest.

    Args:
        hevo: Hevo's API.
        pipeline_id: The pipeline.
        all_pages: Whether to read every page, whatever the first ones show.
    """
    found: dict[str, Job] = {}
    for page in hevo.job_pages(pipeline_id):
        found.update((job.job_id, job) for job in page.entries)
        if page.has_more and not all_pages and shows_newest_first(found.values()):
            return JobList(tuple(found.values()), is_complete=False)
    return JobList(tuple(found.values()), is_complete=True)


def running_job(jobs: Iterable[Job], *, also_unknown: bool = False) -> Job | None:
    """The job that keeps the pipeline busy, or None.

    A deferred job goes on when the source's limits reset, unless a newer one has come since. A
    status that is not known does not count, or one old job in it would block the pipeline for
    good: whether it is busy, Hevo itself says when a trigger is sent.

    Args:
        jobs: The pipeline's jobs, in any order.
        also_unknown: Whether the newest job counts whatever it is, as long as it has not ended,
            since Hevo behaves as if a job ran. Where times are missing, any such job may be the
            newest.
    """
    ordered = sorted(jobs, key=lambda job: job.created_ts or 0)
    for job in reversed(ordered):
        if job.status in {JobStatus.IN_PROGRESS, JobStatus.CANCELLING}:
            return job
    if ordered and ordered[-1].status is JobStatus.DEFERRED:
        return ordered[-1]
    if also_unknown:
        newest = ordered[-1:] if all(job.created_ts is not None for job in ordered) else ordered
        return next((job for job in reversed(newest) if not job.is_terminal), None)
    return None


def shows_newest_first(jobs: Iterable[Job]) -> bool:
    """Whether the jobs of a list read so far show that it runs from the newest to the oldest.

    Hevo promises no order. Where enough jobs in a row grow older, later pages hold older ones and
    need not be read.
    """
    times = [job.created_ts for job in jobs]
    if len(times) < JOBS_THAT_SHOW_AN_ORDER or None in times:
        return False
    known = [time for time in times if time is not None]
    falling = all(later <= earlier for earlier, later in pairwise(known))
    return falling and known[-1] < known[0]
