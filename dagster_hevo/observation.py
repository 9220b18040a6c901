"""One tick of the job sensor: which pipelines to poll, which jobs to record, when to poll again.

A job that a run of this Dagster instance waits for, or may still claim, is left to that run
(`job_sensor/`). What a run recorded, or an earlier tick whose cursor was lost, is not recorded
again (`job_record.py`).
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

import dagster as dg

from dagster_hevo.api.enums import JobStatus
from dagster_hevo.api.errors import HevoAuthenticationError, HevoError, HevoNotFoundError
from dagster_hevo.api.models import Job, Pipeline
from dagster_hevo.execution.events import ObjectAsset, summary
from dagster_hevo.execution.run_ledger import InstanceStore
from dagster_hevo.job_record import JobRecorder, ObservedEvent
from dagster_hevo.job_sensor.decide import Decision, Owner, OwnerKind, decide
from dagster_hevo.job_sensor.ownership import JobOwnership
from dagster_hevo.jobs.cursor import LATE_MS, JobCursor
from dagster_hevo.jobs.job_list import shows_newest_first
from dagster_hevo.jobs.matching import CLOCK_TOLERANCE_MS
from dagster_hevo.jobs.objects import ObjectIndex
from dagster_hevo.jobs.outcome import JobOutcome, list_agrees
from dagster_hevo.jobs.pipeline_ledger import PipelineLedger
from dagster_hevo.jobs.polling import age_of
from dagster_hevo.jobs.schedule import History, Progress, next_poll
from dagster_hevo.sensor_cursor import PipelineCursor, SensorCursor
from dagster_hevo.tick_budget import TickBudget, TickSpent

if TYPE_CHECKING:
    from dagster_hevo.api.client import HevoClient

LONGEST_IDLE = 10 * 60.0
# Hevo may list what became of a job's objects some time after the job's end.
OBJECTS_PATIENCE = 120.0
# A job that was seen and that Hevo does not know any more is given up after this many seconds.
GONE_AFTER = 24 * 3600.0
MOST_EVENTS = 5000
# How long a run that died may take to be retried before its job is recorded without it.
RETRY_GRACE = 10 * 60.0
# A run that is said to be in progress and has not recorded its job this long after the job's end is
# gone: a live one polls its job at least every 15 minutes, or as often as the budget lets it.
LOST_AFTER = 2 * 3600.0


@dataclass(frozen=True)
class FollowedPipeline:
    """A pipeline whose jobs the sensor follows.

    Attributes:
        pipeline: The pipeline as it was when the code location loaded.
        assets: Its assets.
    """

    pipeline: Pipeline
    assets: tuple[ObjectAsset, ...]

    @cached_property
    def index(self) -> ObjectIndex:
        """Its objects, to find those that a job speaks of."""
        return ObjectIndex(asset.known for asset in self.assets)

    def longest_idle(self, interval: float) -> float:
        """Seconds that may pass between two looks while nothing happens."""
        schedule = self.pipeline.schedule
        minutes = schedule.frequency_minutes if schedule is not None else None
        longest = LONGEST_IDLE if not minutes else min(LONGEST_IDLE, minutes * 60 / 8)
        return max(interval, longest)


@dataclass(frozen=True)
class TickSettings:
    """The bounds of a tick.

    Attributes:
        interval: Seconds between two ticks.
        most_requests: How many requests a tick may send.
        most_seconds: How long it may take.
        include_checks: Whether the assets have the check ``hevo_job``.
        account: The address of the Hevo account.
        sensor_name: The sensor.
        discovery_timeout: Seconds that a triggered job may take to appear.
    """

    interval: float = 60.0
    most_requests: int = 50
    most_seconds: float = 40.0
    include_checks: bool = True
    account: str = ""
    sensor_name: str = "hevo_job_sensor"
    discovery_timeout: float = 60.0


@dataclass(frozen=True)
class _Look:
    """What a look at a pipeline showed."""

    jobs: tuple[Job, ...]
    gone: frozenset[str] = frozenset()


@dataclass
class Tick:
    """One tick of the sensor.

    Args:
        instance: The Dagster instance.
        client: Asks Hevo, once a request and briefly: what fails is looked at again next time.
        budget: What the tick may spend; the client asks it.
        followed: The pipelines, by id.
        settings: The bounds.
        log: Where it tells what it does.
        now: Tells the time in seconds since the epoch.

    Attributes:
        recorded: The jobs whose events are to be reported.
    """

    instance: dg.DagsterInstance
    client: HevoClient
    budget: TickBudget
    followed: Mapping[int, FollowedPipeline]
    settings: TickSettings
    log: Callable[[str], None]
    now: Callable[[], float] = time.time
    recorded: list[JobOutcome] = field(default_factory=list[JobOutcome])

    def __post_init__(self) -> None:
        self._recorder = JobRecorder(
            self.instance, self.client, include_checks=self.settings.include_checks
        )
        self._store = InstanceStore(self.instance)
        self._in_flight = 1
        self._began = 0.0
        self._is_cut_short = False

    @property
    def events(self) -> list[ObservedEvent]:
        """The events to report."""
        return self._recorder.events

    def run(self, cursor: SensorCursor) -> SensorCursor:
        """Look at the pipelines that are due, the longest overdue first.

        Returns:
            The cursor for the next tick; ``events`` and ``recorded`` hold what was found.
        """
        self._began = self.now()
        cursor = cursor.following(self.followed, self._began)
        cursor = self._with_awaited(cursor)
        self._in_flight = sum(
            len(known.jobs.unsettled) for known in cursor.pipelines.values() if known.jobs
        )
        looks: dict[int, _Look] = {}
        cursor = self._look(cursor, looks)
        for pipeline_id, look in looks.items():
            before = cursor.pipelines.get(pipeline_id, PipelineCursor())
            # Only now, when the jobs were read: see JobOwnership.
            owners = self._ownership(pipeline_id)
            after = self._settle(self.followed[pipeline_id], before, look, owners)
            cursor = cursor.with_pipeline(pipeline_id, after)
        if self._is_cut_short:
            self.log("This tick has spent its share; the rest is polled next time.")
        return cursor.without_forgotten(self.followed, self.now())

    def _with_awaited(self, cursor: SensorCursor) -> SensorCursor:
        """The cursor with the jobs of runs that have ended and left them to be recorded."""
        for pipeline_id in self.followed:
            known = cursor.pipelines.get(pipeline_id, PipelineCursor())
            ledger = PipelineLedger(self._store, self.settings.account, pipeline_id)
            for pointer in ledger.claimed():
                if pointer.job_id is None or known.awaits(pointer.job_id):
                    continue
                request = ledger.request_of(pointer)
                if request is None or ledger.is_running(request.run_id):
                    continue
                known = known.awaiting_job(pointer.job_id)
                cursor = cursor.with_pipeline(pipeline_id, known)
        return cursor

    def _ownership(self, pipeline_id: int) -> JobOwnership:
        return JobOwnership(
            self._store,
            self.settings.account,
            pipeline_id,
            sensor_name=self.settings.sensor_name,
            discovery_timeout=self.settings.discovery_timeout,
            ended_at=self._ended_at,
        )

    def _ended_at(self, run_id: str) -> float | None:
        record = self.instance.get_run_record_by_id(run_id)
        return None if record is None else record.end_time

    # Looking

    def _look(self, cursor: SensorCursor, looks: dict[int, _Look]) -> SensorCursor:
        """Read pipelines' jobs, as long as requests are left to record those that are over."""
        to_record = 0
        for pipeline_id in self._due(cursor):
            if self.budget.left() - to_record < 1:
                self._is_cut_short = True
                break
            before = cursor.pipelines.get(pipeline_id, PipelineCursor())
            try:
                look = self._read_jobs(pipeline_id, before, self._awaited(cursor, pipeline_id))
            except TickSpent:
                self._is_cut_short = True
                # Behind the others, lest a pipeline that needs more than a tick has stops them all.
                cursor = cursor.with_pipeline(pipeline_id, replace(before, due_at=self.now()))
                break
            except HevoAuthenticationError:
                raise
            except HevoError as error:
                self.log(f"Pipeline {pipeline_id} is left for a later tick: {error}")
                cursor = cursor.with_pipeline(pipeline_id, self._after_failure(before))
            else:
                looks[pipeline_id] = look
                come = (before.jobs or JobCursor()).still_to_come(look.jobs)
                to_record += sum(
                    job.is_terminal and not before.is_past(job, self._began) for job in come
                )
        return cursor

    def _due(self, cursor: SensorCursor) -> list[int]:
        def due_at(pipeline_id: int) -> float:
            known = cursor.pipelines.get(pipeline_id)
            # A moment further off than any wait was written by a clock that has been set back.
            is_sane = known is not None and known.due_at <= self.now() + LOST_AFTER
            return known.due_at if known is not None and is_sane else 0.0

        # Ticks do not come on the second: what falls due before half an interval is due now.
        soon = self.now() + self.settings.interval / 2
        due = [key for key in self.followed if due_at(key) <= soon]
        return sorted(due, key=lambda key: (due_at(key), key))

    def _after_failure(self, before: PipelineCursor) -> PipelineCursor:
        failed = before.failed_looks + 1
        wait = min(self.settings.interval * 2 ** min(failed, 16), LONGEST_IDLE)
        wait = max(wait, self.settings.interval)
        return replace(before, due_at=self.now() + wait, failed_looks=failed)

    def _awaited(self, cursor: SensorCursor, pipeline_id: int) -> frozenset[str]:
        """The jobs of a pipeline that are to be recorded, whether they are on a list or not."""
        known = cursor.pipelines.get(pipeline_id, PipelineCursor())
        unsettled = frozenset[str]() if known.jobs is None else known.jobs.unsettled
        return unsettled | known.awaited

    def _read_jobs(
        self, pipeline_id: int, before: PipelineCursor, awaited: frozenset[str]
    ) -> _Look:
        """Read the jobs, from the newest to those that were looked at before, and the open ones."""
        seen: dict[str, Job] = {}
        newest = before.jobs.newest_ts if before.jobs is not None else None
        for count, job in enumerate(self.client.list_jobs(pipeline_id), start=1):
            seen[job.job_id] = job
            # Decided before the next entry is taken, which would cost a request for the next page.
            if count % self.client.page_size == 0 and shows_newest_first(seen.values()):
                is_known = newest is None or (job.created_ts or 0) < newest - LATE_MS
                if before.jobs is None or is_known:
                    break
        gone: set[str] = set()
        for job_id in sorted(awaited - seen.keys()):
            try:
                seen[job_id] = self.client.get_job(pipeline_id, job_id)
            except HevoNotFoundError:
                gone.add(job_id)
        return _Look(tuple(seen.values()), frozenset(gone))

    # Recording

    def _settle(
        self, followed: FollowedPipeline, before: PipelineCursor, look: _Look, owners: JobOwnership
    ) -> PipelineCursor:
        """Record the jobs of a pipeline that are over and nobody else's."""
        pipeline_id, now = followed.pipeline.id, self.now()
        begins = before.jobs is None
        known = (before.jobs or JobCursor()).awaiting(before.awaited)
        settled: set[str] = set()
        held: dict[str, float] = {}
        waits: list[float] = []
        come = known.still_to_come(look.jobs)
        for job in come:
            since = before.held.get(job.job_id, now)
            owner = owners.owner_of(job, self.client.hevo_now_ms())
            is_past = job.is_terminal and before.is_past(job, self._began)
            if is_past and owner.kind is OwnerKind.NOBODY:
                settled.add(job.job_id)
                continue
            decision = decide(
                job,
                owner,
                ended_since=since,
                now=now,
                retry_grace=RETRY_GRACE,
                lost_after=LOST_AFTER,
            )
            if decision is Decision.DROP:
                settled.add(job.job_id)
                continue
            if decision is Decision.LATER:
                waits.append(self._next_poll(followed, job, look.jobs, owner))
            else:
                try:
                    if self._record(followed, job, look.jobs, owners, now - since):
                        settled.add(job.job_id)
                        continue
                    waits.append(self.settings.interval)
                except TickSpent:
                    self._is_cut_short = True
                    waits.append(0.0)
                except HevoError as error:
                    self.log(f"Job {job.job_id} is left for a later tick: {error}")
                    waits.append(self.settings.interval)
            if job.is_terminal:
                held[job.job_id] = since
        for job_id in look.gone:
            since = before.held.get(job_id, now)
            if now - since < GONE_AFTER:
                held[job_id] = since
                waits.append(followed.longest_idle(self.settings.interval))
            else:
                self.log(f"Job {job_id} of pipeline {pipeline_id} is gone from Hevo; given up.")
                settled.add(job_id)
        hevo_ms = self.client.hevo_now_ms()
        latest_ms = None if hevo_ms is None else hevo_ms + CLOCK_TOLERANCE_MS
        after = known.after(look.jobs, settled=settled, latest_ms=latest_ms)
        if waits:
            return PipelineCursor(after, now + min(waits), held=held)
        if begins or settled:
            return PipelineCursor(after, now + self.settings.interval)
        idle = before.idle_looks + 1
        wait = self.settings.interval * 2 ** min(idle, 16)
        wait = min(wait, followed.longest_idle(self.settings.interval))
        return PipelineCursor(after, now + wait, idle)

    def _next_poll(
        self, followed: FollowedPipeline, job: Job, jobs: tuple[Job, ...], owner: Owner
    ) -> float:
        """Seconds until a job that is left for later is worth a poll."""
        if owner.kind is OwnerKind.RUN:
            return followed.longest_idle(self.settings.interval)
        if job.is_terminal and owner.ended_at is not None:
            return max(owner.ended_at + RETRY_GRACE - self.now(), self.settings.interval)
        return self._worth_waiting(job, jobs)

    def _record(
        self,
        followed: FollowedPipeline,
        job: Job,
        jobs: Iterable[Job],
        owners: JobOwnership,
        waited: float,
    ) -> bool:
        """Record a job, unless what became of its objects is not listed yet."""
        if len(self.events) > MOST_EVENTS:
            raise TickSpent
        pipeline_id = followed.pipeline.id
        listed = self._recorder.read_objects(pipeline_id, job)
        if not list_agrees(job, listed) and waited < OBJECTS_PATIENCE:
            return False
        object_ids = followed.index.ids_in(listed)
        if not owners.claim(job, self.client.hevo_now_ms(), object_ids=object_ids):
            return False
        outcome = self._recorder.outcome_of(pipeline_id, job, listed, followed.index)
        is_news = self._recorder.record(outcome, followed.assets, jobs)
        sentence = f"The job sensor recorded job {job.job_id}, which ended {job.status}."
        owners.settle(job, sentence, uid=uuid.uuid4().hex[:12])
        if is_news:
            self.log(summary(outcome))
            self.recorded.append(outcome)
        return True

    def _worth_waiting(self, job: Job, jobs: tuple[Job, ...]) -> float:
        """When to poll a job that runs: by the schedule that a waiting step follows."""
        interval = self.settings.interval
        if job.status is JobStatus.CANCELLING:
            return interval
        elapsed = age_of(job)
        wait = next_poll(
            elapsed=elapsed,
            history=History.of([other for other in jobs if other is not job], job.type),
            progress=Progress.of(job, elapsed),
            polls_so_far=0,
            last_poll=elapsed,
            poll_interval=interval,
            watchers=max(1, self._in_flight),
            requests_per_minute=self.settings.most_requests,
            seed=job.job_id,
        )
        return max(interval, wait)
