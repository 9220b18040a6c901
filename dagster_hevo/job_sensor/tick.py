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
from dagster_hevo.job_sensor.cursor import PipelineCursor, SensorCursor
from dagster_hevo.job_sensor.expecting import idle_until
from dagster_hevo.job_sensor.followed import FollowedPipeline, TickTools
from dagster_hevo.job_sensor.preparing import prepared
from dagster_hevo.job_sensor.recorder import ObservedEvent
from dagster_hevo.job_sensor.status import TickStatus, backlog_text, with_backlog
from dagster_hevo.job_sensor.visit import PipelineVisit
from dagster_hevo.jobs.settings import as_text

# This part of the requests is enough to poll all pipelines of which nothing is expected.
IDLE_SHARE = 0.06
TICK_INTERVAL = 60.0
# This part of a tick's time may go by before its first request.
PREPARING = 1 / 3
# A tick that returns more events than this says so to the runs that wait for them.
MANY_EVENTS = 500
# A list of jobs that cannot be read for so long is worth a warning.
UNREADABLE_FOR = 3600.0
SECONDS_TO_TELL = 3.0
PIPELINES_NAMED = 10


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
    _unprepared: set[int] = field(default_factory=set[int])
    _prepare_from: int = 0
    _order: bool | None = None
    _was_cut_short: bool = False

    def run(self, cursor: SensorCursor) -> TickResult:
        """Visit the pipelines that are due, the longest due first, then the others.

        Raises:
            HevoAuthenticationError: The keys are wrong: no later tick will do better.
        """
        tools = self.tools
        if cursor.ticked_at > tools.began:
            behind = as_text(cursor.ticked_at - tools.began)
            tools.log(f"This machine's clock is {behind} behind the end of the last tick.")
        cursor = cursor.set_back_to(tools.began)
        self._order = cursor.is_newest_first
        # What is not followed now is kept for a while.
        self._cursors = dict(cursor.pipelines)
        new = PipelineCursor(since=tools.began, is_new=True)
        for pipeline_id in self.followed:
            known = self._cursors.get(pipeline_id, new)
            self._cursors[pipeline_id] = known.made_sane(tools.began)
        self._unprepared = set(self.followed)
        self._prepare_from = cursor.prepare_from
        self._prepare()
        tools.budget.begin()
        try:
            self._visit_all()
        except TickSpent:
            self._was_cut_short = True
        return self._result(cursor)

    def _prepare(self) -> None:
        """Ask the ledger about the pipelines, for a part of the tick's time.

        First about those of which the last tick reported events, then on from where the last tick
        ended. One that is visited is prepared before.
        """
        budget = self.tools.budget
        until = budget.now() + (budget.until - budget.now()) * PREPARING
        ids = sorted(self.followed)
        place = next((n for n, key in enumerate(ids) if key >= self._prepare_from), 0)
        in_turn = [*ids[place:], *ids[:place]]
        reported = [key for key in in_turn if self._cursors[key].reported]
        for pipeline_id in (*reported, *in_turn):
            if budget.now() >= until:
                self._prepare_from = pipeline_id
                return
            self._prepare_one(pipeline_id)

    def _prepare_one(self, pipeline_id: int) -> None:
        if pipeline_id in self._unprepared:
            self._unprepared.discard(pipeline_id)
            known, followed = self._cursors[pipeline_id], self.followed[pipeline_id]
            self._cursors[pipeline_id] = prepared(followed, known, self.tools)

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
        self._prepare_one(pipeline_id)
        visit = PipelineVisit(
            self.followed[pipeline_id], self._cursors[pipeline_id], self.tools, self._order
        )
        self._visits[pipeline_id] = visit
        self._unfinished.add(pipeline_id)
        return visit

    def _go_on(self, pipeline_id: int, steps: Iterator[None], until: int) -> bool:
        """Go on with a pipeline for a turn; say whether there is more to do."""
        visit = self._visits[pipeline_id]
        visit.listing.is_newest_first = self._order
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
            self._order = visit.listing.is_newest_first
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
        self._warn_of_unreadable(now)
        visits = self._visits.items()
        behind = len(self._due()) if self._was_cut_short else 0
        backlog = sum(self._cursors[key].backlog() for key in self.followed)
        status = TickStatus(
            base_url=tools.settings.base_url,
            ticked_at=tools.began,
            pipelines=len(self.followed),
            polled=len(self._visits),
            behind=behind,
            jobs=sum(visit.settler.done.recorded for _, visit in visits),
            objects=tools.recorder.objects,
            backlog=backlog,
            requests=tools.budget.spent,
            oldest_seconds=self._oldest(now),
            took_seconds=now - tools.began,
            was_cut_short=self._was_cut_short,
            unreadable=sum(
                self._cursors[key].unreadable_since is not None for key in self.followed
            ),
        )
        cursor = SensorCursor(
            self._cursors,
            self._order,
            status.to_json(),
            before.growing_since,
            before.told_backlog,
            before.told_lag,
            now,
            self._prepare_from,
        )
        cursor, has_grown = with_backlog(cursor, backlog + behind, now, lag=self._lag(now))
        if has_grown:
            self._warn_of_backlog(backlog, behind)
        self._tell_storing(now)
        tools.log(status.line)
        return TickResult(
            cursor.without_forgotten(self.followed, now),
            tools.recorder.events,
            [(key, job) for key, visit in visits for job in visit.settler.done.ended],
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
        self.tools.recorder.warn(self.followed[largest], backlog_text(backlog, behind, largest))

    def _warn_of_unreadable(self, now: float) -> None:
        """Say once of each pipeline that its list of jobs cannot be read for an hour."""
        found = [
            key
            for key in self.followed
            if (since := self._cursors[key].unreadable_since) is not None
            and now - since >= UNREADABLE_FOR
            and not self._cursors[key].is_unreadable_told
        ]
        if not found:
            return
        for key in found:
            self._cursors[key] = replace(self._cursors[key], is_unreadable_told=True)
        named = ", ".join(map(str, found[:PIPELINES_NAMED]))
        more = f" and {len(found) - PIPELINES_NAMED} more" if len(found) > PIPELINES_NAMED else ""
        lists = "list of pipeline" if len(found) == 1 else "lists of the pipelines"
        self.tools.recorder.warn_of(
            [asset.key for key in found for asset in self.followed[key].assets],
            f"For an hour, Hevo has not answered the job {lists} {named}{more} to the end: jobs "
            "that are listed there are not recorded until it does. What to do: look at the "
            "pipeline in Hevo, and at the sensor's log for what was answered.",
            pipeline_id=found[0] if len(found) == 1 else None,
        )

    def _tell_storing(self, now: float) -> None:
        """Say to runs that wait for a job how many events are stored before its last one."""
        tools, events = self.tools, len(self.tools.recorder.events)
        if events < MANY_EVENTS:
            return
        for visit in self._visits.values():
            for job_id in visit.settler.done.touched:
                if tools.budget.now() >= tools.budget.until + SECONDS_TO_TELL:
                    return
                visit.settler.marks.tell_storing(job_id, events, now)
