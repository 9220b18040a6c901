"""How the job sensor is doing: a line per tick, and the same kept in its cursor for people.

The command `dagster-hevo sensor status` prints what the cursors of an instance say.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timezone
from typing import Any, cast

from dagster_hevo.job_sensor.cursor import SensorCursor
from dagster_hevo.jobs.settings import as_text
from dagster_hevo.sensor_switch import CURSOR_KIND

# A backlog that has grown for so long is worth a warning, and again after as long.
GROWN_FOR = 3600.0


@dataclass(frozen=True)
class TickStatus:
    """What a tick did, and what it left.

    Attributes:
        base_url: Hevo's base URL.
        ticked_at: When it began, in seconds since the epoch.
        pipelines: How many pipelines the sensor follows.
        polled: How many of them the tick polled.
        behind: How many are due and were not finished.
        jobs: How many jobs it recorded.
        objects: How many objects of theirs.
        backlog: How many jobs that have ended are known and not recorded.
        requests: How many requests it sent.
        oldest_seconds: For how long the oldest job of the backlog has ended or, where that is not
            known, been there; None without backlog.
        took_seconds: How long the tick took.
        was_cut_short: Whether it ended because its requests or its time were used up.
        unreadable: How many pipelines there are whose list of jobs could not be read to its end.
    """

    base_url: str
    ticked_at: float
    pipelines: int
    polled: int
    behind: int
    jobs: int
    objects: int
    backlog: int
    requests: int
    oldest_seconds: float | None
    took_seconds: float
    was_cut_short: bool
    unreadable: int = 0

    @property
    def line(self) -> str:
        """One line for people."""
        oldest = ""
        if self.oldest_seconds is not None:
            oldest = f", the oldest for {as_text(self.oldest_seconds)}"
        end = " The rest follows in the next tick." if self.was_cut_short else ""
        return (
            f"Polled {self.polled} of {self.pipelines} pipelines with {self.requests} requests in "
            f"{as_text(self.took_seconds)}: {self.jobs} jobs recorded ({self.objects} objects), "
            f"{self.backlog} ended jobs still to record{oldest}, {self.behind} "
            f"pipelines still to poll, unreadable pipelines: {self.unreadable}.{end}"
        )

    def to_json(self) -> dict[str, Any]:
        """The same as JSON, for the cursor and for programs."""
        return {
            key: round(value, 1) if isinstance(value, float) else value
            for key, value in asdict(self).items()
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> TickStatus | None:
        """Read it back; None where it is nothing that this version understands."""
        found: dict[str, Any] = {}
        for name, each in cls.__dataclass_fields__.items():
            value = content.get(name, each.default if name == "unreadable" else None)
            if not _is_of(value, str(each.type)):
                return None
            found[name] = value
        return cls(**found)


def _is_of(value: object, kind: str) -> bool:
    """Whether a value that was read is of a field's type; a count stands for a time too."""
    if value is None:
        return "None" in kind
    if kind.startswith("float"):
        return isinstance(value, int | float) and not isinstance(value, bool)
    return type(value).__name__ == kind


def status_in(cursor: str | None) -> TickStatus | None:
    """The status in a sensor's cursor; None where it is not the cursor of a job sensor."""
    try:
        content: object = json.loads(cursor or "")
    except (ValueError, RecursionError):
        return None
    if not isinstance(content, dict):
        return None
    entries = cast("dict[str, Any]", content)
    if entries.get("kind") != CURSOR_KIND or not isinstance(entries.get("status"), dict):
        return None
    return TickStatus.from_json(entries["status"])


def with_backlog(
    cursor: SensorCursor, backlog: int, now: float, *, lag: float = 0.0
) -> tuple[SensorCursor, bool]:
    """The cursor with the backlog of now, and whether it has grown for an hour.

    It counts as growing from the tick that finds it larger, or as large and older, until one that
    finds it smaller.

    Args:
        cursor: What the tick before found.
        backlog: How many jobs are to be recorded, and pipelines to be polled, that are due.
        now: The time, in seconds since the epoch.
        lag: How old the oldest job is that a walk has still to record, in seconds.
    """
    since = cursor.growing_since
    is_older = lag > cursor.told_lag and backlog == cursor.told_backlog
    if backlog > cursor.told_backlog or is_older:
        since = now if since is None else since
    elif backlog < cursor.told_backlog or not backlog:
        since = None
    is_warned = since is not None and now - since >= GROWN_FOR
    if is_warned:
        since = now
    after = replace(cursor, growing_since=since, told_backlog=backlog, told_lag=float(int(lag)))
    return after, is_warned


def backlog_text(backlog: int, behind: int, pipeline_id: int) -> str:
    """What to warn of where the backlog grows.

    Args:
        backlog: How many jobs have ended and are not recorded.
        behind: How many pipelines are due.
        pipeline_id: The pipeline with most of the jobs.
    """
    jobs = "1 ended job is" if backlog == 1 else f"{backlog} ended jobs are"
    pipelines = "1 pipeline is" if behind == 1 else f"{behind} pipelines are"
    most = f" Most of the jobs are of pipeline {pipeline_id}." if backlog > 1 else ""
    return (
        f"The job sensor's backlog has grown for an hour: {jobs} not recorded, {pipelines} still "
        f"to be polled.{most} What to do: raise requests_per_minute if Hevo allows more, follow "
        "fewer pipelines, or look at the sensor's log for requests that fail."
    )


def moment_text(seconds: float) -> str:
    """A time for people, in UTC."""
    return datetime.fromtimestamp(seconds, tz=timezone.utc).strftime("%Y-%m-%d %H:%M:%SZ")
