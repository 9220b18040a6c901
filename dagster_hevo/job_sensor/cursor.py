"""What the job sensor keeps between its ticks, as versioned JSON that a person can read.

It is bounded: what no longer fits is in the ledger (`jobs/marks.py`). Losing it loses no job. What
a tick does with it is `tick.py` and `visit.py`. Times with ``_ms`` are Hevo's own, in epoch
milliseconds, and never held against this machine's clock; the others are seconds since the epoch.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from zlib import crc32

from dagster_hevo.api.models import Job
from dagster_hevo.job_sensor.stored import (
    count,
    flag,
    ids,
    mapping,
    moment,
    read,
    text,
    texts,
    times,
    written,
)
from dagster_hevo.sensor_switch import CURSOR_KIND

CURSOR_VERSION = 2
# Jobs show up seconds after they were made, not always in order: this far behind the newest one, a
# job that turns up is still new.
LATE_MS = 10 * 60 * 1000
# Pipelines that are not followed any more are forgotten after this many seconds, not at once: one
# that merely could not be loaded comes back, and its jobs of the time between are still recorded.
FORGOTTEN_AFTER = 7 * 24 * 3600.0
MOST_OPEN = 50
MOST_SETTLED = 100
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


@dataclass(frozen=True)
class OpenJob:
    """A job that was seen and is still to be recorded.

    Attributes:
        since: Since when it has been as it is: ended or, while it runs, unchanged.
        due_at: When it is next worth a request.
        is_over: Whether it has ended.
        failures: How many times in a row its objects could not be read, or it was not known.
        changed_ms: When it last changed, as Hevo says, while it runs.
        objects_cursor: Where to go on with the list of its objects, of which the pages before are
            recorded; None: at the first page.
        made_ms: When it was made, as Hevo says.
    """

    since: float
    due_at: float = 0.0
    is_over: bool = False
    failures: int = 0
    changed_ms: int | None = None
    objects_cursor: str | None = None
    made_ms: int | None = None


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
    """

    cursor: str | None = None
    pages: int = 0
    newest_ms: int | None = None
    to_do: tuple[str, ...] = ()
    is_down: bool = False
    is_partial: bool = False
    jobs: int = 0
    unmet: int = 0

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


@dataclass(frozen=True)
class PipelineCursor:
    """How far the jobs of one pipeline are recorded, and when to poll again.

    Attributes:
        since: Since when the pipeline is followed: older jobs that had ended are left alone.
        newest_ms: When the newest job was made that the last complete walk saw; None before it.
        old_before_ms: Every job that was made before is settled.
        settled: Settled jobs that were made later, each with when (0: not known), the newest ones;
            others are in the ledger.
        open: Jobs that are still to be recorded.
        reported: Jobs whose events the last tick returned: stored, since the cursor is.
        walk: A walk that goes on in the next tick.
        due_at: When a job is expected to have ended, or something is left to do.
        polled_at: When the list was last read.
        failures: How many polls in a row failed.
        quiet: How many polls in a row found nothing to do.
        written_at: When the ledger was last told how far this is.
        waiting: How many ended jobs the last visit saw and did not get to.
        oldest_ms: When the oldest of them was made.
    """

    since: float = 0.0
    newest_ms: int | None = None
    old_before_ms: int | None = None
    settled: Mapping[str, int] = field(default_factory=dict[str, int])
    open: Mapping[str, OpenJob] = field(default_factory=dict[str, OpenJob])
    reported: frozenset[str] = frozenset()
    walk: Walk | None = None
    due_at: float = 0.0
    polled_at: float = 0.0
    failures: int = 0
    quiet: int = 0
    written_at: float = 0.0
    waiting: int = 0
    oldest_ms: int | None = None

    def is_settled(self, job: Job, latest_ms: int | None) -> bool:
        """Whether nothing is left to do about a job, as far as this knows.

        Older than what is settled is settled, whatever the order of the list; a job without a
        usable time never is by its age.
        """
        if job.job_id in self.open:
            return False
        if job.job_id in self.settled or job.job_id in self.reported:
            return True
        made = made_ms(job, latest_ms)
        return made is not None and self.old_before_ms is not None and made < self.old_before_ms

    def with_open(self, job_id: str, entry: OpenJob) -> PipelineCursor:
        """The same with a job to be recorded later."""
        return replace(self, open={**self.open, job_id: entry})

    def with_settled(
        self, job_id: str, made: int | None = None, *, is_reported: bool = False
    ) -> PipelineCursor:
        """The same with a job of which nothing is left to do.

        Args:
            job_id: The job.
            made: When it was made, where that is known.
            is_reported: Whether this tick returns its events.
        """
        reported = self.reported | {job_id} if is_reported else self.reported
        others = {key: value for key, value in self.open.items() if key != job_id}
        settled = {**self.settled, job_id: made or 0}
        return replace(self, open=others, settled=settled, reported=reported)

    def after_walk(self, walk: Walk, begin_ms: float | None = None) -> PipelineCursor:
        """The same after a walk that left nothing behind.

        What counts as old moves only as far as the walk before this one: a list that left a job out
        of one answer shows it in the next.
        """
        # Where no job was seen, none is old, and all to come are new.
        newest = max(walk.newest_ms or 1, self.newest_ms or 1)
        old_before = newest - LATE_MS
        before = self.newest_ms if self.newest_ms is not None else begin_ms
        if before is not None:
            old_before = min(old_before, int(before))
        old_before = max(old_before, self.old_before_ms or 0)
        kept = {
            job_id: made for job_id, made in self.settled.items() if not made or made >= old_before
        }
        return replace(self, newest_ms=newest, old_before_ms=old_before, settled=kept, walk=None)

    def backlog(self) -> int:
        """How many jobs are known to wait for being recorded."""
        seen = 0 if self.walk is None else self.walk.jobs
        return sum(entry.is_over for entry in self.open.values()) + max(seen, self.waiting)

    def to_json(self) -> dict[str, Any]:
        content = written(self, _PIPELINE)
        if self.open:
            content["open"] = {key: written(each, _OPEN) for key, each in self.open.items()}
        if self.walk is not None:
            content["walk"] = written(self.walk, _WALK)
        return content

    @classmethod
    def from_json(cls, content: object) -> PipelineCursor | None:
        """Read it back; None where it is nothing that this version understands."""
        entries = mapping(content)
        since = moment(entries.get("since"))
        if since is None:
            return None
        walk = entries.get("walk")
        return cls(
            **read(entries, _PIPELINE),
            open={
                str(job_id): _open_job(mapping(told))
                for job_id, told in list(mapping(entries.get("open")).items())[: MOST_OPEN * 4]
            },
            walk=None if walk is None else Walk(**read(mapping(walk), _WALK)),
        )


@dataclass(frozen=True)
class SensorCursor:
    """All that is kept between two ticks.

    Attributes:
        pipelines: How far each pipeline is, by its id.
        is_newest_first: Whether lists of this account were seen to run from the newest to the
            oldest job over more than one page; None where that is not known.
        status: What the last tick did, for people (`status.py`).
        growing_since: Since when the backlog has grown.
        told_backlog: How large it was at the last tick.
        told_lag: How old the oldest job was then that a walk had still to record, in seconds.
    """

    pipelines: Mapping[int, PipelineCursor] = field(default_factory=dict[int, PipelineCursor])
    is_newest_first: bool | None = None
    status: Mapping[str, Any] = field(default_factory=dict[str, Any])
    growing_since: float | None = None
    told_backlog: int = 0
    told_lag: float = 0.0

    def with_pipeline(self, pipeline_id: int, cursor: PipelineCursor) -> SensorCursor:
        """The same with one pipeline further on."""
        return replace(self, pipelines={**self.pipelines, pipeline_id: cursor})

    def without_forgotten(self, followed: Iterable[int], now: float) -> SensorCursor:
        """The same without the pipelines that have not been followed for long."""
        kept = set(followed)
        pipelines = {
            key: value
            for key, value in self.pipelines.items()
            if key in kept or now - max(value.polled_at, value.since) < FORGOTTEN_AFTER
        }
        return replace(self, pipelines=pipelines)

    def to_text(self) -> str:
        """The cursor as Dagster stores it."""
        content: dict[str, Any] = {
            "kind": CURSOR_KIND,
            "version": CURSOR_VERSION,
            "status": dict(self.status),
            "newest_first": self.is_newest_first,
            "growing_since": self.growing_since,
            "told_backlog": self.told_backlog,
            "told_lag": self.told_lag,
            "pipelines": {str(key): value.to_json() for key, value in self.pipelines.items()},
        }
        return json.dumps(content, separators=(",", ":"))

    @classmethod
    def from_text(cls, text: str | None) -> SensorCursor:
        """Read a cursor; what is not understood counts as not there, and begins again."""
        try:
            content: object = json.loads(text or "{}")
        except (ValueError, RecursionError):
            return cls()
        entries = mapping(content)
        if entries.get("version") != CURSOR_VERSION:
            return cls()
        pipelines: dict[int, PipelineCursor] = {}
        for key, value in mapping(entries.get("pipelines")).items():
            cursor = PipelineCursor.from_json(value)
            if cursor is not None and key.isascii() and key.isdecimal():
                pipelines[int(key)] = cursor
        order = entries.get("newest_first")
        return cls(
            pipelines,
            order if isinstance(order, bool) else None,
            mapping(entries.get("status")),
            moment(entries.get("growing_since")),
            count(entries.get("told_backlog")) or 0,
            moment(entries.get("told_lag")) or 0.0,
        )


def _open_job(told: Mapping[str, Any]) -> OpenJob:
    found = read(told, _OPEN)
    return OpenJob(found.pop("since", 0.0), **found)


_PIPELINE = {
    "since": moment,
    "newest_ms": count,
    "old_before_ms": count,
    "settled": times,
    "reported": ids,
    "due_at": moment,
    "polled_at": moment,
    "failures": count,
    "quiet": count,
    "written_at": moment,
    "waiting": count,
    "oldest_ms": count,
}
_OPEN = {
    "since": moment,
    "due_at": moment,
    "is_over": flag,
    "failures": count,
    "changed_ms": count,
    "objects_cursor": text,
    "made_ms": count,
}
_WALK = {
    "cursor": text,
    "pages": count,
    "newest_ms": count,
    "to_do": texts,
    "is_down": flag,
    "is_partial": flag,
    "jobs": count,
    "unmet": count,
}
