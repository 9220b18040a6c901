"""Waiting for a job to end: the loop around the schedule of looks.

When the next look is worth it is decided in `schedule.py`; what the end means in `outcome.py`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from dagster_hevo.api.errors import HevoJobNotFoundError, HevoJobTimeoutError, HevoNotFoundError
from dagster_hevo.api.models import Job
from dagster_hevo.jobs.patience import Patience
from dagster_hevo.jobs.schedule import History, Progress, next_look
from dagster_hevo.jobs.settings import Clock, JobSettings, as_text

if TYPE_CHECKING:
    from dagster_hevo.api.client import HevoClient

LOOKS_BEFORE_VANISHED = 3
LOG_EVERY = 300.0


def age_of(job: Job) -> float:
    """For how many seconds a job has been going on, as far as Hevo says; by Hevo's clock alone."""
    if job.duration:
        return job.duration / 1000
    if job.created_ts is not None and job.updated_ts is not None:
        return max(job.updated_ts - job.created_ts, 0) / 1000
    return 0.0


def progress_line(pipeline_id: int, job: Job, elapsed: float) -> str:
    """One line for people about a job that is going on, or over."""
    kind = f" ({job.type})" if job.type is not None else ""
    objects = (
        f"{job.objects_done} of {job.objects_total} objects done, " if job.objects_total else ""
    )
    failed = f" and {job.events_failed:,} failed" if job.events_failed else ""
    return (
        f"Job {job.job_id}{kind} of pipeline {pipeline_id} is {job.status}: {objects}"
        f"{job.events_loaded:,} events loaded{failed}, {as_text(elapsed)} elapsed."
    )


class JobWatcher:
    """Looks at jobs until they end.

    Args:
        client: Asks Hevo.
        settings: How closely and how long to look.
        clock: Tells the time and waits.
        log: Where progress is told.
        watchers: How many jobs share the request budget now, this one included.
    """

    def __init__(
        self,
        client: HevoClient,
        settings: JobSettings,
        clock: Clock,
        log: logging.Logger,
        watchers: Callable[[], int] = lambda: 1,
    ) -> None:
        self._client = client
        self._settings = settings
        self._clock = clock
        self._log = log
        self._watchers = watchers
        self._patience = Patience(
            clock,
            log,
            interval=settings.poll_interval,
            tolerance=settings.outage_tolerance,
        )

    def watch(self, pipeline_id: int, job: Job, history: History, *, deadline: float | None) -> Job:
        """Wait until a job is over.

        Args:
            pipeline_id: The job's pipeline.
            job: The job as last seen.
            history: How long earlier jobs of its kind took.
            deadline: When to give up, on the clock; None for never.

        Returns:
            The job as it ended.

        Raises:
            HevoJobTimeoutError: The deadline came first.
            HevoJobNotFoundError: Hevo does not know the job any more.
            HevoOutageError: Hevo's API was out for too long.
        """
        began = self._clock.monotonic() - age_of(job)
        looks, missed = 0, 0
        last_look = self._clock.monotonic() - began
        told = _Told(self._log)
        while not job.is_terminal:
            now = self._clock.monotonic()
            if deadline is not None and now >= deadline:
                raise HevoJobTimeoutError(
                    f"Job {job.job_id} of pipeline {pipeline_id} was still {job.status} after "
                    f"{as_text(now - began)}, when poll_timeout ran out.",
                    job,
                )
            told.about(pipeline_id, job, now - began)
            wait = next_look(
                elapsed=now - began,
                history=history,
                progress=Progress.of(job, last_look),
                looks_so_far=looks,
                last_look=last_look,
                poll_interval=self._settings.poll_interval,
                watchers=self._watchers(),
                requests_per_minute=self._settings.requests_per_minute,
                seed=job.job_id,
            )
            self._clock.sleep(wait if deadline is None else min(wait, deadline - now))
            looks += 1
            last_look = self._clock.monotonic() - began
            try:
                seen = self._patience.read(
                    f"job {job.job_id}",
                    lambda job_id=job.job_id: self._client.get_job(pipeline_id, job_id),
                    until=deadline,
                )
            except HevoNotFoundError:
                missed += 1
                if missed >= LOOKS_BEFORE_VANISHED:
                    raise HevoJobNotFoundError(
                        f"Job {job.job_id} of pipeline {pipeline_id} vanished: Hevo did not know "
                        f"it at {missed} looks in a row. Look at the pipeline's jobs in Hevo; "
                        "materialize again if the data is missing.",
                        job,
                    ) from None
            else:
                missed = 0
                job = seen or job
        self._log.info(progress_line(pipeline_id, job, self._clock.monotonic() - began))
        return job


class _Told:
    """Tells progress when there is some, and now and then when there is none."""

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._last: tuple[object, ...] = ()
        self._at = 0.0
        self._strange: set[str] = set()

    def about(self, pipeline_id: int, job: Job, elapsed: float) -> None:
        if not job.status.is_known and str(job.status) not in self._strange:
            self._strange.add(str(job.status))
            self._log.warning(
                f"Job {job.job_id} has the status {job.status}, which this version does not know; "
                "it counts as going on. A newer dagster-hevo may know it."
            )
        state = (job.status, job.objects_done, job.events_loaded)
        if state != self._last or elapsed - self._at >= LOG_EVERY:
            self._last, self._at = state, elapsed
            self._log.info(progress_line(pipeline_id, job, elapsed))
