"""A job that is still to be recorded, as the sensor's cursor keeps it (`cursor.py`).

Times with ``_ms`` are Hevo's own, in epoch milliseconds; the others are seconds since the epoch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from dagster_hevo.job_sensor.stored import count, flag, ids, mapping, moment, read, text, written


@dataclass(frozen=True)
class Census:
    """How far the objects of a pipeline are counted, to hold a job's counts against them.

    Attributes:
        cursor: The next page to read; None for the first one.
        objects: How many objects were seen, active or not.
        total: A sum over their ids.
        pages: How many pages were read.
        is_over: Whether all were.
        same_names: Our objects whose name another object has by now.
    """

    cursor: str | None = None
    objects: int = 0
    total: int = 0
    pages: int = 0
    is_over: bool = False
    same_names: frozenset[str] = frozenset()


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
        objects_pages: How many pages of it are recorded.
        made_ms: When it was made, as Hevo says.
        waits_since: Since when another sensor is seen to record it.
        census: How far the pipeline's objects are counted for it.
    """

    since: float
    due_at: float = 0.0
    is_over: bool = False
    failures: int = 0
    changed_ms: int | None = None
    objects_cursor: str | None = None
    objects_pages: int = 0
    made_ms: int | None = None
    waits_since: float | None = None
    census: Census | None = None

    def earlier(self, seconds: float) -> OpenJob:
        """The same by a clock that was set back by so much."""
        waits_since = self.waits_since
        return replace(
            self,
            since=max(self.since - seconds, 0.0),
            due_at=max(self.due_at - seconds, 0.0),
            waits_since=None if waits_since is None else max(waits_since - seconds, 0.0),
        )


def written_open(entry: OpenJob) -> dict[str, Any]:
    """An open job as JSON."""
    content = written(entry, _OPEN)
    if entry.census is not None:
        content["census"] = written(entry.census, _CENSUS)
    return content


def open_job(told: Mapping[str, Any]) -> OpenJob:
    """An open job read back; what is not understood is left out."""
    found = read(told, _OPEN)
    census = told.get("census")
    return OpenJob(
        found.pop("since", 0.0),
        **found,
        census=None if census is None else Census(**read(mapping(census), _CENSUS)),
    )


_OPEN = {
    "since": moment,
    "due_at": moment,
    "is_over": flag,
    "failures": count,
    "changed_ms": count,
    "objects_cursor": text,
    "objects_pages": count,
    "made_ms": count,
    "waits_since": moment,
}
_CENSUS = {
    "cursor": text,
    "objects": count,
    "total": count,
    "pages": count,
    "is_over": flag,
    "same_names": ids,
}
