"""One pipeline in one tick: a walk through its list of jobs, in steps that each cost little.

A step is one request, or what one request brought. Between two steps the tick may turn to another
pipeline or end; `PipelineVisit.cursor` is always what to go on with. What is done with one job is
`settling.py`; when to poll again, `expecting.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from dagster_hevo.api.errors import (
    HevoAuthenticationError,
    HevoError,
    HevoNotFoundError,
    HevoRateLimitError,
)
from dagster_hevo.api.models import Job
from dagster_hevo.job_sensor.cursor import MOST_OPEN, MOST_SETTLED, PipelineCursor
from dagster_hevo.job_sensor.expecting import due_after_visit
from dagster_hevo.job_sensor.followed import FollowedPipeline, TickTools
from dagster_hevo.job_sensor.listing import JobListing
from dagster_hevo.job_sensor.ownership import JobOwnership
from dagster_hevo.job_sensor.settling import JobSettler
from dagster_hevo.job_sensor.walk import Walk, ended, made_ms
from dagster_hevo.jobs.marks import RecordMarks
from dagster_hevo.jobs.newness import CLOCK_TOLERANCE_MS

# Jobs that are not on the pages read are polled one by one, at most this many in a visit.
MOST_POLLED_ALONE = 10
LONGEST_JOB_MS = 24 * 3600 * 1000
LONGEST_PAUSE = 10 * 60.0
LONGEST_PAUSE_UNKNOWN = 6 * 3600.0


class PipelineVisit:
    """Reads a pipeline's jobs and records those that ended, as far as the tick lets it.

    Args:
        followed: The pipeline.
        cursor: How far it is.
        tools: What the visits of a tick share.
        is_newest_first: Whether this account's lists were seen to run from the newest job on.

    Attributes:
        cursor: How far it is now.
        listing: The pages of the list that were read.
        settler: Records jobs, and knows what it has recorded.
    """

    def __init__(
        self,
        followed: FollowedPipeline,
        cursor: PipelineCursor,
        tools: TickTools,
        is_newest_first: bool | None,
    ) -> None:
        self.cursor = cursor
        self.listing = JobListing(followed.pipeline.id, tools, is_newest_first)
        self._followed = followed
        self._tools = tools
        self._is_walk_over = False
        self._unread: HevoError | None = None
        self._resumes = cursor.walk is not None and cursor.walk.cursor is not None
        self._is_first_walk = cursor.newest_ms is None
        settings = tools.settings
        self._marks = RecordMarks(
            tools.store,
            settings.base_url,
            followed.pipeline.id,
            followed.asset_set,
            settings.sensor_id,
        )
        self.settler = JobSettler(
            followed,
            tools,
            self._marks,
            newer_than=self._newer_than,
            seen=lambda: tuple(self.listing.seen.values()),
        )

    @property
    def pipeline_id(self) -> int:
        """The pipeline."""
        return self._followed.pipeline.id

    def steps(self) -> Iterator[None]:
        """All there is to do now, step by step.

        Raises:
            TickSpent: The tick may send no more requests.
            HevoError: The list could not be read to its end; what could be read is settled.
        """
        if self.cursor.walk is None or not self.cursor.walk.is_down:
            try:
                yield from self._go_down()
            except (HevoAuthenticationError, HevoRateLimitError):
                raise
            except HevoError as error:
                self._unread = error
        yield from self._go_up()
        yield from self._poll_open()
        if self._unread is not None:
            raise self._unread
        self._finish()

    def end(self) -> None:
        """Keep what was read and say what waits, also where the tick ended before the visit."""
        self.cursor = self.settler.end(self.cursor)
        if self._is_first_walk or self.cursor.walk is None:
            self.cursor = replace(self.cursor, waiting=0, oldest_ms=None)
            return
        latest_ms = self._latest_ms()
        waiting = [
            made_ms(job, latest_ms)
            for job in self.listing.seen.values()
            if job.is_terminal
            and job.job_id not in self.cursor.open
            and not self._is_settled(job, latest_ms)
        ]
        known = [made for made in (*waiting, self.cursor.oldest_ms) if made is not None]
        oldest_ms = min(known, default=None)
        if self.cursor.walk.is_down:  # The pages come from the oldest to the newest.
            oldest_ms = min((made for made in waiting if made is not None), default=oldest_ms)
        self.cursor = replace(self.cursor, waiting=len(waiting), oldest_ms=oldest_ms)

    def failed(self, *, is_unknown: bool) -> None:
        """The list could not be read to its end: pause, longer each time.

        Args:
            is_unknown: Whether Hevo says that there is no such pipeline, or page.
        """
        now, failures = self._tools.now(), self.cursor.failures + 1
        longest = LONGEST_PAUSE_UNKNOWN if is_unknown and failures > 3 else LONGEST_PAUSE
        interval = self._tools.settings.interval
        pause = max(min(interval * 2 ** min(failures, 16), longest), interval)
        walk = self.cursor.walk
        if is_unknown or failures > 3:
            walk = None  # The page where it goes on may be gone; the list's beginning is not.
        since = self.cursor.unreadable_since
        self.cursor = replace(
            self.cursor,
            walk=walk,
            failures=failures,
            due_at=now + pause,
            polled_at=now,
            unreadable_since=now if since is None else since,
        )

    # The list

    def _go_down(self) -> Iterator[None]:
        """Read pages until all that is not yet seen are known to be settled."""
        while True:
            walk = self.cursor.walk or Walk()
            page = self.listing.read(walk.cursor or "")
            if self._resumes:  # The page that could not be read, if it was one.
                self.cursor = replace(self.cursor, failures=0)
            self._resumes = False
            latest_ms = self._latest_ms()
            self._begin_ms()  # By the first answer: later ones tell it less exactly.
            to_do = [job for job in page.entries if not self._is_settled(job, latest_ms)]
            times = [made for job in page.entries if (made := made_ms(job, latest_ms))]
            walk = replace(
                walk,
                pages=walk.pages + 1,
                newest_ms=max([*times, walk.newest_ms or 0]) or None,
            )
            if to_do:
                new = (job.job_id for job in to_do if job.job_id not in self.cursor.open)
                walk = walk.with_page_to_do(walk.cursor or "", new)
            if self.listing.ends_with(page, walk, latest_ms, self._old_before_ms()):
                walk = replace(walk, cursor=None, is_down=True)
            else:
                walk = replace(walk, cursor=page.next_cursor)
            now = self._tools.now()
            self.cursor = replace(self.cursor, walk=walk, polled_at=now)
            yield
            if walk.is_down:
                return

    def _old_before_ms(self) -> float | None:
        """Jobs made before are settled; None: all that the first page does not list."""
        if self.cursor.old_before_ms is not None:
            return self.cursor.old_before_ms
        # The walks at the beginning also look for jobs that began long before and still run.
        is_first_tick = self.cursor.since >= self._tools.began
        return None if is_first_tick else self._begin_ms() - LONGEST_JOB_MS

    def _is_settled(self, job: Job, latest_ms: int | None) -> bool:
        if self.cursor.is_settled(job, latest_ms):
            return True
        if job.job_id in self.cursor.open or self._is_first_walk:
            return False
        # What no longer fits into the cursor is in the ledger. What a run has recorded may still
        # have to be told to those who wait for the job: `JobSettler`.
        marks = self._marks.of(job.job_id)
        return marks.is_left or (marks.is_done and marks.begun_by is not None)

    # Its jobs

    def _go_up(self) -> Iterator[None]:
        """Settle the jobs of the pages that have some, the oldest first."""
        while (walk := self.cursor.walk) is not None and walk.to_do:
            key = walk.to_do[-1]
            if key not in self.listing.pages:
                try:
                    self.listing.read(key)
                except (HevoAuthenticationError, HevoRateLimitError):
                    raise
                except HevoError as error:
                    self._unread = error
                    self._leave_page(is_cut=True)
                    continue
                yield
            ownership = self._ownership()
            jobs = sorted(
                self.listing.pages[key], key=lambda job: (job.created_ts or 0, job.job_id)
            )
            for job in jobs:
                if not self._is_waiting(job):
                    yield from self._settle(job, ownership)
            self._leave_page()
        if self.cursor.walk is not None and self.cursor.walk.is_down:
            self._end_walk()

    def _leave_page(self, *, is_cut: bool = False) -> None:
        walk = self.cursor.walk
        if walk is not None:
            walk = replace(walk, to_do=walk.to_do[:-1], is_cut=walk.is_cut or is_cut)
            self.cursor = replace(self.cursor, walk=walk)

    def _is_waiting(self, job: Job) -> bool:
        """Whether a job is worth a request only later."""
        entry = self.cursor.open.get(job.job_id)
        if entry is None or entry.is_over is not job.is_terminal:
            return False
        return entry.due_at > self._tools.now()

    def _settle(self, job: Job, ownership: JobOwnership) -> Iterator[None]:
        latest_ms = self._latest_ms()
        if self.cursor.is_settled(job, latest_ms):
            return
        is_past = job.is_terminal and self._is_past(job, latest_ms)
        is_known = job.job_id in self.cursor.open
        made, now = made_ms(job, latest_ms), self._tools.now()
        if not is_known and self.cursor.is_tried(made, now):
            self._cut_walk()
            return
        has_place = is_known or len(self.cursor.open) < MOST_OPEN
        for cursor in self.settler.settle(
            self.cursor, job, ownership, is_past=is_past, has_place=has_place
        ):
            # Here, because the tick may end at each yield.
            self.cursor = self._met(job, cursor, latest_ms)
            self._trim()
            yield
        if not has_place and job.job_id in self.cursor.open:
            self.cursor = self.cursor.without_place(job.job_id, made, now)
            self._cut_walk()

    def _cut_walk(self) -> None:
        if self.cursor.walk is not None:
            self.cursor = replace(self.cursor, walk=replace(self.cursor.walk, is_cut=True))

    def _met(self, job: Job, cursor: PipelineCursor, latest_ms: int | None) -> PipelineCursor:
        """The cursor once a job that the way down saw was met on the way up."""
        walk, made = cursor.walk, made_ms(job, latest_ms)
        is_new = job.job_id not in self.cursor.open and not self.cursor.is_settled(job, latest_ms)
        is_known = job.job_id in cursor.open or cursor.is_settled(job, latest_ms)
        if walk is None or not (is_new and is_known):
            return cursor
        if made is not None and made > (walk.newest_ms or 0):
            return cursor  # It came after the way down.
        return replace(cursor, walk=walk.without(job.job_id))

    def _newer_than(self, job: Job) -> frozenset[str]:
        made = job.created_ts or 0
        others = self.listing.seen.values()
        return frozenset(item.job_id for item in others if made and (item.created_ts or 0) > made)

    def _is_past(self, job: Job, latest_ms: int | None) -> bool:
        """Whether a job that has ended was over before the pipeline was followed.

        Hevo's times decide, with a tolerance: a job of just before may be recorded as well. One
        without a time is past where the first walk sees it.
        """
        ended_ms = ended(job, latest_ms) or made_ms(job, latest_ms)
        return self._is_first_walk if ended_ms is None else ended_ms < self._begin_ms()

    def _begin_ms(self) -> int:
        """Since when the pipeline is followed, by Hevo's clock, with a tolerance."""
        known, tools = self.cursor.begin_ms, self._tools
        if known is not None:
            return known
        hevo_ms = tools.hevo.hevo_now_ms()
        if hevo_ms is None:
            return round(self.cursor.since * 1000) - CLOCK_TOLERANCE_MS
        ago_ms = round((tools.now() - self.cursor.since) * 1000)
        begin_ms = max(hevo_ms - ago_ms - CLOCK_TOLERANCE_MS, 1)
        # Once, because this machine's clock may be set back.
        self.cursor = replace(self.cursor, begin_ms=begin_ms)
        return begin_ms

    def _poll_open(self) -> Iterator[None]:
        """Poll the jobs that are still to be recorded and were on no page, some of them."""
        now = self._tools.now()
        due = sorted(
            (entry.due_at, job_id)
            for job_id, entry in self.cursor.open.items()
            if entry.due_at <= now and job_id not in self.listing.seen
        )
        for _, job_id in due[:MOST_POLLED_ALONE]:
            entry = self.cursor.open[job_id]
            try:
                job = self._tools.hevo.get_job(self.pipeline_id, job_id)
            except (HevoAuthenticationError, HevoRateLimitError):
                raise
            except HevoNotFoundError:
                self.cursor = self.settler.missing(self.cursor, job_id, entry)
                yield
                continue
            except HevoError as error:
                self.cursor = self.settler.unreadable(self.cursor, job_id, entry, error)
                yield
                continue
            yield
            for cursor in self.settler.settle(self.cursor, job, self._ownership()):
                self.cursor = cursor
                self._trim()
                yield

    def _ownership(self) -> JobOwnership:
        """Whose the jobs are. Made once they were read: see `JobOwnership`."""
        settings = self._tools.settings
        return JobOwnership(
            self._tools.store,
            settings.base_url,
            self.pipeline_id,
            sensor_name=settings.sensor_id,
            discovery_timeout=settings.discovery_timeout,
            is_retry_known=self._tools.is_retry_known,
        )

    # What is kept

    def _end_walk(self) -> None:
        walk = self.cursor.walk
        if walk is None:
            return
        if walk.is_cut:
            # The next walk begins where this one began.
            self.cursor = replace(self.cursor, walk=None)
            self._is_walk_over = True
            return
        if walk.is_partial or walk.unmet:
            # Other jobs were met on the way up than were seen on the way down: pages have moved.
            self.cursor = replace(self.cursor, walk=None, due_at=self._tools.now())
            return
        self._is_walk_over = True
        self.cursor = self.cursor.after_walk(walk)
        if self._is_first_walk:
            self._tell_begun()

    def _tell_begun(self) -> None:
        """Tell the ledger that the first walk is over: what has no time is new from now on."""
        untimed = {job_id for job_id, made in self.cursor.settled.items() if not made}
        for job_id in untimed - self.cursor.reported:
            self._marks.leave(job_id)
        self._marks.follow_until(self.cursor.since, 1)

    def _finish(self) -> None:
        """Say when to come back."""
        if self.cursor.walk is not None or not self._is_walk_over:
            return
        jobs = tuple(self.listing.seen.values())
        found = bool(self.settler.done.settled or self.cursor.open)
        cursor = replace(self.cursor, failures=0, unreadable_since=None, is_unreadable_told=False)
        self.cursor = due_after_visit(cursor, self._followed, jobs, self._tools, found=found)

    def _trim(self) -> None:
        """Keep the newest settled jobs in the cursor; of the others the ledger knows."""
        excess = len(self.cursor.settled) - MOST_SETTLED
        if excess < MOST_SETTLED:
            return
        oldest_first = sorted(self.cursor.settled.items(), key=lambda item: item[1])
        for job_id, _ in oldest_first[:excess]:
            if job_id not in self.cursor.reported:
                self._marks.leave(job_id)
        self.cursor = replace(self.cursor, settled=dict(oldest_first[excess:]))

    def _latest_ms(self) -> int | None:
        """Times after this are nonsense: taken at its word, one would make all to come old."""
        hevo_ms = self._tools.hevo.hevo_now_ms()
        if hevo_ms is None:
            return int((self._tools.now() + 24 * 3600) * 1000)
        return hevo_ms + CLOCK_TOLERANCE_MS
