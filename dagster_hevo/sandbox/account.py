"""The local Hevo's account: all pipelines behind one lock, moved on to the present when read.

HTTP is elsewhere (`app.py`, `gate.py`); what one pipeline does is in `pipelines.py`. Rows are
written outside the lock, so that a warehouse that somebody reads never holds up an answer.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

import duckdb

from dagster_hevo.sandbox.behaviour import Behaviour
from dagster_hevo.sandbox.clock import SandboxClock
from dagster_hevo.sandbox.jobs import JobRun, ObjectRun
from dagster_hevo.sandbox.pipelines import PipelineState
from dagster_hevo.sandbox.rows import RowMaker
from dagster_hevo.sandbox.scenario import Scenario, UserScenario
from dagster_hevo.sandbox.warehouse import Load, Warehouse, WarehouseBusyError

_PIPELINE_PATH = re.compile(r"/api/v1/pipelines/([0-9]{1,18})(?:/|$)")


@dataclass(frozen=True)
class WriteFailure:
    """A load that could not be written, whose object therefore failed."""

    pipeline_id: int
    job_id: str
    object_id: str
    message: str


class Account:
    """Everything the local Hevo knows.

    Args:
        scenario: What it starts with.
        clock: The time it lives in.
        users: Who may send requests, besides the scenario's own users.
        warehouse: Where jobs load to; none: they load nowhere.

    Attributes:
        behaviour: The traits of answers that are about no single pipeline.
    """

    def __init__(
        self,
        scenario: Scenario,
        clock: SandboxClock,
        users: tuple[UserScenario, ...],
        warehouse: Warehouse | None = None,
    ) -> None:
        self.scenario = scenario
        self.behaviour = scenario.behaviour
        self.clock = clock
        self.warehouse = warehouse
        self.users = {user.api_key: user for user in (*scenario.account.users, *users)}
        self.write_failures: list[WriteFailure] = []
        self.lock = threading.RLock()
        self._write_lock = threading.Lock()
        now = clock.now()
        self.pipelines = {
            pipeline.id: pipeline
            for pipeline in (
                PipelineState(
                    scenario.id_of(index),
                    entry,
                    scenario.behaviour.overridden(entry.behaviour),
                    seed=scenario.seed,
                    now=now,
                    has_warehouse=warehouse is not None,
                )
                for index, entry in enumerate(scenario.pipelines)
            )
        }

    @contextmanager
    def pipeline(self, pipeline_id: int) -> Generator[tuple[PipelineState, float], None, None]:
        """A pipeline as it is now, for as long as the block lasts.

        Raises:
            KeyError: There is no such pipeline.
        """
        with self.lock:
            pipeline = self.pipelines[pipeline_id]
            now = self.clock.now()
            pipeline.advance(now)
            yield pipeline, now

    @contextmanager
    def all_pipelines(self) -> Generator[tuple[list[PipelineState], float], None, None]:
        """All pipelines as they are now, for as long as the block lasts."""
        with self.lock:
            now = self.clock.now()
            for pipeline in self.pipelines.values():
                pipeline.advance(now)
            yield list(self.pipelines.values()), now

    @contextmanager
    def running_job(
        self, job_id: str
    ) -> Generator[tuple[PipelineState, JobRun, float], None, None]:
        """A running job and its pipeline as they are now, for as long as the block lasts.

        Raises:
            KeyError: No such job runs.
        """
        with self.all_pipelines() as (pipelines, now):
            for pipeline in pipelines:
                for job in pipeline.running:
                    if job.job_id == job_id:
                        yield pipeline, job, now
                        return
        raise KeyError(f"no job {job_id} is running")

    def behaviour_at(self, path: str) -> Behaviour:
        """The traits that hold for a request: those of the pipeline that its path names."""
        named = _PIPELINE_PATH.match(path)
        with self.lock:
            pipeline = self.pipelines.get(int(named[1])) if named else None
            return self.behaviour if pipeline is None else pipeline.behaviour

    def change_behaviour(self, pipeline_id: int | None, changes: Behaviour) -> None:
        """Change the traits of one pipeline, or of all and of the account, from now on."""
        with self.all_pipelines() as (pipelines, _):
            if pipeline_id is None:
                self.behaviour = self.behaviour.overridden(changes)
            for pipeline in pipelines:
                if pipeline_id in (None, pipeline.id):
                    pipeline.behaviour = pipeline.behaviour.overridden(changes)

    def catch_up(self) -> None:
        """Let everything happen up to now and write all rows that are due."""
        while self.write_due_rows():
            pass
        with self.all_pipelines():
            pass

    def write_due_rows(self) -> bool:
        """Write what the jobs should have written by now; tells whether there was anything."""
        if self.warehouse is None:
            return False
        with self._write_lock:
            with self.all_pipelines() as (pipelines, now):
                due = [
                    (pipeline, job, run)
                    for pipeline in pipelines
                    for job, run in pipeline.due_loads(now)
                ]
                loads = [self._load(*entry) for entry in due]
            if not due:
                return False
            message = ""
            try:
                self.warehouse.write(loads)
            except (WarehouseBusyError, duckdb.Error) as error:
                message = str(error)
            with self.lock:
                for pipeline, job, run in due:
                    run.awaits_load = False
                    if message:
                        run.outcome = "failed"
                        self.write_failures.append(
                            WriteFailure(pipeline.id, job.job_id, run.object_id, message)
                        )
            return True

    def _load(self, pipeline: PipelineState, job: JobRun, run: ObjectRun) -> Load:
        entry = pipeline.objects[run.object_id].scenario
        siblings = {
            state.scenario.table_name: state.scenario for state in pipeline.objects.values()
        }
        offset = self.clock.offset
        return Load(
            schema=pipeline.scenario.schema_in_warehouse,
            table=entry.table_name,
            maker=RowMaker(entry, siblings, self.scenario.seed, job.number),
            kind=run.load,
            ranges=run.ranges,
            failing=run.failed,
            ingested_at=job.created + run.starts + offset,
            loaded_at=job.created + run.ends + offset,
        )
