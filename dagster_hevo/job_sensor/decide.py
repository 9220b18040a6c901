"""Whether the job sensor records a job now: the decision, without any reading.

Who owns a job is read in `ownership.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from dagster_hevo.api.models import Job

# A run that is said to be in progress and has not recorded its job this long after the job's end is
# gone: a live one polls its job at least every 15 minutes, or as often as the budget lets it.
LOST_AFTER = 2 * 3600.0
# A job that does not end and does not change, and one whose retry never begins, is given up.
GIVEN_UP_AFTER = 7 * 24 * 3600.0


class OwnerKind(Enum):
    """Whose a job is, by the ledger and by what Dagster knows of the runs.

    ``NOBODY``: no run will record it: none triggered it, or the run that did has left it to the
    sensor.
    ``RUN``: a run in progress waits for it, or may still claim it. ``RETRY``: its run is gone, and
    Dagster knows of a retry that will resume it, queued or delayed. ``DETACHED``: its run left it
    to the sensor on purpose. ``ORPHANED``: its run is gone and has not recorded it. ``SETTLED``:
    its run has recorded it.
    """

    NOBODY = "nobody"
    RUN = "run"
    RETRY = "retry"
    DETACHED = "detached"
    ORPHANED = "orphaned"
    RECORDED = "recorded"


@dataclass(frozen=True)
class Owner:
    """Whose a job is.

    Attributes:
        kind: In what way.
        run_id: The run, where there is one.
    """

    kind: OwnerKind
    run_id: str | None = None


class Decision(Enum):
    """What the sensor does with a job.

    ``RECORD``: record it now. ``LATER``: leave it for a later tick. ``DROP``: a run has recorded
    it. ``GIVE_UP``: it never ends; warn, and follow it no longer.
    """

    RECORD = "record"
    LATER = "later"
    DROP = "drop"
    GIVE_UP = "give up"


def decide(
    job: Job, owner: Owner, since: float, now: float, *, lost_after: float = LOST_AFTER
) -> Decision:
    """Decide what to do with a job.

    Args:
        job: The job as last seen.
        owner: Whose it is.
        since: Since when the sensor has seen it as it is: ended or, while it runs, unchanged. In
            seconds since the epoch.
        now: The time, in seconds since the epoch.
        lost_after: Seconds after a job's end when a run that is said to be in progress and has not
            recorded it is gone.
    """
    if owner.kind is OwnerKind.RECORDED:
        return Decision.DROP
    waited = now - since
    if not job.is_terminal:
        return Decision.GIVE_UP if waited >= GIVEN_UP_AFTER else Decision.LATER
    if owner.kind is OwnerKind.RUN:
        return Decision.RECORD if waited >= lost_after else Decision.LATER
    if owner.kind is OwnerKind.RETRY and job.status.completion.has_loaded:
        # A retry resumes a job that has loaded, and records it; any other job it triggers again.
        return Decision.RECORD if waited >= GIVEN_UP_AFTER else Decision.LATER
    return Decision.RECORD
