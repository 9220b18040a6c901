"""The life of one job from the wish to its outcome, through everything that goes wrong between.

The stations are `trigger.py` (get the job), `watch.py` (wait for its end) and `outcome.py` (what
became of each object). What is done with the outcome, and closing the ledger's entry, is the
caller's.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol, TypeVar

from dagster_hevo.api.enums import JobStatus
from dagster_hevo.api.errors import HevoError, HevoJobTimeoutError, HevoNotFoundError
from dagster_hevo.api.models import Job, JobObject
from dagster_hevo.jobs.discovery import StartedJob
from dagster_hevo.jobs.ledger import Ledger, Note, NoteKind
from dagster_hevo.jobs.outcome import JobOutcome, ObjectIndex, judge_job
from dagster_hevo.jobs.patience import Patience
from dagster_hevo.jobs.plan import SyncPlan
from dagster_hevo.jobs.settings import Clock, JobSettings, SystemClock
from dagster_hevo.jobs.trigger import JobStarter
from dagster_hevo.jobs.watch import JobWatcher

if TYPE_CHECKING:
    from dagster_hevo.api.client import HevoClient

LOOKS_AT_OBJECTS = 5

_T = TypeVar("_T")


class WatcherCount(Protocol):
    """Knows how many jobs are watched on one request budget, in all processes."""

    def register_watcher(self, id: str, /) -> None: ...

    def forget_watcher(self, id: str, /) -> None: ...

    def watchers(self) -> int: ...


class WatchesAlone:
    """For a budget that nobody shares."""

    def register_watcher(self, id: str, /) -> None:
        pass

    def forget_watcher(self, id: str, /) -> None:
        pass

    def watchers(self) -> int:
        return 1


def _nothing_to_tell(_: StartedJob) -> None:
    pass


@dataclass
class JobLife:
    """Carries out one plan.

    Args:
        client: Asks Hevo.
        plan: What is wished for.
        ledger: Remembers the wish across deaths of this process.
        index: The objects of the pipeline that we know.
        settings: The bounds.
        log: Where each step is told.
        clock: Tells the time and waits.
        budget: Counts the jobs that are watched at once.
        on_start: Called with the job as soon as it is found.
    """

    client: HevoClient
    plan: SyncPlan
    ledger: Ledger
    index: ObjectIndex
    settings: JobSettings
    log: logging.Logger
    clock: Clock = field(default_factory=SystemClock)
    budget: WatcherCount = field(default_factory=WatchesAlone)
    on_start: Callable[[StartedJob], None] = _nothing_to_tell

    def __post_init__(self) -> None:
        timeout = self.settings.poll_timeout
        self._deadline = None if timeout is None else self.clock.monotonic() + timeout
        self._watcher = JobWatcher(
            self.client, self.settings, self.clock, self.log, self._count_watchers
        )
        self._starter = JobStarter(
            client=self.client,
            plan=self.plan,
            ledger=self.ledger,
            index=self.index,
            settings=self.settings,
            clock=self.clock,
            log=self.log,
            watcher=self._watcher,
            deadline=self._deadline,
        )
        self._started: StartedJob | None = None

    def start(self) -> StartedJob:
        """Get the job and leave its end to somebody else.

        Raises:
            HevoError: See ``JobStarter.start``.
        """
        return self._unless_interrupted(self._start)

    def carry_out(self) -> JobOutcome:
        """Get the job, wait for its end, and find out what became of each object.

        Returns:
            The outcome, whether good or bad.

        Raises:
            HevoJobTimeoutError: ``poll_timeout`` ran out; the message says whether the job was
                cancelled.
            HevoError: See ``JobStarter.start`` and ``JobWatcher.watch``.
        """
        return self._unless_interrupted(self._carry_out)

    def close(self) -> None:
        """Write down that the wish is carried out, so that the next one triggers anew."""
        self.ledger.write(
            Note(NoteKind.CLOSED, self.plan.key, self.plan.pipeline_id),
            f"Done with the wish to {self.plan}.",
        )

    def _start(self) -> StartedJob:
        self._started = self._starter.start()
        self.on_start(self._started)
        return self._started

    def _carry_out(self) -> JobOutcome:
        watched = f"{self.plan.pipeline_id}/{self.plan.key}"
        self.budget.register_watcher(watched)
        try:
            started = self._start()
            job = self._watcher.watch(
                self.plan.pipeline_id, started.job, started.history, deadline=self._deadline
            )
            self._started = replace(started, job=job)
        finally:
            self.budget.forget_watcher(watched)
        return self.outcome_of(job, is_adopted=started.is_adopted)

    def outcome_of(self, job: Job, *, is_adopted: bool) -> JobOutcome:
        """What became of each object in a job that is over."""
        return judge_job(
            self.plan.pipeline_id,
            job,
            self._objects_of(job),
            self.index,
            asked=self.plan.answered_ids,
            is_adopted=is_adopted,
        )

    def _objects_of(self, job: Job) -> list[JobObject]:
        """What the job says of its objects.

        Hevo may list them a while after the end. That is waited for where the job says that
        something went wrong and not yet with which object: only then does the list decide.
        """
        patience = Patience(
            self.clock,
            self.log,
            interval=self.settings.poll_interval,
            tolerance=self.settings.outage_tolerance,
        )
        mentioned: list[JobObject] = []
        for look in range(LOOKS_AT_OBJECTS):
            self.clock.sleep(self.settings.poll_interval if look else 0.0)
            try:
                listed = patience.read(
                    f"the objects of job {job.job_id}",
                    lambda: list(self.client.get_job_objects(self.plan.pipeline_id, job.job_id)),
                )
            except HevoNotFoundError:
                break
            mentioned = listed or []
            ended_well = job.status is JobStatus.COMPLETED and not job.objects_failed
            if ended_well or len(mentioned) >= max(job.objects_total, 1):
                break
        return mentioned

    def _count_watchers(self) -> int:
        self.budget.register_watcher(f"{self.plan.pipeline_id}/{self.plan.key}")
        return self.budget.watchers()

    # Given up

    def _unless_interrupted(self, station: Callable[[], _T]) -> _T:
        """Cancel the job that nobody waits for any more, whatever tore us away from it."""
        try:
            return station()
        except HevoJobTimeoutError as error:
            what = self._give_up_job("poll_timeout ran out")
            raise HevoJobTimeoutError(f"{error} {what}".strip(), error.job) from error
        except BaseException as error:
            # After an error the job may go on: a retry takes it up again. Anything else is an end
            # from outside: by Dagster, the keyboard, or the system.
            if not isinstance(error, Exception):
                what = self._give_up_job("the run was terminated")
                if what:
                    self.log.warning(what)
            raise

    def _give_up_job(self, why: str) -> str:
        """Cancel our job if that is wanted; return a sentence on what happened to it."""
        job = self._started.job if self._started is not None else None
        if job is not None and job.is_terminal:
            return ""
        if job is not None and self._started is not None and self._started.is_adopted:
            return f"Job {job.job_id} was started by somebody else and goes on."
        if not self.settings.cancel_on_termination:
            return "" if job is None else f"Job {job.job_id} goes on: cancel_on_termination is off."
        job_id = self._starter.earlier_job_id if job is None else job.job_id
        if job_id is None:
            finder = self._starter.finder
            job = finder.find_after_interrupt()
            if job is None and finder.effect_is_possible and not finder.is_overdue:
                return (
                    f"Asked Hevo to {self.plan}, and its job did not show up before the end: it "
                    "could not be cancelled. Look at the pipeline's jobs in Hevo."
                )
            if job is None or job.is_terminal:
                return ""
            job_id = job.job_id
        try:
            self.client.cancel_job(self.plan.pipeline_id, job_id)
        except HevoError as error:
            return f"Job {job_id} could not be cancelled, and may go on in Hevo: {error}"
        return f"Cancelled job {job_id} of pipeline {self.plan.pipeline_id}, since {why}."
