"""A pipeline of the local Hevo while it runs: its status, its running jobs, its schedule.

It is moved on by `advance`, which is given the present moment: it reads no clock itself. The
account that holds all pipelines, and the lock around them, are in `account.py`. What comes of a
trigger is decided in `triggers.py`; the layout of a new job is in `layout.py`, objects are in
`objects.py` and `families.py`.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterable
from typing import Any
from zlib import crc32

from dagster_hevo.sandbox.behaviour import Behaviour
from dagster_hevo.sandbox.families import loaded_objects
from dagster_hevo.sandbox.history import past_jobs
from dagster_hevo.sandbox.jobs import JobRun, ObjectRun, RequestedBy
from dagster_hevo.sandbox.layout import deferrals_of, lay_out
from dagster_hevo.sandbox.objects import ObjectState
from dagster_hevo.sandbox.scenario import ObjectScenario, PipelineScenario, check_parent
from dagster_hevo.sandbox.triggers import (
    SYNCABLE,
    Trigger,
    TriggerRequest,
    judge,
    objects_to_resync,
)

_MOST_MISSED_RUNS = 1000
_OWNER = "owner@example.com"


class PipelineState:
    """A pipeline while the sandbox runs.

    Args:
        pipeline_id: Its id.
        scenario: What it starts as.
        behaviour: The scenario's behaviour with the pipeline's own overrides.
        seed: Decides durations, delays and ids.
        now: The present, in sandbox seconds.
        has_warehouse: Whether rows are to be written before an object counts as loaded.

    Attributes:
        running: The jobs that run, in the order of their start. Hevo runs one at a time; with
            `on_conflict: accept` there may be several.
        job_list_reads: How often the job list was read from its beginning.
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
        # The names of schema and source follow the pipeline's name, but not when it is renamed.
        self.scenario = scenario.model_copy(update={"schema_name": scenario.schema_in_warehouse})
        self.source_name = scenario.source.name or f"{scenario.name} source"
        self.behaviour = behaviour
        self.status = scenario.status
        self.source_config = dict(scenario.source.config or _fake_config(pipeline_id))
        self.created = now - 90 * 86400
        self.updated = self.created
        self.created_by = _OWNER
        self.updated_by = _OWNER
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
        self.running: list[JobRun] = []
        self.job_list_reads = 0
        self._startable_triggers = 0
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
            self._settle_jobs(now)
            if self._next_run is None or self._next_run > now:
                return
            period = (self.frequency_minutes or 0) * 60
            missed = int((now - self._next_run) / period)
            if missed > _MOST_MISSED_RUNS:
                self._next_run += (missed - _MOST_MISSED_RUNS) * period
            moment, self._next_run = self._next_run, self._next_run + period
            if not self.running and moment >= self._idle_since:
                self._run_by_schedule(moment)

    def trigger(self, request: TriggerRequest, now: float) -> Trigger:
        """Receive a request for a job; what comes of it is remembered in ``triggers``."""
        verdict = judge(
            request,
            pipeline_id=self.id,
            status=self.status,
            objects=self.objects,
            behaviour=self.behaviour,
            is_running=bool(self.running),
            earlier=self._startable_triggers,
        )
        job = self._start_requested(request, now) if verdict.result == "accepted" else None
        if verdict.would_start:
            self._startable_triggers += 1
        trigger = Trigger(
            now,
            self.id,
            request.action,
            request.user,
            request.drop_and_load,
            request.object_ids,
            verdict.result,
            verdict.message,
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
        """Start a job, whether or not one runs already.

        Args:
            job_type: Its type; INCREMENTAL loads changes, any other loads whole objects.
            now: When it starts, in sandbox seconds.
            requested_by: Who requested it.
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
        self.running.append(job)
        return job

    def cancel(self, job: JobRun, now: float) -> None:
        """Stop a running job; a HISTORICAL one is started again by the schedule."""
        job.cancel(now)
        if job.type == "HISTORICAL" and self.behaviour.restart_cancelled_historical:
            self._cancelled_historical = tuple(run.object_id for run in job.objects)
        self.advance(now)

    def disable(self, now: float, *, cancel_active_jobs: bool) -> None:
        """Go through DISABLING to DISABLED; running jobs go on unless they are to be cancelled."""
        if cancel_active_jobs:
            for job in tuple(self.running):
                self.cancel(job, now)
        self._go("DISABLING", "DISABLED", now)

    def enable(self, now: float) -> None:
        """Go through ENABLING to INITIALIZED."""
        if self.status not in SYNCABLE:
            self._go("ENABLING", "INITIALIZED", now)

    def set_status(self, status: str, now: float) -> None:
        """Put it into a status that stays."""
        self.status = status
        self.updated = now
        self._transition = None

    def reconfigure(self, scenario: PipelineScenario, now: float) -> None:
        """Be another pipeline from now on, with the same schedule and objects."""
        self.scenario = scenario
        self.updated = now
        self.updated_by = _OWNER

    def set_schedule(self, sync_type: str, frequency_minutes: float | None, now: float) -> None:
        """Run by another schedule from now on."""
        self.sync_type = sync_type
        self.frequency_minutes = frequency_minutes
        self._next_run = self._first_run(now)

    def refresh_schema(self, now: float) -> None:
        """Read the source's schema again: hidden objects come to light."""
        self.schema_refreshed = now
        for state in self.objects.values():
            state.hidden = False

    def listed_jobs(self, now: float) -> list[JobRun]:
        """The jobs that the API knows of by now, the oldest first."""
        return [job for job in self.jobs if job.is_listed(now)]

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
        """What the running jobs should have written by now."""
        return [(job, run) for job in self.running for run in job.due_loads(now)]

    def _settle_jobs(self, now: float) -> None:
        """End the running jobs that are due."""
        for job in [job for job in self.running if job.settle(now)]:
            self.running.remove(job)
            self._idle_since = max(self._idle_since, job.ended_at or now)

    def _start_requested(self, request: TriggerRequest, now: float) -> JobRun:
        """Start the job that an accepted trigger requested."""
        object_ids = None
        if request.action == "resync-objects":
            object_ids = objects_to_resync(request.object_ids, self.objects, self.behaviour)
        job = self.start_job(
            request.job_type(self.behaviour),
            now,
            requested_by="api",
            object_ids=object_ids,
            drop_and_load=request.drop_and_load,
        )
        if request.action != "sync-now" and self.behaviour.restarting_seconds:
            self.set_status("RESTARTING", now)
            self._transition = (now + self.behaviour.restarting_seconds, "INITIALIZED")
        return job

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
        if not self.behaviour.own_schedule or self.status not in SYNCABLE:
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
