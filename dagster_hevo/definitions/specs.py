"""The specs of an account: every active object once, each key once, children below their parents.

What one object's spec holds is `translator.py`; what is made of the specs is `assets.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any

import dagster as dg

from dagster_hevo.api.errors import HevoConfigurationError
from dagster_hevo.api.models import PipelineObject
from dagster_hevo.catalog.known_objects import KnownObjectFacts
from dagster_hevo.definitions.enrichment import AssetFacts, source_specs
from dagster_hevo.definitions.snapshot import AccountSnapshot, PipelineWithObjects, no_collection
from dagster_hevo.jobs.objects import shared_names
from dagster_hevo.translator import DagsterHevoTranslator, HevoObjectProps

SpecsOfPipeline = tuple[HevoObjectProps, list[dg.AssetSpec]]
_Made = list[tuple[HevoObjectProps, dg.AssetSpec]]


class AccountSpecs:
    """Makes the specs of an account's pipelines.

    Args:
        translator: Makes each spec; default ``DagsterHevoTranslator``.
        facts: What to add to them.
        account_id: What tells the account from others, in the specs' metadata; None where that is
            not known.
        made_by: What to call the translator in a message; default: its class.
    """

    def __init__(
        self,
        translator: DagsterHevoTranslator | None = None,
        facts: AssetFacts | None = None,
        *,
        account_id: str | None = None,
        made_by: str | None = None,
    ) -> None:
        self._translator = translator or DagsterHevoTranslator()
        self._account_id = account_id
        self._made_by = made_by or type(self._translator).__qualname__
        self._facts = facts or AssetFacts()
        self._early: dict[int, tuple[PipelineWithObjects, _Made]] = {}

    def make_early(self, item: PipelineWithObjects) -> None:
        """Make a pipeline's specs while others still load: that waits more than it computes."""
        # What a translator raises is raised when its specs are asked for and all is loaded.
        with suppress(Exception):
            self._early[item.pipeline.id] = (item, self._made_of(item))

    def by_pipeline(self, account: AccountSnapshot) -> list[SpecsOfPipeline]:
        """The specs of each pipeline that has active objects, with the properties of its first one.

        Args:
            account: The pipelines and their objects.

        Raises:
            HevoConfigurationError: Two objects have one key.
        """
        with no_collection():
            return self._by_pipeline(account)

    def sources(
        self, account: AccountSnapshot, specs: Iterable[dg.AssetSpec]
    ) -> list[dg.AssetSpec]:
        """The assets of the tables in the sources, where they are wanted.

        Args:
            account: The pipelines and their objects.
            specs: The assets that Hevo loads of them.

        Raises:
            HevoConfigurationError: A source has the key of an asset that Hevo loads.
        """
        if not self._facts.include_source_lineage:
            return []
        loaded = frozenset(spec.key for spec in specs)
        return source_specs(account.props(), self._translator, loaded)

    def _by_pipeline(self, account: AccountSnapshot) -> list[SpecsOfPipeline]:
        found: list[SpecsOfPipeline] = []
        taken: dict[dg.AssetKey, HevoObjectProps] = {}
        for item in account.pipelines:
            early_item, early = self._early.pop(item.pipeline.id, (None, None))
            made = early if early is not None and early_item is item else self._made_of(item)
            for props, spec in made:
                other = taken.setdefault(spec.key, props)
                if other is not props:
                    raise _same_key(spec.key, other, props)
            if made:
                found.append((made[0][0], [spec for _, spec in made]))
        return found

    def _made_of(self, item: PipelineWithObjects) -> _Made:
        translator, facts = self._translator, self._facts
        are_wanted = facts.are_wanted
        made: _Made = []
        keys: dict[str, dg.AssetKey] = {}
        names = shared_names(item.objects or ())
        found = list(_parents_first(item))
        loaded = sum(1 for _, known in found if known is None or known.skipped_parent is None)
        for active, known in found:
            parent = known.parent if known is not None else None
            parent_key = keys.get(parent.object_id) if parent is not None else None
            props = HevoObjectProps(
                item.pipeline,
                active,
                known,
                parent_key,
                shares_name=active.name in names,
                loaded_objects=loaded,
                account_id=self._account_id,
            )
            spec = translator.get_asset_spec(props)
            metadata = spec.metadata
            if (
                metadata.get("dagster-hevo/object_id") != active.object_id
                or metadata.get("dagster-hevo/pipeline_id") != item.pipeline.id
            ):
                raise _without_metadata(spec.key, props, self._made_by)
            if are_wanted:
                spec = facts.added_to(spec, props, translator)
            keys[active.object_id] = spec.key
            # An object that was not loaded leaves its asset as it was, which only skippable allows.
            made.append((props, spec if spec.skippable else changed(spec, skippable=True)))
        return made


def is_not_loaded(spec: dg.AssetSpec) -> bool:
    """Whether the spec is of an object that is never loaded, since its parent is skipped."""
    return "dagster-hevo/skipped_parent" in spec.metadata


def executable(specs: Iterable[dg.AssetSpec]) -> list[dg.AssetSpec]:
    """The specs that a step can materialize."""
    return [spec for spec in specs if not is_not_loaded(spec)]


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


def _without_metadata(
    key: dg.AssetKey, props: HevoObjectProps, made_by: str
) -> HevoConfigurationError:
    pipeline = props.pipeline
    return HevoConfigurationError(
        f"The asset {key.to_user_string()} of {props.pipeline_object.name} of pipeline "
        f"{pipeline.id} ({pipeline.name}) lacks the metadata dagster-hevo/pipeline_id and "
        f"dagster-hevo/object_id as {made_by} made it, without which it could never be "
        "materialized. Begin with spec = super().get_asset_spec(props), and add to its metadata "
        "(spec.merge_attributes(metadata=...)) instead of replacing it."
    )


def changed(spec: dg.AssetSpec, **attributes: Any) -> dg.AssetSpec:
    """The spec with other values of these attributes."""
    return spec.replace_attributes(**attributes)  # pyright: ignore[reportUnknownMemberType] (Dagster's own signature is partly untyped)
