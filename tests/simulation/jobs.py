"""Makes the jobs of the hostile Hevo, each with its own misfortunes."""

from __future__ import annotations

from math import inf

from simulation.model import FAILED, LOADED, SKIPPED, ModelJob, Part, Trigger
from simulation.objects import NEWCOMER, ObjectWorld
from simulation.traits import Traits
from simulation.world import World

OLD_TYPES = ("INCREMENTAL", "HISTORICAL", "RESYNC", "REFRESHER", "MADE_UP", None)


class JobMaker:
    """Makes jobs.

    Args:
        world: Time and chance.
        traits: What may go wrong.
        discovery: ``job_discovery_timeout``, beyond which a job may be listed.
        objects: The objects of the pipeline.
    """

    def __init__(
        self,
        world: World,
        traits: Traits,
        *,
        discovery: float,
        objects: ObjectWorld,
    ) -> None:
        self._world = world
        self._traits = traits
        self._discovery = discovery
        self._objects = objects
        self._count = 0

    def make(
        self,
        kind: str,
        origin: str,
        created: float,
        object_ids: frozenset[str] | None,
        trigger: Trigger | None = None,
    ) -> ModelJob:
        """A job that begins at a moment."""
        world, rng = self._world, self._world.rng
        length = rng.uniform(1, 4) if self._is("job: seconds only", 0.6) else rng.uniform(5, 150)
        final = "COMPLETED"
        wanted = sorted(self._objects.active_now) if object_ids is None else sorted(object_ids)
        ids = [item for item in wanted if not self._leaves_out(wanted)]
        if not set(ids) - {NEWCOMER}:
            # A job that has none of the requested objects is not the result of any request.
            ids = sorted({*ids, *[item for item in wanted if item != NEWCOMER][:1]})
        if self._is("objects: children beside those requested", 0.7, count=False):
            extra = [child for child, parent in self._objects.children.items() if parent in ids]
            if set(extra) - set(ids):
                world.count("objects: children beside those requested")
            ids = sorted({*ids, *extra})
        if NEWCOMER not in ids and self._is("objects: one more beside those requested", 0.6):
            ids.append(NEWCOMER)
        parts = {item: self._part(item, created, length) for item in ids}
        if any(part.failed_events or part.fate != LOADED for part in parts.values()):
            final = "COMPLETED_WITH_FAILURES" if rng.random() < 0.7 else final
        unlisted = 0
        if self._is("objects: unlisted failed events", 0.5):
            unlisted, final = 3, "COMPLETED_WITH_FAILURES"
        if self._is("job: other than completed", 0.4):
            final = rng.choice(("FAILED", "CANCELLED", "SKIPPED", "FAILED"))
            length *= rng.uniform(0.1, 1.0)
            if final == "SKIPPED":
                for part in parts.values():
                    part.fate = SKIPPED
        ends = created + length
        for part in parts.values():
            if part.done_at > ends and final in {"FAILED", "CANCELLED"}:
                part.done_at = inf
        job = ModelJob(
            f"j{self._count}",
            kind,
            origin,
            created,
            ends,
            final,
            parts,
            trigger,
            unlisted_failed_events=unlisted,
        )
        self._count += 1
        self._mislead(job)
        return job

    def make_old(self, created: float) -> ModelJob:
        """A job that ended before the world began."""
        rng = self._world.rng
        active = sorted(self._objects.active)
        ids = [item for item in active if rng.random() < 0.7] or active[:1]
        length = rng.uniform(5, 150)
        parts = {item: Part(item, LOADED, created + 1, created) for item in ids}
        job = ModelJob(
            f"j{self._count}", "INCREMENTAL", "old", created, created + length, "COMPLETED", parts
        )
        self._count += 1
        if self._is("list: odd values on old jobs", 0.5):
            job.type = rng.choice(OLD_TYPES)
            job.is_timed = rng.random() < 0.6
            if rng.random() < 0.3:
                job.odd_status = "ARCHIVED"
            if rng.random() < 0.3:
                job.created += 10 * 365 * 86400.0
        return job

    def _is(self, name: str, chance: float, *, count: bool = True) -> bool:
        happens = self._traits.has(name) and self._world.rng.random() < chance
        if happens and count:
            self._world.count(name)
        return happens

    def _leaves_out(self, wanted: list[str]) -> bool:
        if len(wanted) < 2:
            return False
        return self._is("objects: a requested one is not included", 0.3)

    def _part(self, object_id: str, created: float, length: float) -> Part:
        rng = self._world.rng
        fate, failed = LOADED, 0
        if self._is("objects: failed or skipped", 0.3):
            fate = rng.choice((FAILED, SKIPPED))
        if self._is("objects: failed events", 0.3):
            failed = rng.randint(1, 9)
        done_at = created + length * rng.uniform(0.1, 1.0)
        return Part(object_id, fate, done_at, created, failed if fate != SKIPPED else 0)

    def _mislead(self, job: ModelJob) -> None:
        """Decide how badly the job shows."""
        rng = self._world.rng
        lag = rng.uniform(5, 15)
        if self._is("list: later than job_discovery_timeout", 0.25):
            lag = self._discovery * rng.uniform(1.05, 1.8)
        elif self._is("list: later than usual", 0.5):
            lag = rng.uniform(15, self._discovery)
        else:
            self._world.count("list: 5 to 15 s late")
        job.listed_at = job.created + lag
        if self._is("list: status lags", 0.5):
            job.status_lag = rng.uniform(5, 40)
        if self._is("list: jobs without times", 0.5):
            job.is_timed = False
        if self._is("list: unknown type words", 0.5):
            job.type = rng.choice(("LOAD", "BACKFILL", None))
        if self._is("objects: statuses lag", 0.6):
            job.objects_lag = rng.uniform(5, 90)
        if self._is("objects: late", 0.6):
            late = rng.uniform(10, 90)
            for part in job.parts.values():
                part.listed_at = job.ends + late * rng.random()
        elif self._is("objects: list grows", 0.7):
            for part in job.parts.values():
                part.listed_at = job.created + (job.ends - job.created) * rng.random()
        if self._is("objects: list stays incomplete", 0.5):
            job.never_listed = frozenset(item for item in job.parts if rng.random() < 0.5)
        if self._is("job: deferred for ever", 0.3):
            job.deferred, job.ends = (job.created + 2, inf), inf
        elif self._is("job: deferred for a while", 0.5):
            pause = rng.uniform(10, 200)
            job.deferred = (job.created + 1, job.created + pause)
            job.ends += pause
            for part in job.parts.values():
                part.done_at += pause
        elif self._is("job: unknown status for ever", 0.3):
            job.odd_status, job.ends = "HIBERNATING", inf
        if self._is("job: vanishes", 0.3):
            job.vanishes_at = job.created + rng.uniform(5, 300)
