"""A pipeline of the local Hevo while it runs: its status, its one job at a time, its schedule.

It is moved on by `advance` with the present moment and never looks at a clock itself. The account
that holds all pipelines, and the lock around them, are in `account.py`; its objects in
`objects.py` and `families.py`, the layout of a new job in `layout.py`.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from zlib import crc32

from dagster_hevo.sandbox.behaviour import Behaviour
from dagster_hevo.sandbox.families import loaded_objects, with_children
from dagster_hevo.sandbox.history import past_jobs
from dagster_hevo.sandbox.jobs import JobRun, ObjectRun, RequestedBy
from dagster_hevo.sandbox.layout import deferrals_of, lay_out
from dagster_hevo.sandbox.objects import ObjectState
from dagster_hevo.sandbox.scenario import ObjectScenario, PipelineScenario, check_parent

CONFLICT = (
    "A job is in progress. To sync now you need to cancel the current job"  # Hevo's own words
)
TriggerResult = Literal["accepted", "ignored", "conflict", "refused"]
_SYNCABLE = frozenset({"INITIALIZED", "ENABLED"})
_MOST_MISSED_RUNS = 1000


@dataclass(frozen=True)
class Trigger:
    """A request for a job, and what came of it. ``at`` is in sandbox seconds."""

    at: float
    pipeline_id: int
    action: Literal["sync-now", "resync", "resync-objects"]
    user: str
    drop_and_load: bool
    object_ids: tuple[str, ...]
    result: TriggerResult
    message: str = ""
    job_id: str | None = None


class PipelineState:
    """A pipeline while the sandbox runs.

    Args:
        pipeline_id: Its id.
        scenario: What it starts as.
        behaviour: The scenario's behaviour with the pipeline's own overrides.
        seed: Decides durations, delays and ids.
        now: The present, in sandbox seconds.
        has_warehouse: Whether rows are to be written before an object counts as loaded.
    """

    def __init__(
        self,
        pipeline_id: int,
        scenario: PipelineScenario,
        behaviour: Behaviour,
        *,
        seed: int,
        now: float,
        has_warehouse: bool,
    ) -> None:
        self.id = pipeline_id
        self.scenario = scenario
        self.behaviour = behaviour
        self.status = scenario.status
        self.changes: dict[str, Any] = {}
        self.source_config = dict(scenario.source.config or _fake_config(pipeline_id))
        self.created = now - 90 * 86400
        self.updated = self.created
        self.updated_by: str | None = None
        self.schema_refreshed = now - 3600
        self.frequency_minutes = scenario.schedule.frequency_minutes
        self.sync_type: str = scenario.schedule.sync_type
        self.jobs: list[JobRun] = []
        self.job_by_id: dict[str, JobRun] = {}
        self.triggers: list[Trigger] = []
        self.objects = {
            state.object_id: state
            for state in (
                ObjectState(entry.id or f"obj-{pipeline_id}-{place}", entry)
                for place, entry in enumerate(scenario.objects, start=1)
            )
        }
        self.active: JobRun | None = None
        self._transition: tuple[float, str] | None = None
        self._has_warehouse = has_warehouse
        self._random = random.Random(f"{seed}/{pipeline_id}")
        self._cancelled_historical: tuple[str, ...] = ()
        self._idle_since = now
        self._next_run = self._first_run(now)
        for job in past_jobs(pipeline_id, scenario, list(self.objects.values()), now, self._new_id):
            self._remember(job)

    def advance(self, now: float) -> None:
        """Let everything happen that happens up to now: ends, transitions, scheduled runs."""
        if self._transition is not None and now >= self._transition[0]:
            self.updated, self.status = self._transition
            self._transition = None
        while True:
            if self.active is not None and self.active.settle(now):
                self._idle_since = self.active.ended_at or now
                self.active = None
                continue
            if self._next_run is None or self._next_run > now:
                return
            period = (self.frequency_minutes or 0) * 60
            missed = int((now - self._next_run) / period)
            if missed > _MOST_MISSED_RUNS:
                self._next_run += (missed - _MOST_MISSED_RUNS) * period
            moment, self._next_run = self._next_run, self._next_run + period
            if self.active is None and moment >= self._idle_since:
                self._run_by_schedule(moment)

    def trigger(
        self,
        action: Literal["sync-now", "resync", "resync-objects"],
        now: float,
        *,
        user: str,
        drop_and_load: bool = False,
        object_ids: Sequence[str] = (),
    ) -> Trigger:
        """Ask for a job, as the API does; what comes of it is remembered in ``triggers``."""
        result: TriggerResult = "accepted"
        job: JobRun | None = None
        message = ""
        if self.status not in _SYNCABLE:
            result = "refused"
            message = f"Pipeline {self.id} is {self.status}; it must be INITIALIZED for {action}"
        elif action == "resync-objects" and (message := self._object_complaint(object_ids)):
            result = "refused"
        elif self.active is not None:
            result = "ignored" if self.behaviour.on_conflict == "ignore" else "conflict"
            message = CONFLICT
        elif action == "resync-objects" and not self._restartable(object_ids):
            result = "ignored"
            message = "Only children of other objects were named"
        else:
            job = self.start_job(
                self._type_for(action, drop_and_load),
                now,
                requested_by="api",
                object_ids=self._family(object_ids) if action == "resync-objects" else None,
                drop_and_load=drop_and_load,
            )
            if action != "sync-now" and self.behaviour.restarting_seconds:
                self.set_status("RESTARTING", now)
                self._transition = (now + self.behaviour.restarting_seconds, "INITIALIZED")
        trigger = Trigger(
            now,
            self.id,
            action,
            user,
            drop_and_load,
            tuple(object_ids),
            result,
            message,
            job.job_id if job else None,
        )
        self.triggers.append(trigger)
        return trigger

    def start_job(
        self,
        job_type: str,
        now: float,
        *,
        requested_by: RequestedBy,
        object_ids: Iterable[str] | None = None,
        drop_and_load: bool = False,
    ) -> JobRun:
        """Start a job without asking whether one runs already.

        Args:
            job_type: Its type; INCREMENTAL loads changes, any other loads whole objects.
            now: When it starts, in sandbox seconds.
            requested_by: Who asked for it.
            object_ids: The objects to load, exactly; none: every active one, unless its parent is
                not.
            drop_and_load: Whether tables are dropped first.
        """
        if object_ids is None:
            wanted = loaded_objects(self.objects.values())
        else:
            wanted = [self.objects[each] for each in object_ids]
        number = len(self.jobs) + 1
        behaviour = self.behaviour
        runs = lay_out(
            wanted,
            job_type,
            drop_and_load=drop_and_load,
            number=number,
            scenario=self.scenario,
            behaviour=behaviour,
            chance=self._random,
            has_warehouse=self._has_warehouse,
        )
        job = JobRun(
            job_id=self._new_id(),
            number=number,
            pipeline_id=self.id,
            type=job_type,
            requested_by=requested_by,
            created=now,
            listed_at=now + self._random.uniform(*behaviour.job_appears_after),
            lay_out=lambda: runs,
            policy=self.scenario.failure_policy,
            deferrals=deferrals_of(runs, self.scenario.source, behaviour),
            ends_as=behaviour.jobs_end_as,
            cancelling_seconds=behaviour.cancelling_seconds,
        )
        self._remember(job)
        self.active = job
        return job

    def cancel(self, job: JobRun, now: float) -> None:
        """Stop a running job; a HISTORICAL one is started again by the schedule."""
        job.cancel(now)
        if job.type == "HISTORICAL" and self.behaviour.restart_cancelled_historical:
            self._cancelled_historical = tuple(run.object_id for run in job.objects)
        self.advance(now)

    def disable(self, now: float, *, cancel_active_jobs: bool) -> None:
        """Go through DISABLING to DISABLED; a running job goes on unless it is to be cancelled."""
        if cancel_active_jobs and self.active is not None:
            self.cancel(self.active, now)
        self._go("DISABLING", "DISABLED", now)

    def enable(self, now: float) -> None:
        """Go through ENABLING to INITIALIZED."""
        if self.status not in _SYNCABLE:
            self._go("ENABLING", "INITIALIZED", now)

    def set_status(self, status: str, now: float) -> None:
        """Put it into a status that stays."""
        self.status = status
        self.updated = now
        self._transition = None

    def set_schedule(self, sync_type: str, frequency_minutes: float | None, now: float) -> None:
        """Run by another schedule from now on."""
        self.sync_type = sync_type
        self.frequency_minutes = frequency_minutes
        self._next_run = self._first_run(now)

    def refresh_schema(self, now: float) -> None:
        """Read the source's schema anew: hidden objects come to light."""
        self.schema_refreshed = now
        for state in self.objects.values():
            state.hidden = False

    def visible_objects(self) -> list[ObjectState]:
        """The objects that Hevo knows of."""
        return [state for state in self.objects.values() if not state.hidden]

    def add_object(self, scenario: ObjectScenario) -> ObjectState:
        """Let the source have another object.

        Raises:
            ValueError: Its parent is no object of this pipeline.
        """
        self._check_parent(scenario.name, scenario.parent)
        place = len(self.objects) + 1
        state = ObjectState(scenario.id or f"obj-{self.id}-{place}", scenario)
        self.objects[state.object_id] = state
        return state

    def find_object(self, name: str) -> ObjectState:
        """The object with this id, table or name.

        Raises:
            KeyError: There is none.
        """
        for state in self.objects.values():
            if name in (state.object_id, state.scenario.table_name, state.scenario.name):
                return state
        raise KeyError(f"pipeline {self.id} has no object {name!r}")

    def change_object(self, name: str, **changes: Any) -> None:
        """Change an object's scenario from now on.

        Raises:
            KeyError: There is no such object.
            ValueError: The scenario cannot be so, or its parent is no object of this pipeline.
        """
        state = self.find_object(name)
        self._check_parent(state.scenario.name, changes.get("parent"))
        state.change(**changes)

    def due_loads(self, now: float) -> list[tuple[JobRun, ObjectRun]]:
        """What the running job should have written by now."""
        if self.active is None:
            return []
        return [(self.active, run) for run in self.active.due_loads(now)]

    def _go(self, passing: str, final: str, now: float) -> None:
        seconds = self.behaviour.transition_seconds
        self.set_status(passing if seconds else final, now)
        if seconds:
            self._transition = (now + seconds, final)

    def _first_run(self, now: float) -> float | None:
        if self.sync_type != "SCHEDULED" or not self.frequency_minutes:
            return None
        return now + self.frequency_minutes * 60

    def _run_by_schedule(self, moment: float) -> None:
        if not self.behaviour.own_schedule or self.status not in _SYNCABLE:
            return
        loaded = {state.object_id for state in loaded_objects(self.objects.values())}
        cancelled = tuple(each for each in self._cancelled_historical if each in loaded)
        self._cancelled_historical = ()
        self.start_job(
            "HISTORICAL" if cancelled else "INCREMENTAL",
            moment,
            requested_by="schedule",
            object_ids=cancelled or None,
        )

    def _type_for(self, action: str, drop_and_load: bool) -> str:
        if action == "sync-now":
            return "INCREMENTAL"
        if action == "resync-objects":
            return "HISTORICAL"
        if self.behaviour.older_type_names:
            return "TRUNCATE_AND_LOAD" if drop_and_load else "RESYNC_WITH_EVOLVE"
        return "RESYNC_WITH_DROP_AND_LOAD" if drop_and_load else "RESYNC"

    def _object_complaint(self, object_ids: Sequence[str]) -> str:
        if not object_ids:
            return "object_ids must name at least one object"
        for each in object_ids:
            state = self.objects.get(each)
            if state is None or state.hidden:
                return f"Pipeline {self.id} has no object {each}"
            if not state.is_active:
                return f"Object {each} is {state.scenario.status} and cannot be resynced"
            parent = state.scenario.parent
            if parent is not None and self.behaviour.child_resync == "refuse":
                return (
                    f"Object {each} ({state.scenario.name}) is a child of {parent} and can only be "
                    "restarted with its parent"
                )
        return ""

    def _restartable(self, object_ids: Sequence[str]) -> list[ObjectState]:
        wanted = [self.objects[each] for each in object_ids]
        return [state for state in wanted if state.scenario.parent is None]

    def _family(self, object_ids: Sequence[str]) -> list[str]:
        family = with_children(self.objects.values(), self._restartable(object_ids))
        return [state.object_id for state in family]

    def _check_parent(self, child: str, parent: str | None) -> None:
        check_parent(child, parent, [state.scenario for state in self.objects.values()])

    def _new_id(self) -> str:
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))

    def _remember(self, job: JobRun) -> None:
        self.jobs.append(job)
        self.job_by_id[job.job_id] = job


def _fake_config(pipeline_id: int) -> dict[str, Any]:
    # Passwords that lead nowhere: a test that finds one in a log or an event has found a leak.
    salt = crc32(str(pipeline_id).encode())
    return {
        "host": f"db-{pipeline_id}.internal.example",
        "user": "hevo_reader",
        "password": f"not-a-real-password-{salt:08x}",
    }
