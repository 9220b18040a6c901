"""The life of a job of the local Hevo: a timeline laid out when it starts, read at any moment.

Nothing here waits or keeps threads: what a job shows follows from the moment asked about. Which
jobs start is in `pipelines.py`; how they look in answers, in `answers.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from dagster_hevo.sandbox.deferrals import Deferrals
from dagster_hevo.sandbox.scenario import FailurePolicyScenario, Outcome

LoadKind = Literal["merge", "drop", "changes", "replace"]
RequestedBy = Literal["api", "schedule", "user"]

_STATUS_OF_OUTCOME: dict[Outcome, str] = {
    "completed": "COMPLETED",
    "failed_events": "COMPLETED_WITH_FAILURES",
    "failed": "FAILED",
    "skipped": "SKIPPED",
    "blocked": "BLOCKED",
    "inaccessible": "INACCESSIBLE",
    "inconsistent": "INCONSISTENT",
}
_LOADED = frozenset({"COMPLETED", "COMPLETED_WITH_FAILURES"})
_FAILED = frozenset({"FAILED", "BLOCKED", "INACCESSIBLE", "INCONSISTENT"})
_WAITING = frozenset({"QUEUED", "IN_PROGRESS", "DEFERRED"})


@dataclass
class ObjectRun:
    """One object's part in a job: seconds of work from ``starts`` to ``ends``, and its result.

    ``load`` is how they reach the table: merged into it, into a new one (`drop`), as changes, or
    in place of all that it held (`replace`). ``ranges`` are the source's rows that it brings, as
    (first, last) pairs of row numbers.
    """

    object_id: str
    starts: float
    ends: float
    outcome: Outcome = "completed"
    load: LoadKind = "merge"
    ranges: tuple[tuple[int, int], ...] = ()
    failing: int = 0
    awaits_load: bool = False

    @cached_property
    def rows(self) -> int:
        """How many events it ingests."""
        if self.outcome in ("completed", "failed_events"):
            return sum(last - first + 1 for first, last in self.ranges)
        return 0

    @property
    def failed(self) -> int:
        """How many of them fail."""
        return min(self.failing, self.rows) if self.outcome == "failed_events" else 0

    @property
    def final_status(self) -> str:
        """The status it ends with, unless the job is cancelled before."""
        if self.outcome == "failed_events" and not self.failed:
            return "COMPLETED"
        return _STATUS_OF_OUTCOME[self.outcome]


@dataclass(frozen=True)
class ObjectProgress:
    """How far one object is at one moment."""

    object_id: str
    status: str
    ingested: int = 0
    loaded: int = 0
    failed: int = 0

    @property
    def is_success(self) -> bool:
        """Whether its rows are in the warehouse, all or all but the failed ones."""
        return self.status in _LOADED

    @property
    def is_failed(self) -> bool:
        """Whether it could not be loaded."""
        return self.status in _FAILED

    @property
    def is_waiting(self) -> bool:
        """Whether the job is not through with it."""
        return self.status in _WAITING


@dataclass
class JobRun:
    """A job, from its trigger to its end. All moments are sandbox seconds.

    Attributes:
        created: When it was asked for; it works from then on.
        listed_at: From when on the job list shows it.
        lay_out: Makes its objects when they are first looked at: old jobs of a long history are
            mostly never looked at.
        deferrals: When it is DEFERRED.
        policy: Decides whether failed objects make it FAILED.
        ends_as: A status it ends with whatever became of its objects.
        ended_at: When it ended; none while it runs.
    """

    job_id: str
    number: int
    pipeline_id: int
    type: str
    requested_by: RequestedBy
    created: float
    listed_at: float
    lay_out: Callable[[], Sequence[ObjectRun]]
    policy: FailurePolicyScenario
    deferrals: Deferrals = field(default_factory=Deferrals)
    ends_as: str | None = None
    cancelled_at: float | None = None
    cancelling_seconds: float = 0.0
    ended_at: float | None = None
    final_status: str | None = None
    hurried_at: float | None = None

    @cached_property
    def objects(self) -> tuple[ObjectRun, ...]:
        """Its objects, in the order in which it works on them."""
        return tuple(self.lay_out())

    @cached_property
    def work_seconds(self) -> float:
        """Seconds of work in it."""
        return max((run.ends for run in self.objects), default=0.0)

    @property
    def due_end(self) -> float:
        """When it ends if nothing else happens."""
        if self.cancelled_at is not None:
            return self.cancelled_at + self.cancelling_seconds
        if self.hurried_at is not None:
            return self.hurried_at
        return self.created + self.work_seconds + self.deferrals.seconds

    def worked(self, moment: float) -> float:
        """Seconds of work done by that moment."""
        if self.cancelled_at is not None:
            moment = min(moment, self.cancelled_at)
        if self.hurried_at is not None and moment >= self.hurried_at:
            return self.work_seconds
        return self.deferrals.work_in(max(0.0, moment - self.created))

    def is_deferred(self, moment: float) -> bool:
        """Whether it waits for the source's limits to be reset."""
        if self.hurried_at is not None:
            return False
        return self.deferrals.wait_at(moment - self.created) is not None

    def is_listed(self, moment: float) -> bool:
        """Whether the API knows of it already."""
        return moment >= self.listed_at

    def due_loads(self, moment: float) -> list[ObjectRun]:
        """The objects whose rows should be in the warehouse by now and are not."""
        done = self.worked(moment)
        return [run for run in self.objects if run.awaits_load and run.ends <= done]

    def settle(self, moment: float) -> bool:
        """End it if it is due and its rows are written; tells whether it is over."""
        if self.ended_at is None and moment >= self.due_end and not self.due_loads(moment):
            self.end(self.due_end)
        return self.ended_at is not None

    def end(self, moment: float, status: str | None = None) -> None:
        """End it, with this status or the one that its objects call for."""
        self.ended_at = moment
        self.final_status = status or self.ends_as or self._status_by_objects(moment)

    def cancel(self, moment: float) -> None:
        """Stop working; it is CANCELLING for a while and then CANCELLED."""
        if self.cancelled_at is None:
            self.cancelled_at = moment

    def hurry(self, moment: float) -> None:
        """Do all the work that is left at this moment."""
        self.listed_at = min(self.listed_at, moment)
        if self.cancelled_at is not None:
            self.cancelling_seconds = max(0.0, moment - self.cancelled_at)
        else:
            self.hurried_at = moment

    def status(self, moment: float) -> str:
        """Its status at that moment."""
        if self.final_status is not None:
            return self.final_status
        if self.cancelled_at is not None:
            return "CANCELLING"
        return "DEFERRED" if self.is_deferred(moment) else "IN_PROGRESS"

    def progress(self, moment: float) -> list[ObjectProgress]:
        """How far each object is."""
        done = self.worked(moment)
        deferred = self.is_deferred(moment) and self.ended_at is None
        return [self._progress_of(run, done, deferred) for run in self.objects]

    def updated(self, moment: float) -> float:
        """When something about it last changed."""
        return moment if self.ended_at is None else self.ended_at

    def _progress_of(self, run: ObjectRun, done: float, deferred: bool) -> ObjectProgress:
        if run.ends <= done and not run.awaits_load:
            return ObjectProgress(
                run.object_id, run.final_status, run.rows, run.rows - run.failed, run.failed
            )
        if self.ended_at is not None:
            return ObjectProgress(run.object_id, "CANCELLED")
        if done < run.starts or (done == run.starts and run.ends > run.starts and done == 0):
            return ObjectProgress(run.object_id, "QUEUED")
        length = run.ends - run.starts
        share = min(1.0, (done - run.starts) / length) if length else 1.0
        status = "DEFERRED" if deferred else "IN_PROGRESS"
        return ObjectProgress(run.object_id, status, int(run.rows * share))

    def _status_by_objects(self, moment: float) -> str:
        if self.cancelled_at is not None:
            return "CANCELLED"
        objects = self.progress(moment)
        failed = sum(entry.is_failed for entry in objects)
        if self.policy.fails_job(failed, len(objects)):
            return "FAILED"
        if failed or any(entry.failed for entry in objects):
            return "COMPLETED_WITH_FAILURES"
        return "COMPLETED"
