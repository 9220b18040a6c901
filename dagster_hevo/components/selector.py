"""Which pipelines a component takes, said in YAML: by id, name, source type or destination.

A selection is a function of a pipeline, so it goes wherever a `pipeline_selector_fn` goes.
"""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase

import dagster as dg
from pydantic import ConfigDict, Field, model_validator

from dagster_hevo.api.models import Pipeline

PIPELINES_NAMED = 20


class PipelineCriteria(dg.Model):
    """What a pipeline must be; of several criteria, all must hold.

    Attributes:
        by_id: It has one of these ids.
        by_name: Its name is one of these, or matches one as a shell pattern (``Shop *``).
        by_source_type: Its source is of one of these types (``POSTGRES``), in any case.
        by_destination: Its destination has one of these names (or patterns), types or ids.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    by_id: tuple[int, ...] | None = Field(default=None, description="Ids of pipelines.")
    by_name: tuple[str, ...] | None = Field(
        default=None, description="Names of pipelines, or shell patterns such as 'Shop *'."
    )
    by_source_type: tuple[str, ...] | None = Field(
        default=None, description="Types of sources, such as POSTGRES."
    )
    by_destination: tuple[str | int, ...] | None = Field(
        default=None, description="Names (or shell patterns), types or ids of destinations."
    )

    def holds_for(self, pipeline: Pipeline) -> bool:
        """Whether a pipeline is what is asked for."""
        destination = pipeline.destination
        return (
            (self.by_id is None or pipeline.id in self.by_id)
            and (self.by_name is None or _is_one_of(pipeline.name, self.by_name))
            and (
                self.by_source_type is None
                or _is_a_type(pipeline.source.source_type, self.by_source_type)
            )
            and (
                self.by_destination is None
                or destination.id in self.by_destination
                or _is_one_of(destination.name, self.by_destination)
                or _is_a_type(destination.destination_type, self.by_destination)
            )
        )

    @property
    def is_empty(self) -> bool:
        """Whether it asks for nothing, and so holds for every pipeline."""
        criteria = (self.by_id, self.by_name, self.by_source_type, self.by_destination)
        return all(each is None for each in criteria)


class PipelineSelection(PipelineCriteria):
    """The pipelines that meet the criteria, without those that meet the criteria of ``exclude``."""

    exclude: PipelineCriteria | None = Field(
        default=None, description="Pipelines to leave out, by the same keys; all given must hold."
    )

    @model_validator(mode="after")
    def _leaves_something(self) -> PipelineSelection:
        # An empty `exclude:` left over in a file would leave out everything, and say nothing.
        if self.exclude is not None and self.exclude.is_empty:
            raise ValueError(
                "exclude is empty: give it by_id, by_name, by_source_type or by_destination, or "
                "leave it out"
            )
        return self

    def __call__(self, pipeline: Pipeline) -> bool:
        return self.holds_for(pipeline) and not (
            self.exclude is not None and self.exclude.holds_for(pipeline)
        )


def nothing_selected(pipelines: Iterable[Pipeline]) -> str:
    """What to tell people whose selection takes no pipeline: what there is to select from."""
    there = list(pipelines)
    if not there:
        return "pipeline_selector takes no pipeline, and none are known."
    named = ", ".join(
        f"{each.id} ({each.name}, {each.source.source_type or 'unknown'} to "
        f"{each.destination.name or each.destination.destination_type or 'unknown'})"
        for each in there[:PIPELINES_NAMED]
    )
    more = f" and {len(there) - PIPELINES_NAMED} more" if len(there) > PIPELINES_NAMED else ""
    return f"pipeline_selector takes none of the {len(there)} pipelines: {named}{more}."


def _is_one_of(name: str | None, patterns: Iterable[str | int]) -> bool:
    """Whether a name is one of these, or matches one; a name may itself hold a bracket."""
    return name is not None and any(
        name == pattern or fnmatchcase(name, pattern)
        for pattern in patterns
        if isinstance(pattern, str)
    )


def _is_a_type(kind: str | None, wanted: Iterable[str | int]) -> bool:
    return kind is not None and any(kind.upper() == str(each).upper() for each in wanted)
