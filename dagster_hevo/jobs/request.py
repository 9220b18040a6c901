"""What to ask Hevo for, given the objects that are wanted; and which job can have come of it.

Pure: nothing here asks Hevo anything. Asking exactly once is `trigger.py`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum

from dagster_hevo.api.enums import ResyncMode
from dagster_hevo.api.models import Job


class SyncAction(str, Enum):
    """What a materialization asks Hevo for.

    ``RESYNC`` loads the wanted objects anew; ``SYNC_NOW`` runs the pipeline's own sync once.
    """

    RESYNC = "RESYNC"
    SYNC_NOW = "SYNC_NOW"

    def __str__(self) -> str:
        return str(self.value)


class IfJobRunning(str, Enum):
    """What to do when the pipeline is busy with a job that was not started here.

    ``WAIT`` until it ends, then trigger; ``ADOPT`` it, so that its end counts as ours; ``FAIL``.
    """

    WAIT = "WAIT"
    ADOPT = "ADOPT"
    FAIL = "FAIL"

    def __str__(self) -> str:
        return str(self.value)


class Kinship(Enum):
    """Whether a job that was not there before can have come of our asking."""

    OURS = "ours"
    FOREIGN = "foreign"
    DOUBTFUL = "doubtful"


@dataclass(frozen=True)
class SyncPlan:
    """One wish: what Hevo is asked for once.

    Attributes:
        pipeline_id: The pipeline.
        action: What to ask for.
        resync_mode: How a resync treats the tables.
        object_ids: The objects to resync, or None for the whole pipeline.
        active_ids: All objects that the pipeline replicates, as far as known.
        wanted_ids: The objects that people wish for; a child that is only restarted with its
            parent is wished for, and its parent is asked for.
        companion_ids: Objects that the job may load besides those asked for: the other children.
    """

    pipeline_id: int
    action: SyncAction
    resync_mode: ResyncMode
    object_ids: frozenset[str] | None
    active_ids: frozenset[str] = frozenset()
    wanted_ids: frozenset[str] = frozenset()
    companion_ids: frozenset[str] = frozenset()

    @property
    def answered_ids(self) -> frozenset[str]:
        """The objects whose outcome the job owes an answer for."""
        return self.active_ids if self.object_ids is None else self.object_ids | self.wanted_ids

    @property
    def key(self) -> str:
        """The same for the same wish in another process, another for every other wish."""
        objects = "*" if self.object_ids is None else "\n".join(sorted(self.object_ids))
        digest = hashlib.sha256(objects.encode()).hexdigest()[:16]
        return f"{self.pipeline_id}/{self.action}/{self.resync_mode}/{digest}"

    def __str__(self) -> str:
        if self.action is SyncAction.SYNC_NOW:
            return f"sync pipeline {self.pipeline_id} now"
        how = "" if self.resync_mode is ResyncMode.EVOLVE_AND_MERGE else f" ({self.resync_mode})"
        if self.object_ids is None:
            return f"resync pipeline {self.pipeline_id}{how}"
        count = len(self.object_ids)
        objects = "1 object" if count == 1 else f"{count} objects"
        return f"resync {objects} of pipeline {self.pipeline_id}{how}"

    def kinship(self, job: Job, objects_in_job: Collection[str]) -> Kinship:
        """Whether a new job can have come of this wish, by its type and the objects in it.

        Routine jobs (INCREMENTAL, REFRESHER) never come of a resync, and resyncs never of a
        sync-now. A scheduled INCREMENTAL job and one that a sync-now started look alike: they do
        the same work, and are taken for ours.

        Args:
            job: A job that was not there before we asked.
            objects_in_job: Ids of the objects that the job says it has; empty where it does not
                say (Hevo may list them late, or never).
        """
        if self.action is SyncAction.SYNC_NOW:
            is_resync = job.type is not None and job.type.is_resync
            return Kinship.FOREIGN if is_resync else Kinship.OURS
        if job.type is not None and job.type.is_routine:
            return Kinship.FOREIGN
        if self.object_ids is None:
            return self._kinship_of_whole(job, frozenset(objects_in_job))
        return self._kinship_of_part(self.object_ids, frozenset(objects_in_job))

    def _kinship_of_whole(self, job: Job, objects: frozenset[str]) -> Kinship:
        if job.type is not None and job.type.is_resync:
            return Kinship.OURS
        # HISTORICAL, or a word that is not known: somebody's resync of some objects looks so too.
        return Kinship.OURS if objects and objects >= self.active_ids else Kinship.DOUBTFUL

    def _kinship_of_part(self, wanted: frozenset[str], objects: frozenset[str]) -> Kinship:
        if objects - wanted - self.companion_ids:
            return Kinship.FOREIGN
        return Kinship.OURS if objects >= wanted else Kinship.DOUBTFUL

    def accepts_doubtful(self, objects_in_job: Collection[str]) -> bool:
        """Whether a job that stays doubtful after several looks is taken for ours.

        A part of a whole resync that never grows is somebody's object resync. A job that says
        nothing, or that lists only objects we asked for, cannot be told apart from ours.
        """
        return self.object_ids is not None or not objects_in_job


def plan_sync(
    pipeline_id: int,
    wanted: Iterable[str],
    active: Iterable[str],
    *,
    action: SyncAction = SyncAction.RESYNC,
    resync_mode: ResyncMode = ResyncMode.EVOLVE_AND_MERGE,
    restarted_with: Mapping[str, str] | None = None,
) -> SyncPlan:
    """Decide what to ask for.

    Args:
        pipeline_id: The pipeline.
        wanted: Ids of the objects that are wanted.
        active: Ids of all objects that the pipeline replicates.
        action: RESYNC or SYNC_NOW; a SYNC_NOW always takes the whole pipeline.
        resync_mode: How a resync treats the tables.
        restarted_with: For each object that is only restarted with its parent: the parent's id.

    Returns:
        A plan for the whole pipeline where every active object is wanted; else for those wanted,
        several children of one parent as one resync of the parent.

    Raises:
        ValueError: No object is wanted.
    """
    wanted_ids, active_ids = frozenset(wanted), frozenset(active)
    if not wanted_ids:
        raise ValueError(f"No object of pipeline {pipeline_id} is wanted: there is nothing to ask.")
    whole = action is SyncAction.SYNC_NOW or wanted_ids >= active_ids
    parents = restarted_with or {}
    asked_ids = frozenset(parents.get(object_id, object_id) for object_id in wanted_ids)
    children = frozenset(child for child, parent in parents.items() if parent in asked_ids)
    return SyncPlan(
        pipeline_id=pipeline_id,
        action=action,
        resync_mode=resync_mode,
        object_ids=None if whole else asked_ids,
        active_ids=active_ids,
        wanted_ids=wanted_ids,
        companion_ids=children,
    )
