"""One tick of the job sensor: which pipelines to look at, which jobs to record, when to look again.

A job that a run of this Dagster waits for, or may still turn out to own, is left to that run
(`job_owners.py`). What a run recorded, or an earlier tick whose cursor was lost, is not recorded
again (`job_record.py`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

import dagster as dg

from dagster_hevo.api.enums import JobStatus
from dagster_hevo.api.errors import HevoAuthenticationError, HevoError, HevoNotFoundError
from dagster_hevo.api.models import Job, Pipeline
from dagster_hevo.events import ObjectAsset, summary
from dagster_hevo.job_owners import LOST_AFTER, JobOwners, RunSearch, wishes_in_progress
from dagster_hevo.job_record import JobRecorder, ObservedEvent
from dagster_hevo.jobs.cursor import LATE_MS, JobCursor
from dagster_hevo.jobs.job_list import shows_newest_first
from dagster_hevo.jobs.outcome import JobOutcome, ObjectIndex
from dagster_hevo.jobs.schedule import History, Progress, next_look
from dagster_hevo.jobs.watch import age_of
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
# The share of a tick's time in which finished runs are searched.
SEARCH_SHARE = 0.3


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
    """

    interval: float = 60.0
    most_requests: int = 50
    most_seconds: float = 40.0
    include_checks: bool = True


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
        search = RunSearch(
            self.instance,
            self.followed,
            self.now,
            self._began + self.settings.most_seconds * SEARCH_SHARE,
        )
        cursor, is_complete = search.advance(cursor)
        if not is_complete:
            self.log("Searching finished runs for jobs that they left; going on next time.")
            return cursor
        self._in_flight = sum(
            len(known.jobs.unsettled) for known in cursor.pipelines.values() if known.jobs
        )
        looks: dict[int, _Look] = {}
        cursor = self._look(cursor, looks)
        # Only now, when the jobs were read: see JobOwners. First the runs in progress, then those
        # that finished, so that one which finishes in between is among either.
        in_progress = wishes_in_progress(self.instance) if self._shows_news(cursor, looks) else ()
        cursor, is_complete = search.advance(cursor)
        owners = JobOwners(self.instance, cursor.left, in_progress)
        for pipeline_id, job_id in owners.recorded:
            cursor = cursor.without_job(pipeline_id, job_id)
        if is_complete:
            for pipeline_id, look in looks.items():
                before = cursor.pipelines.get(pipeline_id, PipelineCursor())
                after = self._settle(self.followed[pipeline_id], before, look, owners)
                cursor = cursor.with_pipeline(pipeline_id, after)
        if self._is_cut_short:
            self.log("This tick has spent its share; the rest is looked at next time.")
        return self._tidied(cursor, owners)

    # Looking

    def _shows_news(self, cursor: SensorCursor, looks: Mapping[int, _Look]) -> bool:
        """Whether there are jobs of which it matters whose they are."""
        known = ((cursor.pipelines.get(key), look) for key, look in looks.items())
        return any(
            before is None or before.jobs is None or before.jobs.still_to_come(look.jobs)
            for before, look in known
        )

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
        known = cursor.pipelines.get(pipeline_id)
        if known is not None and known.jobs is not None:
            return known.jobs.unsettled
        left = (wish.job_id for wish in cursor.left if wish.pipeline_id == pipeline_id)
        return frozenset(job_id for job_id in left if job_id is not None)

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
        self, followed: FollowedPipeline, before: PipelineCursor, look: _Look, owners: JobOwners
    ) -> PipelineCursor:
        """Record the jobs of a pipeline that are over and nobody else's."""
        pipeline_id, now = followed.pipeline.id, self.now()
        begins = before.jobs is None
        known = before.jobs or JobCursor()
        settled: set[str] = set()
        held: dict[str, float] = {}
        waits: list[float] = []
        come = known.still_to_come(look.jobs)
        for job in come:
            since = before.held.get(job.job_id, now)
            is_past = job.is_terminal and before.is_past(job, self._began)
            if is_past and not owners.is_ours(pipeline_id, job):
                settled.add(job.job_id)
                continue
            owner = owners.of(pipeline_id, job)
            if owner.has_waiting_run and now - since < LOST_AFTER:
                # Its run's end brings us back sooner than this.
                waits.append(followed.longest_idle(self.settings.interval))
            elif not job.is_terminal:
                waits.append(self._worth_waiting(job, look.jobs))
                continue
            elif owner.retry_until > now:
                waits.append(owner.retry_until - now)
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
        after = known.after(look.jobs, settled=settled)
        if waits:
            return PipelineCursor(after, now + min(waits), held=held)
        if begins or settled:
            return PipelineCursor(after, now + self.settings.interval)
        idle = before.idle_looks + 1
        wait = self.settings.interval * 2 ** min(idle, 16)
        wait = min(wait, followed.longest_idle(self.settings.interval))
        return PipelineCursor(after, now + wait, idle)

    def _record(
        self,
        followed: FollowedPipeline,
        job: Job,
        jobs: Iterable[Job],
        owners: JobOwners,
        waited: float,
    ) -> bool:
        """Record a job, unless what became of its objects is not listed yet."""
        if len(self.events) > MOST_EVENTS:
            raise TickSpent
        pipeline_id = followed.pipeline.id
        mentioned = self._recorder.read_objects(pipeline_id, job)
        if len(mentioned) < max(job.objects_total, 1) and waited < OBJECTS_PATIENCE:
            return False
        outcome = self._recorder.judge(pipeline_id, job, mentioned, followed.index)
        is_news = self._recorder.record(outcome, followed.assets, jobs)
        sentence = f"The job sensor recorded job {job.job_id}, which ended {job.status}."
        owners.close(pipeline_id, job, sentence)
        if is_news:
            self.log(summary(outcome))
            self.recorded.append(outcome)
        return True

    def _worth_waiting(self, job: Job, jobs: tuple[Job, ...]) -> float:
        """When to look at a job that goes on: by the schedule that a waiting step follows."""
        interval = self.settings.interval
        if job.status is JobStatus.CANCELLING:
            return interval
        elapsed = age_of(job)
        wait = next_look(
            elapsed=elapsed,
            history=History.of([other for other in jobs if other is not job], job.type),
            progress=Progress.of(job, elapsed),
            looks_so_far=0,
            last_look=elapsed,
            poll_interval=interval,
            watchers=max(1, self._in_flight),
            requests_per_minute=self.settings.most_requests,
            seed=job.job_id,
        )
        return max(interval, wait)

    def _tidied(self, cursor: SensorCursor, owners: JobOwners) -> SensorCursor:
        """Forget what is settled, so that the cursor does not grow."""

        def unsettled(pipeline_id: int) -> frozenset[str] | None:
            known = cursor.pipelines.get(pipeline_id)
            return None if known is None or known.jobs is None else known.jobs.unsettled

        left = owners.still_left(unsettled, self.now())
        for wish in set(cursor.left) - set(left):
            owners.close_left(wish)
        return replace(cursor, left=left).without_forgotten(self.followed, self.now())
