"""The families among a local Hevo's objects: parents, their children, and who is silent.

Hevo manages a child through its parent only: it is skipped and restarted with it, though it goes
on being shown as active. What follows from that for a request is decided in `pipelines.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from dagster_hevo.sandbox.objects import ObjectState


def loaded_objects(objects: Iterable[ObjectState]) -> list[ObjectState]:
    """Those that jobs load: the active ones, without the children of a parent that is not."""
    known = list(objects)
    silent = {state.scenario.name for state in known if not state.is_active}
    return [state for state in known if state.is_active and state.scenario.parent not in silent]


def with_children(
    objects: Iterable[ObjectState], chosen: Sequence[ObjectState]
) -> list[ObjectState]:
    """The chosen objects, each followed by those of its children that jobs load."""
    children: dict[str, list[ObjectState]] = {}
    for state in loaded_objects(objects):
        if state.scenario.parent is not None:
            children.setdefault(state.scenario.parent, []).append(state)
    family = {
        member.object_id: member
        for state in chosen
        for member in (state, *children.get(state.scenario.name, ()))
    }
    return list(family.values())
