"""A way through a pipeline's list of jobs, which may take several ticks; `visit.py` walks it.

Times with ``_ms`` are Hevo's own, in epoch milliseconds.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from zlib import crc32

from dagster_hevo.api.models import Job

MOST_PAGES_KEPT = 100
_NUMBERS = 2**40
_FIRST_SANE_MS = 1_262_304_000_000  # 2010: Hevo is younger.


def made_ms(job: Job, latest_ms: int | None = None) -> int | None:
    """When a job was made; None where it does not say, or says what cannot be.

    Args:
        job: The job.
        latest_ms: Hevo's time, with a tolerance: nothing was made later.
    """
    made = job.created_ts
    if made is None or made < _FIRST_SANE_MS or (latest_ms is not None and made > latest_ms):
        return None
    return made


def ended(job: Job, latest_ms: int | None = None) -> int | None:
    """When a job that is over ended; None where it does not say, or says what cannot be.

    Args:
        job: The job.
        latest_ms: Hevo's time, with a tolerance: nothing ended later.
    """
    changed, made = job.updated_ts, made_ms(job)
    if changed is None or changed < (made or _FIRST_SANE_MS):
        return None
    return None if latest_ms is not None and changed > latest_ms else changed


@dataclass(frozen=True)
class Walk:
    """A way through a pipeline's list of jobs that is not yet at its end.

    First down, page by page, to the jobs that are known to be settled; then up again over the pages
    that have jobs to record, the oldest first.

    Attributes:
        cursor: The next page to read on the way down; None for the first one.
        pages: How many pages were read on the way down.
        newest_ms: When the newest job that was seen was made.
        to_do: The pages with jobs to record, the newest first; "" stands for the first one.
        is_down: Whether the way down is over.
        is_partial: Whether more pages had jobs to record than are kept.
        jobs: How many jobs were seen on the way down and not yet met on the way up.
        unmet: A sum over the ids of the same jobs: 0 where exactly those that were seen were met.
        is_cut: Whether it leaves jobs behind that the next walk has to see again.
    """

    cursor: str | None = None
    pages: int = 0
    newest_ms: int | None = None
    to_do: tuple[str, ...] = ()
    is_down: bool = False
    is_partial: bool = False
    jobs: int = 0
    unmet: int = 0
    is_cut: bool = False

    def with_page_to_do(self, page: str, job_ids: Iterable[str]) -> Walk:
        """The same with a page that has jobs to record, of which these were not seen before."""
        new = list(job_ids)
        to_do = (*self.to_do, page)
        return replace(
            self,
            to_do=to_do[-MOST_PAGES_KEPT:],
            is_partial=self.is_partial or len(to_do) > MOST_PAGES_KEPT,
            jobs=self.jobs + len(new),
            unmet=(self.unmet + sum(map(_number, new))) % _NUMBERS,
        )

    def without(self, job_id: str) -> Walk:
        """The same once a job was met on the way up."""
        unmet = (self.unmet - _number(job_id)) % _NUMBERS
        return replace(self, jobs=max(self.jobs - 1, 0), unmet=unmet)


def _number(job_id: str) -> int:
    return crc32(job_id.encode())
