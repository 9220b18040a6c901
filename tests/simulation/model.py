"""Jobs as they truly are in the hostile Hevo, and how they show at a moment.

Nothing here is known to the code under test, except through what `hevo.py` answers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf

from dagster_hevo.api.enums import JobStatus, JobType
from dagster_hevo.api.models import Job
from simulation.world import EPOCH_MS

LOADED, FAILED, SKIPPED = "COMPLETED", "FAILED", "SKIPPED"


@dataclass
class Trigger:
    """A trigger that was sent.

    Attributes:
        number: Which one, from 0.
        root: The first of the runs that re-execute each other.
        run_id: The run that sent it.
        request_id: The request in the ledger.
        object_ids: What was requested; None for the whole pipeline or its own sync.
        kind: ``sync``, ``objects`` or ``pipeline``.
        baseline_at: When its process read its baseline, in the world's time.
        sent_at: When it arrived.
        drops: Whether the pipeline's tables are dropped first.
        had_effect: Whether a job came, or comes, of it.
        said: What was answered.
    """

    number: int
    root: str
    run_id: str
    request_id: str
    object_ids: frozenset[str] | None
    kind: str
    baseline_at: float
    sent_at: float
    drops: bool = False
    had_effect: bool = False
    said: str = ""


@dataclass
class Part:
    """What a job does with one object.

    Attributes:
        object_id: The object.
        fate: What becomes of it: COMPLETED, FAILED or SKIPPED.
        done_at: When.
        listed_at: When the job begins to list it.
        failed_events: Events that do not reach the table.
    """

    object_id: str
    fate: str
    done_at: float
    listed_at: float
    failed_events: int = 0


@dataclass
class ModelJob:
    """A job as it is.

    Attributes:
        job_id: Its id.
        type: Its type, as Hevo spells it; None where it does not say.
        origin: ``trigger``, ``schedule``, ``other`` (another user) or ``old``.
        trigger: The trigger that started it.
        created: When it was made.
        ends: When it ends.
        final: How.
        parts: Its objects.
        listed_at: When the job list begins to show it.
        status_lag: Seconds that the job list's status lags behind.
        objects_lag: Seconds that the statuses of its objects lag behind.
        deferred: From when to when it is DEFERRED.
        odd_status: A status that it shows for ever.
        is_timed: Whether Hevo says when it was made.
        vanishes_at: When Hevo forgets it.
        never_listed: Objects that its list never shows.
        unlisted_failed_events: Failed events that no object accounts for.
        is_cancelled: Whether it was cancelled.
    """

    job_id: str
    type: str | None
    origin: str
    created: float
    ends: float
    final: str
    parts: dict[str, Part]
    trigger: Trigger | None = None
    listed_at: float = 0.0
    status_lag: float = 0.0
    objects_lag: float = 0.0
    deferred: tuple[float, float] = (inf, inf)
    odd_status: str | None = None
    is_timed: bool = True
    vanishes_at: float = inf
    never_listed: frozenset[str] = frozenset()
    unlisted_failed_events: int = 0
    is_cancelled: bool = False
    shown: dict[object, Job] = field(default_factory=dict[object, Job])

    def is_over(self, now: float) -> bool:
        """Whether it has ended."""
        return now >= self.ends

    @property
    def has_loaded(self) -> bool:
        """Whether it loads, or has loaded, what it can."""
        return self.final in {"COMPLETED", "COMPLETED_WITH_FAILURES"} and self.ends < inf

    def loaded(self, object_id: str) -> bool:
        """Whether it loaded an object, in truth."""
        part = self.parts.get(object_id)
        return part is not None and part.fate == LOADED and part.done_at <= self.ends

    def is_busy(self, now: float) -> bool:
        """Whether it keeps Hevo from starting another."""
        return self.created <= now < self.ends and self.odd_status is None

    def status(self, now: float) -> str:
        """The status that it shows."""
        if self.odd_status is not None:
            return self.odd_status
        if now >= self.ends:
            return self.final
        if self.is_cancelled:
            return "CANCELLING"
        if self.deferred[0] <= now < self.deferred[1]:
            return "DEFERRED"
        return "IN_PROGRESS"

    def cancel(self, now: float, seconds: float) -> None:
        """End it soon."""
        if now < self.ends and not self.is_cancelled:
            self.is_cancelled = True
            self.ends = now + seconds
            self.final = "CANCELLED"
            for part in self.parts.values():
                if part.done_at > now:
                    part.done_at = inf

    def show(self, now: float) -> Job:
        """The job as Hevo answers it at a moment."""
        status = self.status(now)
        done = [part for part in self.parts.values() if part.done_at <= now]
        key = (status, len(done), self.ends if now >= self.ends else int(now / 60))
        known = self.shown.get(key)
        if known is not None:
            return known
        counts = {LOADED: 0, FAILED: 0, SKIPPED: 0}
        failed_events = self.unlisted_failed_events if now >= self.ends else 0
        for part in done:
            counts[part.fate] += 1
            failed_events += part.failed_events
        created = EPOCH_MS + int(self.created * 1000)
        updated = EPOCH_MS + int(min(now, self.ends) * 1000)
        job = Job.model_construct(
            job_id=self.job_id,
            type=None if self.type is None else JobType(self.type),
            status=JobStatus(status),
            created_ts=created if self.is_timed else None,
            updated_ts=updated if self.is_timed else None,
            duration=updated - created if self.is_timed else None,
            events_ingested=100 * len(done),
            events_loaded=100 * counts[LOADED],
            events_failed=failed_events,
            objects_success=counts[LOADED],
            objects_queued=len(self.parts) - len(done),
            objects_skipped=counts[SKIPPED],
            objects_failed=counts[FAILED],
        )
        self.shown[key] = job
        return job
