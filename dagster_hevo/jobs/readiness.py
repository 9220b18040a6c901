"""Whether a pipeline can be asked for a job now, and what is read before it is asked.

Asking is `trigger.py`; which of the jobs that are read here is ours, `discovery.py`.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dagster_hevo.api.enums import PipelineStatus
from dagster_hevo.api.models import Pipeline
from dagster_hevo.jobs.discovery import JobFinder
from dagster_hevo.jobs.job_list import JobsSeen
from dagster_hevo.jobs.plan import SyncPlan
from dagster_hevo.jobs.settings import Clock, JobSettings
from dagster_hevo.jobs.start_errors import out_of_time_error, state_error

if TYPE_CHECKING:
    from dagster_hevo.api.client import HevoClient


@dataclass
class Readiness:
    """Reads a pipeline and its jobs, and waits until Hevo would start one.

    Args:
        client: Asks Hevo.
        plan: What is wished for.
        settings: How closely to look.
        clock: Tells the time and waits.
        log: Where waiting is told.
        finder: Reads the jobs.
        deadline: When to give up, on the clock; None for never.

    Attributes:
        has_answered: Whether Hevo ever answered in this life: then settings and keys are right, and
            a read that fails is worth patience. Before, it is told at once.
    """

    client: HevoClient
    plan: SyncPlan
    settings: JobSettings
    clock: Clock
    log: logging.Logger
    finder: JobFinder
    deadline: float | None
    has_answered: bool = False

    def check_deadline(self) -> None:
        """Raise HevoJobTimeoutError once the deadline has come."""
        if self.deadline is not None and self.clock.monotonic() >= self.deadline:
            raise out_of_time_error(self.plan, "waiting to start a job")

    def await_triggerable(self) -> None:
        """Wait while the pipeline is RESTARTING; any other state that starts no job is an error."""
        told = False
        while True:
            pipeline = self.read_pipeline()
            if pipeline.status.accepts_triggers:
                return
            if not pipeline.status.becomes_triggerable:
                raise state_error(pipeline)
            if not told:
                told = True
                self.log.info(
                    f"Pipeline {pipeline.id} is {pipeline.status}; waiting for it to be "
                    f"{PipelineStatus.INITIALIZED} before asking."
                )
            self.check_deadline()
            self.clock.sleep(self.settings.poll_interval)

    def read_pipeline(self) -> Pipeline:
        """The pipeline as it is now."""

        def read() -> Pipeline:
            return self.client.get_pipeline(self.plan.pipeline_id)

        if not self.has_answered:
            answer = read()
            self.has_answered = True
            return answer
        pipeline = self.finder.patience.read("the pipeline", read, until=self.deadline)
        if pipeline is None:
            raise out_of_time_error(self.plan, "reading the pipeline")
        return pipeline

    def look_for_jobs(self) -> JobsSeen:
        """The pipeline's newest jobs as they are now."""
        if self.has_answered:
            return self.finder.read_jobs_patiently()
        seen = self.finder.read_jobs()
        self.has_answered = True
        return seen
