"""One tick of the job sensor: which pipelines to visit, in which order, until its budget is spent.

What is done in a pipeline is `visit.py`. Nothing that was read is lost where a tick ends early: the
cursor says how far each pipeline is.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from dagster_hevo.api.errors import (
    HevoAuthenticationError,
    HevoError,
    HevoNotFoundError,
    HevoRateLimitError,
)
from dagster_hevo.api.models import Job
from dagster_hevo.job_sensor.budget import TickSpent
from dagster_hevo.job_sensor.cursor import OpenJob, PipelineCursor, SensorCursor
from dagster_hevo.job_sensor.expecting import idle_until
from dagster_hevo.job_sensor.followed import FollowedPipeline, TickTools
from dagster_hevo.job_sensor.recorder import ObservedEvent
from dagster_hevo.job_sensor.status import TickStatus, with_backlog
from dagster_hevo.job_sensor.visit import PipelineVisit
from dagster_hevo.jobs.marks import RecordMarks
from dagster_hevo.jobs.pipeline_ledger import PipelineLedger

# This part of the requests is enough to poll all pipelines of which nothing is expected.
IDLE_SHARE = 0.06
TICK_INTERVAL = 60.0


@dataclass(frozen=True)
class TickResult:
    """What a tick brought.

    Attributes:
        cursor: For the next tick.
        events: The events to report.
        ended: The jobs whose end is recorded now, each with its pipeline.
        status: What was done, for people.
    """

    cursor: SensorCursor
    events: list[ObservedEvent]
    ended: list[tuple[int, Job]]
    status: TickStatus


@dataclass
class Tick:
    """One tick.

    Args:
        followed: The pipelines, by id.
        tools: What the visits share.
    """

    followed: Mapping[int, FollowedPipeline]
    tools: TickTools
    _cursors: dict[int, PipelineCursor] = field(default_factory=dict[int, PipelineCursor])
    _visits: dict[int, PipelineVisit] = field(default_factory=dict[int, PipelineVisit])
    _unfinished: set[int] = field(default_factory=set[int])
    _order: bool | None = None
    _was_cut_short: bool = False

    def run(self, cursor: SensorCursor) -> TickResult:
        """Visit the pipelines that are due, the longest due first, then the others.

        Raises:
            HevoAuthenticationError: The keys are wrong: no later tick will do better.
        """
        tools = self.tools
        self._order = cursor.is_newest_first
        self._cursors = dict(cursor.pipelines)
        for pipeline_id, followed in self.followed.items():
            known = self._cursors.get(pipeline_id) or begin_following(followed, tools)
            self._cursors[pipeline_id] = self._prepared(followed, known)
        tools.budget.begin()
        try:
            self._visit_all()
        except TickSpent:
            self._was_cut_short = True
        return self._result(cursor)

    def _prepared(self, followed: FollowedPipeline, known: PipelineCursor) -> PipelineCursor:
        """A pipeline's cursor with what the ledger and the tick before tell; sends nothing."""
        tools, settings = self.tools, self.tools.settings
        pipeline_id = followed.pipeline.id
        if known.reported:
            # The cursor was kept, so the events that came with it are stored.
            marks = RecordMarks(
                tools.store, settings.base_url, pipeline_id, followed.asset_set, settings.sensor_id
            )
            for job_id in sorted(known.reported):
                marks.finish(job_id)
            known = replace(known, reported=frozenset())
        # A time further off than any pause was written by a clock that has been set back.
        if known.due_at > tools.began + 24 * 3600:
            known = replace(known, due_at=tools.began)
        ledger = PipelineLedger(tools.store, settings.base_url, pipeline_id)
        for pointer in ledger.claimed():
            job_id = pointer.job_id
            if job_id is None or job_id in known.open or job_id in known.settled:
                continue
            if not ledger.is_running(pointer.run_id):
                known = with_left_job(known, job_id, tools.began)
        return known

    # The order

    def _visit_all(self) -> None:
        queue = deque([*self._due(), *self._idle()])
        running: dict[int, Iterator[None]] = {}
        budget = self.tools.budget
        while queue:
            if budget.is_over:
                raise TickSpent
            pipeline_id = queue.popleft()
            steps = running.get(pipeline_id)
            if steps is None:
                steps = running[pipeline_id] = self._begin(pipeline_id).steps()
            if self._go_on(pipeline_id, steps, budget.spent + budget.turn):
                # Behind the others that are due, and before those of which nothing is expected.
                queue.insert(self._still_due(queue, running), pipeline_id)

    def _still_due(self, queue: deque[int], running: Mapping[int, object]) -> int:
        """How many pipelines of the queue are due, those included that have had a turn."""
        places = (n for n, key in enumerate(queue) if key not in running and not self._is_due(key))
        return next(places, len(queue))

    def _due(self) -> list[int]:
        due = [key for key in self.followed if self._is_due(key)]
        return sorted(due, key=lambda key: (self._due_at(key), key))

    def _is_due(self, pipeline_id: int) -> bool:
        # Ticks do not come on the second: what falls due before half an interval is due now.
        return self._due_at(pipeline_id) <= self._soon

    def _due_at(self, pipeline_id: int) -> float:
        """When a pipeline has to be polled.

        One of which nothing is expected is polled when requests are left over, and has to be in the
        end: a small part of the share is enough for all of them.
        """
        known = self._cursors[pipeline_id]
        if known.failures:
            return known.due_at
        settings, budget = self.tools.settings, self.tools.budget
        followed = self.followed[pipeline_id]
        pause = 2 * (idle_until(known, followed, settings.interval) - known.polled_at)
        rate = (budget.limit or budget.most or 0) / 60.0
        if rate:
            pause = max(pause, len(self.followed) / (rate * IDLE_SHARE))
        return min(known.due_at, known.polled_at + pause)

    @property
    def _soon(self) -> float:
        return self.tools.began + min(self.tools.settings.interval, TICK_INTERVAL) / 2

    def _idle(self) -> list[int]:
        """The pipelines of which nothing is expected, the longest not polled first."""
        interval = self.tools.settings.interval
        found = [
            key
            for key, followed in self.followed.items()
            if not self._is_due(key)
            and self._cursors[key].failures == 0
            and idle_until(self._cursors[key], followed, interval) <= self._soon
        ]
        return sorted(found, key=lambda key: (self._cursors[key].polled_at, key))

    def _begin(self, pipeline_id: int) -> PipelineVisit:
        visit = PipelineVisit(
            self.followed[pipeline_id], self._cursors[pipeline_id], self.tools, self._order
        )
        self._visits[pipeline_id] = visit
        self._unfinished.add(pipeline_id)
        return visit

    def _go_on(self, pipeline_id: int, steps: Iterator[None], until: int) -> bool:
        """Go on with a pipeline for a turn; say whether there is more to do."""
        visit = self._visits[pipeline_id]
        visit.is_newest_first = self._order
        try:
            while self.tools.budget.spent < until:
                self.tools.budget.check_time()
                if next(steps, StopIteration) is StopIteration:
                    self._unfinished.discard(pipeline_id)
                    return False
        except HevoAuthenticationError:
            raise
        except HevoRateLimitError as error:
            self.tools.log(f"Hevo takes no more requests for now: {error}")
            raise TickSpent from error
        except HevoError as error:
            visit.failed(is_unknown=isinstance(error, HevoNotFoundError))
            self._unfinished.discard(pipeline_id)
            self.tools.log(f"Pipeline {pipeline_id} is left for a later tick: {error}")
            return False
        finally:
            self._order = visit.is_newest_first
            self._cursors[pipeline_id] = visit.cursor
        return True

    # The end

    def _result(self, before: SensorCursor) -> TickResult:
        tools, now = self.tools, self.tools.now()
        for key, visit in self._visits.items():
            visit.end()
            self._cursors[key] = visit.cursor
        for key in self._unfinished:
            # Behind those that have waited since before this tick.
            self._cursors[key] = replace(self._cursors[key], due_at=tools.began)
        visits = self._visits.items()
        behind = len(self._due()) if self._was_cut_short else 0
        backlog = sum(self._cursors[key].backlog() for key in self.followed)
        status = TickStatus(
            base_url=tools.settings.base_url,
            ticked_at=tools.began,
            pipelines=len(self.followed),
            polled=len(self._visits),
            behind=behind,
            jobs=sum(visit.settler.recorded for _, visit in visits),
            objects=tools.recorder.objects,
            backlog=backlog,
            requests=tools.budget.spent,
            oldest_seconds=self._oldest(now),
            took_seconds=now - tools.began,
            was_cut_short=self._was_cut_short,
        )
        cursor = SensorCursor(
            self._cursors,
            self._order,
            status.to_json(),
            before.growing_since,
            before.told_backlog,
            before.told_lag,
        )
        cursor, has_grown = with_backlog(cursor, backlog + behind, now, lag=self._lag(now))
        if has_grown:
            self._warn_of_backlog(backlog, behind)
        tools.log(status.line)
        return TickResult(
            cursor.without_forgotten(self.followed, now),
            tools.recorder.events,
            [(key, job) for key, visit in visits for job in visit.settler.ended],
            status,
        )

    def _oldest(self, now: float) -> float | None:
        ages: list[float] = []
        for key in self.followed:
            cursor = self._cursors[key]
            ages += [now - entry.since for entry in cursor.open.values() if entry.is_over]
        lag = self._lag(now)
        return max([*ages, *([lag] if lag else [])], default=None)

    def _lag(self, now: float) -> float:
        """How old the oldest job is that a walk has still to record."""
        hevo_ms = self.tools.hevo.hevo_now_ms() or now * 1000
        ages = [
            (hevo_ms - cursor.oldest_ms) / 1000
            for cursor in map(self._cursors.__getitem__, self.followed)
            if cursor.walk is not None and cursor.oldest_ms is not None
        ]
        return max(ages, default=0.0)

    def _warn_of_backlog(self, backlog: int, behind: int) -> None:
        largest = max(self.followed, key=lambda key: self._cursors[key].backlog())
        self.tools.recorder.warn(
            self.followed[largest],
            f"The job sensor's backlog has grown for an hour: {backlog} ended jobs are not "
            f"recorded, {behind} pipelines are due. Most of them are of pipeline {largest}. What "
            "to do: raise requests_per_minute if Hevo allows more, follow fewer pipelines, or "
            "look at the sensor's log for requests that fail.",
        )


def begin_following(followed: FollowedPipeline, tools: TickTools) -> PipelineCursor:
    """The cursor of a pipeline that has none: where the ledger says, or from now on."""
    settings = tools.settings
    marks = RecordMarks(
        tools.store, settings.base_url, followed.pipeline.id, followed.asset_set, settings.sensor_id
    )
    known = marks.followed_until()
    if known is None:
        marks.follow_until(tools.began, 0)
        return PipelineCursor(since=tools.began)
    since, until_ms = known
    return PipelineCursor(since=since, newest_ms=until_ms or None, old_before_ms=until_ms or None)


def with_left_job(cursor: PipelineCursor, job_id: str, now: float) -> PipelineCursor:
    """The cursor with a job that its run has left to be recorded."""
    if job_id in cursor.open or job_id in cursor.settled or job_id in cursor.reported:
        return cursor
    return replace(cursor.with_open(job_id, OpenJob(now)), due_at=min(cursor.due_at, now))
