"""Whether the job sensor records a job now: the decision, without any reading.

Who owns a job is read in `ownership.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from dagster_hevo.api.models import Job


class OwnerKind(Enum):
    """Whose a job is, by the ledger.

    ``NOBODY``: no run will record it: none triggered it, or the one that did has left it here.
    ``RUN``: a run in progress waits for it, or may still claim it. ``DETACHED``: its run left it to
    the sensor on purpose.
    ``ORPHANED``: its run is gone and has not recorded it. ``SETTLED``: its run has recorded it.
    """

    NOBODY = "nobody"
    RUN = "run"
    DETACHED = "detached"
    ORPHANED = "orphaned"
    RECORDED = "recorded"


@dataclass(frozen=True)
class Owner:
    """Whose a job is.

    Attributes:
        kind: In what way.
        run_id: The run, where there is one.
        ended_at: When that run ended, in seconds since the epoch, where it has.
    """

    kind: OwnerKind
    run_id: str | None = None
    ended_at: float | None = None


class Decision(Enum):
    """What the sensor does with a job: record it, leave it for a later tick, or drop it."""

    RECORD = "record"
    LATER = "later"
    DROP = "drop"


def decide(
    job: Job, owner: Owner, *, ended_since: float, now: float, retry_grace: float, lost_after: float
) -> Decision:
    """Decide what to do with a job.

    Args:
        job: The job as last seen.
        owner: Whose it is.
        ended_since: Since when the sensor has seen it ended, in seconds since the epoch.
        now: The time, in seconds since the epoch.
        retry_grace: Seconds that a run may take to be retried after its end.
        lost_after: Seconds after a job's end when a run that is said to be in progress and has not
            recorded it is gone.
    """
    if owner.kind is OwnerKind.RECORDED:
        return Decision.DROP
    if not job.is_terminal:
        return Decision.LATER
    if owner.kind is OwnerKind.RUN:
        return Decision.RECORD if now - ended_since >= lost_after else Decision.LATER
    if owner.kind is OwnerKind.ORPHANED and job.status.completion.has_loaded:
        # A retry resumes a job that has loaded, and records it; any other job it triggers again.
        ended_at = ended_since if owner.ended_at is None else owner.ended_at
        return Decision.LATER if now - ended_at < retry_grace else Decision.RECORD
    return Decision.RECORD
