"""What comes of a trigger at the local Hevo: pure decisions from a request and what it meets.

The pipeline that carries them out is in `pipelines.py`, the HTTP answers in `app.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from dagster_hevo.sandbox.behaviour import Behaviour
from dagster_hevo.sandbox.families import loaded_objects, with_children
from dagster_hevo.sandbox.objects import ObjectState

Action = Literal["sync-now", "resync", "resync-objects"]
TriggerResult = Literal["accepted", "ignored", "conflict", "refused"]

SYNCABLE = frozenset({"INITIALIZED", "ENABLED"})
"""The statuses of a pipeline in which jobs start."""


@dataclass(frozen=True)
class TriggerRequest:
    """A request for a job, as the API received it."""

    action: Action
    user: str
    drop_and_load: bool = False
    object_ids: tuple[str, ...] = ()

    def job_type(self, behaviour: Behaviour) -> str:
        """The type of the job that it starts."""
        if self.action == "sync-now":
            return "INCREMENTAL"
        if self.action == "resync-objects":
            return "HISTORICAL"
        if behaviour.older_type_names == "truncate":
            return "TRUNCATE_AND_LOAD"
        if self.drop_and_load:
            return "RESYNC_WITH_DROP_AND_LOAD"
        return "RESYNC_WITH_EVOLVE" if behaviour.older_type_names else "RESYNC"


@dataclass(frozen=True)
class Trigger:
    """A request for a job that reached a pipeline, and what came of it.

    Attributes:
        at: When it came, in sandbox seconds.
        result: `accepted` (a job started), `ignored` (2xx and no job), `conflict` (a job was
            running) or `refused`.
        message: Why no job started.
        job_id: The job that it started.
    """

    at: float
    pipeline_id: int
    action: Action
    user: str
    drop_and_load: bool
    object_ids: tuple[str, ...]
    result: TriggerResult
    message: str = ""
    job_id: str | None = None


@dataclass(frozen=True)
class Verdict:
    """What comes of a trigger, and why no job starts if none does.

    Attributes:
        would_start: Whether nothing but `triggers_without_effect_every` keeps a job from starting.
    """

    result: TriggerResult
    message: str = ""
    would_start: bool = False


def judge(
    request: TriggerRequest,
    *,
    pipeline_id: int,
    status: str,
    objects: Mapping[str, ObjectState],
    behaviour: Behaviour,
    is_running: bool,
    earlier: int,
) -> Verdict:
    """Decide what comes of a trigger.

    Args:
        request: What was requested.
        pipeline_id: The pipeline, for messages.
        status: The pipeline's status.
        objects: The pipeline's objects by id.
        behaviour: The pipeline's traits.
        is_running: Whether a job of the pipeline runs.
        earlier: How many earlier triggers would have started a job.
    """
    if status not in SYNCABLE:
        return Verdict(
            "refused",
            f"Pipeline {pipeline_id} is {status}; it must be INITIALIZED for {request.action}",
        )
    resyncs_objects = request.action == "resync-objects"
    if resyncs_objects:
        complaint = _object_complaint(pipeline_id, request.object_ids, objects, behaviour)
        if complaint:
            return Verdict("refused", complaint)
    if is_running and behaviour.on_conflict != "accept":
        result = "ignored" if behaviour.on_conflict == "ignore" else "conflict"
        return Verdict(result, behaviour.conflict_message)
    if resyncs_objects and not _restartable(request.object_ids, objects):
        return Verdict("ignored", "Only children of other objects were named")
    every = behaviour.triggers_without_effect_every
    if every and (earlier + 1) % every == 0:
        message = f"Every trigger number {every} starts nothing (triggers_without_effect_every)"
        return Verdict("ignored", message, would_start=True)
    return Verdict("accepted", would_start=True)


def objects_to_resync(
    object_ids: Sequence[str], objects: Mapping[str, ObjectState], behaviour: Behaviour
) -> list[str]:
    """The objects that the job of an object resync really loads, children included."""
    requested = _restartable(object_ids, objects)
    kept = requested[: max(0, len(requested) - behaviour.job_drops_requested)]
    loaded = [state.object_id for state in with_children(objects.values(), kept)]
    named = {state.object_id for state in with_children(objects.values(), requested)}
    further = [
        state.object_id
        for state in loaded_objects(objects.values())
        if state.object_id not in named
    ]
    return loaded + further[: behaviour.job_loads_also]


def _object_complaint(
    pipeline_id: int,
    object_ids: Sequence[str],
    objects: Mapping[str, ObjectState],
    behaviour: Behaviour,
) -> str:
    if not object_ids:
        return "object_ids must name at least one object"
    for each in object_ids:
        state = objects.get(each)
        if state is None or state.hidden:
            return f"Pipeline {pipeline_id} has no object {each}"
        if not state.is_active:
            return f"Object {each} is {state.scenario.status} and cannot be resynced"
        parent = state.scenario.parent
        if parent is not None and behaviour.child_resync == "refuse":
            return (
                f"Object {each} ({state.scenario.name}) is a child of {parent} and can only be "
                "restarted with its parent"
            )
    return ""


def _restartable(
    object_ids: Sequence[str], objects: Mapping[str, ObjectState]
) -> list[ObjectState]:
    named = [objects[each] for each in object_ids]
    return [state for state in named if state.scenario.parent is None]
