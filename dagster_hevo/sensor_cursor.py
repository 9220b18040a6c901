"""What the job sensor keeps between its ticks, as JSON that a person can read.

How far each pipeline's jobs were followed is `jobs/cursor.py`. Here is when each is next polled.
What a tick does with it is `observation.py`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, cast

from dagster_hevo.api.models import Job
from dagster_hevo.jobs.cursor import JobCursor

CURSOR_VERSION = 1
# Pipelines that are not followed any more are forgotten after this many seconds, not at once: one
# that merely could not be loaded comes back, and its jobs of the time between are still recorded.
FORGOTTEN_AFTER = 7 * 24 * 3600.0
LAST_MOMENT = 1e11


@dataclass(frozen=True)
class PipelineCursor:
    """How far the jobs of one pipeline were followed, and when to look again.

    Attributes:
        jobs: How far; None where no look has succeeded yet.
        due_at: When the next look is worth it, in seconds since the epoch.
        idle_looks: How many looks in a row found nothing.
        failed_looks: How many looks in a row failed.
        held: Jobs that are over and not recorded yet, or that Hevo does not know any more: since
            when that is so, in seconds since the epoch.
        since: While no look has succeeded: since when the pipeline is followed, in seconds since
            the epoch. Jobs that were made later are recorded, however long the first look takes.
    """

    jobs: JobCursor | None = None
    due_at: float = 0.0
    idle_looks: int = 0
    failed_looks: int = 0
    held: Mapping[str, float] = field(default_factory=dict[str, float])
    since: float | None = None
    awaited: frozenset[str] = frozenset()

    def is_past(self, job: Job, tick_began: float) -> bool:
        """Whether a job was made before the pipeline was followed, as far as one can know.

        What the tick that begins to follow a pipeline sees of it is past, whatever the clocks say.
        Where the first look came later, Hevo's time of the job is held against this machine's: if
        they differ, a job of just before is recorded as well, which is as true.

        Args:
            job: A job that the first look shows.
            tick_began: When the tick of that look began, in seconds since the epoch.
        """
        if self.jobs is not None:
            return False
        if self.since is None or self.since >= tick_began or job.created_ts is None:
            return True
        return job.created_ts < self.since * 1000

    def awaits(self, job_id: str) -> bool:
        """Whether a job is to be recorded already, or has been."""
        if job_id in self.awaited:
            return True
        return self.jobs is not None and job_id in (self.jobs.settled | self.jobs.unsettled)

    def awaiting_job(self, job_id: str) -> PipelineCursor:
        """The same with a job to be recorded, whose run has ended; polled in this tick."""
        return replace(self, awaited=self.awaited | {job_id}, due_at=0.0)

    def to_json(self) -> dict[str, Any]:
        content: dict[str, Any] = {} if self.jobs is None else self.jobs.to_json()
        # Never rounded up: what is due now is due in the next tick, however soon that comes.
        content["due_at"] = math.floor(self.due_at)
        if self.since is not None:
            content["since"] = math.floor(self.since)
        if self.idle_looks:
            content["idle_looks"] = self.idle_looks
        if self.failed_looks:
            content["failed_looks"] = self.failed_looks
        if self.held:
            content["held"] = {job_id: round(since) for job_id, since in self.held.items()}
        return content

    @classmethod
    def from_json(cls, content: object) -> PipelineCursor | None:
        """Read it back; None where it is nothing that this version understands."""
        entries = _mapping(content)
        try:
            jobs = JobCursor.from_json(content)
        except OverflowError:
            jobs = None
        since = _moment(entries.get("since"))
        if jobs is None and since is None:
            return None
        return cls(
            jobs,
            _moment(entries.get("due_at")) or 0.0,
            _count(entries.get("idle_looks")),
            _count(entries.get("failed_looks")),
            {
                str(job_id): moment
                for job_id, told in _mapping(entries.get("held")).items()
                if (moment := _moment(told)) is not None
            },
            since,
        )


@dataclass(frozen=True)
class SensorCursor:
    """All that is kept between two ticks.

    Attributes:
        pipelines: How far each pipeline was followed, by its id.
    """

    pipelines: Mapping[int, PipelineCursor] = field(default_factory=dict[int, PipelineCursor])

    def with_pipeline(self, pipeline_id: int, cursor: PipelineCursor) -> SensorCursor:
        """The same with one pipeline followed further."""
        return replace(self, pipelines={**self.pipelines, pipeline_id: cursor})

    def following(self, pipeline_ids: Iterable[int], now: float) -> SensorCursor:
        """The same with each pipeline that is not followed yet, followed from now on."""
        new = {
            pipeline_id: replace(known, since=now)
            for pipeline_id in pipeline_ids
            if (known := self.pipelines.get(pipeline_id, PipelineCursor())).jobs is None
            and known.since is None
        }
        return replace(self, pipelines={**self.pipelines, **new}) if new else self

    def without_forgotten(self, followed: Iterable[int], now: float) -> SensorCursor:
        """The same without pipelines that have not been followed for long."""
        kept = set(followed)
        pipelines = {
            key: value
            for key, value in self.pipelines.items()
            if key in kept or now - value.due_at < FORGOTTEN_AFTER
        }
        return replace(self, pipelines=pipelines)

    def to_text(self) -> str:
        """The cursor as Dagster stores it."""
        content: dict[str, Any] = {
            "version": CURSOR_VERSION,
            "pipelines": {str(key): value.to_json() for key, value in self.pipelines.items()},
        }
        return json.dumps(content, separators=(",", ":"))

    @classmethod
    def from_text(cls, text: str | None) -> SensorCursor:
        """Read a cursor; what is not understood counts as not there, so that it starts anew."""
        try:
            content: object = json.loads(text or "{}")
        except (ValueError, RecursionError):
            return cls()
        entries = _mapping(content)
        pipelines: dict[int, PipelineCursor] = {}
        for key, value in _mapping(entries.get("pipelines")).items():
            cursor = PipelineCursor.from_json(value)
            if cursor is not None and key.isdecimal():
                pipelines[int(key)] = cursor
        return cls(pipelines)


def _mapping(value: object) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else {}


def _moment(value: object) -> float | None:
    """Seconds since the epoch; None where it is nothing that a clock may have told."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) and 0 <= value < LAST_MOMENT else None


def _count(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        return 0
    return max(0, min(value, 1000))
