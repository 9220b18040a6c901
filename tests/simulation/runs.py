"""Runs of Dagster that materialize objects: attempts, retries, and re-executions of the run."""

from __future__ import annotations

import logging
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dagster_hevo.api.enums import JobCompletionStatus
from dagster_hevo.api.errors import HevoError
from dagster_hevo.jobs.ledger import Ledger
from dagster_hevo.jobs.records import Settlement
from dagster_hevo.jobs.request import SyncRequest
from dagster_hevo.jobs.runner import JobRunner
from dagster_hevo.jobs.settings import JobSettings
from dagster_hevo.jobs.steps import Action, Observation
from simulation.dagster_world import Instance, Load, Run, StoreView
from simulation.hevo import HevoView
from simulation.model import Trigger
from simulation.world import Killed, Process, Terminated, World

if TYPE_CHECKING:
    from dagster_hevo.jobs.outcome import JobOutcome
    from simulation.play import Game

STEP = "hevo_sales"
BASE_URL = "https://us.hevodata.com"


class UserCodeError(Exception):
    """What the user's own code raised."""


@dataclass
class Script:
    """How one run goes, as far as the world decides it.

    Attributes:
        request: What it wants.
        settings: Its bounds.
        waits: Whether it waits for the end of its job.
        retries: How often its step is retried.
        kill_at: At which pause its process dies; 0 for never.
        terminate_at: At which pause it is terminated.
        raises: Whether the user's code raises after the outcome was recorded, at the first attempt.
        found_dead_after: Seconds until Dagster notices that its process died.
        offset: Its machine's clock.
        slow: How likely its process is to be slow at each step.
        again: The re-executions that follow its end: after how many seconds, and with what.
    """

    request: SyncRequest
    settings: JobSettings
    waits: bool = True
    retries: int = 0
    kill_at: int = 0
    terminate_at: int = 0
    raises: bool = False
    found_dead_after: float = 0.0
    offset: float = 0.0
    slow: float = 0.0
    again: list[tuple[float, Script]] = field(default_factory=list["tuple[float, Script]"])


@dataclass
class Attempt:
    """One attempt of a step, for the checks at the end.

    Attributes:
        run_id: The run.
        began: When it began.
        ended: When it ended.
        requests: How many requests it sent to Hevo.
        settings: Its bounds.
        said: How it ended.
    """

    run_id: str
    began: float
    settings: JobSettings
    ended: float = 0.0
    requests: int = 0
    said: str = ""


class ProcessClock:
    """A machine's clock."""

    def __init__(self, world: World, process: Process) -> None:
        self._world = world
        self._process = process

    def monotonic(self) -> float:
        return self._world.now + self._process.offset

    def sleep(self, seconds: float) -> None:
        self._world.pause(self._process, seconds)


class TraceLog(logging.Logger):
    """A log that goes into the trace."""

    def __init__(self, world: World, who: str) -> None:
        super().__init__(who)
        self._world = world

    def log(self, level: int, msg: object, *args: object, **_: object) -> None:
        if self._world.is_traced:
            self._world.tell(self.name, f"  {msg}")


class TracedRunner(JobRunner):
    """The real runner; what it passes through is counted and traced."""

    def traced_in(self, world: World, who: str) -> None:
        """Count and trace there."""
        self._world, self._who = world, who

    def _tell(self) -> None:
        self._world.counts[f"phase: {self.state.phase.value}"] += 1
        super()._tell()

    def _do(self, action: Action) -> Observation:
        if self._world.is_traced:
            self._world.tell(self._who, f"[{self.state.phase.value}] {action}")
        return super()._do(action)


class RunProcess:
    """One run: its attempts, until it ends in one way or another.

    Args:
        game: The world, Hevo and Dagster.
        run: The run.
        script: How it goes.
    """

    def __init__(self, game: Game, run: Run, script: Script) -> None:
        self._game = game
        self._world = game.world
        self._instance: Instance = game.instance
        self._run = run
        self._script = script
        self._runner: JobRunner | None = None

    def live(self, process: Process) -> None:
        """Carry out the run."""
        process.kill_at, process.terminate_at = self._script.kill_at, self._script.terminate_at
        ends_after = 0.0
        try:
            self._attempts(process)
        except Killed:
            ends_after = self._script.found_dead_after
            self._world.count("world: killed")
        except Terminated:
            self._world.count("world: terminated")
        finally:
            ended_at = self._world.now + ends_after
            self._world.at(ended_at, lambda: self._end(self._run, ended_at))

    def _end(self, run: Run, ended_at: float) -> None:
        run.ended_at = ended_at
        self._world.tell(run.run_id, f"RUN ENDED, success: {run.has_succeeded}")
        self._game.after_run(run, self._script)

    def _attempts(self, process: Process) -> None:
        script = self._script
        for number in range(script.retries + 1):
            attempt = Attempt(self._run.run_id, self._world.now, script.settings)
            self._game.attempts.append(attempt)
            if number:
                self._world.count("world: retries")
            can_retry = True
            self._world.tell(process.name, f"ATTEMPT {number}: {script.request}")
            view = self._view(process)
            try:
                self._attempt(process, view, number)
                attempt.said = "success"
            except HevoError as error:
                attempt.said = f"{type(error).__name__}: {error}"
                can_retry = error.can_retry
            except UserCodeError as error:
                attempt.said = f"failure: {error}"
                can_retry = "cancelled" not in attempt.said
            finally:
                attempt.ended = self._world.now
                attempt.requests = view.memory.requests
            self._world.tell(process.name, f"ATTEMPT {number} ENDED: {attempt.said}")
            if attempt.said == "success":
                self._world.pause(process, 0.05)
                self._run.succeeded_at = self._world.now
                return
            if not can_retry:
                return
            self._world.pause(process, self._world.rng.uniform(0.1, 30))

    def _view(self, process: Process) -> HevoView:
        def new_trigger(kind: str, object_ids: frozenset[str] | None) -> Trigger:
            assert self._runner is not None
            return Trigger(
                len(self._game.server.triggers),
                self._run.root,
                self._run.run_id,
                self._runner.state.request_id,
                object_ids,
                kind,
                baseline_at=view.memory.listed_at,
                sent_at=self._world.now,
            )

        view = self._game.view(process, new_trigger)
        return view

    def _attempt(self, process: Process, view: HevoView, number: int) -> None:
        script, instance = self._script, self._instance
        store = StoreView(self._world, instance, process, script.slow)
        ledger = Ledger(
            store,
            base_url=BASE_URL,
            run_id=self._run.run_id,
            root_run_id=self._run.root,
            step_key=STEP,
            attempt=number,
            new_id=self._game.new_id,
            process_id=f"{self._run.run_id}",
        )
        runner = TracedRunner(
            hevo=view,
            request=script.request,
            ledger=ledger,
            index=self._game.objects.index,
            settings=script.settings,
            log=TraceLog(self._world, process.name),
            clock=ProcessClock(self._world, process),
        )
        runner.traced_in(self._world, process.name)
        self._runner = runner
        if not script.waits:
            runner.start()
            self._world.count("world: does not wait")
            return
        outcome = runner.run()
        if outcome.recorded_by not in {None, self._run.run_id}:
            self._wait_for_recorder(process, outcome)
        self._record(process, outcome)
        has_loaded = outcome.completion.has_loaded
        runner.settle(Settlement.RECORDED if has_loaded else Settlement.FAILED)
        if script.raises and number == 0:
            self._world.count("world: user code raises")
            raise UserCodeError("the user's code")
        if outcome.completion is not JobCompletionStatus.COMPLETED:
            raise UserCodeError(
                "cancelled" if outcome.job.status.was_cancelled else str(outcome.job.status)
            )

    def _wait_for_recorder(self, process: Process, outcome: JobOutcome) -> None:
        """Whoever is recording the job goes first; what it leaves is recorded here."""
        for _ in range(75):
            if outcome.job.job_id in self._instance.fully_recorded:
                return
            self._world.pause(process, 2.0)

    def _record(self, process: Process, outcome: JobOutcome) -> None:
        assets = self._game.objects.index.objects
        record_outcome(
            self._world, self._instance, process, outcome, assets, self._run.run_id, 0.05
        )


def record_outcome(
    world: World,
    instance: Instance,
    process: Process,
    outcome: JobOutcome,
    assets: Collection[str],
    by: str,
    pace: float,
) -> None:
    """Write an outcome into the event log, asset by asset, without what is there already."""
    job_id = outcome.job.job_id
    world.pause(process, pace * world.rng.random())
    known = instance.loads_of(job_id)
    instance.recorded_jobs.add(job_id)
    for object_id, item in outcome.objects.items():
        if not item.result.is_fresh or object_id in known or object_id not in assets:
            continue
        world.pause(process, pace * world.rng.random())
        instance.loads.append(Load(job_id, object_id, by, world.now))
        world.tell(process.name, f"RECORDS {object_id} of {job_id}: {item.result}")
    instance.fully_recorded.setdefault(job_id, []).append((by, world.now))
