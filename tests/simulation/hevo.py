"""The hostile Hevo as one process sees it: `HevoApi` with every answer late, odd or missing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import copy
from dataclasses import dataclass, replace
from math import inf

from dagster_hevo.api.enums import JobStatus, ObjectStatus, ResyncMode
from dagster_hevo.api.errors import (
    HevoConnectionError,
    HevoNotFoundError,
    HevoResponseError,
    HevoServerError,
)
from dagster_hevo.api.models import Job, JobObject, Page, Pipeline, PipelineObject
from simulation.model import ModelJob, Trigger
from simulation.objects import ObjectWorld
from simulation.server import PATH, HevoServer
from simulation.world import EPOCH_MS, Process, World


@dataclass
class Memory:
    """What a process remembers of Hevo's answers.

    Attributes:
        requests: How many it has sent.
        listed_at: When it last read the job list, in the world's time.
        date: The last Date header, and when it came.
        left_out: The job that the last read of the list left out.
    """

    requests: int = 0
    listed_at: float = 0.0
    date: tuple[int, float] | None = None
    left_out: str | None = None


class HevoView:
    """Hevo's API, as one process uses it.

    Args:
        server: Hevo.
        process: Who uses it.
        objects: How jobs name objects.
        skew: Seconds that the clock behind the Date header is ahead; None: no such header.
        new_trigger: Describes the trigger that is being sent.
    """

    def __init__(
        self,
        server: HevoServer,
        process: Process,
        objects: ObjectWorld,
        *,
        skew: float | None,
        new_trigger: Callable[[str, frozenset[str] | None], Trigger] | None = None,
    ) -> None:
        self.server = server
        self.world: World = server.world
        self.process = process
        self.objects = objects
        self.skew = skew
        self.memory = Memory()
        self._new_trigger = new_trigger
        self._longest = inf

    # HevoApi

    def get_pipeline(self, pipeline_id: int, /) -> Pipeline:
        self._read("pipeline")
        return self.server.pipeline()

    def job_pages(self, pipeline_id: int, /) -> Iterator[Page[Job]]:
        self._read("job list")
        self.memory.listed_at = self.world.now
        self.server.on_list_read()
        shown = self._listed_jobs()
        size = 3 if self.server.traits.has("list: small pages") else 10
        if len(shown) > size == 3:
            self.world.count("list: small pages")
        if not shown:
            yield Page((), has_more=False)
        for start in range(0, len(shown), size):
            if start:
                self._read("job list, next page")
                self.memory.requests -= 1  # A page of 3 entries is smaller than any of Hevo's.
            page = tuple(shown[start : start + size])
            yield Page(page, has_more=start + size < len(shown))

    def get_job(self, pipeline_id: int, job_id: str, /) -> Job:
        self._read(f"job {job_id}")
        job = self.server.job(job_id)
        if job is None:
            raise HevoNotFoundError(404, "GET", f"/jobs/{job_id}", "no such job", was_json=True)
        self._count_status(job)
        return job.show(self.world.now)

    def get_job_objects(self, pipeline_id: int, job_id: str, /) -> list[JobObject]:
        self._read(f"objects of {job_id}")
        job = self.server.job(job_id)
        if job is None:
            raise HevoNotFoundError(404, "GET", f"/jobs/{job_id}", "no such job", was_json=True)
        return self.objects.listed(job)

    def list_objects(self, pipeline_id: int, /) -> list[PipelineObject]:
        self._read("the pipeline's objects")
        active = self.objects.active_now
        return [
            PipelineObject(
                object_id=object_id,
                source_namespace=self.objects.namespace(object_id),
                status=ObjectStatus.ACTIVE if object_id in active else ObjectStatus.INACTIVE,
            )
            for object_id in sorted(self.objects.listed_now)
        ]

    def trigger_pipeline_sync(self, pipeline_id: int, /) -> None:
        self._send("sync", None)

    def resync_pipeline(self, pipeline_id: int, resync_mode: ResyncMode, /) -> None:
        self._send("pipeline", None, drops=resync_mode is ResyncMode.DROP_AND_LOAD)

    def resync_objects(
        self, pipeline_id: int, object_ids: list[str], drop_and_load: bool, /
    ) -> None:
        self._send("objects", frozenset(object_ids))

    def cancel_job(self, pipeline_id: int, job_id: str, /) -> None:
        self._read(f"cancel {job_id}")
        job = self.server.job(job_id)
        if job is None:
            raise HevoNotFoundError(404, "POST", f"/jobs/{job_id}", "no such job", was_json=True)
        self.server.cancel(job, self.process.name)
        self._pass(0.1)

    def hevo_now_ms(self) -> int | None:
        if self.memory.date is None:
            return None
        date, heard_at = self.memory.date
        return date + int((self.world.now - heard_at) * 1000)

    def within(self, seconds: float, /) -> HevoView:
        bounded = copy(self)
        bounded._longest = seconds
        return bounded

    # Requests

    def _pass(self, seconds: float) -> None:
        self.world.pause(self.process, seconds)

    def _read(self, what: str) -> None:
        """Send a request that reads, or is safe to repeat."""
        self.memory.requests += 1
        world = self.world
        self._pass(min(world.rng.random() * 0.4 + 0.05, self._longest))
        self._fail_sometimes(what)
        self._hear_date()

    def _fail_sometimes(self, what: str) -> None:
        world, server = self.world, self.server
        if server.is_out():
            world.count("api: out")
            self._pass(min(6.0, self._longest))
            if server.is_out():
                world.tell(self.process.name, f"no answer for {what}: the API is out")
                raise HevoServerError(503, "GET", what, "out", was_json=False)
        if server.traits.has("api: errors now and then") and world.rng.random() < 0.08:
            world.count("api: errors now and then")
            if world.rng.random() < 0.5:
                raise HevoConnectionError("GET", what, "timed out", was_sent=True)
            raise HevoResponseError("GET", what, "a page of HTML")

    def _hear_date(self) -> None:
        if self.skew is None:
            self.world.count("time: no Date")
            return
        if self.skew:
            kind = "clock far off" if abs(self.skew) >= 60 else "clock skew"
            self.world.count(f"time: {kind}")
        now = self.world.now
        self.memory.date = (EPOCH_MS + int(now + self.skew) * 1000, now)

    def _send(self, kind: str, object_ids: frozenset[str] | None, *, drops: bool = False) -> None:
        self.memory.requests += 1
        assert self._new_trigger is not None
        self._pass(self.world.rng.random() * 0.4 + 0.05)
        if self.server.is_out() or (
            self.server.traits.has("trigger: not sent") and self.world.rng.random() < 0.3
        ):
            self.world.count("trigger: not sent")
            raise HevoConnectionError("POST", PATH, "connection refused", was_sent=False)
        try:
            self.server.trigger(replace(self._new_trigger(kind, object_ids), drops=drops))
        except HevoConnectionError:
            self._pass(20.0)
            raise
        except Exception:
            self._pass(0.1)
            self._hear_date()
            raise
        self._pass(0.1)
        self._hear_date()

    # The list

    def _listed_jobs(self) -> list[Job]:
        world, traits, now = self.world, self.server.traits, self.world.now
        listed = [
            job
            for job in self.server.jobs
            if (job.listed_at <= now and now < job.vanishes_at) or job.origin == "old"
        ]
        if traits.has("list: any order"):
            world.rng.shuffle(listed)
            world.count("list: any order")
        elif traits.has("list: oldest first"):
            listed.sort(key=lambda job: job.created)
            world.count("list: oldest first")
        else:
            listed.sort(key=lambda job: -job.created)
        shown = [self._shown_in_list(job) for job in listed]
        if traits.has("list: leaves one out of one read") and len(shown) > 1:
            if world.rng.random() < 0.2:
                world.count("list: leaves one out of one read")
                left_out = shown[world.rng.randrange(len(shown))]
                if left_out.job_id != self.memory.left_out:  # Out of one read, not of two.
                    shown.remove(left_out)
                    self.memory.left_out = left_out.job_id
                    world.tell("hevo", f"leaves {left_out.job_id} out of one read")
            else:
                self.memory.left_out = None
        if traits.has("list: an entry twice") and shown and world.rng.random() < 0.5:
            world.count("list: an entry twice")
            shown.insert(world.rng.randrange(len(shown) + 1), world.rng.choice(shown))
        return shown

    def _shown_in_list(self, job: ModelJob) -> Job:
        now = self.world.now
        if job.status_lag and job.ends <= now < job.ends + job.status_lag:
            self.world.count("list: status lags")
            return job.show(max(job.ends - 0.001, job.created))
        self._count_status(job)
        return job.show(now)

    def _count_status(self, job: ModelJob) -> None:
        status = job.status(self.world.now)
        if status == JobStatus.DEFERRED:
            name = "for ever" if job.ends == inf else "for a while"
            self.world.count(f"job: deferred {name}")
        elif job.odd_status is not None and job.origin != "old":
            self.world.count("job: unknown status for ever")
