"""The objects of a pipeline that a person means, named by id or by name.

For ops and the command line, where people write objects down. What a job says of its objects is
matched in `jobs/objects.py`.
"""

from __future__ import annotations

from collections.abc import Iterable

from dagster_hevo.api.errors import HevoConfigurationError
from dagster_hevo.api.models import PipelineObject
from dagster_hevo.jobs.objects import path_text

NAMES_SHOWN = 8


class ObjectChoiceError(HevoConfigurationError):
    """A name that stands for no object of the pipeline, for several, or for one not replicated."""


def choose_objects(
    pipeline_id: int, objects: Iterable[PipelineObject], wanted: Iterable[str]
) -> tuple[PipelineObject, ...]:
    """Find the objects that are meant.

    Args:
        pipeline_id: The pipeline, for messages.
        objects: Its objects.
        wanted: For each an id, else its name, its table, or either with the schema before it
            (``shop.orders``). An id wins over a name.

    Returns:
        The objects, each once, in the order in which they were named.

    Raises:
        ObjectChoiceError: A name stands for none, for several, or for one not replicated.
    """
    known = tuple(objects)
    by_id = {item.object_id: item for item in known}
    chosen: dict[str, PipelineObject] = {}
    for name in wanted:
        item = by_id.get(name) or _only_one(pipeline_id, known, name)
        if not item.is_replicated:
            raise ObjectChoiceError(
                f"{item.name} ({item.object_id}) of pipeline {pipeline_id} is {item.status}: Hevo "
                "does not replicate it. Make it active in Hevo first."
            )
        chosen[item.object_id] = item
    return tuple(chosen.values())


def _only_one(pipeline_id: int, known: tuple[PipelineObject, ...], name: str) -> PipelineObject:
    found = [item for item in known if name in _names_of(item)]
    if len(found) == 1:
        return found[0]
    if found:
        which = ", ".join(
            f"{item.object_id} ({path_text(item.source_namespace) or item.name})"
            for item in found[:NAMES_SHOWN]
        )
        raise ObjectChoiceError(
            f"{name!r} stands for {len(found)} objects of pipeline {pipeline_id}: {which}. "
            "Name the one you mean by its id."
        )
    names = sorted(item.name for item in known if item.is_replicated)
    shown = ", ".join(names[:NAMES_SHOWN]) + (", ..." if len(names) > NAMES_SHOWN else "")
    raise ObjectChoiceError(
        f"Pipeline {pipeline_id} has no object {name!r}. It has {shown or 'none that is active'}."
    )


def _names_of(item: PipelineObject) -> set[str]:
    names = {item.name}
    for namespace in (item.source_namespace, item.destination_namespace):
        path = namespace.path
        names |= {".".join(path[start:]) for start in range(len(path))}
    return names
