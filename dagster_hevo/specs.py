"""The specs of an account: every active object once, each key once, children below their parents.

What one object's spec holds is `translator.py`; what is made of the specs is `assets.py`.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import dagster as dg

from dagster_hevo.api.errors import HevoConfigurationError
from dagster_hevo.api.models import PipelineObject
from dagster_hevo.asset_facts import AssetFacts, source_specs
from dagster_hevo.known_objects import KnownObjectFacts
from dagster_hevo.translator import DagsterHevoTranslator, HevoObjectProps
from dagster_hevo.workspace import HevoWorkspaceData, PipelineWithObjects


def specs_by_pipeline(
    account: HevoWorkspaceData,
    translator: DagsterHevoTranslator | None,
    facts: AssetFacts | None = None,
) -> list[tuple[HevoObjectProps, list[dg.AssetSpec]]]:
    """The specs of each pipeline that has active objects, with the properties of its first one.

    Args:
        account: The pipelines and their objects.
        translator: Makes the specs.
        facts: What to add to them.

    Raises:
        HevoConfigurationError: Two objects have one key.
    """
    chosen = translator or DagsterHevoTranslator()
    translate = chosen.get_asset_spec
    if facts is not None and facts.are_wanted:

        def with_facts(props: HevoObjectProps) -> dg.AssetSpec:
            return facts.added_to(chosen.get_asset_spec(props), props, chosen)

        translate = with_facts
    with _no_collection():
        return _specs_by_pipeline(account, translate)


def sources_of(
    account: HevoWorkspaceData,
    translator: DagsterHevoTranslator | None,
    facts: AssetFacts,
    specs: Iterable[dg.AssetSpec],
) -> list[dg.AssetSpec]:
    """The assets of the tables in the sources, where they are wanted.

    Args:
        account: The pipelines and their objects.
        translator: Names the tables.
        facts: Tells whether they are wanted.
        specs: The assets that Hevo loads of them.

    Raises:
        HevoConfigurationError: A source has the key of an asset that Hevo loads.
    """
    if not facts.include_source_lineage:
        return []
    loaded = frozenset(spec.key for spec in specs)
    return source_specs(account.props(), translator or DagsterHevoTranslator(), loaded)


def is_silenced(spec: dg.AssetSpec) -> bool:
    """Whether the spec is of an object that is never loaded, since its parent is skipped."""
    return "dagster-hevo/silenced_by" in spec.metadata


def executable(specs: Iterable[dg.AssetSpec]) -> list[dg.AssetSpec]:
    """The specs that a step can materialize."""
    return [spec for spec in specs if not is_silenced(spec)]


@contextmanager
def _no_collection() -> Generator[None]:
    """Hold the garbage collector back while making many values that all stay.

    It would walk them again and again and find nothing: a third of the time for 20,000 objects.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _specs_by_pipeline(
    account: HevoWorkspaceData, translate: Callable[[HevoObjectProps], dg.AssetSpec]
) -> list[tuple[HevoObjectProps, list[dg.AssetSpec]]]:
    found: list[tuple[HevoObjectProps, list[dg.AssetSpec]]] = []
    taken: dict[dg.AssetKey, HevoObjectProps] = {}
    for item in account.pipelines:
        specs: list[dg.AssetSpec] = []
        first: HevoObjectProps | None = None
        keys: dict[str, dg.AssetKey] = {}
        for active, facts in _parents_first(item):
            parent = facts.parent if facts is not None else None
            parent_key = keys.get(parent.object_id) if parent is not None else None
            props = HevoObjectProps(item.pipeline, active, facts, parent_key)
            first = first or props
            spec = translate(props)
            keys[active.object_id] = spec.key
            other = taken.setdefault(spec.key, props)
            if other is not props:
                raise _same_key(spec.key, other, props)
            # An object that was not loaded leaves its asset as it was, which only skippable allows.
            specs.append(spec if spec.skippable else changed(spec, skippable=True))
        if first is not None:
            found.append((first, specs))
    return found


def _parents_first(
    item: PipelineWithObjects,
) -> Iterator[tuple[PipelineObject, KnownObjectFacts | None]]:
    """The active objects with what is known of them, those that are children after the others."""
    if item.catalog is None:
        for active in item.active_objects:
            yield active, None
        return
    known = item.catalog.facts
    children: list[tuple[PipelineObject, KnownObjectFacts | None]] = []
    for active in item.active_objects:
        facts = known.get(active.object_id)
        if facts is not None and facts.parent is not None:
            children.append((active, facts))
        else:
            yield active, facts
    yield from children


def _same_key(
    key: dg.AssetKey, one: HevoObjectProps, other: HevoObjectProps
) -> HevoConfigurationError:
    def words(props: HevoObjectProps) -> str:
        pipeline = props.pipeline
        return f"{props.pipeline_object.name} of pipeline {pipeline.id} ({pipeline.name})"

    return HevoConfigurationError(
        f"Two objects have the asset key {key.to_user_string()}: {words(one)}, {words(other)}. "
        "Give them different keys with a translator, e.g. spec.key.with_prefix(pipeline name), "
        "leave one pipeline out with pipeline_selector_fn, or give one a destination prefix in "
        "Hevo."
    )


def changed(spec: dg.AssetSpec, **attributes: Any) -> dg.AssetSpec:
    """The spec with other values of these attributes."""
    return spec.replace_attributes(**attributes)  # pyright: ignore[reportUnknownMemberType] (Dagster's own signature is partly untyped)
