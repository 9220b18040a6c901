"""A world for the job sensor alone: a hostile Hevo, runs that die and are retried, a Dagster.

Time is virtual and one thread plays all. Whoever waits lets the others go on: a run may claim or
record a job, and another sensor tick, between two requests or ledger writes of a tick.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any
from zlib import crc32

import dagster as dg

from dagster_hevo.api.errors import (
    HevoApiError,
    HevoConnectionError,
    HevoNotFoundError,
    HevoServerError,
)
from dagster_hevo.api.models import Job, JobObject, Page, Pipeline, PipelineObject
from dagster_hevo.execution.events import ObjectAsset
from dagster_hevo.jobs.objects import KnownObject

ACCOUNT = "https://hevo.example"
EPOCH = 1_790_000_000.0
FOREVER = 1e12


class Killed(BaseException):
    """The process is gone."""


@dataclass
class ModelJob:
    """A job as it truly is. Times are seconds of the world."""

    job_id: str
    pipeline_id: int
    made: float
    listed: float
    ends: float
    status: str
    objects: tuple[str, ...]
    failed: frozenset[str] = frozenset()
    objects_late: float = 0.0
    vanishes: float = FOREVER
    odd: str | None = None
    is_timed: bool = True
    unreadable_until: float = 0.0

    def loaded(self) -> frozenset[str]:
        """The objects that it loaded."""
        return frozenset(self.objects) - self.failed

    def shown(self, now: float) -> Job:
        is_over = now >= self.ends
        count = len(self.objects)
        told: dict[str, Any] = {
            "job_id": self.job_id,
            "type": "INCREMENTAL",
            "status": self.status if is_over else self.odd or "IN_PROGRESS",
        }
        if self.is_timed:
            told["created_ts"] = int((EPOCH + self.made) * 1000)
            told["updated_ts"] = int((EPOCH + (self.ends if is_over else self.made)) * 1000)
        if is_over:
            told["objects_success"] = count - len(self.failed)
            told["objects_failed"] = len(self.failed)
            told["duration"] = int((self.ends - self.made) * 1000)
        return Job.model_validate(told)


@dataclass
class Run:
    """A run of Dagster.

    Attributes:
        is_queued: Whether it has not begun.
        will_be_retried: Whether Dagster knows of a retry that it has not launched.
    """

    run_id: str
    root: str
    ended: bool = False
    has_succeeded: bool = False
    is_queued: bool = False
    will_be_retried: bool = False


@dataclass(frozen=True)
class Recorded:
    """An event that is stored."""

    key: str
    job_id: str
    run_id: str
    is_check: bool = False


@dataclass
class SensorWorld:
    """Time, chance, Hevo and Dagster."""

    seed: int
    rng: Random = field(init=False)
    now: float = 0.0
    jobs: dict[int, list[ModelJob]] = field(default_factory=dict[int, list[ModelJob]])
    lists: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    events: list[Recorded] = field(default_factory=list[Recorded])
    runs: dict[str, Run] = field(default_factory=dict[str, Run])
    counts: Counter[str] = field(default_factory=Counter[str])
    trace: list[str] = field(default_factory=list[str])
    traits: frozenset[str] = frozenset()
    outages: list[tuple[float, float]] = field(default_factory=list[tuple[float, float]])
    kill_in: int | None = None
    left_out: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])
    _queue: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)
    _order: int = 0

    def __post_init__(self) -> None:
        self.rng = Random(self.seed)

    def at(self, moment: float, action: Callable[[], None]) -> None:
        """Do something at a moment."""
        self._order += 1
        heapq.heappush(self._queue, (moment, self._order, action))

    def pass_time(self, seconds: float) -> None:
        """Let time pass, and others go on; the process that waits may be killed."""
        until = self.now + seconds
        kill_in, self.kill_in = self.kill_in, None  # Others live.
        while self._queue and self._queue[0][0] <= until:
            moment, _, action = heapq.heappop(self._queue)
            self.now = max(self.now, moment)
            action()
        self.now = max(self.now, until)
        if kill_in is not None:
            if kill_in <= 0:
                raise Killed
            self.kill_in = kill_in - 1

    def tell(self, text: str) -> None:
        self.trace.append(f"{self.now:10.1f}  {text}")

    def job(self, pipeline_id: int, job_id: str) -> ModelJob | None:
        for job in self.jobs[pipeline_id]:
            if job.job_id == job_id and job.made <= self.now < job.vanishes:
                return job
        return None

    # The ledger's store

    def append(self, name: str, entries: Sequence[str]) -> None:
        self.pass_time(0.01)
        known = self.lists.setdefault(name, [])
        known += [entry for entry in entries if entry not in known]

    def read(self, name: str) -> Sequence[str]:
        return tuple(self.lists.get(name, ()))

    def remove(self, name: str, entry: str) -> None:
        self.pass_time(0.01)
        if entry in self.lists.get(name, ()):
            self.lists[name].remove(entry)

    def pause(self, seconds: float) -> None:
        if seconds:
            self.pass_time(seconds)

    def is_running(self, run_id: str) -> bool:
        run = self.runs.get(run_id)
        return run is not None and not run.ended and not run.is_queued

    def has_ended(self, run_id: str) -> bool:
        run = self.runs.get(run_id)
        return run is not None and run.ended

    def has_succeeded(self, run_id: str, step_key: str) -> bool:
        run = self.runs.get(run_id)
        return run is not None and run.has_succeeded

    def tell_run(self, *_: Any) -> None: ...


class Store:
    """The ledger's store, as the code under test knows it."""

    def __init__(self, world: SensorWorld) -> None:
        self.append, self.read, self.remove = world.append, world.read, world.remove
        self.pause, self.is_running = world.pause, world.is_running
        self.has_succeeded = world.has_succeeded

    def tell(self, step_key: str, sentence: str, content: Mapping[str, Any]) -> None: ...


@dataclass
class HevoOf:
    """Hevo's API in one tick."""

    world: SensorWorld
    budget: Any
    page_size: int
    reader: str = ""

    def _request(self, what: str) -> None:
        self.budget.acquire()
        world = self.world
        world.pass_time(world.rng.uniform(0.05, 0.4))
        if any(begins <= world.now < ends for begins, ends in world.outages):
            world.counts["api: out"] += 1
            raise HevoServerError(503, "GET", what, "out", was_json=False)
        if "api: errors" in world.traits and world.rng.random() < 0.05:
            world.counts["api: errors"] += 1
            raise HevoConnectionError("GET", what, "broke", was_sent=True)

    def job_pages(self, pipeline_id: int, begin_at: str | None = None) -> Iterator[Page[Job]]:
        while True:
            self._request("jobs")
            world, now = self.world, self.world.now
            jobs = [job for job in world.jobs[pipeline_id] if job.listed <= now < job.vanishes]
            jobs.sort(key=lambda job: (-job.made, job.job_id))
            if "list: any order" in world.traits:
                jobs.sort(key=lambda job: crc32(f"{job.job_id}{world.seed}".encode()))
            elif "list: oldest first" in world.traits:
                jobs.reverse()
            start = 0 if begin_at is None else int(begin_at)
            listed = jobs[start : start + self.page_size]
            if "list: leaves one out" in world.traits and listed and world.rng.random() < 0.15:
                out = world.rng.choice(listed)
                if (self.reader, out.job_id) not in world.left_out:  # Of one answer, not of two.
                    world.counts["list: leaves one out"] += 1
                    world.left_out.add((self.reader, out.job_id))
                    listed.remove(out)
            shown = tuple(job.shown(now) for job in listed)
            end = start + self.page_size
            begin_at = str(end) if end < len(jobs) else None
            yield Page(shown, begin_at is not None, begin_at)
            if begin_at is None:
                return

    def get_job(self, pipeline_id: int, job_id: str) -> Job:
        self._request("job")
        job = self.world.job(pipeline_id, job_id)
        if job is None:
            raise HevoNotFoundError(404, "GET", job_id, "no such job", was_json=True)
        return job.shown(self.world.now)

    def job_object_pages(
        self, pipeline_id: int, job_id: str, begin_at: str | None = None
    ) -> Iterator[Page[JobObject]]:
        self._request("objects")
        world = self.world
        job = world.job(pipeline_id, job_id)
        if job is None:
            raise HevoNotFoundError(404, "GET", job_id, "no such job", was_json=True)
        if world.now < job.unreadable_until:
            world.counts["objects: unreadable"] += 1
            raise HevoApiError(400, "GET", job_id, "no", was_json=True)
        listed = [
            JobObject(object_id=each, status="FAILED" if each in job.failed else "COMPLETED")
            for each in job.objects
            if world.now >= job.ends + job.objects_late
        ]
        start = 0 if begin_at is None else int(begin_at)
        end = start + self.page_size
        following = str(end) if end < len(listed) else None
        yield Page(tuple(listed[start:end]), following is not None, following)

    def object_pages(
        self, pipeline_id: int, begin_at: str | None = None
    ) -> Iterator[Page[PipelineObject]]:
        self._request("pipeline's objects")
        yield Page((), False)

    def hevo_now_ms(self) -> int | None:
        if "time: no Date" in self.world.traits:
            return None
        return int((EPOCH + self.world.now) * 1000)


@dataclass(frozen=True)
class LogOf:
    """The event log, as the recorder asks it."""

    world: SensorWorld

    def loaded(
        self, job: Job, keys: Collection[dg.AssetKey], runs: Collection[str]
    ) -> frozenset[dg.AssetKey]:
        self.world.counts["event log searched"] += 1
        found = {
            each.key
            for each in self.world.events
            if not each.is_check and (each.job_id == job.job_id or each.run_id in runs)
        }
        return frozenset(key for key in keys if key.to_user_string() in found)

    def checked(
        self, job: Job, keys: Collection[dg.AssetCheckKey], runs: Collection[str]
    ) -> frozenset[dg.AssetCheckKey]:
        found = {
            each.key
            for each in self.world.events
            if each.is_check and (each.job_id == job.job_id or each.run_id in runs)
        }
        return frozenset(key for key in keys if key.asset_key.to_user_string() in found)

    def answered_by(
        self, keys: Collection[dg.AssetCheckKey], job_ids: Collection[str]
    ) -> frozenset[dg.AssetCheckKey]:
        return frozenset()


def assets_of(pipeline_id: int, prefix: str, count: int) -> tuple[ObjectAsset, ...]:
    """A pipeline's assets in one code location."""
    return tuple(
        ObjectAsset(
            dg.AssetKey([prefix, f"p{pipeline_id}", f"o{n}"]),
            pipeline_id,
            f"pipeline {pipeline_id}",
            KnownObject(f"p{pipeline_id}-o{n}", f"o{n}"),
        )
        for n in range(count)
    )


def pipeline(pipeline_id: int) -> Pipeline:
    return Pipeline.model_validate(
        {"id": pipeline_id, "name": f"pipeline {pipeline_id}", "status": "INITIALIZED"}
    )
