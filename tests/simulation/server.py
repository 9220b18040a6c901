"""The hostile Hevo itself: one pipeline, its jobs, and what a trigger does to it.

How it is seen through its API, answer by answer, is `hevo.py`.
"""

from __future__ import annotations

from collections.abc import Callable

from dagster_hevo.api.enums import PipelineStatus
from dagster_hevo.api.errors import (
    HevoApiError,
    HevoConflictError,
    HevoConnectionError,
    HevoGarbledResponseError,
    HevoRateLimitError,
    HevoServerError,
)
from dagster_hevo.api.models import Pipeline, Schedule
from simulation.jobs import JobMaker
from simulation.model import ModelJob, Trigger
from simulation.traits import Traits
from simulation.world import World

PIPELINE = 7
PATH = "/api/v1/pipelines/7/actions"


class HevoServer:
    """One pipeline in Hevo.

    Args:
        world: Time and chance.
        traits: What may go wrong.
        maker: Makes the jobs.
        is_scheduled: Whether Hevo runs the pipeline by itself.
    """

    def __init__(
        self, world: World, traits: Traits, maker: JobMaker, *, is_scheduled: bool
    ) -> None:
        self.world = world
        self.traits = traits
        self.maker = maker
        self.jobs: list[ModelJob] = []
        self.triggers: list[Trigger] = []
        self.cancelled: list[tuple[ModelJob, str]] = []
        self.restarts: list[tuple[float, float]] = []
        self.restarting_until = -1.0
        self.outages: list[tuple[float, float]] = []
        self.on_list_read: Callable[[], None] = lambda: None
        self._pending_until = -1.0
        self._pipelines = {
            status: Pipeline(
                id=PIPELINE,
                name="sales",
                status=status,
                schedule=Schedule.model_validate(
                    {"sync_type": "SCHEDULED" if is_scheduled else "ON_DEMAND"}
                ),
            )
            for status in (PipelineStatus.INITIALIZED, PipelineStatus.RESTARTING)
        }

    # Seen

    def pipeline(self) -> Pipeline:
        """The pipeline as it is."""
        is_restarting = self.world.now < self.restarting_until
        status = PipelineStatus.RESTARTING if is_restarting else PipelineStatus.INITIALIZED
        return self._pipelines[status]

    def job(self, job_id: str) -> ModelJob | None:
        """A job that exists now."""
        now = self.world.now
        for job in self.jobs:
            if job.job_id == job_id and (job.created <= now or job.origin == "old"):
                if now >= job.vanishes_at:
                    self.world.count("job: vanishes")
                    return None
                return job
        return None

    def is_out(self) -> bool:
        """Whether the API gives no usable answer now."""
        return any(begins <= self.world.now < ends for begins, ends in self.outages)

    def is_busy(self) -> bool:
        """Whether a job runs, or is about to."""
        now = self.world.now
        return now < self._pending_until or any(job.is_busy(now) for job in self.jobs)

    # Done

    def begin_job(
        self,
        kind: str,
        origin: str,
        object_ids: frozenset[str] | None,
        trigger: Trigger | None = None,
        delay: float = 0.0,
    ) -> ModelJob:
        """Make a job, now or in a moment."""
        job = self.maker.make(kind, origin, self.world.now + delay, object_ids, trigger)
        self._pending_until = max(self._pending_until, job.created)
        self.jobs.append(job)
        if self.world.is_traced:
            parts = {part.object_id: part.fate for part in job.parts.values()}
            self.world.tell(
                "hevo",
                f"JOB {job.job_id} {kind} by {origin}: from {job.created:.1f} to {job.ends:.1f}, "
                f"{job.final}, listed at {job.listed_at:.1f}, {parts}"
                f"{'' if job.is_timed else ', untimed'}",
            )
        return job

    def someone_else_begins(self, trait: str, kind: str, ids: frozenset[str] | None) -> None:
        """Hevo's schedule, or another user, starts a job, where that is possible."""
        if self.is_busy() and not self.traits.has("trigger: accepted while busy"):
            return
        if self.world.now < self.restarting_until:
            return
        self.world.count(trait)
        origin = "schedule" if trait == "others: own schedule" else "other"
        self.begin_job(kind, origin, ids)

    def cancel(self, job: ModelJob, who: str) -> None:
        """Cancel a job."""
        self.cancelled.append((job, who))
        self.world.tell("hevo", f"CANCEL {job.job_id} by {who}")
        job.cancel(self.world.now, self.world.rng.uniform(0.5, 10))

    def trigger(self, trigger: Trigger) -> None:
        """Do what a trigger says, or something else.

        Raises:
            HevoError: What Hevo answers.
        """
        self.triggers.append(trigger)
        try:
            self._trigger(trigger)
            trigger.said = trigger.said or "accepted"
        finally:
            if self.world.is_traced:
                effect = "a job" if trigger.had_effect else "no job"
                self.world.tell("hevo", f"TRIGGER {trigger.number}: {trigger.said}, {effect}")

    def _trigger(self, trigger: Trigger) -> None:
        rng = self.world.rng
        if self.world.now < self.restarting_until:
            trigger.said = "refused, restarting"
            raise HevoApiError(400, "POST", PATH, "not INITIALIZED", was_json=True)
        if self._is("trigger: 429", 0.3):
            trigger.said = "429"
            raise HevoRateLimitError(429, "POST", PATH, "slow down", retry_after=1, was_json=True)
        if self.is_busy():
            self._trigger_while_busy(trigger)
            return
        if self._is("trigger: accepted without effect", 0.3):
            trigger.said = "accepted, without effect"
            return
        if self._is("trigger: answer lost, without effect", 0.3):
            trigger.said = "lost, without effect"
            self._lose()
        self._begin(trigger)
        if self._is("trigger: answer lost, with effect", 0.4):
            trigger.said = "lost, with effect"
            self._lose()
        if self._is("trigger: server error, with effect", 0.4):
            trigger.said = "500, with effect"
            raise HevoServerError(500, "POST", PATH, "oops", was_json=rng.random() < 0.6)
        self.world.count("trigger: accepted")

    def _trigger_while_busy(self, trigger: Trigger) -> None:
        if self._is("trigger: accepted while busy", 0.6):
            self._begin(trigger)
            trigger.said = "accepted while busy"
            return
        if self._is("trigger: ignored while busy", 0.6):
            trigger.said = "accepted, ignored while busy"
            return
        if self._is("trigger: refused in unknown words", 0.7):
            trigger.said = "500 in unknown words"
            raise HevoServerError(500, "POST", PATH, "no capacity", was_json=True)
        if self._is("trigger: refused with 400", 0.7):
            trigger.said = "400 in unknown words"
            raise HevoApiError(400, "POST", PATH, "not now", was_json=True)
        self.world.count("trigger: refused")
        trigger.said = "refused"
        raise HevoConflictError(409, "POST", PATH, "A job is already in progress", was_json=True)

    def _begin(self, trigger: Trigger) -> None:
        rng = self.world.rng
        delay = rng.uniform(0.0, 2.0)
        if trigger.kind != "sync" and self._is("trigger: restarts afterwards", 0.5):
            longest = 300 if self._is("trigger: restarts for minutes", 0.5) else 50
            self.restarting_until = self.world.now + rng.uniform(5, longest)
            self.restarts.append((self.world.now, self.restarting_until))
            delay = self.restarting_until - self.world.now
        kind = {"sync": "INCREMENTAL", "objects": "HISTORICAL"}.get(trigger.kind)
        if kind is None:
            other = "RESYNC_WITH_DROP_AND_LOAD" if trigger.drops else "RESYNC_WITH_EVOLVE"
            kind = rng.choice(("RESYNC", other, "RESYNC"))
        trigger.had_effect = True
        self.begin_job(kind, "trigger", trigger.object_ids, trigger, delay)

    def _lose(self) -> None:
        rng = self.world.rng
        which = rng.randrange(3)
        if which == 0:
            raise HevoConnectionError("POST", PATH, "connection broke", was_sent=True)
        if which == 1:
            raise HevoServerError(504, "POST", PATH, "gateway", was_json=False)
        raise HevoGarbledResponseError("POST", PATH, "not JSON")

    def _is(self, name: str, chance: float) -> bool:
        happens = self.traits.has(name) and self.world.rng.random() < chance
        if happens:
            self.world.count(name)
        return happens
