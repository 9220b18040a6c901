"""Which pipelines a component takes, said in YAML: by id, name, source type or destination.

A selection is a function of a pipeline, so it goes wherever a `pipeline_selector_fn` goes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Set
from fnmatch import fnmatchcase
from functools import partial
from types import CodeType, FunctionType, MethodType
from typing import cast

import dagster as dg
from pydantic import BaseModel, ConfigDict, Field, model_validator

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


def words_of(selector: object) -> object:
    """What tells a selector from others, the same in every process: for the key of a state.

    Of a selection, what was written; of a function, where it is, what it does and what it refers
    to, so that two functions of one name, as lambdas are, stay apart.
    """
    if isinstance(selector, BaseModel):
        return [type(selector).__qualname__, selector.model_dump(mode="json", exclude_none=True)]
    if isinstance(selector, partial):
        given = cast("partial[object]", selector)
        return [words_of(given.func), words_of(given.args), words_of(given.keywords)]
    if isinstance(selector, MethodType):
        return [words_of(selector.__func__), words_of(selector.__self__)]
    if isinstance(selector, FunctionType):
        cells = [cell.cell_contents for cell in selector.__closure__ or ()]
        parts = [selector.__code__, selector.__defaults__, selector.__kwdefaults__, cells]
        return [selector.__module__, selector.__qualname__, *map(words_of, parts)]
    if isinstance(selector, CodeType):
        return [selector.co_code.hex(), list(selector.co_names), words_of(selector.co_consts)]
    if isinstance(selector, Mapping):
        entries = cast("Mapping[object, object]", selector)
        return [[words_of(key), words_of(value)] for key, value in entries.items()]
    if isinstance(selector, Set):
        return sorted(json.dumps(words_of(each)) for each in cast("Set[object]", selector))
    if isinstance(selector, list | tuple):
        return [words_of(each) for each in cast("list[object]", selector)]
    if selector is None or isinstance(selector, str | int | float):
        return selector
    # An object of a class of the user's: its class and what it was made of.
    state = getattr(selector, "__dict__", None)
    return [type(selector).__qualname__, words_of(state) if state else None]


def _is_one_of(name: str | None, patterns: Iterable[str | int]) -> bool:
    """Whether a name is one of these, or matches one; a name may itself hold a bracket."""
    return name is not None and any(
        name == pattern or fnmatchcase(name, pattern)
        for pattern in patterns
        if isinstance(pattern, str)
    )


def _is_a_type(kind: str | None, wanted: Iterable[str | int]) -> bool:
    return kind is not None and any(kind.upper() == str(each).upper() for each in wanted)
