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

from dagster_hevo.api.models import Job
from dagster_hevo.job_sensor.open_job import OpenJob, open_job, written_open
from dagster_hevo.job_sensor.stored import (
    LAST_MOMENT,
    count,
    flag,
    ids,
    is_id,
    mapping,
    moment,
    read,
    text,
    texts,
    times,
    written,
)
from dagster_hevo.job_sensor.walk import MOST_PAGES_KEPT, Walk, made_ms
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
# So long those are not tried again that have to wait and found no place in the cursor.
PAUSE_WITHOUT_PLACE = 15 * 60.0
# A time of Hevo's that is further ahead of this machine's clock cannot be.
FURTHEST_AHEAD = 2 * 24 * 3600.0
# Where the clock was set back, since when a pipeline is followed is known only so well.
CLOCK_DOUBT = 600.0
_LONGEST_NUMBER = 20


@dataclass(frozen=True)
class PipelineCursor:
    """How far the jobs of one pipeline are recorded, and when to poll again.

    Attributes:
        since: Since when the pipeline is followed: jobs that had ended are left alone.
        begin_ms: The same by Hevo's clock, with a tolerance, once that is known.
        is_new: Whether the ledger is still to be searched for how far it was followed before.
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
        unreadable_since: Since when its list of jobs cannot be read to its end; None where it can.
        is_unreadable_told: Whether a warning has said so.
        partitions_told_at: When a warning said that assets are not recorded for their partitions.
        tried_ms: Jobs made before this that wait and found no place in ``open`` are not tried
            again before ``retry_at``.
        retry_at: When they are.
    """

    since: float = 0.0
    begin_ms: int | None = None
    is_new: bool = False
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
    unreadable_since: float | None = None
    is_unreadable_told: bool = False
    partitions_told_at: float = 0.0
    tried_ms: int | None = None
    retry_at: float = 0.0

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

    def is_tried(self, made: int | None, now: float) -> bool:
        """Whether a job that has no place here found none a while ago, and is to be left alone."""
        if made is None or self.tried_ms is None or len(self.open) < MOST_OPEN:
            return False
        return made <= self.tried_ms and now < self.retry_at

    def without_place(self, job_id: str, made: int | None, now: float) -> PipelineCursor:
        """The same without a job that has to wait, where too many others do: a later walk sees it.

        One whose objects are recorded in part stays.
        """
        if self.open[job_id].objects_cursor is not None:
            return self
        return replace(
            self,
            open={key: value for key, value in self.open.items() if key != job_id},
            tried_ms=max(self.tried_ms or 0, made or 0) or None,
            retry_at=now + PAUSE_WITHOUT_PLACE if now >= self.retry_at else self.retry_at,
        )

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

    def after_walk(self, walk: Walk) -> PipelineCursor:
        """The same after a walk that left nothing behind.

        What counts as old moves only as far as the walk before this one: a list that left a job out
        of one answer shows it in the next. The first walk makes nothing old.
        """
        # Where no job was seen, none is old, and all to come are new.
        newest = max(walk.newest_ms or 1, self.newest_ms or 1)
        if self.newest_ms is None:
            return replace(self, newest_ms=newest, walk=None)
        old_before = max(min(newest - LATE_MS, self.newest_ms), self.old_before_ms or 1)
        kept = {
            job_id: made for job_id, made in self.settled.items() if not made or made >= old_before
        }
        return replace(self, newest_ms=newest, old_before_ms=old_before, settled=kept, walk=None)

    def earlier(self, seconds: float) -> PipelineCursor:
        """The same by a clock that was set back by so much."""

        def moved(moment: float | None) -> float:
            return max((moment or 0.0) - seconds, 0.0)

        return replace(
            self,
            # How long the clock had gone on before that is not known.
            since=max(moved(self.since) - CLOCK_DOUBT, 1.0),
            due_at=moved(self.due_at),
            polled_at=moved(self.polled_at),
            written_at=moved(self.written_at),
            unreadable_since=None
            if self.unreadable_since is None
            else moved(self.unreadable_since),
            partitions_told_at=moved(self.partitions_told_at),
            retry_at=moved(self.retry_at),
            open={job_id: entry.earlier(seconds) for job_id, entry in self.open.items()},
        )

    def made_sane(self, now: float) -> PipelineCursor:
        """The same without what cannot be, should it have been damaged where it is kept."""
        furthest_ms = (now + FURTHEST_AHEAD) * 1000
        is_odd = max(self.newest_ms or 0, self.old_before_ms or 0) > furthest_ms
        return replace(
            self,
            since=self.since if self.since <= now else max(now - FURTHEST_AHEAD, 1.0),
            begin_ms=self.begin_ms if (self.begin_ms or 0) <= furthest_ms else None,
            # The ledger knows how far it was.
            is_new=self.is_new or is_odd,
            newest_ms=None if is_odd else self.newest_ms,
            old_before_ms=None if is_odd else self.old_before_ms,
            due_at=self.due_at if self.due_at <= now + FURTHEST_AHEAD / 2 else now,
            polled_at=min(self.polled_at, now),
            written_at=min(self.written_at, now),
            tried_ms=None if (self.tried_ms or 0) > furthest_ms else self.tried_ms,
            retry_at=min(self.retry_at, now + FURTHEST_AHEAD / 2),
            partitions_told_at=min(self.partitions_told_at, now),
        )

    def backlog(self) -> int:
        """How many jobs are known to wait for being recorded."""
        seen = 0 if self.walk is None else self.walk.jobs
        return sum(entry.is_over for entry in self.open.values()) + max(seen, self.waiting)

    def to_json(self) -> dict[str, Any]:
        content = written(self, _PIPELINE)
        if self.open:
            content["open"] = {key: written_open(each) for key, each in self.open.items()}
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
                job_id: open_job(mapping(told))
                for job_id, told in list(mapping(entries.get("open")).items())[: MOST_OPEN * 20]
                if is_id(job_id)
            },
            walk=None if walk is None else _walk(mapping(walk)),
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
        ticked_at: When the last tick ended.
        prepare_from: The pipeline that the next tick prepares first.
    """

    pipelines: Mapping[int, PipelineCursor] = field(default_factory=dict[int, PipelineCursor])
    is_newest_first: bool | None = None
    status: Mapping[str, Any] = field(default_factory=dict[str, Any])
    growing_since: float | None = None
    told_backlog: int = 0
    told_lag: float = 0.0
    ticked_at: float = 0.0
    prepare_from: int = 0

    def set_back_to(self, now: float) -> SensorCursor:
        """The same by a clock that has been set back since the last tick; itself where it was not.

        Args:
            now: What the clock says, in seconds since the epoch.
        """
        seconds = self.ticked_at - now
        if seconds <= 0 or self.ticked_at >= LAST_MOMENT:
            return self
        growing = self.growing_since
        return replace(
            self,
            pipelines={key: each.earlier(seconds) for key, each in self.pipelines.items()},
            growing_since=None if growing is None else max(growing - seconds, 0.0),
            ticked_at=now,
        )

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
            "ticked_at": int(self.ticked_at),
            "prepare_from": self.prepare_from,
            "pipelines": {str(key): value.to_json() for key, value in self.pipelines.items()},
        }
        return json.dumps(content, separators=(",", ":"))

    @classmethod
    def from_text(cls, text: str | None) -> SensorCursor:
        """Read a cursor; what is not understood counts as not there, and begins again."""
        try:
            content: object = json.loads(text or "{}", parse_int=_whole_number)
        except (ValueError, RecursionError):
            return cls()
        entries = mapping(content)
        if entries.get("version") != CURSOR_VERSION:
            return cls()
        pipelines: dict[int, PipelineCursor] = {}
        for key, value in mapping(entries.get("pipelines")).items():
            cursor = PipelineCursor.from_json(value)
            if cursor is not None and _is_pipeline_id(key):
                pipelines[int(key)] = cursor
        order = entries.get("newest_first")
        return cls(
            pipelines,
            order if isinstance(order, bool) else None,
            mapping(entries.get("status")),
            moment(entries.get("growing_since")),
            count(entries.get("told_backlog")) or 0,
            moment(entries.get("told_lag")) or 0.0,
            moment(entries.get("ticked_at")) or 0.0,
            count(entries.get("prepare_from")) or 0,
        )


def _whole_number(digits: str) -> int | None:
    return int(digits) if len(digits) <= _LONGEST_NUMBER else None


def _is_pipeline_id(key: str) -> bool:
    return key.isascii() and key.isdecimal() and len(key) < _LONGEST_NUMBER


def _walk(told: Mapping[str, Any]) -> Walk:
    walk = Walk(**read(told, _WALK))
    is_cut = walk.is_cut or len(walk.to_do) > MOST_PAGES_KEPT
    return replace(walk, to_do=walk.to_do[-MOST_PAGES_KEPT:], is_cut=is_cut)


_PIPELINE = {
    "since": moment,
    "begin_ms": count,
    "is_new": flag,
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
    "unreadable_since": moment,
    "is_unreadable_told": flag,
    "partitions_told_at": moment,
    "tried_ms": count,
    "retry_at": moment,
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
    "is_cut": flag,
}
