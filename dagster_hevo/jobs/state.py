"""What is known of a request so far, as one frozen value.

`decide.py` turns it and an observation into the next state and an action (`steps.py`); `runner.py`
carries the actions out.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from dagster_hevo.api.errors import HevoError
from dagster_hevo.api.models import Job, JobObject, PipelineObject
from dagster_hevo.jobs.newness import Baseline
from dagster_hevo.jobs.objects import ObjectIndex
from dagster_hevo.jobs.records import Answer
from dagster_hevo.jobs.request import SyncRequest
from dagster_hevo.jobs.schedule import History
from dagster_hevo.jobs.settings import JobSettings
from dagster_hevo.jobs.steps import Action, Finish, Read


class Phase(Enum):
    """Where a request is.

    ``RESUMING``: an earlier attempt is read. ``READY``: the pipeline and its jobs are read before a
    trigger. ``REFUSED``: Hevo refused, and the reason is looked for. ``BLOCKED``: a foreign job is
    waited for. ``TRIGGERING``: from the baseline to the answer. ``FINDING``: our job is looked for.
    ``RUNNING``: it is polled. ``READING_OUTCOME``: its objects are read. ``ENDED``.
    """

    RESUMING = "resuming"
    READY = "ready"
    REFUSED = "refused"
    BLOCKED = "blocked"
    TRIGGERING = "triggering"
    FINDING = "finding"
    RUNNING = "running"
    READING_OUTCOME = "reading outcome"
    ENDED = "ended"


@dataclass(frozen=True)
class Examination:
    """What was read of the objects of a job that may be ours.

    Attributes:
        object_ids: The objects that it has listed so far.
        reads: How often they were read.
        is_list_complete: Whether the last list was as long as the job's own counts say.
        ended_at: When the job was first seen ended, on the runner's clock.
        next_read: When they are worth reading again.
        unclear_ids: Objects that it may list: an entry's name fits several objects.
        read_at: When they were last read, on the runner's clock.
    """

    object_ids: frozenset[str] = frozenset()
    reads: int = 0
    is_list_complete: bool = False
    ended_at: float | None = None
    next_read: float = 0.0
    unclear_ids: frozenset[str] = frozenset()
    read_at: float = 0.0


@dataclass(frozen=True)
class Sighting:
    """When a job was listed.

    Attributes:
        lists_without: How many reads since the trigger did not show it before the first that did.
        seen_at: When it first was, on the runner's clock.
        last_read: The last read that had it.
        late_lists: How many reads after certain_at did not show it before the first that did.
    """

    lists_without: int = 0
    seen_at: float = 0.0
    last_read: int = 0
    late_lists: int = 0


@dataclass(frozen=True)
class Line:
    """A line for the log."""

    text: str
    level: int = logging.INFO


@dataclass(frozen=True)
class State:
    """All that influences what is done next.

    Attributes:
        request: What is requested.
        settings: The bounds.
        index: The pipeline's objects.
        request_id: What names the request in the ledger.
        phase: Where the request is.
        deadline: When to give up, on the runner's clock; None for never.
        lines: What to tell people after this step.

        has_answered: Whether Hevo has ever answered: settings and keys are right then, and a read
            that fails is worth patience.
        reading: The read that is under way or failed last.
        out_since: Since when Hevo's API gives no usable answer.
        outage_logged_at: When that was last logged.
        is_scheduled: Whether Hevo runs the pipeline on a schedule of its own, or may.

        earlier_request: What an earlier attempt triggered, which may be more than is wanted now.
        first_list: The jobs of a first read before the trigger, where one read is not enough.
        listed_before: All jobs that this attempt saw listed before the trigger, the old ones too.
        unended_before: Those of them whose status did not tell whether they had ended.
        baseline: The jobs before the trigger.
        waiting_for: The request of another run that goes first, while it is waited for.
        waiting_since: Since when.
        given_up: Such requests that were waited for as long as that is worth.
        restarting_at: When the pipeline was last RESTARTING before the trigger: the jobs of
            other requests come after that.
        triggers: How many triggers were sent and not refused.
        answer: What is known of the last one.
        may_have_started_a_job: Whether any of the triggers may have.
        triggered_at: When the last one was answered, on the runner's clock.
        triggered_ms: The same by Hevo's clock.
        until_ms: The latest moment, by Hevo's clock, at which that trigger can have made a job.
        last_error: What Hevo said last to a trigger.
        refusals: How often it refused in a row.
        refused_at: When it did last.
        unknown_refusals: How often it did in words that do not speak of a running job.

        find_until: When our job must have appeared, on the runner's clock.
        certain_at: When it is certain that no job came of the trigger, if none has appeared.
        interval: Seconds to the next read of the job list.
        list_reads: Reads of the job list since the trigger.
        first_seen: For each job: when it was first listed.
        late_lists: Reads of the job list after ``certain_at``.
        listed: The jobs of the last read that may be ours.
        to_examine: Those whose objects are to be read in this round.
        examined: What was read of their objects.
        owned_by_others: Jobs that other requests own.
        jobs_clock_lead_ms: By how much the clock of job times is ahead of the Date header's, at
            least, as far as the jobs that were listed since the trigger show.
        contested: Jobs that may have come of the trigger of another request as well.
        is_full_read: Whether the last read of the list reached its end.
        ran_at_trigger: A foreign job that was running when we triggered, so that Hevo may have
            ignored the trigger.
        is_pipeline_checked: Whether the pipeline was read since, and is ready.
        is_restarting: Whether it was restarting then.
        sure_until_ms: Where it was seen restarting so late that another's trigger may be the cause:
            what is made later than this, by Hevo's clock, may be another's too.
        is_trigger_timed: Whether it is known when the trigger was sent.

        job: Our job, or the foreign one that is waited for, as last seen.
        is_adopted: Whether our job is a foreign one.
        may_be_cancelled: Whether our job may be cancelled.
        is_wider: Whether the earlier attempt requested more objects than this one.
        is_resumed: Whether an earlier attempt triggered it.
        recorded_by: The run that has recorded its outcome already.
        history: How long earlier jobs of its kind took.
        polls: How often it was polled.
        job_began: When it began, on the runner's clock, by its own words.
        missing: How many polls in a row did not know it.
        deferred_since: Since when it is DEFERRED.
        last_logged: What the last log line about it said.
        logged_at: When.
        is_unknown_logged: Whether it was logged that its status is not known.

        outcome_reads: How often its objects were read after its end.
        outcome_since: Since when.
        objects: The longest list of them.
        objects_now: The objects that the pipeline has now, where that had to be known; none where
            they could not be read.

        ending: While an interrupted or timed out attempt cancels its job: how it then ends.
        stop_by: Until when it looks for the job that it is to cancel.
    """

    request: SyncRequest
    settings: JobSettings
    index: ObjectIndex
    request_id: str = ""
    phase: Phase = Phase.RESUMING
    deadline: float | None = None
    lines: tuple[Line, ...] = ()

    has_answered: bool = False
    reading: Read | None = None
    out_since: float | None = None
    outage_logged_at: float | None = None
    is_scheduled: bool = True

    earlier_request: SyncRequest | None = None
    first_list: tuple[Job, ...] | None = None
    listed_before: frozenset[str] = frozenset()
    unended_before: frozenset[str] = frozenset()
    baseline: Baseline | None = None
    waiting_for: str | None = None
    waiting_since: float = 0.0
    given_up: frozenset[str] = frozenset()
    restarting_at: float | None = None
    triggers: int = 0
    answer: Answer | None = None
    may_have_started_a_job: bool = False
    triggered_at: float = 0.0
    triggered_ms: int | None = None
    until_ms: int | None = None
    last_error: HevoError | None = None
    refusals: int = 0
    refused_at: float = 0.0
    unknown_refusals: int = 0

    find_until: float = 0.0
    certain_at: float = 0.0
    interval: float = 0.0
    list_reads: int = 0
    first_seen: Mapping[str, Sighting] = field(default_factory=dict[str, Sighting])
    late_lists: int = 0
    listed: tuple[Job, ...] = ()
    to_examine: tuple[str, ...] = ()
    examined: Mapping[str, Examination] = field(default_factory=dict[str, Examination])
    owned_by_others: frozenset[str] = frozenset()
    jobs_clock_lead_ms: int | None = None
    contested: frozenset[str] = frozenset()
    is_full_read: bool = False
    ran_at_trigger: Job | None = None
    is_pipeline_checked: bool = False
    is_restarting: bool = False
    sure_until_ms: int | None = None
    is_trigger_timed: bool = True

    job: Job | None = None
    is_adopted: bool = False
    may_be_cancelled: bool = False
    is_wider: bool = False
    is_resumed: bool = False
    recorded_by: str | None = None
    history: History = field(default_factory=History)
    polls: int = 0
    job_began: float = 0.0
    missing: int = 0
    deferred_since: float | None = None
    last_logged: tuple[object, ...] = ()
    logged_at: float = 0.0
    is_unknown_logged: bool = False

    outcome_reads: int = 0
    outcome_since: float = 0.0
    objects: tuple[JobObject, ...] = ()
    objects_now: tuple[PipelineObject, ...] | None = None

    ending: Finish | None = None
    stop_by: float = 0.0

    def but(self, **changes: Any) -> State:
        """The same with some facts changed.

        Like ``dataclasses.replace``, which takes ten times as long for so many facts.
        """
        assert changes.keys() <= self.__dict__.keys(), changes.keys() - self.__dict__.keys()
        changed = object.__new__(State)
        changed.__dict__.update(self.__dict__, **changes)
        return changed

    def saying(self, text: str, level: int = logging.INFO) -> State:
        """The same with one more line to tell."""
        return self.but(lines=(*self.lines, Line(text, level)))

    @property
    def triggered_request(self) -> SyncRequest:
        """The request whose job is looked for and read."""
        return self.earlier_request or self.request

    @property
    def job_id(self) -> str | None:
        """The id of ``job``."""
        return None if self.job is None else self.job.job_id

    @property
    def owns_a_job(self) -> bool:
        """Whether ``job`` is our job."""
        return self.job is not None and self.phase in {Phase.RUNNING, Phase.READING_OUTCOME}


Next = tuple[State, Action]
"""What is known after an observation, and what to do next."""
