"""A job of somebody else's that keeps the pipeline busy: wait for its end, adopt it, or fail.

Asking for one of ours is `trigger.py`.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from dagster_hevo.api.enums import JobStatus
from dagster_hevo.api.errors import HevoJobNotFoundError, HevoJobTimeoutError
from dagster_hevo.api.models import Job
from dagster_hevo.jobs.discovery import JobFinder, StartedJob
from dagster_hevo.jobs.job_list import JobsSeen, running_job
from dagster_hevo.jobs.plan import IfJobRunning, SyncPlan
from dagster_hevo.jobs.readiness import Readiness
from dagster_hevo.jobs.schedule import History
from dagster_hevo.jobs.settings import JobSettings
from dagster_hevo.jobs.start_errors import busy_error
from dagster_hevo.jobs.watch import JobWatcher


@dataclass
class JobInTheWay:
    """Does with a job in the way what ``if_job_running`` says.

    Args:
        plan: What is wished for.
        settings: What to do, and how patiently.
        log: Where it is told.
        finder: Knows which jobs are ours.
        readiness: Reads the jobs.
        watcher: Waits for the job's end.
        deadline: When to give up, on the watcher's clock; None for never.
    """

    plan: SyncPlan
    settings: JobSettings
    log: logging.Logger
    finder: JobFinder
    readiness: Readiness
    watcher: JobWatcher
    deadline: float | None

    def deal_with(
        self, seen: JobsSeen, *, ended: tuple[Job, ...] = (), also_unknown: bool = False
    ) -> StartedJob | None:
        """Where a job of somebody else's was in the way, do what ``if_job_running`` says.

        Args:
            seen: The pipeline's jobs.
            ended: Jobs that came since the mark and were in the way, if none is running any more.
            also_unknown: Whether a job whose status is not known counts as running.

        Returns:
            The job to go on with; None where there was none, or it is over and Hevo is to be asked.
        """
        running = running_job(seen.jobs, also_unknown=also_unknown)
        job = running or next(reversed(ended), None)
        if job is None:
            return None
        what = f"job {job.job_id} ({job.type}, {job.status})"
        if self.settings.if_job_running is IfJobRunning.FAIL:
            raise busy_error(self.plan, what)
        is_stopping = job.status is JobStatus.CANCELLING
        if self.settings.if_job_running is IfJobRunning.ADOPT and not is_stopping:
            self.log.info(
                f"Pipeline {self.plan.pipeline_id} is busy with {what}, which was not started by "
                "this run. Adopting it: its end counts as ours, for the objects that are in it."
            )
            return self.finder.claim(job, seen.jobs, is_adopted=True)
        self.finder.set_aside(job)
        if running is not None:
            self.log.info(
                f"Pipeline {self.plan.pipeline_id} is busy with {what}, which was not started by "
                "this run. Waiting for its end before asking."
            )
            self._await_end(job, seen)
            found = self.finder.claim_found(self.readiness.look_for_jobs())
            if found is not None:
                return found
        # Whatever we asked before was refused or passed over: the next asking is a fresh one.
        self.finder.effect_is_possible = False
        return None

    def _await_end(self, job: Job, seen: JobsSeen) -> None:
        """Wait until somebody else's job is out of the way."""
        self.finder.is_overdue = True
        history = History.of(seen.jobs, job.type)
        try:
            self.watcher.watch(self.plan.pipeline_id, job, history, deadline=self.deadline)
        except HevoJobNotFoundError:
            return
        except HevoJobTimeoutError as error:
            raise HevoJobTimeoutError(
                f"{error} It was not started by this run, which waited for its end to "
                f"{self.plan}, and it was not cancelled.",
                error.job,
            ) from error
