"""Asking Hevo for a job exactly once: mark, ask, find, claim; or taking up what was left.

Hevo's triggers return no job id, their answers get lost, and somebody else's job may be in the way.
Which job came of it is found in `discovery.py`; what becomes of somebody else's, `in_the_way.py`;
waiting for the end is `watch.py`.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from dagster_hevo.api.errors import (
    HevoApiError,
    HevoConflictError,
    HevoConnectionError,
    HevoError,
    HevoGarbledResponseError,
    HevoServerError,
)
from dagster_hevo.api.models import Job
from dagster_hevo.jobs.asking import Answer, send_trigger
from dagster_hevo.jobs.discovery import JobFinder, StartedJob
from dagster_hevo.jobs.earlier import EarlierJobs
from dagster_hevo.jobs.in_the_way import JobInTheWay
from dagster_hevo.jobs.job_list import JobsSeen, running_job
from dagster_hevo.jobs.ledger import Entry, Ledger
from dagster_hevo.jobs.outcome import ObjectIndex
from dagster_hevo.jobs.plan import IfJobRunning, SyncPlan
from dagster_hevo.jobs.readiness import Readiness
from dagster_hevo.jobs.settings import Clock, JobSettings, as_text
from dagster_hevo.jobs.start_errors import busy_error, no_job_error, state_error
from dagster_hevo.jobs.watch import JobWatcher

if TYPE_CHECKING:
    from dagster_hevo.api.client import HevoClient

FIRST_LOOK_SHARE = 0.25
LOOK_GROWTH = 1.5
MOST_PASSED_OVER = 5


@dataclass
class JobStarter:
    """Gets the one job that carries out a plan.

    Args:
        client: Asks Hevo.
        plan: What is wished for.
        ledger: Remembers the wish across deaths of this process.
        index: The pipeline's objects, to tell jobs apart by what is in them.
        settings: How long each station may take.
        clock: Tells the time and waits.
        log: Where each step is told.
        watcher: Waits for jobs of somebody else's.
        deadline: When to give up, on the clock; None for never.

    Attributes:
        earlier_job_id: A job that an earlier attempt started, while it is being taken up.
    """

    client: HevoClient
    plan: SyncPlan
    ledger: Ledger
    index: ObjectIndex
    settings: JobSettings
    clock: Clock
    log: logging.Logger
    watcher: JobWatcher
    deadline: float | None
    earlier_job_id: str | None = None
    _going_on_at_mark: frozenset[str] = frozenset()
    _is_second_refusal: bool = False
    _last_error: HevoError | None = None

    def __post_init__(self) -> None:
        self.finder = JobFinder(
            client=self.client,
            plan=self.plan,
            ledger=self.ledger,
            index=self.index,
            settings=self.settings,
            clock=self.clock,
            log=self.log,
            deadline=self.deadline,
        )
        self._readiness = Readiness(
            client=self.client,
            plan=self.plan,
            settings=self.settings,
            clock=self.clock,
            log=self.log,
            finder=self.finder,
            deadline=self.deadline,
        )
        self._in_the_way = JobInTheWay(
            plan=self.plan,
            settings=self.settings,
            log=self.log,
            finder=self.finder,
            readiness=self._readiness,
            watcher=self.watcher,
            deadline=self.deadline,
        )
        self._earlier = EarlierJobs(
            client=self.client,
            plan=self.plan,
            settings=self.settings,
            clock=self.clock,
            log=self.log,
            watcher=self.watcher,
            patience=self.finder.patience,
            deadline=self.deadline,
            check_deadline=self._readiness.check_deadline,
        )

    def start(self) -> StartedJob:
        """Get the job: the one an earlier attempt started, or a new one.

        Returns:
            The job, running or over.

        Raises:
            HevoPipelineBusyError: Somebody else's job runs, and ``if_job_running`` is FAIL.
            HevoPipelineStateError: The pipeline is in a state in which Hevo starts no job.
            HevoJobNotFoundError: Hevo accepted, and no job came.
            HevoJobTimeoutError: The deadline came first.
            HevoError: Whatever else Hevo refuses with.
        """
        started = self._take_up(self.ledger.open_entry(self.plan))
        unknown = passed_over = 0
        while started is None:
            started = self._clear_the_way()
            if started is not None:
                break
            answer = self._ask()
            if answer is Answer.REFUSED:
                started = self._after_refusal()
            elif answer is not Answer.RETRACTED:
                started = self._find(answer)
            unknown += answer is Answer.UNKNOWN
            if started is None and answer is Answer.UNKNOWN and unknown >= self.settings.max_asks:
                raise self._last_error or self._no_job_came(unknown)
            passed_over += answer is Answer.ACCEPTED
            if started is None and passed_over >= MOST_PASSED_OVER:
                # Each asking that Hevo accepts may be a job, whatever its list makes of it.
                raise self._no_job_came(passed_over)
        return started

    def _clear_the_way(self) -> StartedJob | None:
        """Wait until Hevo can be asked, and mark the jobs that are there then.

        Returns:
            A job that makes asking needless: one of an earlier asking, or an adopted one.
        """
        while True:
            self._readiness.check_deadline()
            self._readiness.await_triggerable()
            seen = self._readiness.look_for_jobs()
            found = self.finder.claim_found(seen)
            if found is not None:
                return found
            if self.finder.is_undecided:
                self.clock.sleep(self.settings.poll_interval)
            elif running_job(seen.jobs) is None:
                if not self.finder.effect_is_possible:
                    self.finder.remember(seen.mark)
                    going_on = (job.job_id for job in seen.jobs if not job.is_terminal)
                    self._going_on_at_mark = frozenset(going_on)
                return None
            else:
                adopted = self._in_the_way.deal_with(seen)
                if adopted is not None:
                    return adopted

    # An earlier attempt

    def _take_up(self, entry: Entry | None) -> StartedJob | None:
        """Go on where an earlier attempt of the same wish stopped."""
        if entry is None:
            return None
        if entry.job_id is not None:
            return self._take_up_job(entry.job_id, is_adopted=entry.is_adopted)
        if entry.mark is None:
            return None
        self.log.info(
            f"An earlier attempt may have asked Hevo to {self.plan}, and did not come to see a "
            "job. Looking for one before asking again."
        )
        self._readiness.has_answered = True
        self.finder.take_over(entry)
        found = self._find(Answer.UNKNOWN)
        if found is None or found.is_adopted:
            return found
        job = self._earlier.worth_taking_up(found.job)
        if job is None:
            self.finder.effect_is_possible = False
            return None
        return replace(found, job=job)

    def _take_up_job(self, job_id: str, *, is_adopted: bool) -> StartedJob | None:
        self.earlier_job_id = None if is_adopted else job_id
        job = self._earlier.read(job_id)
        if job is not None:
            job = self._earlier.worth_taking_up(job)
        started = None
        if job is not None:
            self.log.info(
                f"Taking up job {job_id} of pipeline {self.plan.pipeline_id}, which an earlier "
                f"attempt started; it is {job.status}."
            )
            started = self.finder.claim(job, self._jobs_for_history(), is_adopted=is_adopted)
        self.earlier_job_id = None
        return started

    def _jobs_for_history(self) -> tuple[Job, ...]:
        """Earlier jobs, to know when the end is near; not worth failing for."""
        try:
            return self.finder.read_jobs().jobs
        except HevoError:
            return ()

    # Asking

    def _ask(self) -> Answer:
        """Send the trigger, once."""
        plan = self.plan
        was_possible = self.finder.effect_is_possible
        self.finder.effect_is_possible = True
        self.finder.is_overdue = False
        try:
            send_trigger(self.client, self.plan)
        except (HevoConnectionError, HevoGarbledResponseError, HevoServerError) as error:
            if isinstance(error, HevoConnectionError) and not error.was_sent:
                self._take_back(was_possible)
                raise
            self._last_error = error
            self.log.warning(
                f"Asked Hevo to {plan}, and no answer tells whether it will: {error} "
                "Its list of jobs will tell."
            )
            return Answer.UNKNOWN
        except HevoConflictError as error:
            self._take_back(was_possible)
            self.log.info(f"Hevo refused to {plan}: {error.message}")
            return Answer.REFUSED
        except HevoApiError as error:
            self._take_back(was_possible)
            return self._after_error(error)
        self.log.info(f"Asked Hevo to {plan}; it accepted.")
        return Answer.ACCEPTED

    def _take_back(self, was_possible: bool) -> None:
        """This asking certainly had no effect; an earlier one may have had."""
        self.finder.effect_is_possible = was_possible
        if not was_possible:
            self.finder.note_refusal()

    def _after_error(self, error: HevoApiError) -> Answer:
        """Tell a refusal that waiting heals from one that it does not.

        A pipeline that began to restart between our look and our asking refuses, and so does one
        that is busy, in words that are not known here.
        """
        if type(error) is not HevoApiError:
            raise error
        pipeline = self._readiness.read_pipeline()
        if pipeline.status.becomes_triggerable:
            self.log.info(f"Hevo refused to {self.plan} while the pipeline is {pipeline.status}.")
            self._readiness.await_triggerable()
            return Answer.RETRACTED
        if not pipeline.status.accepts_triggers:
            raise state_error(pipeline) from error
        if running_job(self._readiness.look_for_jobs().jobs) is not None:
            self.log.info(f"Hevo refused to {self.plan} while a job is running: {error.message}")
            return Answer.REFUSED
        if not self._is_second_refusal:
            # What it refused for may have passed since: a restart that ended, a job not listed yet.
            self._is_second_refusal = True
            self.log.info(f"Hevo refused to {self.plan}: {error.message} Asking once more.")
            self.clock.sleep(self.settings.poll_interval)
            return Answer.RETRACTED
        raise error

    # Finding

    def _find(self, answer: Answer) -> StartedJob | None:
        """Look for the job that came of our asking, until it is found or must have shown up.

        Returns:
            The job; None where Hevo is to be asked again.

        Raises:
            HevoJobNotFoundError: Hevo accepted, nothing is in the way, and no job came.
        """
        interval = self.settings.poll_interval * FIRST_LOOK_SHARE
        give_up = self.clock.monotonic() + self.settings.job_discovery_timeout
        while True:
            self._readiness.check_deadline()
            self.clock.sleep(max(min(interval, give_up - self.clock.monotonic()), 0.0))
            interval = min(interval * LOOK_GROWTH, self.settings.poll_interval)
            is_last = self.clock.monotonic() >= give_up
            seen = self._readiness.look_for_jobs()
            found = self.finder.claim_found(seen)
            if found is not None:
                return found
            if self.finder.is_undecided:
                give_up = max(give_up, self.clock.monotonic() + self.settings.poll_interval)
            elif is_last and self._readiness.read_pipeline().status.becomes_triggerable:
                self.log.info("The pipeline is restarting; its job shows up after that.")
                self._readiness.await_triggerable()
                give_up = self.clock.monotonic() + self.settings.job_discovery_timeout
            elif is_last:
                return self._without_job(answer, seen)

    def _without_job(self, answer: Answer, seen: JobsSeen) -> StartedJob | None:
        """No job of ours came: another was in the way, or the asking had no effect."""
        ended: tuple[Job, ...] = ()
        if answer is Answer.ACCEPTED:
            was_going_on = (job for job in seen.jobs if job.job_id in self._going_on_at_mark)
            ended = (
                *(job for job in was_going_on if job.is_terminal),
                *self.finder.come_since_mark(seen),
            )
        if ended or running_job(seen.jobs, also_unknown=True) is not None:
            self.log.info(f"No job came of asking Hevo to {self.plan}: another one was in the way.")
            return self._in_the_way.deal_with(seen, ended=ended, also_unknown=True)
        if answer is Answer.UNKNOWN:
            self.log.info(
                f"No job came of it within {as_text(self.settings.job_discovery_timeout)}, so it "
                "did not take effect. Asking again."
            )
            return None
        raise self._no_job_came(1)

    # Somebody else's job

    def _after_refusal(self) -> StartedJob | None:
        """Hevo says that a job is in progress: find it, and do what ``if_job_running`` says."""
        give_up = self.clock.monotonic() + self.settings.job_discovery_timeout
        interval = self.settings.poll_interval * FIRST_LOOK_SHARE
        while True:
            seen = self._readiness.look_for_jobs()
            # An earlier asking, whose answer was lost, may be what is in progress now.
            found = self.finder.claim_found(seen)
            if found is not None:
                return found
            is_last = self.clock.monotonic() >= give_up
            come_since = tuple(
                job
                for job in self.finder.come_since_mark(seen)
                if not (self.finder.is_set_aside(job) and job.is_terminal)
            )
            if not self.finder.is_undecided:
                # A job of which only an unknown word is seen may be over long since: what keeps
                # the pipeline busy may rather not be listed yet.
                if come_since or running_job(seen.jobs, also_unknown=is_last) is not None:
                    return self._in_the_way.deal_with(seen, ended=come_since, also_unknown=is_last)
                if is_last:
                    break
            self._readiness.check_deadline()
            self.clock.sleep(interval)
            interval = min(interval * LOOK_GROWTH, self.settings.poll_interval)
        fails = self.settings.if_job_running is IfJobRunning.FAIL
        if fails and self._readiness.read_pipeline().status.accepts_triggers:
            raise busy_error(self.plan, "a job that its list does not show yet")
        return None

    def _no_job_came(self, asks: int) -> HevoError:
        return no_job_error(self.plan, asks, self.settings.job_discovery_timeout)
