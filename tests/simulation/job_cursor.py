"""How far a pipeline's jobs were followed: which of them are still to be recorded.

Pure: the sensor reads the jobs and keeps the cursor. All times are Hevo's own, in epoch
milliseconds; they are never held against this machine's clock.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from dagster_hevo.api.models import Job

# Jobs show up seconds after they were made, not always in order: this far behind the newest one,
# a job that turns up is still new. Hevo shows a job 5 to 15 seconds late.
LATE_MS = 10 * 60 * 1000


@dataclass(frozen=True)
class JobCursor:
    """Which jobs of a pipeline are settled: recorded, or older than the beginning.

    Attributes:
        newest_ts: When the newest settled job was made; None where no job was seen yet.
        settled: Settled jobs that a late one could be mistaken for: the newest ones, and those
            that do not say when they were made.
        unsettled: Jobs that were seen and are still to be recorded.
    """

    newest_ts: int | None = None
    settled: frozenset[str] = frozenset()
    unsettled: frozenset[str] = frozenset()

    @classmethod
    def starting_at(cls, jobs: Iterable[Job]) -> JobCursor:
        """The cursor that takes what is over as settled, and what is going on as still to come."""
        seen = tuple(jobs)
        return cls().after(seen, settled={job.job_id for job in seen if job.is_terminal})

    def awaiting(self, job_ids: Collection[str]) -> JobCursor:
        """The cursor with these jobs still to be recorded."""
        wanted = frozenset(job_ids)
        return JobCursor(self.newest_ts, self.settled - wanted, self.unsettled | wanted)

    def still_to_come(self, jobs: Iterable[Job]) -> tuple[Job, ...]:
        """The jobs that are not settled, the oldest first."""
        found = [job for job in jobs if not self._is_settled(job)]
        return tuple(sorted(found, key=lambda job: (job.created_ts or 0, job.job_id)))

    def _is_settled(self, job: Job) -> bool:
        if job.job_id in self.unsettled:
            return False
        if job.job_id in self.settled:
            return True
        if job.created_ts is None or self.newest_ts is None:
            return False
        return job.created_ts < self.newest_ts - LATE_MS

    def after(
        self, jobs: Iterable[Job], *, settled: Collection[str], latest_ms: int | None = None
    ) -> JobCursor:
        """The cursor once these jobs were read and some of them were settled.

        Args:
            jobs: All jobs that were seen.
            settled: Ids of those that need no reading any more, beside those that did not before.
            latest_ms: A job that says it was made later than this says nonsense. Taken at its word,
                it would make every job to come an old one.
        """
        seen = tuple(jobs)
        open_ids = {job.job_id for job in self.still_to_come(seen)} - set(settled)
        told = (job.created_ts for job in seen)
        times = [
            made for made in told if made is not None and (latest_ms is None or made <= latest_ms)
        ]
        newest = max([*times, self.newest_ts or 0], default=0) or None
        kept = {
            job.job_id
            for job in seen
            if job.job_id not in open_ids
            and (job.created_ts is None or newest is None or job.created_ts >= newest - LATE_MS)
        }
        vanished = self.unsettled - {job.job_id for job in seen}
        return JobCursor(newest, frozenset(kept), frozenset(open_ids | (vanished - set(settled))))

    def to_json(self) -> dict[str, Any]:
        """The cursor as JSON, as short as it can be."""
        content: dict[str, Any] = {"settled": sorted(self.settled)}
        if self.newest_ts is not None:
            content["newest_ts"] = self.newest_ts
        if self.unsettled:
            content["unsettled"] = sorted(self.unsettled)
        return content

    @classmethod
    def from_json(cls, content: object) -> JobCursor | None:
        """Read a cursor back, or None where it is not one that this version understands."""
        if not isinstance(content, Mapping):
            return None
        entries = cast("Mapping[str, Any]", content)
        try:
            newest = entries.get("newest_ts")
            return cls(
                None if newest is None else int(newest),
                frozenset(str(job_id) for job_id in entries["settled"]),
                frozenset(str(job_id) for job_id in entries.get("unsettled", ())),
            )
        except (KeyError, TypeError, ValueError):
            return None
