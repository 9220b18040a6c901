"""A catalog as a typed value: what Hevo's documents say of one source and of each of its objects.

Whatever they leave open is None or ``unknown`` here, never a guess. Reading a file is `files.py`,
finding the catalog of a pipeline is `registry.py`, how names match is `names.py`.
"""

from __future__ import annotations

import datetime
from enum import Enum
from functools import cached_property
from typing import Annotated, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from dagster_hevo.catalog.names import NameIndex, plain_form

_T = TypeVar("_T")


def _filled(entries: tuple[_T, ...]) -> tuple[_T, ...]:
    # Not Field(min_length=1): it also complains of entries that are there but wrong.
    if not entries:
        raise ValueError("it is empty; at least one entry is needed")
    return entries


Filled = Annotated[tuple[_T, ...], AfterValidator(_filled)]
Words = Annotated[str, Field(min_length=1, pattern=r"\S")]
Count = Annotated[int, Field(gt=0)]
_HOUR = 60


class CatalogModel(BaseModel):
    """A part of a catalog: frozen, and strict about keys, since people write these by hand."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class IngestionMode(str, Enum):
    """What Hevo reads from the source for an object at each run after the first.

    ``FULL_LOAD`` reads everything again, ``INCREMENTAL`` what is new or changed; ``UNKNOWN`` where
    the documents do not say. How rows reach the table is another thing: ``api.LoadMode``.
    """

    FULL_LOAD = "full_load"
    INCREMENTAL = "incremental"
    UNKNOWN = "unknown"

    def __str__(self) -> str:
        return str(self.value)


class Release(CatalogModel):
    """Since when something holds: Hevo's release, and the day its document said so."""

    release: Words
    date: datetime.date

    def __str__(self) -> str:
        return f"release {self.release} ({self.date.isoformat()})"


class Requirement(CatalogModel):
    """What the account behind the source's key must be, or must have been granted, to read it."""

    kind: Literal["administrator", "permission"]
    reason: Words


class CatalogObject(CatalogModel):
    """One object (table) of a source.

    Attributes:
        name: As Hevo's documents write it.
        aliases: Further names by which Hevo may report it.
        description: One line for people.
        mode: What Hevo reads at each run.
        mode_since: Since when the mode is this one, where it was another before.
        since: Since when Hevo offers the object, where it came later than the source.
        parent: The name of the object it hangs on: it is skipped whenever that one is.
        requires: What it takes to read it, where an ordinary account is not enough.
        position_changeable: Whether Hevo can be told to read it from another point on.
        restartable: Whether its ingestion can be restarted by itself.
        runnable_alone: Whether it can be run now by itself.
        notes: What somebody who builds on the table should know, a sentence each.
    """

    name: Words
    aliases: tuple[Words, ...] = ()
    description: Words
    mode: IngestionMode = IngestionMode.UNKNOWN
    mode_since: Release | None = None
    since: Release | None = None
    parent: Words | None = None
    requires: Requirement | None = None
    position_changeable: bool | None = None
    restartable: bool | None = None
    runnable_alone: bool | None = None
    notes: tuple[Words, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Its name and its aliases."""
        return (self.name, *self.aliases)


class IngestionFrequency(CatalogModel):
    """How often teams of one age can have Hevo read the source.

    Attributes:
        teams: Which teams, as the end of "teams ...": ``created before release 2.21``.
        default_minutes: What a new pipeline gets, in minutes.
        minimum_minutes: The most often, in minutes.
        maximum_minutes: The least often, in minutes.
        custom_hours: The first and last value, in whole hours, that can be typed in.
    """

    teams: Words
    default_minutes: Count
    minimum_minutes: Count
    maximum_minutes: Count
    custom_hours: tuple[Count, Count]

    @model_validator(mode="after")
    def _is_in_order(self) -> IngestionFrequency:
        if not self.minimum_minutes <= self.default_minutes <= self.maximum_minutes:
            raise ValueError("minimum_minutes <= default_minutes <= maximum_minutes does not hold")
        if self.custom_hours[0] > self.custom_hours[1]:
            raise ValueError("custom_hours has its last hour before its first")
        return self

    def accepts(self, minutes: int) -> bool:
        """Whether a pipeline can run every so many minutes.

        Below the hours that can be typed in, Hevo offers a few fixed values that its documents do
        not list: every value from the minimum on counts as possible there.

        Args:
            minutes: Minutes between two runs.
        """
        if not self.minimum_minutes <= minutes <= self.maximum_minutes:
            return False
        return minutes % _HOUR == 0 or minutes < self.custom_hours[0] * _HOUR

    def __str__(self) -> str:
        shortest, longest = span(self.minimum_minutes), span(self.maximum_minutes)
        return f"{shortest} to {longest} for teams {self.teams}"


class HistoricalSync(CatalogModel):
    """How much of what is already in the source the first run loads.

    Attributes:
        chosen: Whether whoever makes the pipeline chooses a duration; else everything is loaded.
        default_months: The duration unless chosen otherwise, in months.
        options: Other durations that the documents name; there may be more.
        everything_since: How far back "everything" reaches.
        is_parallel: Whether Hevo loads it in parallel.
    """

    chosen: bool
    default_months: Count | None = None
    options: tuple[Words, ...] = ()
    everything_since: datetime.date | None = None
    is_parallel: bool | None = None


class Credential(CatalogModel):
    """What Hevo logs in to the source with."""

    kind: Words
    expires: bool | None = None
    made_by: Words | None = None
    required_scopes: tuple[Words, ...] = ()
    optional_scopes: tuple[Words, ...] = ()


class SourceApi(CatalogModel):
    """The source's own API and its limits, which Hevo has to keep.

    Attributes:
        name: Which API Hevo reads.
        calls_per_second: What the source allows, over everybody who uses the account.
        limited_per: What the limit counts for.
        page_size: The most records that one call brings.
        defers_when_exhausted: Whether Hevo puts ingestion off until the limit resets; the job is
            DEFERRED until then, which is neither a failure nor an end.
    """

    name: Words
    calls_per_second: Count | None = None
    limited_per: Words | None = None
    page_size: Count | None = None
    defers_when_exhausted: bool | None = None


class EventSize(CatalogModel):
    """How large a row may be, in megabytes."""

    not_loaded_above_mb: Count
    keep_rows_below_mb: Count


class CatalogSource(CatalogModel):
    """What holds for a source as a whole.

    Attributes:
        name: As Hevo's documents write it.
        source_types: What a pipeline's ``source_type`` may say for it.
        documented: The day of the newest change to the document this was read from.
        since: Since when Hevo documents the source.
        credential: What Hevo logs in with.
        frequencies: How often Hevo can read it, by the age of the team.
        historical_sync: What the first run loads.
        api: The source's own API and its limits.
        event_size: How large a row may be.
        replicates_deletes: Whether rows deleted in the source are marked or deleted.
        skipping_parent_skips_children: Whether an object's children stop with it.
        known_discrepancies: Why source and destination may differ, a sentence each.
    """

    name: Words
    source_types: Filled[Words]
    documented: datetime.date | None = None
    since: Release | None = None
    credential: Credential | None = None
    frequencies: tuple[IngestionFrequency, ...] = ()
    historical_sync: HistoricalSync | None = None
    api: SourceApi | None = None
    event_size: EventSize | None = None
    replicates_deletes: bool | None = None
    skipping_parent_skips_children: bool | None = None
    known_discrepancies: tuple[Words, ...] = ()

    @field_validator("source_types")
    @classmethod
    def _types_have_letters(cls, source_types: tuple[str, ...]) -> tuple[str, ...]:
        for source_type in source_types:
            if not plain_form(source_type):
                raise ValueError(f"{source_type!r} has no letters: nothing could match it")
        return source_types

    @property
    def type_forms(self) -> frozenset[str]:
        """The plain forms of its source types.

        A version is never left out of a source type: an earlier source of the same name need not
        have the same objects, nor read them in the same way.
        """
        return frozenset(plain_form(source_type) for source_type in self.source_types)


class Catalog(CatalogModel):
    """One source and its objects.

    Attributes:
        source: What holds for the source.
        objects: Its objects, in the order of the documents.
    """

    source: CatalogSource
    objects: Filled[CatalogObject]

    @model_validator(mode="after")
    def _names_are_sound(self) -> Catalog:
        seen: set[str] = set()
        for name in (name for each in self.objects for name in each.names):
            if not plain_form(name):
                raise ValueError(f"{name!r} has no letters: nothing could match it")
            if name in seen:
                raise ValueError(f"{name!r} is there twice: keep one")
            seen.add(name)
        return self

    @model_validator(mode="after")
    def _parents_are_sound(self) -> Catalog:
        parents = {each.name: each.parent for each in self.objects}
        for name, parent in parents.items():
            if parent is not None and parent not in parents:
                raise ValueError(f"the parent {parent!r} of object {name!r} is not an object here")
            line = {name}
            while parent is not None:
                if parent in line:
                    raise ValueError(f"object {name!r} is, over its parents, a parent of itself")
                line.add(parent)
                parent = parents.get(parent)
        return self

    @cached_property
    def _by_any_name(self) -> NameIndex[CatalogObject]:
        return NameIndex[CatalogObject].of(
            (name, each) for each in self.objects for name in each.names
        )

    @cached_property
    def _by_name(self) -> dict[str, CatalogObject]:
        return {each.name: each for each in self.objects}

    @cached_property
    def _children(self) -> dict[str, tuple[CatalogObject, ...]]:
        children: dict[str, list[CatalogObject]] = {}
        for each in self.objects:
            if each.parent is not None:
                children.setdefault(each.parent, []).append(each)
        return {name: tuple(those) for name, those in children.items()}

    def object_for(self, name: str) -> CatalogObject | None:
        """The object that a name stands for, however it is spelt; in constant time.

        Case, spaces, underscores, hyphens, singular and plural do not matter, and a version suffix
        may be left out. No match is better than a doubtful one.

        Args:
            name: The object's or its table's name, as Hevo reports it.

        Returns:
            The object, or None where the name is unknown or could be more than one.
        """
        return self._by_any_name.find(name)

    def parent_of(self, catalog_object: CatalogObject) -> CatalogObject | None:
        """The object it hangs on, or None.

        Args:
            catalog_object: An object of this catalog.
        """
        return None if catalog_object.parent is None else self._by_name.get(catalog_object.parent)

    def children_of(self, catalog_object: CatalogObject) -> tuple[CatalogObject, ...]:
        """The objects that hang on it, in the order of the catalog.

        Args:
            catalog_object: An object of this catalog.
        """
        return self._children.get(catalog_object.name, ())

    def frequency_problem(self, minutes: int | None) -> str | None:
        """Why Hevo cannot run a pipeline of this source that often, whatever the team's age.

        Args:
            minutes: Minutes between two runs of the pipeline's schedule; None where it has none.

        Returns:
            A sentence for people, or None where the frequency is possible or nothing is known.
        """
        allowed = self.source.frequencies
        if minutes is None or not allowed or any(each.accepts(minutes) for each in allowed):
            return None
        ranges = "; ".join(str(each) for each in allowed)
        return (
            f"A pipeline that reads {self.source.name} every {span(minutes)} is outside what Hevo "
            f"documents for this source: {ranges}; from one hour on in whole hours."
        )


def span(minutes: int) -> str:
    """A length of time for people: ``30 minutes``, ``1 hour``, ``24 hours``.

    Args:
        minutes: The length, in minutes.
    """
    if minutes >= _HOUR and minutes % _HOUR == 0:
        count, unit = minutes // _HOUR, "hour"
    else:
        count, unit = minutes, "minute"
    return f"{count} {unit}" if count == 1 else f"{count} {unit}s"
