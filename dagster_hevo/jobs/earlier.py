"""A job that an earlier attempt of the same wish started: whether it is worth waiting for.

Which job that was, the ledger tells; `trigger.py` takes it up.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dagster_hevo.api.enums import JobStatus
from dagster_hevo.api.errors import HevoJobNotFoundError, HevoNotFoundError
from dagster_hevo.api.models import Job
from dagster_hevo.jobs.patience import Patience
from dagster_hevo.jobs.schedule import History
from dagster_hevo.jobs.settings import Clock, JobSettings
from dagster_hevo.jobs.start_errors import out_of_time_error
from dagster_hevo.jobs.watch import LOOKS_BEFORE_VANISHED, JobWatcher

if TYPE_CHECKING:
    from dagster_hevo.api.client import HevoClient
    from dagster_hevo.jobs.plan import SyncPlan


@dataclass
class EarlierJobs:
    """Looks at jobs that earlier attempts started.

    Args:
        client: Asks Hevo.
        plan: What is wished for.
        settings: How patiently to look.
        clock: Tells the time and waits.
        log: Where findings are told.
        watcher: Waits for the end of a job that is being cancelled.
        patience: Reads through an outage.
        deadline: When to give up, on the clock; None for never.
        check_deadline: Raises once the deadline has come.
    """

    client: HevoClient
    plan: SyncPlan
    settings: JobSettings
    clock: Clock
    log: logging.Logger
    watcher: JobWatcher
    patience: Patience
    deadline: float | None
    check_deadline: Callable[[], None]

    def read(self, job_id: str) -> Job | None:
        """The job as it is now; None where Hevo does not know it at several looks.

        One look is not enough: asking anew for a job that is only hidden would make two of it.
        """
        for look in range(LOOKS_BEFORE_VANISHED):
            self.check_deadline()
            self.clock.sleep(self.settings.poll_interval if look else 0.0)
            try:
                job = self.patience.read(
                    f"job {job_id}",
                    lambda: self.client.get_job(self.plan.pipeline_id, job_id),
                    until=self.deadline,
                )
            except HevoNotFoundError:
                continue
            if job is None:
                raise out_of_time_error(self.plan, f"reading job {job_id}")
            return job
        self.log.warning(f"Job {job_id} of an earlier attempt is gone; asking for a new one.")
        return None

    def worth_taking_up(self, job: Job) -> Job | None:
        """The job as last seen; None where it ended, or is going to end, without loading."""
        if job.status is JobStatus.CANCELLING:
            # Cancelled as the earlier attempt was terminated, most likely.
            try:
                job = self.watcher.watch(
                    self.plan.pipeline_id, job, History(), deadline=self.deadline
                )
            except HevoJobNotFoundError:
                return None
        if not job.is_terminal or job.status.completion.has_loaded:
            return job
        self.log.info(
            f"Job {job.job_id} of an earlier attempt ended {job.status}; asking for a new one."
        )
        return None
