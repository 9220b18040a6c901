"""Whose job is it: which runs of this Dagster wait for a job, left it behind, or recorded it.

What runs write down is `run_ledger.py`; what the job sensor makes of it is `observation.py`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from functools import cached_property

import dagster as dg

from dagster_hevo.api.models import Job
from dagster_hevo.run_ledger import RUNS_IN_PROGRESS, OpenWish, close_wish, open_wishes
from dagster_hevo.sensor_cursor import LeftWish, SensorCursor

FINISHED = (
    dg.DagsterRunStatus.SUCCESS,
    dg.DagsterRunStatus.FAILURE,
    dg.DagsterRunStatus.CANCELED,
)
# How far back the first tick searches for runs that left a job behind; and for how long a run that
# asked and died may still turn out to own a new job.
FIRST_SEARCH = 24 * 3600.0
# A run's end may be written by one process before another one, with an earlier time.
OVERLAP = 60.0
RUNS_AT_ONCE = 200
# How long a run that died may take to be retried before its job is recorded without it.
RETRY_GRACE = 10 * 60.0
# A run that is said to be in progress and has not recorded its job this long after the job's end is
# dead: a live one looks at its job at least every 15 minutes, or as often as the budget lets it.
LOST_AFTER = 2 * 3600.0

_RECORDS = {dg.DagsterEventType.ASSET_MATERIALIZATION, dg.DagsterEventType.ASSET_CHECK_EVALUATION}


@dataclass(frozen=True)
class StepWish:
    """An open wish and how its step fared.

    Attributes:
        wish: What the step wrote down.
        has_succeeded: Whether the step succeeded: it waits for nothing any more.
        has_recorded: Whether it recorded its job itself.
    """

    wish: OpenWish
    has_succeeded: bool
    has_recorded: bool


def step_wishes(instance: dg.DagsterInstance, run_id: str) -> list[StepWish]:
    """The wishes that the steps of a run left open, or are still at."""
    wishes = open_wishes(instance, run_id)
    if not wishes:
        return []
    done = {
        record.step_key
        for record in instance.all_logs(run_id, of_type=dg.DagsterEventType.STEP_SUCCESS)
    }
    recorded: set[str] = set()
    if any(wish.step_key in done for wish in wishes):
        recorded = _recorded_jobs(instance, run_id)
    return [StepWish(wish, wish.step_key in done, wish.entry.job_id in recorded) for wish in wishes]


def _recorded_jobs(instance: dg.DagsterInstance, run_id: str) -> set[str]:
    """The ids of the jobs that a run recorded."""
    found: set[str] = set()
    for record in instance.all_logs(run_id, of_type=_RECORDS):
        event = record.dagster_event
        content = None if event is None else event.event_specific_data
        if isinstance(content, dg.AssetCheckEvaluation):
            metadata = content.metadata
        elif event is not None and event.is_step_materialization:
            metadata = event.step_materialization_data.materialization.metadata
        else:
            continue
        value = metadata.get("dagster-hevo/job_id")
        if value is not None and isinstance(value.value, str):
            found.add(value.value)
    return found


@dataclass
class RunSearch:
    """Searches finished runs for jobs that they left behind or recorded, a few at a time.

    Args:
        instance: The Dagster instance.
        followed: The pipelines that matter.
        now: Tells the time in seconds since the epoch.
        until: When to stop on that clock, and go on in the next tick.
    """

    instance: dg.DagsterInstance
    followed: Collection[int]
    now: Callable[[], float] = time.time
    until: float = float("inf")
    _seen: set[str] = field(default_factory=set[str])

    def advance(self, cursor: SensorCursor) -> tuple[SensorCursor, bool]:
        """Search the runs that finished since the cursor.

        Returns:
            The cursor, and whether all runs that finished were seen.
        """
        began = self.now()
        if cursor.runs_seen_until is None or cursor.runs_seen_until > began:
            cursor = replace(cursor, runs_seen_until=began - FIRST_SEARCH)
        since = cursor.runs_seen_until or 0.0
        while True:
            records = self.instance.get_run_records(
                dg.RunsFilter(
                    statuses=list(FINISHED),
                    updated_after=datetime.fromtimestamp(since, tz=timezone.utc),
                ),
                limit=RUNS_AT_ONCE,
                order_by="update_timestamp",
                ascending=True,
            )
            for record in records:
                since = max(since, record.update_timestamp.timestamp())
                run = record.dagster_run
                if run.run_id not in self._seen:
                    self._seen.add(run.run_id)
                    cursor = self._with_run(cursor, run.run_id, record.end_time or since)
                if self.now() > self.until:
                    return replace(cursor, runs_seen_until=since), False
            if len(records) < RUNS_AT_ONCE:
                until = max(cursor.runs_seen_until or 0.0, began - OVERLAP)
                return replace(cursor, runs_seen_until=until), True

    def _with_run(self, cursor: SensorCursor, run_id: str, ended_at: float) -> SensorCursor:
        for step in step_wishes(self.instance, run_id):
            wish, job_id = step.wish, step.wish.entry.job_id
            if wish.pipeline_id not in self.followed:
                continue
            if step.has_succeeded and (step.has_recorded or job_id is None):
                if job_id is not None:
                    cursor = cursor.without_job(wish.pipeline_id, job_id)
                continue
            left = LeftWish(run_id, wish.pipeline_id, job_id, ended_at, step.has_succeeded)
            cursor = cursor.with_left([left])
        return cursor


@dataclass(frozen=True)
class Ownership:
    """What a job that is over waits for.

    Attributes:
        has_waiting_run: Whether a run in progress waits for it, or may turn out to own it.
        retry_until: Until when a run that died may be retried and then records it, in seconds since
            the epoch; 0 where there is none.
    """

    has_waiting_run: bool = False
    retry_until: float = 0.0


class JobOwners:
    """Knows whose a job is, by what runs had written down when this was made.

    Made after the jobs were read: a run writes down that it is going to ask before a job of its can
    be there. So a job that was read and that no run may own then is nobody's.

    Args:
        instance: The Dagster instance.
        left: What finished runs left behind, read after the runs in progress were.
        in_progress: What the steps of runs in progress are at.
    """

    def __init__(
        self,
        instance: dg.DagsterInstance,
        left: tuple[LeftWish, ...],
        in_progress: tuple[StepWish, ...],
    ) -> None:
        self._instance = instance
        self._left = left
        self._in_progress = in_progress
        self._notes: dict[str, list[OpenWish]] = {}

    @cached_property
    def recorded(self) -> tuple[tuple[int, str], ...]:
        """The jobs, with their pipelines, that steps of runs in progress have recorded."""
        return tuple(
            (step.wish.pipeline_id, step.wish.entry.job_id)
            for step in self._in_progress
            if step.has_succeeded and step.has_recorded and step.wish.entry.job_id is not None
        )

    def of(self, pipeline_id: int, job: Job) -> Ownership:
        """Whose a job is."""
        waiting = any(
            not step.has_succeeded and _may_own(step.wish, pipeline_id, job)
            for step in self._in_progress
        )
        # One that died and is retried takes up a job that loaded; instead of any other it asks
        # anew, so that nobody but us records that one.
        may_be_taken_up = not job.is_terminal or job.status.completion.has_loaded
        until = [
            wish.ended_at + RETRY_GRACE
            for wish in self._left
            if may_be_taken_up and not wish.on_purpose and self._owns(wish, pipeline_id, job)
        ]
        return Ownership(waiting, max(until, default=0.0))

    def is_ours(self, pipeline_id: int, job: Job) -> bool:
        """Whether a run of ours asked for the job, or may have."""
        return any(_may_own(step.wish, pipeline_id, job) for step in self._in_progress) or any(
            self._owns(wish, pipeline_id, job) for wish in self._left
        )

    def close(self, pipeline_id: int, job: Job, sentence: str) -> None:
        """Write into the runs that own a job, or may, that their wish is carried out."""
        wishes = [step.wish for step in self._in_progress if _may_own(step.wish, pipeline_id, job)]
        for left in self._left:
            if self._owns(left, pipeline_id, job):
                wishes += [
                    wish for wish in self._open(left.run_id) if _may_own(wish, pipeline_id, job)
                ]
        for wish in {(wish.run_id, wish.step_key, wish.wish): wish for wish in wishes}.values():
            close_wish(self._instance, wish, sentence)
            self._notes.pop(wish.run_id, None)

    def close_left(self, left: LeftWish) -> None:
        """Write into a finished run that its job was recorded by a run that took it up."""
        for wish in self._open(left.run_id):
            if left.job_id is not None and wish.entry.job_id == left.job_id:
                close_wish(self._instance, wish, f"Job {left.job_id} was recorded elsewhere.")

    def still_left(
        self, unsettled: Callable[[int], Collection[str] | None], now: float
    ) -> tuple[LeftWish, ...]:
        """What is still left behind, once some jobs were settled.

        Args:
            unsettled: The jobs of a pipeline that are still to be recorded; None where the pipeline
                was not looked at yet.
            now: The time in seconds since the epoch.
        """
        kept: list[LeftWish] = []
        for wish in self._left:
            open_jobs = unsettled(wish.pipeline_id)
            if open_jobs is None:
                is_open = True
            elif wish.job_id is not None:
                is_open = wish.job_id in open_jobs
            else:
                is_open = now - wish.ended_at < FIRST_SEARCH and bool(self._open(wish.run_id))
            if is_open:
                kept.append(wish)
        return tuple(kept)

    def _owns(self, left: LeftWish, pipeline_id: int, job: Job) -> bool:
        if left.pipeline_id != pipeline_id:
            return False
        if left.job_id is not None:
            return left.job_id == job.job_id
        return any(_may_own(wish, pipeline_id, job) for wish in self._open(left.run_id))

    def _open(self, run_id: str) -> list[OpenWish]:
        if run_id not in self._notes:
            self._notes[run_id] = open_wishes(self._instance, run_id)
        return self._notes[run_id]


def wishes_in_progress(instance: dg.DagsterInstance) -> tuple[StepWish, ...]:
    """What the steps of runs in progress are at."""
    runs = instance.get_runs(dg.RunsFilter(statuses=list(RUNS_IN_PROGRESS)))
    return tuple(step for run in runs for step in step_wishes(instance, run.run_id))


def _may_own(wish: OpenWish, pipeline_id: int, job: Job) -> bool:
    return wish.pipeline_id == pipeline_id and wish.may_own(job)
