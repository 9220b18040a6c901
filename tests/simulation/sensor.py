"""The job sensor: a small loop around its real decisions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dagster_hevo.api.errors import HevoError, HevoNotFoundError
from dagster_hevo.api.models import Job
from dagster_hevo.job_sensor.decide import Decision, OwnerKind, decide
from dagster_hevo.job_sensor.ownership import JobOwnership
from dagster_hevo.jobs.job_list import read_jobs
from dagster_hevo.jobs.objects import distinct
from dagster_hevo.jobs.outcome import list_agrees, outcome_of_job
from simulation.dagster_world import StoreView
from simulation.hevo import HevoView
from simulation.job_cursor import JobCursor
from simulation.runs import BASE_URL, record_outcome
from simulation.server import PIPELINE
from simulation.world import Process, World

if TYPE_CHECKING:
    from simulation.play import Game

INTERVAL = 30.0
LOST_AFTER = 900.0
OBJECTS_PATIENCE = 120.0
QUIET_INTERVAL = 120.0
LAST_TICKS = 14
MOST_FAILED_TICKS = 100


class Sensor:
    """The job sensor, over all ticks; what it remembers between two is its cursor.

    Args:
        game: The world, Hevo and Dagster.
    """

    def __init__(self, game: Game) -> None:
        self._game = game
        self._world: World = game.world
        self.cursor: JobCursor | None = None
        self.held: dict[str, float] = {}
        self.begins_at = 0.0
        self._is_forgetting = False
        self._discovery = game.discovery

    def live(self, process: Process) -> None:
        """Tick until all is quiet and recorded."""
        world, last, failed = self._world, 0, 0
        while last < LAST_TICKS:
            is_quiet, has_failed = self._game.is_quiet(), False
            try:
                self._tick(process)
            except HevoError as error:
                failed, has_failed = failed + is_quiet, True
                world.tell(process.name, f"tick ends early: {error}")
            if not is_quiet:
                last = 0
            elif not has_failed or failed > MOST_FAILED_TICKS:
                last += 1
            world.pause(process, QUIET_INTERVAL if is_quiet else INTERVAL)

    def forget(self) -> None:
        """Lose the cursor."""
        self._is_forgetting = True

    def _tick(self, process: Process) -> None:
        world, game = self._world, self._game
        if self._is_forgetting:
            world.count("world: sensor's memory lost")
            world.tell(process.name, "MEMORY LOST")
            self.cursor, self.held, self._is_forgetting = None, {}, False
        view = game.view(process)
        store = StoreView(world, game.instance, process, 0.0)
        jobs = {job.job_id: job for job in read_jobs(view, PIPELINE).jobs}
        ownership = JobOwnership(
            store,
            BASE_URL,
            PIPELINE,
            sensor_name="jobs",
            discovery_timeout=self._discovery,
        )
        known = self.cursor.unsettled if self.cursor is not None else frozenset[str]()
        for job_id in sorted((known | ownership.awaited_job_ids) - jobs.keys()):
            try:
                jobs[job_id] = view.get_job(PIPELINE, job_id)
            except HevoNotFoundError:
                continue
        if self.cursor is None:
            self.cursor = self._beginning(ownership, jobs, view)
            self.begins_at = world.now
        settled: set[str] = set()
        for job in self.cursor.still_to_come(jobs.values()):
            if self._is_settled(process, view, ownership, job):
                settled.add(job.job_id)
        self.cursor = self.cursor.after(
            jobs.values(), settled=settled, latest_ms=self._latest_ms(view)
        )

    def _beginning(
        self, ownership: JobOwnership, jobs: dict[str, Job], view: HevoView
    ) -> JobCursor:
        """Without memory: what is over and no run's is taken as settled."""
        kinds = {OwnerKind.NOBODY, OwnerKind.RECORDED}
        settled = {
            job.job_id
            for job in jobs.values()
            if job.is_terminal and ownership.owner_of(job, view.hevo_now_ms()).kind in kinds
        }
        return JobCursor().after(jobs.values(), settled=settled, latest_ms=self._latest_ms(view))

    def _latest_ms(self, view: HevoView) -> int:
        """Times after this are nonsense: by Hevo's clock, else roughly by this machine's."""
        return view.hevo_now_ms() or self._world.hevo_ms() + 24 * 3600 * 1000

    def _is_settled(
        self, process: Process, view: HevoView, ownership: JobOwnership, job: Job
    ) -> bool:
        now = self._world.now + process.offset
        if job.is_terminal:
            self.held.setdefault(job.job_id, now)
        since = self.held.get(job.job_id, now)
        hevo_ms = view.hevo_now_ms()
        owner = ownership.owner_of(job, hevo_ms)
        decision = decide(job, owner, since, now, lost_after=LOST_AFTER)
        self._world.counts[f"owner: {owner.kind.value}"] += 1
        if self._world.is_traced:
            text = f"{job.job_id} is {job.status}, {owner}: {decision.value}"
            self._world.tell(process.name, text)
        if decision is not Decision.RECORD:
            return decision in {Decision.DROP, Decision.GIVE_UP}
        listed = distinct(view.get_job_objects(PIPELINE, job.job_id))
        if not list_agrees(job, listed) and now - since < OBJECTS_PATIENCE:
            return False
        index = self._game.objects.index
        if not ownership.claim(job, hevo_ms, object_ids=index.ids_in(listed)):
            return False
        self._world.tell(process.name, f"job {job.job_id} is {owner}: recording it")
        outcome = outcome_of_job(PIPELINE, job, listed, index, requested=())
        record_outcome(
            self._world, self._game.instance, process, outcome, index.objects, "sensor", 0.02
        )
        ownership.settle(job, f"recorded {job.job_id}", uid=self._game.new_id())
        return True
