"""Recording a job: its objects are read, held against its counts, and written down once.

Whether it is recorded is decided in `settling.py`; the events are made in `recorder.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import dagster as dg

from dagster_hevo.api.errors import HevoAuthenticationError, HevoError, HevoRateLimitError
from dagster_hevo.api.models import Job
from dagster_hevo.execution.events import summary
from dagster_hevo.job_sensor.budget import TickSpent
from dagster_hevo.job_sensor.cursor import PipelineCursor
from dagster_hevo.job_sensor.followed import FollowedPipeline, TickTools
from dagster_hevo.job_sensor.open_job import Census, OpenJob
from dagster_hevo.job_sensor.ownership import JobOwnership
from dagster_hevo.job_sensor.reading import (
    FAILURES_UNTIL_EMPTY,
    OBJECTS_PATIENCE,
    ObjectReading,
    counted,
    has_just,
)
from dagster_hevo.job_sensor.recorder import ASSETS_WARNED, needs_census
from dagster_hevo.job_sensor.walk import made_ms
from dagster_hevo.jobs.marks import JobMarks, RecordMarks
from dagster_hevo.jobs.outcome import JobOutcome
from dagster_hevo.jobs.settings import as_text

# A job whose objects cannot be read so many times in a row, which takes about a day, is recorded as
# not proven.
MOST_FAILURES = 24
LONGEST_PAUSE = 3600.0
# One that found no place in the cursor is recorded as not proven this long after its end.
GIVEN_UP_WITHOUT_PLACE = 24 * 3600.0
# Another sensor that records the same assets and has not finished after so long is gone.
TAKEN_OVER_AFTER = 3600.0
# So often a warning says that assets are not recorded because of their partitions.
PARTITIONS_TOLD_EVERY = 7 * 24 * 3600.0


@dataclass
class Settled:
    """What was done in a pipeline in one tick.

    Attributes:
        ended: The jobs whose end is known to be recorded now, by a run or by the sensor.
        recorded: How many jobs the sensor has recorded.
        settled: How many jobs were settled, by whomever.
        touched: The jobs of which the tick returns events.
    """

    ended: list[Job] = field(default_factory=list[Job])
    recorded: int = 0
    settled: int = 0
    touched: list[str] = field(default_factory=list[str])


@dataclass(frozen=True)
class KnownJob:
    """A job that is being recorded, and what is known of it.

    Attributes:
        reading: What was read of its objects.
        marks: What its marks said.
        ownership: Whose the pipeline's jobs are.
        is_settled: Whether a run has settled it.
        gone: Runs that count as gone.
    """

    reading: ObjectReading
    marks: JobMarks
    ownership: JobOwnership
    is_settled: bool
    gone: frozenset[str]

    @property
    def job(self) -> Job:
        """The job."""
        return self.reading.job

    @property
    def entry(self) -> OpenJob:
        """What is kept of it."""
        return self.reading.entry


@dataclass
class JobRecording:
    """Records the jobs of one pipeline, one after another.

    Args:
        followed: The pipeline.
        tools: What the visits of a tick share.
        marks: Which jobs are recorded for our assets.
        done: Where it says what it has done.
        newer_than: The jobs seen that were made after a job.
    """

    followed: FollowedPipeline
    tools: TickTools
    marks: RecordMarks
    done: Settled
    newer_than: Callable[[Job], frozenset[str]]
    _current: KnownJob | None = None
    _census: Census | None = None

    @property
    def _pipeline_id(self) -> int:
        return self.followed.pipeline.id

    def record(
        self, cursor: PipelineCursor, known: KnownJob, *, has_place: bool
    ) -> Iterator[PipelineCursor]:
        """Record a job, unless what became of its objects is not known yet."""
        tools, reading = self.tools, known.reading
        if tools.recorder.is_full:
            raise TickSpent
        tools.budget.check_time()
        if self._is_anothers(known):
            yield self._later(cursor, known, waits=True)
            return
        self._current = known
        outcome: JobOutcome | None = None
        job_id = known.job.job_id
        try:
            # A census that an earlier tick began: the list is read once it is over.
            if known.entry.census is not None:
                for _ in self._count(reading):
                    cursor = cursor.with_open(job_id, known.entry)
                    yield cursor
            for _ in reading.steps():
                yield cursor
            if reading.is_over and (reading.agrees or reading.is_final):
                outcome = self._outcome(reading)
                is_named = self.followed.index.are_found_by_name(reading.listed)
                is_counted = not reading.is_part and needs_census(outcome)
                if self._census is None and (is_named or is_counted):
                    for _ in self._count(reading):
                        cursor = cursor.with_open(job_id, known.entry)
                        yield cursor
                    outcome = self._outcome(reading)
        except (HevoAuthenticationError, HevoRateLimitError):
            raise
        except HevoError as error:
            yield self._failed(cursor, known, error, has_place=has_place)
            return
        yield self.end(cursor) if outcome is None else self._write(cursor, known, outcome)

    def _count(self, reading: ObjectReading) -> Iterator[None]:
        """Count the pipeline's objects; yields once it is kept how far that is."""
        census = self._census or reading.entry.census or Census()
        for found in counted(self.tools, self._pipeline_id, census, self.followed.index):
            census = found
            reading.entry = replace(reading.entry, census=census)
            yield
        self._census = census

    def _outcome(self, reading: ObjectReading) -> JobOutcome:
        census, index = self._census, self.followed.index
        known = index.objects
        # Names prove nothing that another object may have by now.
        unsure = frozenset(known) if census is None else census.same_names
        return self.tools.recorder.outcome_of(
            self.followed,
            index.without_names(unsure),
            reading.job,
            reading.listed,
            is_part=reading.is_part,
            has_other_objects=census is not None and not has_just(census, known),
        )

    def end(self, cursor: PipelineCursor) -> PipelineCursor:
        """Keep what was read of a job that is not at its end, where the tick or a part ends."""
        known, self._current = self._current, None
        if known is None:
            return cursor
        reading, entry = known.reading, known.entry
        if not reading.pages:
            return cursor
        if not reading.is_final:
            # Soon its entries are final, and can be recorded in parts.
            is_long = not (reading.is_over or reading.is_too_early)
            until_final = entry.since + OBJECTS_PATIENCE - self.tools.now()
            pause = until_final if is_long else self.tools.settings.interval
            return self._later(cursor, known, pause=max(pause, 1.0))
        if reading.is_over and not reading.is_part:
            return cursor  # The census goes on.
        return self._write(cursor, known, self._outcome(reading))

    def _later(
        self,
        cursor: PipelineCursor,
        known: KnownJob,
        *,
        waits: bool = False,
        pause: float | None = None,
    ) -> PipelineCursor:
        self._current = None
        now, entry = self.tools.now(), known.entry
        waits_since = (entry.waits_since or now) if waits else None
        due_at = now + (self.tools.settings.interval if pause is None else pause)
        found = replace(entry, due_at=due_at, waits_since=waits_since)
        return cursor.with_open(known.job.job_id, found)

    def _is_anothers(self, known: KnownJob) -> bool:
        """Whether another sensor, that is not gone, records the job for some of our assets."""
        other = self.marks.ahead(known.marks)
        if other is None:
            return False
        now = self.tools.now()
        waits_since = known.entry.waits_since
        # Its clock may be another one, or may have been set back.
        return not (
            now - other.at >= TAKEN_OVER_AFTER
            or (waits_since is not None and now - waits_since >= TAKEN_OVER_AFTER)
        )

    def _failed(
        self,
        cursor: PipelineCursor,
        known: KnownJob,
        error: HevoError,
        *,
        has_place: bool,
    ) -> PipelineCursor:
        """What a job lists could not be read, or not to the end."""
        tools, now, reading, job = self.tools, self.tools.now(), known.reading, known.job
        cursor = self.end(cursor)
        entry = cursor.open.get(job.job_id, known.entry)
        waited = now - entry.since
        if entry.failures < MOST_FAILURES and (has_place or waited < GIVEN_UP_WITHOUT_PLACE):
            pause = pause_after(tools, entry.failures)
            tools.log(
                f"Job {job.job_id} of pipeline {self._pipeline_id}: its objects could not be "
                f"read; next try in {as_text(pause)}. {error}"
            )
            failures = known.entry.failures + 1
            found = replace(entry, failures=failures, due_at=now + pause)
            if failures >= FAILURES_UNTIL_EMPTY:
                found = replace(found, objects_cursor=None, objects_pages=0, census=None)
            return cursor.with_open(job.job_id, found)
        tools.recorder.warn(
            self.followed,
            f"The objects of job {job.job_id} of pipeline {self._pipeline_id} could not be "
            f"read {entry.failures + 1} times in a row: what it loaded is not proven. {error}",
            job_id=job.job_id,
        )
        reading.entries, reading.is_over = [], True
        reading.entry = replace(reading.entry, objects_cursor=None)
        outcome = tools.recorder.outcome_of_unreadable(self.followed, job)
        return self._write(cursor, known, outcome)

    def _write(
        self, cursor: PipelineCursor, known: KnownJob, outcome: JobOutcome
    ) -> PipelineCursor:
        """Record a job, or the part of it that was read; sends nothing."""
        tools, now, reading, job = self.tools, self.tools.now(), known.reading, known.job
        self._current = None
        ownership, hevo_ms = known.ownership, tools.hevo.hevo_now_ms()
        if not known.is_settled:
            object_ids = self.followed.index.ids_in(reading.entries)
            if not ownership.claim(job, hevo_ms, object_ids=object_ids, gone=known.gone):
                return self._later(cursor, known)
        is_alone = self.marks.begin(job.job_id, now) is None
        if not is_alone and self.marks.ahead(known.marks) is None:
            return self._later(cursor, known, waits=True)  # Somebody was quicker.
        if self.marks.of(job.job_id).is_done:
            # A run has recorded it while its objects were read.
            self.done.settled += 1
            self.done.ended.append(job)
            return cursor.with_settled(job.job_id, made_ms(job))
        self.done.touched.append(job.job_id)
        unplaced = tools.recorder.record(
            self.followed,
            outcome,
            look_up=self._to_look_up(known),
            runs=ownership.recorders_of(job.job_id),
            newer=self.newer_than(job) & (cursor.settled.keys() | cursor.reported),
        )
        cursor = self._told_of_partitions(cursor, job, unplaced)
        if not reading.is_over:
            entry = known.entry
            # Begun again and again, it would never count as unreadable.
            failures = 0 if entry.failures < FAILURES_UNTIL_EMPTY else entry.failures
            found = replace(
                entry,
                objects_cursor=reading.next_cursor,
                objects_pages=entry.objects_pages + reading.pages,
                failures=failures,
                due_at=now,
            )
            return cursor.with_open(job.job_id, found)
        sentence = f"The job sensor recorded job {job.job_id}, which ended {job.status}."
        ownership.settle(job, sentence, uid=tools.new_id())
        tools.log(summary(outcome))
        self.done.recorded += 1
        self.done.settled += 1
        self.done.ended.append(job)
        return cursor.with_settled(job.job_id, made_ms(job), is_reported=True)

    def _told_of_partitions(
        self, cursor: PipelineCursor, job: Job, keys: Sequence[dg.AssetKey]
    ) -> PipelineCursor:
        """Say now and then that assets are not recorded because of their partitions."""
        now = self.tools.now()
        if not keys or now - cursor.partitions_told_at < PARTITIONS_TOLD_EVERY:
            return cursor
        names = [key.to_user_string() for key in keys]
        shown = ", ".join(names[:ASSETS_WARNED])
        more = f" and {len(names) - ASSETS_WARNED} more" if len(names) > ASSETS_WARNED else ""
        are = "is partitioned" if len(names) == 1 else "are partitioned"
        self.tools.recorder.warn_of(
            keys,
            f"{shown}{more} {are} in a way that does not tell which partition job {job.job_id} of "
            f"pipeline {self._pipeline_id} loaded: not recorded, neither for this job nor for "
            "later ones, of which no more is said for a week. Follow the pipeline with assets "
            "that have no partitions, or partitions of time.",
            pipeline_id=self._pipeline_id,
            job_id=job.job_id,
        )
        return replace(cursor, partitions_told_at=now)

    def _to_look_up(self, known: KnownJob) -> frozenset[str] | None:
        """The assets that somebody may have recorded already; None: any of them.

        The event log is searched only where the ledger says that somebody began.
        """
        marks, is_settled = known.marks, known.is_settled
        if marks.begun_by is not None:
            return None
        if not is_settled and known.ownership.recorders_of(known.job.job_id):
            return None  # A run died while it recorded the job.
        if marks.others:
            return self.marks.shared_with(marks.others)
        return None if is_settled else frozenset()


def pause_after(tools: TickTools, failures: int) -> float:
    """Seconds until what failed so many times in a row before is tried again."""
    interval = tools.settings.interval
    return max(min(interval * 2 ** min(failures, 16), LONGEST_PAUSE), interval)
