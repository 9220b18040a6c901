"""Which of a pipeline's jobs came of our asking: the decision, without the asking.

Ours is the one that was not there before, whatever its state, that fits what was asked, and that
no other run calls its own. `trigger.py` looks and acts on it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from dagster_hevo.api.models import Job
from dagster_hevo.jobs.ledger import Mark
from dagster_hevo.jobs.plan import Kinship, SyncPlan

LOOKS_WHILE_DOUBTFUL = 3


@dataclass(frozen=True)
class Inspection:
    """What was seen of the objects in a job.

    Attributes:
        object_ids: The objects that the job lists.
        looks: How often the list was read.
    """

    object_ids: frozenset[str] = frozenset()
    looks: int = 0

    def after(self, object_ids: Collection[str]) -> Inspection:
        """The same after one more look."""
        return Inspection(frozenset(object_ids), self.looks + 1)


@dataclass(frozen=True)
class Finding:
    """What a look at a pipeline's jobs tells.

    Attributes:
        ours: The job that came of our asking, if it is there and certain enough.
        to_inspect: New jobs whose objects must be read before they can be called ours.
        foreign: New jobs that are certainly somebody else's.
    """

    ours: Job | None = None
    to_inspect: tuple[Job, ...] = ()
    foreign: tuple[Job, ...] = ()


def find_new_job(
    plan: SyncPlan,
    mark: Mark,
    jobs: Iterable[Job],
    *,
    excluded: Collection[str] = (),
    inspections: Mapping[str, Inspection] | None = None,
) -> Finding:
    """Decide which job is ours.

    Args:
        plan: What was asked.
        mark: The jobs that were there before.
        jobs: The jobs that are there now, in any order.
        excluded: Ids of jobs that are known not to be ours: claimed by other runs, or let go.
        inspections: What was seen of the objects of new jobs, by job id.

    Returns:
        The oldest new job that is certainly ours; else the oldest that cannot be told from ours
        after several looks at its objects.
    """
    inspected = inspections or {}
    certain: list[Job] = []
    indistinct: list[Job] = []
    to_inspect: list[Job] = []
    foreign: list[Job] = []
    for job in mark.new_among(jobs):
        if job.job_id in excluded:
            foreign.append(job)
            continue
        seen = inspected.get(job.job_id, Inspection())
        kinship = plan.kinship(job, seen.object_ids)
        if kinship is Kinship.OURS:
            certain.append(job)
        elif kinship is Kinship.FOREIGN:
            foreign.append(job)
        elif seen.looks < LOOKS_WHILE_DOUBTFUL:
            to_inspect.append(job)
        elif plan.accepts_doubtful(seen.object_ids):
            indistinct.append(job)
        else:
            foreign.append(job)
    if certain:
        ours = certain[0]
    elif indistinct and not to_inspect:
        ours = indistinct[0]
    else:
        ours = None
    return Finding(ours, tuple(to_inspect), tuple(foreign))
