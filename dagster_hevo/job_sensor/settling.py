"""What becomes of one job that was read: recorded, left for later, left to its run, or given up.

The decision is `decide.py`; the events are made in `recorder.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from dagster_hevo.api.enums import JobStatus
from dagster_hevo.api.errors import HevoAuthenticationError, HevoError, HevoNotFoundError
from dagster_hevo.api.models import Job, JobObject
from dagster_hevo.execution.events import summary
from dagster_hevo.job_sensor.budget import TickSpent
from dagster_hevo.job_sensor.cursor import OpenJob, PipelineCursor, made_ms
from dagster_hevo.job_sensor.decide import Decision, OwnerKind, decide
from dagster_hevo.job_sensor.expecting import next_poll_of
from dagster_hevo.job_sensor.followed import FollowedPipeline, TickTools
from dagster_hevo.job_sensor.ownership import JobOwnership
from dagster_hevo.jobs.marks import JobMarks, RecordMarks
from dagster_hevo.jobs.objects import distinct
from dagster_hevo.jobs.outcome import list_agrees
from dagster_hevo.jobs.settings import as_text

# Hevo may list what became of a job's objects some time after the job's end.
OBJECTS_PATIENCE = 120.0
# A job whose objects cannot be read so many times in a row, which takes about a day, is recorded as
# not proven.
MOST_FAILURES = 24
# A job that was seen and that Hevo does not know any more is given up after this many seconds.
GONE_AFTER = 24 * 3600.0
LONGEST_PAUSE = 3600.0
# A job of whose objects Hevo knows nothing so many times in a row has none. And after so many a
# page that cannot be read is left, and the list begun again.
FAILURES_UNTIL_EMPTY = 3
# A list of objects that is longer is recorded in parts.
MOST_OBJECT_PAGES = 25
# Another sensor that records the same assets and has not finished after so long is gone.
TAKEN_OVER_AFTER = 3600.0


@dataclass
class JobSettler:
    """Settles the jobs of one pipeline.

    Args:
        followed: The pipeline.
        tools: What the visits of a tick share.
        marks: Which jobs are recorded for our assets.

    Attributes:
        ended: The jobs whose end is known to be recorded now, by a run or by the sensor.
        recorded: How many jobs the sensor has recorded.
        settled: How many jobs were settled, by whomever.
        newer_than: The jobs seen that were made after a job.
        seen: All jobs seen, whose durations tell when to poll.
    """

    followed: FollowedPipeline
    tools: TickTools
    marks: RecordMarks
    ended: list[Job] = field(default_factory=list[Job])
    recorded: int = 0
    settled: int = 0
    newer_than: Callable[[Job], frozenset[str]] = lambda _: frozenset()
    seen: Callable[[], tuple[Job, ...]] = lambda: ()

    @property
    def _pipeline_id(self) -> int:
        return self.followed.pipeline.id

    def settle(
        self, cursor: PipelineCursor, job: Job, ownership: JobOwnership, *, is_past: bool = False
    ) -> Iterator[PipelineCursor]:
        """Do what is to be done about a job now.

        Args:
            cursor: How far its pipeline is.
            job: The job as it is.
            ownership: Whose the pipeline's jobs are.
            is_past: Whether it had ended before the pipeline was followed.

        Yields:
            How far the pipeline is, after each request.

        Raises:
            TickSpent: The tick may send no more requests.
        """
        now, hevo_ms = self.tools.now(), self.tools.hevo.hevo_now_ms()
        entry = self._as_seen(job, cursor.open.get(job.job_id), now, hevo_ms)
        marks = self.marks.of(job.job_id)
        if marks.is_settled:
            if marks.is_done and marks.begun_by is None and not is_past:
                self.ended.append(job)  # A run has recorded it.
                self.settled += 1
            yield cursor.with_settled(job.job_id, made_ms(job))
            return
        owner = ownership.owner_of(job, hevo_ms)
        if is_past and owner.kind in {OwnerKind.NOBODY, OwnerKind.RECORDED}:
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
            yield from self._record(
                cursor, job, entry, marks, ownership, is_settled=is_settled, gone=gone
            )

    def missing(self, cursor: PipelineCursor, job_id: str, entry: OpenJob) -> PipelineCursor:
        """Hevo does not know a job that was seen before."""
        now = self.tools.now()
        since = entry.since if entry.failures else now
        if now - since >= GONE_AFTER:
            gone_for = as_text(now - since)
            return self._given_up(cursor, job_id, f"has been unknown to Hevo for {gone_for}")
        pause = self._pause(entry.failures)
        found = replace(entry, since=since, failures=entry.failures + 1, due_at=now + pause)
        return cursor.with_open(job_id, found)

    def _as_seen(self, job: Job, known: OpenJob | None, now: float, hevo_ms: int | None) -> OpenJob:
        """What is kept of a job, by how it is now."""
        if job.is_terminal:
            if known is not None and known.is_over:
                return known
            ended_ago = 0.0
            if hevo_ms is not None and job.updated_ts is not None:
                ended_ago = max(hevo_ms - job.updated_ts, 0) / 1000
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

    # Recording

    def _record(
        self,
        cursor: PipelineCursor,
        job: Job,
        entry: OpenJob,
        marks: JobMarks,
        ownership: JobOwnership,
        *,
        is_settled: bool,
        gone: frozenset[str],
    ) -> Iterator[PipelineCursor]:
        """Record a job, unless what became of its objects is not known yet."""
        tools, now = self.tools, self.tools.now()
        interval, me = tools.settings.interval, tools.settings.sensor_id
        if tools.recorder.is_full:
            raise TickSpent
        tools.budget.check_time()
        is_anothers = marks.begun_by not in {None, me} and now - marks.begun_at < TAKEN_OVER_AFTER
        if is_anothers:
            yield cursor.with_open(job.job_id, replace(entry, due_at=now + interval))
            return
        try:
            listed, next_cursor, is_part = self._read_objects(job, entry, now)
            outcome = tools.recorder.outcome_of(self.followed, job, listed, is_part=is_part)
        except HevoAuthenticationError:
            raise
        except HevoError as error:
            if entry.failures < MOST_FAILURES:
                pause = self._pause(entry.failures)
                tools.log(
                    f"Job {job.job_id} of pipeline {self._pipeline_id}: its objects could not be "
                    f"read; next try in {as_text(pause)}. {error}"
                )
                found = replace(entry, failures=entry.failures + 1, due_at=now + pause)
                if found.failures >= FAILURES_UNTIL_EMPTY:
                    found = replace(found, objects_cursor=None)
                yield cursor.with_open(job.job_id, found)
                return
            tools.recorder.warn(
                self.followed,
                f"The objects of job {job.job_id} of pipeline {self._pipeline_id} could not be "
                f"read {entry.failures} times in a row: what it loaded is not proven. {error}",
                job_id=job.job_id,
            )
            listed, next_cursor, is_part = (), None, False
            outcome = tools.recorder.outcome_of_unreadable(self.followed, job)
        agrees = is_part or entry.failures > 0 or list_agrees(job, listed)
        if not agrees and now - entry.since < OBJECTS_PATIENCE:
            yield cursor.with_open(job.job_id, replace(entry, due_at=now + interval))
            return
        if not is_settled:
            object_ids = self.followed.index.ids_in(listed)
            hevo_ms = tools.hevo.hevo_now_ms()
            if not ownership.claim(job, hevo_ms, object_ids=object_ids, gone=gone):
                yield cursor.with_open(job.job_id, replace(entry, due_at=now + interval))
                return
        first = self.marks.begin(job.job_id, now)
        if first != me and marks.begun_by is None:
            yield cursor.with_open(job.job_id, replace(entry, due_at=now + interval))
            return
        tools.recorder.record(
            self.followed,
            outcome,
            look_up=self._to_look_up(job, marks, ownership, is_settled=is_settled),
            runs=ownership.recorders_of(job.job_id),
            newer=self.newer_than(job) & (cursor.settled.keys() | cursor.reported),
        )
        if next_cursor is not None:
            found = replace(entry, objects_cursor=next_cursor, failures=0, due_at=now)
            yield cursor.with_open(job.job_id, found)
            return
        sentence = f"The job sensor recorded job {job.job_id}, which ended {job.status}."
        ownership.settle(job, sentence, uid=tools.new_id())
        tools.log(summary(outcome))
        self.recorded += 1
        self.settled += 1
        self.ended.append(job)
        yield cursor.with_settled(job.job_id, made_ms(job), is_reported=True)

    def _to_look_up(
        self, job: Job, marks: JobMarks, ownership: JobOwnership, *, is_settled: bool
    ) -> frozenset[str] | None:
        """The assets that somebody may have recorded already; None: any of them.

        The event log is searched only where the ledger says that somebody began.
        """
        if marks.begun_by is not None:
            return None
        if not is_settled and ownership.recorders_of(job.job_id):
            return None  # A run died while it recorded the job.
        if marks.others:
            return self.marks.shared_with(marks.others)
        return None if is_settled else frozenset()

    def _read_objects(
        self, job: Job, entry: OpenJob, now: float
    ) -> tuple[tuple[JobObject, ...], str | None, bool]:
        """What a job lists of its objects, where to go on, and whether that is a part of the list.

        A list that is too long for what is left of the tick is recorded in parts, once its entries
        have had the time to become final.
        """
        is_final = now - entry.since >= OBJECTS_PATIENCE
        cursor, listed, pages = entry.objects_cursor, list[JobObject](), 0
        try:
            while True:
                found = self.tools.hevo.job_object_pages(self._pipeline_id, job.job_id, cursor)
                page = next(iter(found))
                listed += page.entries
                pages += 1
                if not page.has_more or page.next_cursor in {None, cursor}:
                    return distinct(listed), None, entry.objects_cursor is not None
                cursor = page.next_cursor
                if pages >= MOST_OBJECT_PAGES and is_final:
                    return distinct(listed), cursor, True
        except TickSpent:
            if not pages or not is_final:
                raise
            return distinct(listed), cursor, True
        except HevoNotFoundError:
            # One 404 may be a gateway's. A page after the first is never the end of the list.
            is_first = not pages and entry.objects_cursor is None
            if not is_first or entry.failures < FAILURES_UNTIL_EMPTY:
                raise
            return (), None, False

    def _pause(self, failures: int) -> float:
        interval = self.tools.settings.interval
        return max(min(interval * 2 ** min(failures, 16), LONGEST_PAUSE), interval)
