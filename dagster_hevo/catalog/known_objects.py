"""What the catalogs say of a pipeline's own objects: which entry each is, and who restarts whom.

The catalogs are `catalog/`; here they are held against the objects that Hevo lists. Of a pipeline
whose source has no catalog, and of an object that is in none, simply nothing is said.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dagster_hevo.api.models import Pipeline, PipelineObject

if TYPE_CHECKING:
    from dagster_hevo.catalog import Catalog, CatalogObject

LOAD_MODE_TAG = "hevo/load_mode"


@dataclass(frozen=True)
class EntryWords:
    """What a catalog's entry says of every object that it stands for, ready to be shown.

    Attributes:
        description: For the asset.
        tags: How it is loaded, where that is known.
        metadata: Under ``dagster-hevo/``.
    """

    description: str
    tags: dict[str, str]
    metadata: dict[str, Any]

    @classmethod
    def of(cls, entry: CatalogObject, limits: tuple[str, ...]) -> EntryWords:
        """Put an entry into words, with the limits that all objects of its source share."""
        facts: dict[str, Any] = {}
        if entry.requires is not None:
            facts["requires"] = f"{entry.requires.kind}: {entry.requires.reason}"
        if entry.position_changeable is not None:
            facts["position_changeable"] = entry.position_changeable
        if entry.notes:
            facts["notes"] = " ".join(entry.notes)
        if limits:
            facts["source_limits"] = " ".join(limits)
        mode = str(entry.mode)
        return cls(
            "\n\n".join([entry.description, *entry.notes]),
            {} if mode == "unknown" else {LOAD_MODE_TAG: mode},
            {f"dagster-hevo/{name}": value for name, value in facts.items()},
        )


@dataclass(frozen=True)
class KnownObjectFacts:
    """What is known of one object of a pipeline.

    Attributes:
        entry: The catalog's entry for it.
        parent: The object that it is a child of, where the pipeline has it.
        restarted_with: That parent, where Hevo restarts the child only together with it.
        skipped_parent: That parent's name, where it is skipped and so silences the child, although
            Hevo goes on showing the child as active.
        words: What the entry says of every object like it.
    """

    entry: CatalogObject
    words: EntryWords
    parent: PipelineObject | None = None
    restarted_with: PipelineObject | None = None
    skipped_parent: str | None = None

    @property
    def description(self) -> str:
        """A description for the asset."""
        words = self.words.description
        if self.skipped_parent is None:
            return words
        return (
            f"{words}\n\nNot loaded: its parent {self.skipped_parent} is skipped in Hevo, which "
            "skips its children with it although they are shown as active. Include the parent in "
            "Hevo, then reload the code location."
        )

    @property
    def tags(self) -> dict[str, str]:
        """Tags for the asset: how it is loaded, where that is known."""
        return self.words.tags

    @property
    def metadata(self) -> dict[str, Any]:
        """Metadata for the asset, under ``dagster-hevo/``."""
        facts = self.words.metadata
        if self.parent is None:
            return facts
        facts = {**facts, "dagster-hevo/parent": self.parent.name}
        if self.restarted_with is not None:
            facts["dagster-hevo/restarted_with"] = self.restarted_with.object_id
        if self.skipped_parent is not None:
            facts["dagster-hevo/skipped_parent"] = self.skipped_parent
        return facts


@dataclass(frozen=True)
class PipelineCatalog:
    """What a catalog says of one pipeline.

    Attributes:
        source: The catalog's name of the source.
        facts: What is known of each object, by its id.
        frequency_problem: A sentence where the pipeline's schedule is outside what the source
            allows.
        missing: Names of objects that the catalog knows and the pipeline does not have.
        unknown: Names of objects that the pipeline has and the catalog does not know.
    """

    source: str
    facts: Mapping[str, KnownObjectFacts] = field(default_factory=dict[str, KnownObjectFacts])
    frequency_problem: str | None = None
    missing: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()


def catalog_of(
    pipeline: Pipeline, objects: Iterable[PipelineObject], extra: Iterable[Catalog] = ()
) -> PipelineCatalog | None:
    """Hold a pipeline against the catalog of its source.

    Args:
        pipeline: The pipeline.
        objects: All its objects, also those that Hevo does not replicate.
        extra: Catalogs of the user's own; they win over those of entry points and built-in ones.

    Returns:
        What the catalog says, or None where there is no catalog for the source.
    """
    if not pipeline.source.source_type:
        return None
    from dagster_hevo.catalog import find_catalog

    catalog = find_catalog(pipeline.source.source_type, extra)
    if catalog is None:
        return None
    by_entry: dict[str, list[PipelineObject]] = {}
    entries: list[tuple[str, CatalogObject]] = []
    unknown: list[str] = []
    for known in objects:
        name = known.name
        entry = catalog.object_for(name)
        if entry is None:
            unknown.append(name)
        else:
            entries.append((known.object_id, entry))
            by_entry.setdefault(entry.name, []).append(known)
    by_itself = _facts_by_itself(catalog)
    facts = {
        object_id: by_itself[entry.name]
        if entry.parent is None
        else _facts_of_child(catalog, by_itself[entry.name], by_entry)
        for object_id, entry in entries
    }
    minutes = pipeline.schedule.frequency_minutes if pipeline.schedule is not None else None
    return PipelineCatalog(
        source=catalog.source.name,
        facts=facts,
        frequency_problem=None if minutes is None else catalog.frequency_problem(minutes),
        missing=tuple(item.name for item in catalog.objects if item.name not in by_entry),
        unknown=tuple(unknown),
    )


def _facts_of_child(
    catalog: Catalog, by_itself: KnownObjectFacts, by_entry: Mapping[str, list[PipelineObject]]
) -> KnownObjectFacts:
    entry = by_itself.entry
    parent_entry = catalog.parent_of(entry)
    parents = by_entry.get(parent_entry.name, []) if parent_entry is not None else []
    if len(parents) != 1:
        # No parent here, or two that it may belong to: nothing certain can be said.
        return by_itself
    parent = parents[0]
    is_silenced = bool(catalog.source.skipping_parent_skips_children) and not parent.is_replicated
    return KnownObjectFacts(
        entry,
        by_itself.words,
        parent=parent,
        restarted_with=parent if entry.restartable is False and parent.is_replicated else None,
        skipped_parent=parent.name if is_silenced else None,
    )


# Many pipelines have the same source: its entries are put into words once. The catalog is kept
# beside them, so that its id stays its own.
_BY_THEMSELVES: dict[int, tuple[Catalog, dict[str, KnownObjectFacts]]] = {}


def _facts_by_itself(catalog: Catalog) -> dict[str, KnownObjectFacts]:
    """What is known of each entry's object whatever else the pipeline has, by the entry's name."""
    known = _BY_THEMSELVES.get(id(catalog))
    if known is None:
        limits = _limits_of(catalog)
        facts = {
            entry.name: KnownObjectFacts(entry, EntryWords.of(entry, limits))
            for entry in catalog.objects
        }
        known = _BY_THEMSELVES[id(catalog)] = (catalog, facts)
    return known[1]


def _limits_of(catalog: Catalog) -> tuple[str, ...]:
    """What the source allows, in sentences that all its objects share."""
    source = catalog.source
    limits: list[str] = []
    if source.api is not None and source.api.calls_per_second is not None:
        deferred = "; Hevo defers beyond that" if source.api.defers_when_exhausted else ""
        limits.append(
            f"{source.api.calls_per_second} calls a second to {source.api.name}{deferred}."
        )
    if source.event_size is not None:
        limits.append(f"Events above {source.event_size.not_loaded_above_mb} MB are not loaded.")
    if source.replicates_deletes is False:
        limits.append("Rows deleted in the source stay in the table.")
    return tuple(limits)
