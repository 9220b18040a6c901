"""What is requested of Hevo for the wanted objects: one request, one Hevo job.

Pure values. Whether a job is the result of a request is decided in `matching.py`; when the request
is sent, in `decide.py`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum

from dagster_hevo.api.enums import ResyncMode


class SyncAction(str, Enum):
    """What a materialization requests of Hevo.

    ``RESYNC`` reloads the wanted objects; ``SYNC_NOW`` runs the pipeline's own sync once.
    """

    RESYNC = "RESYNC"
    SYNC_NOW = "SYNC_NOW"

    def __str__(self) -> str:
        return str(self.value)


class IfJobRunning(str, Enum):
    """What to do when the pipeline is busy with a foreign job (one not started by this request).

    ``WAIT`` until it ends, then trigger; ``ADOPT`` it as the result of this request; ``FAIL``.
    """

    WAIT = "WAIT"
    ADOPT = "ADOPT"
    FAIL = "FAIL"

    def __str__(self) -> str:
        return str(self.value)


@dataclass(frozen=True)
class SyncRequest:
    """What one materialization requests of Hevo.

    Attributes:
        pipeline_id: The pipeline.
        action: What to trigger.
        resync_mode: How a resync treats the tables.
        object_ids: The objects to resync, or None for the whole pipeline.
        active_ids: All objects that the pipeline replicates, as far as known.
        wanted_ids: The objects that the caller wants. A child that is only reloaded with its
            parent is wanted, and its parent is in ``object_ids``.
        companion_ids: Objects that the job may load besides those requested: other children.
    """

    pipeline_id: int
    action: SyncAction
    resync_mode: ResyncMode
    object_ids: frozenset[str] | None
    active_ids: frozenset[str] = frozenset()
    wanted_ids: frozenset[str] = frozenset()
    companion_ids: frozenset[str] = frozenset()

    @property
    def is_whole(self) -> bool:
        """Whether the whole pipeline is requested."""
        return self.object_ids is None

    @property
    def required_ids(self) -> frozenset[str]:
        """The objects that a job must include to be the result of this request."""
        return self.active_ids if self.object_ids is None else self.object_ids

    @property
    def answered_ids(self) -> frozenset[str]:
        """The objects whose outcome the caller is told."""
        return self.active_ids if self.object_ids is None else self.object_ids | self.wanted_ids

    @property
    def key(self) -> str:
        """The idempotency key: equal for equal requests, in every process."""
        objects = "*" if self.object_ids is None else "\n".join(sorted(self.object_ids))
        digest = hashlib.sha256(objects.encode()).hexdigest()[:16]
        return f"{self.pipeline_id}/{self.action}/{self.resync_mode}/{digest}"

    def is_covered_by(
        self, pipeline_id: int, action: str, resync_mode: str, object_ids: Collection[str] | None
    ) -> bool:
        """Whether a job for the other request is a job for this one too: it loads as much."""
        if (pipeline_id, action) != (self.pipeline_id, self.action.value):
            return False
        if self.action is SyncAction.RESYNC and resync_mode != self.resync_mode.value:
            return False
        if object_ids is None:
            return True
        # What was a part of the pipeline may be all of it by now.
        return bool(self.required_ids) and self.required_ids <= frozenset(object_ids)

    def __str__(self) -> str:
        if self.action is SyncAction.SYNC_NOW:
            return f"sync pipeline {self.pipeline_id} now"
        how = "" if self.resync_mode is ResyncMode.EVOLVE_AND_MERGE else f" ({self.resync_mode})"
        if self.object_ids is None:
            return f"resync pipeline {self.pipeline_id}{how}"
        count = len(self.object_ids)
        objects = "1 object" if count == 1 else f"{count} objects"
        return f"resync {objects} of pipeline {self.pipeline_id}{how}"


def make_request(
    pipeline_id: int,
    wanted: Iterable[str],
    active: Iterable[str],
    *,
    action: SyncAction = SyncAction.RESYNC,
    resync_mode: ResyncMode = ResyncMode.EVOLVE_AND_MERGE,
    restarted_with: Mapping[str, str] | None = None,
    is_all: bool = True,
) -> SyncRequest:
    """Decide what to request.

    Args:
        pipeline_id: The pipeline.
        wanted: Ids of the objects that are wanted.
        active: Ids of all objects that the pipeline replicates.
        action: RESYNC or SYNC_NOW; a SYNC_NOW always takes the whole pipeline.
        resync_mode: How a resync treats the tables.
        restarted_with: For each object that is only reloaded with its parent: the parent's id.
        is_all: Whether ``active`` are all objects that the pipeline replicates.

    Returns:
        A request for the whole pipeline where every active object is wanted; otherwise for the
        wanted objects, with several children of one parent as one resync of the parent.

    Raises:
        ValueError: No object is wanted.
    """
    wanted_ids, active_ids = frozenset(wanted), frozenset(active)
    if not wanted_ids:
        raise ValueError(f"No object of pipeline {pipeline_id} is wanted: nothing to request.")
    whole = action is SyncAction.SYNC_NOW or (is_all and wanted_ids >= active_ids)
    parents = restarted_with or {}
    object_ids = frozenset(parents.get(object_id, object_id) for object_id in wanted_ids)
    children = frozenset(child for child, parent in parents.items() if parent in object_ids)
    return SyncRequest(
        pipeline_id=pipeline_id,
        action=action,
        resync_mode=resync_mode,
        object_ids=None if whole else object_ids,
        active_ids=active_ids,
        wanted_ids=wanted_ids,
        companion_ids=children,
    )
