"""Polling a job that runs, ours or a foreign one: when the next poll is due, and what is logged.

Pure: part of `decide.py`. The arithmetic of the schedule is `schedule.py`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

from dagster_hevo.api.enums import JobStatus
from dagster_hevo.api.models import Job
from dagster_hevo.jobs.schedule import History, Progress, next_poll
from dagster_hevo.jobs.settings import as_text
from dagster_hevo.jobs.state import Next, State
from dagster_hevo.jobs.steps import (
    JobRead,
    Observation,
    ReadJob,
    Wait,
)

POLLS_BEFORE_VANISHED = 3
LOGGED_EVERY = 300.0


def age_of(job: Job) -> float:
    """For how many seconds a job has been running, as far as Hevo says; by Hevo's clock alone."""
    if job.duration:
        return job.duration / 1000
    if job.created_ts is not None and job.updated_ts is not None:
        return max(job.updated_ts - job.created_ts, 0) / 1000
    return 0.0


def progress_line(pipeline_id: int, job: Job, elapsed: float) -> str:
    """One line for people about a job that runs, or has ended."""
    kind = f" ({job.type})" if job.type is not None else ""
    objects = (
        f"{job.objects_done} of {job.objects_total} objects done, " if job.objects_total else ""
    )
    failed = f" and {job.events_failed:,} failed" if job.events_failed else ""
    return (
        f"Job {job.job_id}{kind} of pipeline {pipeline_id} is {job.status}: {objects}"
        f"{job.events_loaded:,} events loaded{failed}, {as_text(elapsed)} elapsed."
    )


def with_history(state: State, jobs: Iterable[Job], job: Job | None = None) -> State:
    """The state with how long earlier jobs took, where any are listed.

    Args:
        state: What is known.
        jobs: The pipeline's jobs.
        job: The job that is polled: those of its kind count, without itself. None: all count.
    """
    others = [item for item in jobs if job is None or item.job_id != job.job_id]
    kind = None if job is None else job.type
    return state.but(history=History.of(others, kind)) if others else state


def begin_polling(state: State, job: Job, jobs: Iterable[Job] = (), *, now: float) -> State:
    """The state in which a job is polled from now on.

    Args:
        state: What is known.
        job: The job, ours or a foreign one.
        jobs: The pipeline's jobs, for the history of earlier ones.
        now: The time on the runner's clock.
    """
    return with_history(state, jobs, job).but(
        job=job,
        polls=0,
        missing=0,
        job_began=now - age_of(job),
        deferred_since=now if job.status is JobStatus.DEFERRED else None,
        last_logged=(),
    )


def seen_again(state: State, seen: JobRead) -> State:
    """The state after a poll that brought the job."""
    job = seen.job
    is_deferred = job.status is JobStatus.DEFERRED
    since = (state.deferred_since or seen.now) if is_deferred else None
    return state.but(job=job, polls=state.polls + 1, missing=0, deferred_since=since)


def deferred_too_long(state: State, job: Job, since: float | None, now: float) -> float | None:
    """For how many seconds a job is DEFERRED, once that is ``deferred_timeout``; None before.

    Args:
        state: What is known.
        job: The job, ours or a foreign one.
        since: Since when it counts, on the runner's clock.
        now: The time on that clock.
    """
    if job.status is not JobStatus.DEFERRED or since is None:
        return None
    waited = now - since
    return waited if waited >= state.settings.deferred_timeout else None


def poll(state: State, seen: Observation) -> Next:
    """Wait for the next poll of ``state.job``, and tell its progress."""
    job = state.job
    assert job is not None
    now = seen.now
    elapsed = now - state.job_began
    wait = next_poll(
        elapsed=elapsed,
        history=state.history,
        progress=Progress.of(job, elapsed),
        polls_so_far=state.polls,
        last_poll=elapsed,
        poll_interval=state.settings.poll_interval,
        watchers=seen.watchers,
        requests_per_minute=state.settings.requests_per_minute,
        seed=job.job_id,
    )
    if job.status is JobStatus.CANCELLING:
        wait = state.settings.poll_interval
    return _logged(state, job, now, wait), Wait(wait, ReadJob(job.job_id))


def _logged(state: State, job: Job, now: float, wait: float) -> State:
    """Tell progress when there is some, and now and then when there is none."""
    if not job.status.is_known and not state.is_unknown_logged:
        state = state.but(is_unknown_logged=True).saying(
            f"Job {job.job_id} has the status {job.status}, which this version does not know; it "
            "counts as running. A newer dagster-hevo may know it.",
            logging.WARNING,
        )
    if job.status is JobStatus.DEFERRED and (
        not state.last_logged or state.last_logged[0] != job.status
    ):
        state = state.saying(
            f"Job {job.job_id} is DEFERRED: the source's own limits are used up, and Hevo does not "
            f"say when it goes on. Waiting for at most "
            f"{as_text(state.settings.deferred_timeout)} (deferred_timeout).",
            logging.WARNING,
        )
    last_logged = (job.status, job.objects_done, job.events_loaded)
    if last_logged == state.last_logged and now - state.logged_at < LOGGED_EVERY:
        return state
    pipeline_id = state.request.pipeline_id
    line = progress_line(pipeline_id, job, now - state.job_began)
    return state.but(last_logged=last_logged, logged_at=now).saying(
        f"{line} Next poll in {as_text(wait)}."
    )
