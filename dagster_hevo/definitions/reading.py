"""Reading what an account holds from Hevo: a page of pipelines, then pages of their objects.

What cannot be read for a moment stays as it was read before: an object vanishes from the snapshot
only where Hevo says so. When something is read at all is `loader.py`.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dagster_hevo.api.errors import (
    HevoApiError,
    HevoAuthenticationError,
    HevoConfigurationError,
    HevoError,
    HevoNotFoundError,
    HevoResponseError,
)
from dagster_hevo.api.models import Pipeline, PipelineObject
from dagster_hevo.definitions.snapshot import (
    AccountSnapshot,
    PipelineSelector,
    PipelineWithObjects,
    no_collection,
    only,
)

if TYPE_CHECKING:
    from dagster_hevo.api.client import HevoClient

CONNECTIONS = 8
PIPELINES_NAMED = 20
FAILURES_IN_A_ROW = 2 * CONNECTIONS
"""After so many pipelines in a row that could not be read, the others are not tried."""
_MAY_PASS = frozenset({408, 425})


@dataclass(frozen=True)
class Wanted:
    """What is wanted of an account.

    Attributes:
        selector: The pipelines whose objects are wanted; all where there is none.
        pipeline_id: Only this pipeline.
        strict: Whether one pipeline that cannot be read fails all.
        include_columns: Whether the columns of the wanted pipelines are wanted too.
        on_loaded: Called with each pipeline that was read, while others still load.
    """

    selector: PipelineSelector | None = None
    pipeline_id: int | None = None
    strict: bool = False
    include_columns: bool = False
    on_loaded: Callable[[PipelineWithObjects], object] | None = None

    @property
    def chosen(self) -> PipelineSelector | None:
        """Which pipelines to take of what is known; all where there is none."""
        return self.selector if self.pipeline_id is None else only(self.pipeline_id)

    def is_in(self, state: AccountSnapshot) -> bool:
        """Whether a state can stand in while Hevo cannot be read."""
        return self.pipeline_id is None or state.pipeline(self.pipeline_id) is not None


def may_pass(error: HevoError) -> bool:
    """Whether an error says nothing about what the account holds: a later request may succeed."""
    if isinstance(error, HevoApiError) and error.status_code in _MAY_PASS:
        return True
    return error.can_retry or isinstance(error, HevoResponseError)


def read_account(
    client: HevoClient,
    wanted: Wanted,
    *,
    known: AccountSnapshot | None = None,
    kept: AccountSnapshot | None = None,
    strict: bool | None = None,
    log: logging.Logger | None = None,
    now: Callable[[], float] = time.time,
) -> AccountSnapshot:
    """Read from Hevo what is not known yet: a request per page, pages of objects in parallel.

    Args:
        client: Hevo's API, over at most eight kept-alive connections.
        wanted: What is wanted.
        known: What was read before, and is recent enough.
        kept: What was read at any time before. It stands in for what cannot be read now.
        strict: Whether one pipeline that cannot be read fails all; default ``wanted.strict``. Else
            its objects stay as they are in ``kept``, or it is left out, with a warning.
        log: Where that warning goes.
        now: Tells the time in seconds since the epoch.

    Returns:
        What was known and what was read now. What was not wanted stays as it is in ``kept``.

    Raises:
        HevoConfigurationError: The account has no pipelines.
        HevoNotFoundError: It has no pipeline of the wanted id; the message lists those it has.
        HevoError: Hevo could not be read.
    """
    log = log or logging.getLogger("dagster_hevo")
    account = _with_pipelines(client, wanted, known or AccountSnapshot(), now)
    before = kept or AccountSnapshot()
    left_out: set[int] = set()
    chosen = wanted.chosen
    missing = [
        item.pipeline
        for item in account.pipelines
        if not item.is_read and (chosen is None or chosen(item.pipeline))
    ]
    if missing:
        reader = _ObjectReader(
            client,
            before,
            strict=wanted.strict if strict is None else strict,
            on_loaded=None if wanted.include_columns else wanted.on_loaded,
            log=log,
            knows_others=any(
                item.is_read and (chosen is None or chosen(item.pipeline))
                for item in account.pipelines
            ),
        )
        with no_collection():
            loaded = reader.read(missing)
        left_out = {item.id for item in missing} - {item.pipeline.id for item in loaded}
        account = account.merged_with(AccountSnapshot.of(loaded, fetched_at=account.fetched_at))
    return account.filled_from(before, but=left_out)


def _with_pipelines(
    client: HevoClient, wanted: Wanted, known: AccountSnapshot, now: Callable[[], float]
) -> AccountSnapshot:
    """What is known, with the pipelines that are wanted among its pipelines."""
    pipeline_id = wanted.pipeline_id
    if known.is_listed or (pipeline_id is not None and known.pipeline(pipeline_id) is not None):
        if pipeline_id is not None and known.pipeline(pipeline_id) is None:
            # It may have been made after the account was listed.
            one = PipelineWithObjects(pipeline=_one_pipeline(client, pipeline_id))
            return known.merged_with(AccountSnapshot.of([one], fetched_at=known.fetched_at))
        return known
    if pipeline_id is not None:
        one = PipelineWithObjects(pipeline=_one_pipeline(client, pipeline_id))
        return known.merged_with(AccountSnapshot.of([one], fetched_at=now()))
    listed = [PipelineWithObjects(pipeline=item) for item in client.list_pipelines()]
    if not listed:
        raise HevoConfigurationError(
            f"The Hevo account at {client.base_url} has no pipelines. Check region and keys, "
            "or make a pipeline in Hevo."
        )
    ids = {item.pipeline.id for item in listed}
    still_there = AccountSnapshot.of(
        (item for item in known.pipelines if item.pipeline.id in ids), fetched_at=known.fetched_at
    )
    return still_there.merged_with(AccountSnapshot.of(listed, is_listed=True, fetched_at=now()))


def _one_pipeline(client: HevoClient, pipeline_id: int) -> Pipeline:
    try:
        return client.get_pipeline(pipeline_id)
    except HevoNotFoundError as error:
        try:
            there = sorted(client.list_pipelines(), key=lambda item: item.id)
        except HevoError:
            raise error from None
        raise HevoNotFoundError(
            error.status_code,
            error.method,
            error.path,
            f"there is no pipeline {pipeline_id}. The account at {client.base_url} has "
            f"{pipelines_text(there)}",
            was_json=error.was_json,
        ) from error


def pipelines_text(pipelines: list[Pipeline]) -> str:
    """The pipelines that there are, for a message to somebody who named another one."""
    if not pipelines:
        return "no pipelines"
    named = ", ".join(f"{item.id} ({item.name})" for item in pipelines[:PIPELINES_NAMED])
    more = len(pipelines) - PIPELINES_NAMED
    return f"the pipelines {named}" + (f" and {more} more" if more > 0 else "")


@dataclass
class _ObjectReader:
    """Reads the objects of many pipelines, and what to do about those that cannot be read."""

    client: HevoClient
    before: AccountSnapshot
    strict: bool
    on_loaded: Callable[[PipelineWithObjects], object] | None
    log: logging.Logger
    knows_others: bool = False
    _in_a_row: int = 0
    _outage: HevoError | None = field(default=None)

    def read(self, pipelines: list[Pipeline]) -> list[PipelineWithObjects]:
        # Built when first used, and that is better done by one thread than by eight.
        PipelineObject.model_rebuild()
        loaded: list[PipelineWithObjects] = []
        failed: list[HevoError] = []
        with ThreadPoolExecutor(max_workers=CONNECTIONS, thread_name_prefix="hevo-load") as pool:
            for pipeline, result in zip(pipelines, pool.map(self._fetch, pipelines), strict=True):
                if isinstance(result, HevoError):
                    failed.append(result)
                    item = self._as_before(pipeline, result)
                else:
                    item = result
                if item is None:
                    continue
                loaded.append(item)
                if self.on_loaded is not None:
                    self.on_loaded(item)
        # Where nothing of what is wanted can be known, a location without assets would look well.
        if failed and not loaded and not self.knows_others:
            raise failed[0]
        return loaded

    def _fetch(self, pipeline: Pipeline) -> PipelineWithObjects | HevoError:
        if self._outage is not None:
            return self._outage
        try:
            objects = tuple(self.client.list_objects(pipeline.id))
        except (HevoAuthenticationError, HevoConfigurationError):
            raise
        except HevoError as error:
            if self.strict:
                raise
            self._in_a_row += 1
            if self._in_a_row >= FAILURES_IN_A_ROW and may_pass(error):
                self._outage = error
            return error
        self._in_a_row = 0
        return PipelineWithObjects.model_construct(pipeline=pipeline, objects=objects)

    def _as_before(self, pipeline: Pipeline, error: HevoError) -> PipelineWithObjects | None:
        """A pipeline whose objects could not be read, as it is known; None: it is left out."""
        name = f"Pipeline {pipeline.id} ({pipeline.name})"
        before = self.before.pipeline(pipeline.id)
        if may_pass(error) and before is not None and before.objects is not None:
            self.log.warning(
                f"{name} is taken as it was read earlier: its objects could not be read. {error}"
            )
            return before.as_stale(pipeline)
        self.log.warning(f"{name} is left out: its objects could not be read. {error}")
        return None
