"""Reading a pipeline's jobs, as many as needed: Hevo's list can be long and promises no order."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from dagster_hevo.api.enums import JobStatus
from dagster_hevo.api.models import Job
from dagster_hevo.jobs.ledger import Mark

if TYPE_CHECKING:
    from dagster_hevo.api.client import HevoClient

JOBS_THAT_SHOW_AN_ORDER = 10


@dataclass(frozen=True)
class JobsSeen:
    """The newest jobs of a pipeline, or all of them."""

    jobs: tuple[Job, ...]
    is_complete: bool

    @property
    def mark(self) -> Mark:
        """The mark that these jobs make."""
        return Mark.of(self.jobs, is_complete=self.is_complete)


def read_newest_jobs(client: HevoClient, pipeline_id: int) -> JobsSeen:
    """Read the newest jobs, or all where the list does not show that it starts with the newest."""
    seen: list[Job] = []
    for job in client.list_jobs(pipeline_id):
        seen.append(job)
        # Decided before the next entry is taken, which would cost a request for the next page.
        if len(seen) % client.page_size == 0 and shows_newest_first(seen):
            return JobsSeen(tuple(seen), is_complete=False)
    return JobsSeen(tuple(seen), is_complete=True)


def running_job(jobs: Iterable[Job], *, also_unknown: bool = False) -> Job | None:
    """The job that keeps the pipeline busy, or None.

    A deferred job goes on when the source's limits reset, unless a newer one has come since. A
    status that is not known does not count, or one old job in it would block the pipeline for
    good: whether it is busy, Hevo itself says when asked.

    Args:
        jobs: The pipeline's jobs, in any order.
        also_unknown: Whether the newest job counts whatever it is, as long as it is not over, since
            Hevo behaves as if a job ran. Where times are missing, any such job may be the newest.
    """
    seen = sorted(jobs, key=lambda job: job.created_ts or 0)
    for job in reversed(seen):
        if job.status in {JobStatus.IN_PROGRESS, JobStatus.CANCELLING}:
            return job
    if seen and seen[-1].status is JobStatus.DEFERRED:
        return seen[-1]
    if also_unknown:
        newest = seen[-1:] if all(job.created_ts is not None for job in seen) else seen
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
