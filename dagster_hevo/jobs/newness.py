"""Whether a job was made after a trigger: by the baseline, Hevo's clock, and its `Date` header.

Pure: part of the evidence in `matching.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import Enum

from dagster_hevo.api.models import Job

CLOCK_TOLERANCE_MS = 60_000
"""How far a gateway's clock, which writes the Date header, may be from the clock of job times."""

LONGEST_DELAY = 3600.0
"""Seconds after which no job of a trigger can be new any more, even where the trigger waited for
the request budget and its job for a restarting pipeline."""

READS_WITHOUT_UNTIMED = 3
"""How many reads of the list lack a job that is new, where Hevo does not say when it was made."""

CLOCKS_APART_MS = 5_000
"""How far the clocks of the machines that write job times may be apart."""

DATE_STEP_MS = 1_000
"""A Date header counts whole seconds: it may be this much behind its own clock."""

DATE_PRECISION_MS = 2_000
"""A Date header counts whole seconds, and an answer takes some time to arrive."""


@dataclass(frozen=True)
class Baseline:
    """The jobs of a pipeline just before a trigger, and Hevo's time at that moment.

    Attributes:
        job_ids: The jobs that were listed.
        not_before_ms: What was made before this is not new: when the newest of them was made, in
            epoch milliseconds by Hevo's clock. Without a Date header, the oldest.
        hevo_ms: Hevo's time by its Date header, or None where no answer had one.
        is_complete: Whether every page of the list was read.
        reads: How often the list was read.
    """

    job_ids: frozenset[str]
    not_before_ms: int | None = None
    hevo_ms: int | None = None
    is_complete: bool = True
    reads: int = 1

    @classmethod
    def of(
        cls,
        jobs: Iterable[Job],
        hevo_ms: int | None,
        *,
        is_complete: bool = True,
        reads: int = 1,
    ) -> Baseline:
        """The baseline that a job list makes.

        Only jobs that could be mistaken for new ones are kept: the others are old by their times.
        """
        made = {job.job_id: made_at(job, hevo_ms) for job in jobs}
        times = [moment for moment in made.values() if moment is not None]
        if hevo_ms is None:
            # No clock tells which of the times are nonsense: what is listed counts, and where later
            # pages were not read, what is older than all that was. The very oldest may be an entry
            # of a later page that is listed twice.
            oldest = None if is_complete else next(iter(sorted(times)[1:]), None)
            return cls(frozenset(made), oldest, None, is_complete, reads)
        newest = max(times, default=None)
        oldest_kept = hevo_ms - 2 * CLOCK_TOLERANCE_MS
        if newest is not None:
            oldest_kept = min(oldest_kept, newest - CLOCK_TOLERANCE_MS)
        ids = frozenset(
            job_id for job_id, moment in made.items() if moment is None or moment >= oldest_kept
        )
        return cls(ids, newest, hevo_ms, is_complete, reads)

    @property
    def begins_ms(self) -> int | None:
        """The earliest moment at which our job can have been made, as far as known."""
        return self.hevo_ms if self.hevo_ms is not None else self.not_before_ms


def made_at(job: Job, hevo_ms: int | None) -> int | None:
    """When a job was made, by Hevo's clock; None where it does not say, or says nonsense."""
    made = job.created_ts
    if made is None and job.updated_ts is not None and job.duration is not None:
        made = job.updated_ts - job.duration
    if made is None:
        return None
    if hevo_ms is not None and made > hevo_ms + CLOCK_TOLERANCE_MS:
        return None
    return made


class Newness(Enum):
    """Whether a job was made after the baseline.

    ``OLD``: before. ``LATE``: longer after the trigger than Hevo takes, as far as known.
    ``TOO_LATE``: longer after it than Hevo can take. ``AFTER``: after, by Hevo's clock.
    ``NEAR``: within the tolerance between two clocks. ``UNTIMED``: Hevo does not say when.
    ``DISPUTED``: before by Hevo's clock, and yet listed only after the trigger.
    """

    OLD = "old"
    LATE = "late"
    TOO_LATE = "too late"
    AFTER = "after"
    NEAR = "near"
    UNTIMED = "untimed"
    DISPUTED = "disputed"

    @property
    def is_outside(self) -> bool:
        """Whether it is certain, by Hevo's clock, that no trigger of ours made the job."""
        return self in {Newness.OLD, Newness.TOO_LATE}


def latest_made_ms(triggered_ms: int | None, timeout: float) -> int | None:
    """The latest moment at which a trigger can have made a job, by Hevo's clock.

    Args:
        triggered_ms: When the trigger was answered; None where that is not known.
        timeout: The ``job_discovery_timeout``, in seconds.
    """
    return None if triggered_ms is None else triggered_ms + round(timeout * 1000)


def clock_lead_ms(jobs: Iterable[Job], now_ms: int | None, known: int | None) -> int | None:
    """By how much the clock of job times is ahead of the Date header's, at least; None: unknown.

    A job that was updated at 12:00:07 is listed after that moment, whatever the header says.

    Args:
        jobs: A job list.
        now_ms: Hevo's time by the Date header when it was read.
        known: What earlier lists showed.
    """
    if now_ms is None:
        return known
    times = (time for job in jobs for time in (job.created_ts, job.updated_ts) if time is not None)
    leads = [time - now_ms - DATE_STEP_MS for time in times if time <= now_ms + CLOCK_TOLERANCE_MS]
    return max(leads if known is None else [*leads, known], default=None)


def newness_of(
    job: Job,
    baseline: Baseline,
    *,
    until_ms: int | None,
    now_ms: int | None,
    jobs_clock_lead_ms: int | None = None,
) -> Newness:
    """Whether a job was made between the baseline and the end of the trigger's time.

    Args:
        job: A listed job.
        baseline: The jobs before the trigger.
        until_ms: The latest moment at which the trigger can have made a job (`latest_made_ms`).
        now_ms: Hevo's time now.
        jobs_clock_lead_ms: By how much the clock of job times is ahead of the Date header's, at
            least (`clock_lead_ms`): where that is known, less tolerance is needed.
    """
    if job.job_id in baseline.job_ids:
        return Newness.OLD
    made = made_at(job, now_ms)
    if made is None:
        return Newness.UNTIMED
    # The same clock wrote both: what is older than a job of the baseline was there before.
    if baseline.not_before_ms is not None and made < baseline.not_before_ms:
        return Newness.OLD
    if baseline.hevo_ms is None:
        return Newness.UNTIMED
    lead = -CLOCK_TOLERANCE_MS if jobs_clock_lead_ms is None else jobs_clock_lead_ms
    if made < baseline.hevo_ms + max(lead - CLOCKS_APART_MS, -CLOCK_TOLERANCE_MS):
        return Newness.OLD
    if until_ms is not None and made > until_ms + CLOCK_TOLERANCE_MS:
        is_possible = made <= until_ms + round(LONGEST_DELAY * 1000)
        return Newness.LATE if is_possible else Newness.TOO_LATE
    return Newness.AFTER if made >= baseline.hevo_ms - DATE_PRECISION_MS else Newness.NEAR


@dataclass(frozen=True)
class Rival:
    """Another request whose job may be taken for ours.

    Attributes:
        baseline: The jobs before its trigger.
        triggered_ms: When it was triggered, by Hevo's clock, where that is known.
    """

    baseline: Baseline
    triggered_ms: int | None

    def may_own(self, job: Job, *, timeout: float, now_ms: int | None) -> bool:
        """Whether the job was made in the time of its trigger, or Hevo does not say when."""
        until_ms = latest_made_ms(self.triggered_ms, timeout)
        newness = newness_of(job, self.baseline, until_ms=until_ms, now_ms=now_ms)
        return not newness.is_outside and newness is not Newness.LATE


def contested_jobs(
    jobs: Iterable[Job], rivals: Collection[Rival], *, timeout: float, now_ms: int | None
) -> frozenset[str]:
    """Those of the jobs that may be another request's as well."""
    return frozenset(
        job.job_id
        for job in jobs
        if any(rival.may_own(job, timeout=timeout, now_ms=now_ms) for rival in rivals)
    )
