"""What an account holds, as a value that can be kept: its pipelines and their objects.

Fetched once when a code location loads, handed to its other processes as JSON, and never holding
a secret. Turning it into assets is `assets.py`.
"""

from __future__ import annotations

import gc
import logging
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, ValidationError

from dagster_hevo.api.errors import (
    HevoApiError,
    HevoAuthenticationError,
    HevoConfigurationError,
    HevoError,
    HevoResponseError,
)
from dagster_hevo.api.models import Pipeline, PipelineObject
from dagster_hevo.known_objects import PipelineCatalog, catalog_of
from dagster_hevo.translator import HevoObjectProps

if TYPE_CHECKING:
    from dagster_hevo.api.client import HevoClient

STATE_VERSION = 1
CONNECTIONS = 8

PipelineSelector = Callable[[Pipeline], bool]


class PipelineWithObjects(BaseModel):
    """A pipeline and the objects it copies.

    Attributes:
        pipeline: The pipeline.
        objects: Its objects; None while they were not asked for, or could not be read.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", defer_build=True)

    pipeline: Pipeline
    objects: tuple[PipelineObject, ...] | None = None

    @property
    def active_objects(self) -> Iterator[PipelineObject]:
        """The objects that Hevo replicates: those that become assets."""
        return (item for item in self.objects or () if item.is_replicated)

    @cached_property
    def catalog(self) -> PipelineCatalog | None:
        """What the catalog of the source says of it, where there is one; worked out once."""
        return catalog_of(self.pipeline, self.objects or ())


class HevoWorkspaceData(BaseModel):
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
    ) -> HevoWorkspaceData:
        """These pipelines, the last one of each id, in the order of their ids."""
        by_id = {item.pipeline.id: item for item in pipelines}
        ordered = tuple(by_id[pipeline_id] for pipeline_id in sorted(by_id))
        return cls.model_construct(
            version=STATE_VERSION, is_listed=is_listed, fetched_at=fetched_at, pipelines=ordered
        )

    def select(self, selector: PipelineSelector | None) -> HevoWorkspaceData:
        """Only the pipelines that the selector takes; all where there is none."""
        if selector is None:
            return self
        return self.of(
            (item for item in self.pipelines if selector(item.pipeline)),
            fetched_at=self.fetched_at,
        )

    def merged_with(self, other: HevoWorkspaceData) -> HevoWorkspaceData:
        """Both together; where both have a pipeline, the other's, unless only this has objects."""
        mine = {item.pipeline.id: item for item in self.pipelines if item.objects is not None}
        theirs = [
            mine.get(item.pipeline.id, item) if item.objects is None else item
            for item in other.pipelines
        ]
        return self.of(
            (*self.pipelines, *theirs),
            is_listed=self.is_listed or other.is_listed,
            fetched_at=min(self.fetched_at, other.fetched_at) or other.fetched_at,
        )

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
    def from_json(cls, text: str, *, origin: str = "the state") -> HevoWorkspaceData:
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
            f"{origin} cannot be read as a Hevo snapshot ({problem}). Write it anew with "
            "`dagster-hevo snapshot --output FILE`."
        )


def fetch_workspace(
    client: HevoClient,
    *,
    selector: PipelineSelector | None = None,
    pipeline_id: int | None = None,
    known: HevoWorkspaceData | None = None,
    strict: bool = False,
    on_loaded: Callable[[PipelineWithObjects], object] | None = None,
    log: logging.Logger | None = None,
    now: Callable[[], float] = time.time,
) -> HevoWorkspaceData:
    """Ask Hevo for what is not known yet: a request a page, pages of objects in parallel.

    Args:
        client: Asks Hevo, over at most eight kept-alive connections.
        selector: The pipelines whose objects are wanted; all where there is none.
        pipeline_id: Only this pipeline, asked for by itself.
        known: What was read before, and is recent enough.
        strict: Whether one pipeline that fails to load fails all; else it is left out with a
            warning that names it.
        on_loaded: Called in this thread with each pipeline that was read, while others still load.
        log: Where that warning goes.
        now: Tells the time in seconds since the epoch.

    Returns:
        What was known and what was read now.

    Raises:
        HevoConfigurationError: The account has no pipelines.
        HevoError: Hevo could not be asked, or ``pipeline_id`` is not there.
    """
    account = known or HevoWorkspaceData()
    wanted = account.pipelines
    if pipeline_id is not None:
        selector = only(pipeline_id)
        if account.pipeline(pipeline_id) is None:
            wanted = (PipelineWithObjects(pipeline=client.get_pipeline(pipeline_id)),)
    elif not account.is_listed:
        wanted = tuple(PipelineWithObjects(pipeline=item) for item in client.list_pipelines())
        if not wanted:
            raise HevoConfigurationError(
                f"The Hevo account at {client.base_url} has no pipelines. Check region and keys, "
                "or make a pipeline in Hevo."
            )
    is_listed = account.is_listed or pipeline_id is None
    seen = HevoWorkspaceData.of(wanted, is_listed=is_listed, fetched_at=now())
    account = account.merged_with(seen)
    missing = [
        item.pipeline
        for item in account.pipelines
        if item.objects is None and (selector is None or selector(item.pipeline))
    ]
    if not missing:
        return account
    with no_collection():
        loaded = _fetch_objects(
            client,
            missing,
            strict=strict or pipeline_id is not None,
            on_loaded=on_loaded,
            log=log or logging.getLogger("dagster_hevo"),
        )
    return account.merged_with(HevoWorkspaceData.of(loaded, fetched_at=account.fetched_at))


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


def _fetch_objects(
    client: HevoClient,
    pipelines: list[Pipeline],
    *,
    strict: bool,
    on_loaded: Callable[[PipelineWithObjects], object] | None,
    log: logging.Logger,
) -> list[PipelineWithObjects]:
    def fetch(pipeline: Pipeline) -> PipelineWithObjects | HevoError:
        try:
            objects = tuple(client.list_objects(pipeline.id))
        except HevoAuthenticationError:
            raise
        except (HevoApiError, HevoResponseError) as error:
            if strict:
                raise
            return error
        return PipelineWithObjects.model_construct(pipeline=pipeline, objects=objects)

    # Built when first used, and that is better done by one thread than by eight.
    PipelineObject.model_rebuild()
    loaded: list[PipelineWithObjects] = []
    failed: list[HevoError] = []
    with ThreadPoolExecutor(max_workers=CONNECTIONS, thread_name_prefix="hevo-load") as pool:
        for pipeline, result in zip(pipelines, pool.map(fetch, pipelines), strict=True):
            if isinstance(result, HevoError):
                failed.append(result)
                log.warning(
                    f"Pipeline {pipeline.id} ({pipeline.name}) is left out: its objects could not "
                    f"be read. {result}"
                )
            else:
                loaded.append(result)
                if on_loaded is not None:
                    on_loaded(result)
    if failed and not loaded:
        raise failed[0]
    return loaded
