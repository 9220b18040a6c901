"""From Hevo's words to Dagster's: how an object of a pipeline becomes an asset's spec.

Override `DagsterHevoTranslator.get_asset_spec` to name, group or tag assets otherwise.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import dagster as dg

from dagster_hevo.api.models import ObjectField, Pipeline, PipelineObject
from dagster_hevo.catalog.known_objects import KnownObjectFacts
from dagster_hevo.jobs.objects import path_text
from dagster_hevo.markdown import as_markdown

KIND = "hevo"
_PLAIN = re.compile(r"[A-Za-z0-9_. $-]+")
# The slash, controls and other characters without a shape, halves of characters, and whatever
# would be taken for an encoded one. Dagster's pages do not find a key that has a percent sign.
_ENCODED_IN_KEYS = re.compile(
    "[/%\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]"
    "|~(?=[0-9A-Fa-f]{2})"
)
_ENCODED = re.compile("(?:~[0-9A-F]{2})+")
LONGEST_KIND = 50


@dataclass(frozen=True)
class HevoObjectProps:
    """What a translator is given: an object and the pipeline that copies it.

    Attributes:
        pipeline: The pipeline, without its source's settings.
        pipeline_object: The object (table, collection or report).
        facts: What the catalog of the source knows of the object, where there is one.
        parent_key: The asset of its parent, where it is a child of another object.
        shares_name: Whether another object of the pipeline, an inactive one included, has the same
            bare name, so that a job that lists only names does not say which one it means.
        loaded_objects: How many objects of the pipeline Hevo loads; None where that is not known.
        account_id: What tells the account from others: Hevo's base URL and, where the API key is
            at hand, a digest of it; None where neither is known.
    """

    pipeline: Pipeline
    pipeline_object: PipelineObject
    facts: KnownObjectFacts | None = None
    parent_key: dg.AssetKey | None = None
    shares_name: bool = False
    loaded_objects: int | None = None
    account_id: str | None = None

    @property
    def table(self) -> str:
        """The table that the object is loaded into."""
        item = self.pipeline_object
        return item.destination_namespace.k0 or item.destination_table_name or item.name

    @property
    def schema(self) -> str | None:
        """The schema of that table, where the destination has schemas."""
        return self.pipeline_object.destination_namespace.k1

    @property
    def database(self) -> str | None:
        """The database of that table, where the destination names it."""
        return self.pipeline_object.destination_namespace.k2

    @property
    def table_name(self) -> str:
        """The full name of the table: database, schema and table, as far as there are."""
        return ".".join(part for part in (self.database, self.schema, self.table) if part)


class DagsterHevoTranslator:
    """Turns Hevo's objects into asset specs.

    Example:
        ::

            class Prefixed(DagsterHevoTranslator):
                def get_asset_spec(self, props: HevoObjectProps) -> dg.AssetSpec:
                    spec = super().get_asset_spec(props)
                    return spec.replace_attributes(key=spec.key.with_prefix("raw"))
    """

    def get_asset_spec(self, props: HevoObjectProps) -> dg.AssetSpec:
        """The spec of one object's asset.

        Args:
            props: The object and its pipeline.

        Returns:
            A spec with the key [schema, table] (see ``key_part``), the pipeline's name as group,
            the kinds ``hevo`` and the destination's, and the metadata that ``HevoMetadataSet``
            reads.
        """
        pipeline, item = props.pipeline, props.pipeline_object
        metadata: dict[str, Any] = {
            "dagster/table_name": props.table_name,
            "dagster-hevo/pipeline_id": pipeline.id,
            "dagster-hevo/pipeline_name": pipeline.name,
            "dagster-hevo/object_id": item.object_id,
            "dagster-hevo/object_name": item.name,
        }
        source_path = path_text(item.source_namespace)
        if source_path is not None:
            metadata["dagster-hevo/source_path"] = source_path
        destination_path = path_text(item.destination_namespace)
        if destination_path is not None:
            metadata["dagster-hevo/destination_path"] = destination_path
        if props.account_id is not None:
            metadata["dagster-hevo/account"] = props.account_id
        if props.shares_name:
            metadata["dagster-hevo/shares_name"] = True
        if props.loaded_objects is not None:
            metadata["dagster-hevo/loaded_objects"] = props.loaded_objects
        if item.fields:
            metadata["dagster/column_schema"] = table_schema(item.fields)
        facts = props.facts
        if facts is not None:
            metadata |= facts.metadata
        return dg.AssetSpec(
            key=[key_part(part) for part in (props.schema, props.table) if part],
            group_name=group_name_of(pipeline.name),
            kinds=set(kinds_of(pipeline.destination.destination_type)),
            description=facts.description if facts is not None else None,
            tags=facts.tags if facts is not None else None,
            deps=None if props.parent_key is None else [_dependency_on(props.parent_key)],
            metadata=metadata,
            skippable=True,
        )

    def get_source_asset_spec(self, props: HevoObjectProps) -> dg.AssetSpec | None:
        """The spec of the table in the source, upstream of the object's asset.

        Asked for with ``include_source_lineage`` only. Override it to give the table the key of an
        asset that another code location makes, or to leave it out.

        Args:
            props: The object and its pipeline.

        Returns:
            A spec with the key ["source", source's name, database, schema, table] as far as there
            are, and the source's type as kind; None where the object has no name in the source.
        """
        pipeline, item = props.pipeline, props.pipeline_object
        path = item.source_namespace.path
        if not path:
            return None
        name = pipeline.source.name or pipeline.source.source_type or pipeline.name
        metadata: dict[str, Any] = {"dagster/table_name": ".".join(path)}
        if props.shares_name:
            metadata["dagster-hevo/shares_name"] = True
        if item.fields:
            metadata["dagster/column_schema"] = source_table_schema(item.fields)
        return dg.AssetSpec(
            key=["source", group_name_of(name), *map(key_part, path)],
            group_name=f"{group_name_of(name)}_source",
            kinds=set(source_kinds_of(pipeline.source.source_type)),
            description=(
                f"{as_markdown(item.name)} in the source {as_markdown(name)}, as Hevo reads it."
            ),
            metadata=metadata,
        )


def table_schema(fields: tuple[ObjectField, ...]) -> dg.TableSchema:
    """The columns of an object's table, with their types, primary keys and where they come from."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                name=field.destination_name or field.source_name or "?",
                type=(field.destination_type or field.source_type or "unknown").lower(),
                description=_origin_of(field),
                constraints=dg.TableColumnConstraints(
                    nullable=not field.primary_key,
                    other=["primary key"] if field.primary_key else [],
                ),
            )
            for field in fields
        ]
    )


def source_table_schema(fields: tuple[ObjectField, ...]) -> dg.TableSchema:
    """The columns of an object in its source, as far as the source names them."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(name=field.source_name, type=(field.source_type or "unknown").lower())
            for field in fields
            if field.source_name
        ]
    )


def _origin_of(field: ObjectField) -> str | None:
    """What a column is in the source, where that is not what it is in the table."""
    name, kind = field.source_name, field.source_type
    if not name:
        return None
    renamed = name != field.destination_name
    retyped = bool(kind) and (kind or "").lower() != (field.destination_type or kind or "").lower()
    if not renamed and not retyped:
        return None
    shown = as_markdown(name)
    return f"From {shown} ({as_markdown(kind.lower())})." if kind else f"From {shown}."


@lru_cache(maxsize=4096)
def _dependency_on(parent_key: dg.AssetKey) -> dg.AssetDep:
    """What every child of a parent depends on."""
    return dg.AssetDep(parent_key)


def key_part(name: str) -> str:
    """A schema's or a table's name as part of an asset key: the name as it is, as far as possible.

    A slash, which separates the parts of a key in Dagster's texts, a percent sign, and characters
    that cannot be shown become ``~`` and two hexadecimal digits per byte. ``name_in_key`` reverses
    it.
    """
    if name.isascii() and _PLAIN.fullmatch(name):
        return name
    return _ENCODED_IN_KEYS.sub(_encoded, name)


def name_in_key(part: str) -> str:
    """The schema's or table's name that `key_part` made a part of an asset key of."""
    return _ENCODED.sub(
        lambda found: bytes.fromhex(found.group().replace("~", "")).decode(
            "utf-8", "surrogatepass"
        ),
        part,
    )


def _encoded(found: re.Match[str]) -> str:
    return "".join(f"~{byte:02X}" for byte in found.group().encode("utf-8", "surrogatepass"))


@lru_cache(maxsize=4096)
def group_name_of(pipeline_name: str) -> str:
    """A pipeline's name as the name of a group: letters, digits and underscores."""
    return _cleaned(pipeline_name).lower() or "hevo"


@lru_cache(maxsize=256)
def kinds_of(destination_type: str | None) -> frozenset[str]:
    """The kinds shown on an asset: Hevo and where it loads to."""
    destination = _cleaned(destination_type or "").lower()[:LONGEST_KIND]
    return frozenset({KIND, destination} - {""})


@lru_cache(maxsize=256)
def source_kinds_of(source_type: str | None) -> frozenset[str]:
    """The kind shown on a source's table: what the source is."""
    return frozenset({_cleaned(source_type or "").lower()[:LONGEST_KIND]} - {""})


def _cleaned(name: str) -> str:
    return re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_")
