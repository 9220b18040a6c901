"""What becomes of one job that was read: recorded, left for later, left to its run, or given up.

The decision is `decide.py`; how a job is recorded is `recording.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from dagster_hevo.api.enums import JobStatus
from dagster_hevo.api.errors import HevoError
from dagster_hevo.api.models import Job
from dagster_hevo.job_sensor.cursor import PipelineCursor
from dagster_hevo.job_sensor.decide import Decision, OwnerKind, decide
from dagster_hevo.job_sensor.expecting import next_poll_of
from dagster_hevo.job_sensor.followed import FollowedPipeline, TickTools
from dagster_hevo.job_sensor.open_job import OpenJob
from dagster_hevo.job_sensor.ownership import JobOwnership
from dagster_hevo.job_sensor.reading import ObjectReading
from dagster_hevo.job_sensor.recording import (
    MOST_FAILURES,
    JobRecording,
    KnownJob,
    Settled,
    pause_after,
)
from dagster_hevo.job_sensor.walk import ended, made_ms
from dagster_hevo.jobs.marks import RecordMarks
from dagster_hevo.jobs.settings import as_text

# A job that was seen and that Hevo does not know any more is given up after this many seconds.
GONE_AFTER = 24 * 3600.0


@dataclass
class JobSettler:
    """Settles the jobs of one pipeline.

    Args:
        followed: The pipeline.
        tools: What the visits of a tick share.
        marks: Which jobs are recorded for our assets.

        newer_than: The jobs seen that were made after a job.
        seen: All jobs seen, whose durations tell when to poll.

    Attributes:
        done: What was done so far.
    """

    followed: FollowedPipeline
    tools: TickTools
    marks: RecordMarks
    newer_than: Callable[[Job], frozenset[str]]
    seen: Callable[[], tuple[Job, ...]]
    done: Settled = field(default_factory=Settled)

    def __post_init__(self) -> None:
        self._recording = JobRecording(
            self.followed, self.tools, self.marks, self.done, self.newer_than
        )

    @property
    def _pipeline_id(self) -> int:
        return self.followed.pipeline.id

    def settle(
        self,
        cursor: PipelineCursor,
        job: Job,
        ownership: JobOwnership,
        *,
        is_past: bool = False,
        has_place: bool = True,
    ) -> Iterator[PipelineCursor]:
        """Do what is to be done about a job now.

        Args:
            cursor: How far its pipeline is.
            job: The job as it is.
            ownership: Whose the pipeline's jobs are.
            is_past: Whether it had ended before the pipeline was followed.
            has_place: Whether the cursor has a place for it, should it have to wait.

        Yields:
            How far the pipeline is, after each request.

        Raises:
            TickSpent: The tick may send no more requests.
        """
        now, hevo_ms = self.tools.now(), self.tools.hevo.hevo_now_ms()
        entry = self._as_seen(job, cursor.open.get(job.job_id), now, hevo_ms)
        marks = self.marks.of(job.job_id)
        if marks.is_settled:
            if marks.is_done and not marks.is_left and marks.begun_by is None and not is_past:
                self.done.ended.append(job)  # A run has recorded it.
                self.done.settled += 1
            yield cursor.with_settled(job.job_id, made_ms(job))
            return
        owner = ownership.owner_of(job, hevo_ms)
        # What somebody has begun to record is never past: a part of it may be missing.
        is_begun = bool(self.marks.unfinished(marks))
        if is_past and not is_begun and owner.kind in {OwnerKind.NOBODY, OwnerKind.RECORDED}:
            yield cursor.with_settled(job.job_id, made_ms(job))
            return
        decision = decide(job, owner, entry.since, now)
        if decision is Decision.GIVE_UP:
            yield self._given_up(
                cursor,
                job.job_id,
                f"has been {job.status} without a change for {as_text(now - entry.since)}",
            )
        elif decision is Decision.LATER:
            is_run = owner.kind in {OwnerKind.RUN, OwnerKind.RETRY}
            pause = self.followed.longest_idle(self.tools.settings.interval)
            if not is_run:
                pause = next_poll_of(job, self.seen(), self.tools)
            yield cursor.with_open(job.job_id, replace(entry, due_at=now + pause))
        else:
            cursor = cursor.with_open(job.job_id, entry)
            is_settled = decision is Decision.DROP
            # A run that Dagster calls in progress, and that has not recorded its job for so long.
            is_gone = decision is Decision.RECORD and owner.kind is OwnerKind.RUN
            gone = ownership.recorders_of(job.job_id) if is_gone else frozenset[str]()
            reading = ObjectReading(self.tools, self._pipeline_id, job, entry)
            known = KnownJob(reading, marks, ownership, is_settled, gone)
            yield from self._recording.record(cursor, known, has_place=has_place)

    def end(self, cursor: PipelineCursor) -> PipelineCursor:
        """Keep what was read of a job, where the tick ends in the middle of it."""
        return self._recording.end(cursor)

    def missing(self, cursor: PipelineCursor, job_id: str, entry: OpenJob) -> PipelineCursor:
        """Hevo does not know a job that was seen before."""
        now = self.tools.now()
        since = entry.since if entry.failures else now
        if now - since >= GONE_AFTER:
            gone_for = as_text(now - since)
            return self._given_up(cursor, job_id, f"has been unknown to Hevo for {gone_for}")
        pause = pause_after(self.tools, entry.failures)
        found = replace(entry, since=since, failures=entry.failures + 1, due_at=now + pause)
        return cursor.with_open(job_id, found)

    def unreadable(
        self, cursor: PipelineCursor, job_id: str, entry: OpenJob, error: HevoError
    ) -> PipelineCursor:
        """A job that was seen before could not be read."""
        if entry.failures >= MOST_FAILURES:
            return self._given_up(
                cursor, job_id, f"could not be read {entry.failures} times in a row ({error})"
            )
        pause = pause_after(self.tools, entry.failures)
        self.tools.log(
            f"Job {job_id} of pipeline {self._pipeline_id} could not be read; next try in "
            f"{as_text(pause)}. {error}"
        )
        found = replace(entry, failures=entry.failures + 1, due_at=self.tools.now() + pause)
        return cursor.with_open(job_id, found)

    def _as_seen(self, job: Job, known: OpenJob | None, now: float, hevo_ms: int | None) -> OpenJob:
        """What is kept of a job, by how it is now."""
        if job.is_terminal:
            if known is not None and known.is_over:
                return known
            ended_ago, ended_ms = 0.0, ended(job)
            if hevo_ms is not None and ended_ms is not None:
                ended_ago = max(hevo_ms - ended_ms, 0) / 1000
            return OpenJob(
                max(now - ended_ago, self.tools.began - 30 * 24 * 3600),
                is_over=True,
                made_ms=made_ms(job),
            )
        goes_on = job.status is JobStatus.IN_PROGRESS and job.updated_ts is not None
        has_changed = known is not None and known.changed_ms != job.updated_ts
        if known is not None and not known.is_over and not (goes_on and has_changed):
            return replace(known, failures=0)
        return OpenJob(now, changed_ms=job.updated_ts, made_ms=made_ms(job))

    def _given_up(self, cursor: PipelineCursor, job_id: str, why: str) -> PipelineCursor:
        self.tools.recorder.warn(
            self.followed,
            f"Job {job_id} of pipeline {self._pipeline_id} {why}: the sensor follows it no longer. "
            "If it loads after all, its assets are not recorded; look at the job in Hevo.",
            job_id=job_id,
        )
        self.marks.leave(job_id)
        return cursor.with_settled(job_id)
