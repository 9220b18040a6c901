"""What an account holds, as a value that can be kept: its pipelines and their objects.

Read once when a code location loads, handed to its other processes as JSON, and never holding
a secret. Reading it from Hevo is `reading.py`; making assets of it, `specs.py` and `build.py`.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Container, Generator, Iterable, Iterator
from contextlib import contextmanager
from functools import cached_property

from pydantic import BaseModel, ConfigDict, ValidationError

from dagster_hevo.api.enums import PipelineStatus
from dagster_hevo.api.errors import HevoConfigurationError
from dagster_hevo.api.models import Pipeline, PipelineObject
from dagster_hevo.catalog.known_objects import PipelineCatalog, catalog_of
from dagster_hevo.translator import HevoObjectProps

STATE_VERSION = 1
GONE = frozenset({PipelineStatus.DELETED, PipelineStatus.DELETING})
"""The statuses of pipelines that load nothing any more."""

PipelineSelector = Callable[[Pipeline], bool]


class PipelineWithObjects(BaseModel):
    """A pipeline and the objects it copies.

    Attributes:
        pipeline: The pipeline.
        objects: Its objects; None while they were not read, or could not be read.
        is_stale: Whether the objects are older than the snapshot: they could not be read, or were
            not wanted, when the rest was read. They are read again at the next opportunity.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", defer_build=True)

    pipeline: Pipeline
    objects: tuple[PipelineObject, ...] | None = None
    is_stale: bool = False

    def with_pipeline(self, pipeline: Pipeline) -> PipelineWithObjects:
        """The same objects of a pipeline that was read again; itself where nothing has changed."""
        if pipeline == self.pipeline:
            return self
        return PipelineWithObjects.model_construct(
            pipeline=pipeline, objects=self.objects, is_stale=self.is_stale
        )

    def as_stale(self, pipeline: Pipeline) -> PipelineWithObjects:
        """The same objects, to be read again at the next opportunity."""
        return PipelineWithObjects.model_construct(
            pipeline=pipeline, objects=self.objects, is_stale=True
        )

    @property
    def is_gone(self) -> bool:
        """Whether the pipeline is deleted: its objects are no assets any more."""
        return self.pipeline.status in GONE

    @property
    def is_known(self) -> bool:
        """Whether it is known which objects become assets."""
        return self.is_gone or self.objects is not None

    @property
    def is_read(self) -> bool:
        """Whether its objects are as recent as the snapshot, so that they need no reading."""
        return self.is_gone or (self.objects is not None and not self.is_stale)

    @property
    def active_objects(self) -> Iterator[PipelineObject]:
        """The objects that Hevo replicates: those that become assets."""
        objects = () if self.is_gone else self.objects or ()
        return (item for item in objects if item.is_replicated)

    @cached_property
    def catalog(self) -> PipelineCatalog | None:
        """What the catalog of the source says of it, where there is one; worked out once."""
        return catalog_of(self.pipeline, self.objects or ())


class AccountSnapshot(BaseModel):
    """The pipelines of an account with their objects, in a fixed order.

    Attributes:
        version: The version of the format that this was written in.
        is_listed: Whether these are all pipelines of the account, if not all of their objects.
        fetched_at: When Hevo was asked, in seconds since the epoch by this machine's clock.
        pipelines: The pipelines, by id.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", defer_build=True)

    version: int = STATE_VERSION
    is_listed: bool = False
    fetched_at: float = 0.0
    pipelines: tuple[PipelineWithObjects, ...] = ()

    @classmethod
    def of(
        cls,
        pipelines: Iterable[PipelineWithObjects],
        *,
        is_listed: bool = False,
        fetched_at: float = 0.0,
    ) -> AccountSnapshot:
        """These pipelines, the last one of each id, in the order of their ids."""
        by_id = {item.pipeline.id: item for item in pipelines}
        ordered = tuple(by_id[pipeline_id] for pipeline_id in sorted(by_id))
        return cls.model_construct(
            version=STATE_VERSION, is_listed=is_listed, fetched_at=fetched_at, pipelines=ordered
        )

    def select(self, selector: PipelineSelector | None) -> AccountSnapshot:
        """Only the pipelines that the selector takes; all where there is none."""
        if selector is None:
            return self
        return self.of(
            (item for item in self.pipelines if selector(item.pipeline)),
            fetched_at=self.fetched_at,
        )

    def merged_with(self, other: AccountSnapshot) -> AccountSnapshot:
        """Both together; the other's pipelines win, and get objects that only this one has."""
        mine = {item.pipeline.id: item for item in self.pipelines if item.objects is not None}
        theirs = [
            mine[item.pipeline.id].with_pipeline(item.pipeline)
            if item.objects is None and item.pipeline.id in mine
            else item
            for item in other.pipelines
        ]
        return self.of(
            (*self.pipelines, *theirs),
            is_listed=self.is_listed or other.is_listed,
            fetched_at=min(self.fetched_at, other.fetched_at) or other.fetched_at,
        )

    def filled_from(self, kept: AccountSnapshot, *, but: Container[int] = ()) -> AccountSnapshot:
        """The same, with what only an earlier state has: objects that were not read this time.

        Pipelines that only the earlier state has stay too, unless this one lists all there are.

        Args:
            kept: The earlier state.
            but: The ids of pipelines of which nothing is to be taken.
        """
        before = {
            item.pipeline.id: item
            for item in kept.pipelines
            if item.objects is not None and item.pipeline.id not in but
        }
        if not before:
            return self
        known = {item.pipeline.id for item in self.pipelines}
        filled = [
            before[item.pipeline.id].as_stale(item.pipeline)
            if item.objects is None and item.pipeline.id in before
            else item
            for item in self.pipelines
        ]
        if not self.is_listed:
            filled += [
                item.as_stale(item.pipeline) for key, item in before.items() if key not in known
            ]
        return self.of(filled, is_listed=self.is_listed, fetched_at=self.fetched_at)

    def pipeline(self, pipeline_id: int) -> PipelineWithObjects | None:
        """The pipeline of this id, or None."""
        return next((item for item in self.pipelines if item.pipeline.id == pipeline_id), None)

    def props(self) -> Iterator[HevoObjectProps]:
        """The objects that become assets, each with its pipeline."""
        for item in self.pipelines:
            for active in item.active_objects:
                yield HevoObjectProps(item.pipeline, active)

    def to_json(self) -> str:
        """The state as text: versioned, without secrets and without who made what."""
        return self._text

    @cached_property
    def _text(self) -> str:
        # It goes to a file and to Dagster.
        return self.model_dump_json(
            exclude_none=True,
            exclude={
                "pipelines": {
                    "__all__": {"pipeline": {"created_by_email": True, "updated_by_email": True}}
                }
            },
        )

    @classmethod
    def from_json(cls, text: str, *, origin: str = "the state") -> AccountSnapshot:
        """Read a state back.

        Args:
            text: What ``to_json`` wrote, in this or an earlier version.
            origin: What to call it in an error, e.g. the file's path.

        Raises:
            HevoConfigurationError: It is not such a state, or of a newer version.
        """
        try:
            state = cls.model_validate_json(text)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False, include_context=False)[0]
            place = ".".join(str(part) for part in first["loc"]) or "the whole"
            problem = f"{place}: {first['type']}"
        else:
            if state.version <= STATE_VERSION:
                return state
            problem = f"it is of version {state.version}, and this version reads {STATE_VERSION}"
        raise HevoConfigurationError(
            f"{origin} cannot be read as a Hevo snapshot ({problem}). Write it again with "
            "`dagster-hevo snapshot --output FILE`."
        )


def only(pipeline_id: int) -> PipelineSelector:
    """The selector that takes one pipeline."""
    return lambda pipeline: pipeline.id == pipeline_id


@contextmanager
def no_collection() -> Generator[None]:
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
