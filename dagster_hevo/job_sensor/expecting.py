"""When a pipeline is next worth a request: when its next job is expected to have ended.

Pure. A request is scarce: a pipeline that Hevo runs every hour is polled shortly after its next job
should be over, and not every minute. That no job is missed does not depend on it: pipelines of
which nothing is expected are polled too, the longest not polled first (`tick.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from statistics import median

from dagster_hevo.api.enums import JobStatus
from dagster_hevo.api.models import Job
from dagster_hevo.job_sensor.cursor import PipelineCursor, made_ms
from dagster_hevo.job_sensor.followed import FollowedPipeline, TickTools
from dagster_hevo.jobs.polling import age_of
from dagster_hevo.jobs.schedule import History, Progress, next_poll

# While nothing is expected, a pipeline is polled as one of many (`tick.py`), this late at most.
NOTHING_EXPECTED = 6 * 3600.0
JOBS_COMPARED = 12
FEWEST_JOBS = 3
# A job ends a little earlier or later than the ones before; polled too early, it costs a request.
LATER_BY = 0.05
LEAST_LATER = 10.0


def expected_end(jobs: Sequence[Job], every: float | None, latest_ms: int | None) -> float | None:
    """When the next job should be over, in seconds by Hevo's clock; None where nothing tells.

    Args:
        jobs: The pipeline's jobs.
        every: Seconds between two jobs by the pipeline's schedule, where it has one.
        latest_ms: No job was made later.
    """
    timed = [(moment, job) for job in jobs if (moment := made_ms(job, latest_ms)) is not None]
    made = sorted(timed, key=lambda pair: pair[0])[-JOBS_COMPARED:]
    if not made:
        return None
    gaps = [(later - earlier) / 1000 for (earlier, _), (later, _) in pairwise(made)]
    if every is None:
        if len(made) < FEWEST_JOBS:
            return None
        every = median(gaps)
    if every <= 0:
        return None
    durations = History.of([job for _, job in made], None).durations
    lasts = median(durations) if durations else 0.0
    return made[-1][0] / 1000 + every + lasts + max(LATER_BY * lasts, LEAST_LATER)


def due_after_visit(
    cursor: PipelineCursor,
    followed: FollowedPipeline,
    jobs: Sequence[Job],
    tools: TickTools,
    *,
    found: bool,
) -> PipelineCursor:
    """The cursor with the time of the next poll, once nothing is left to do now.

    Args:
        cursor: How far the pipeline is.
        followed: The pipeline.
        jobs: The jobs that were seen.
        tools: What the visits of a tick share.
        found: Whether there was anything to do.
    """
    cursor = replace(cursor, quiet=0 if found or cursor.open else cursor.quiet + 1)
    now, interval = tools.now(), tools.settings.interval
    if cursor.open:
        due_at = min(entry.due_at for entry in cursor.open.values())
        return replace(cursor, due_at=max(due_at, now + 1))
    schedule = followed.pipeline.schedule
    minutes = None if schedule is None else schedule.frequency_minutes
    hevo_ms = tools.hevo.hevo_now_ms() or int(now * 1000)
    expected = expected_end(jobs, minutes * 60.0 if minutes else None, hevo_ms + 60_000)
    if expected is None:
        return replace(cursor, due_at=now + NOTHING_EXPECTED)
    wait = expected - hevo_ms / 1000
    if wait > 0:
        return replace(cursor, due_at=now + max(wait, interval))
    # It should be over and is not there: soon again, then less and less.
    return replace(cursor, due_at=now + min(max(interval, -wait), NOTHING_EXPECTED))


def idle_until(cursor: PipelineCursor, followed: FollowedPipeline, interval: float) -> float:
    """When a pipeline of which nothing is expected is worth a poll: less and less often."""
    pause = interval * 2 ** min(max(cursor.quiet - 1, 0), 16)
    return cursor.polled_at + min(pause, followed.longest_idle(interval))


def next_poll_of(job: Job, jobs: Sequence[Job], tools: TickTools) -> float:
    """Seconds until a job that runs is worth a poll, by the schedule of a waiting step."""
    interval = tools.settings.interval
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
        watchers=1,
        requests_per_minute=tools.settings.requests_per_minute,
        seed=job.job_id,
    )
    return max(interval, wait)
