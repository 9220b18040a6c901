"""The columns of objects: a request an object, so read on demand and remembered.

An object's columns are good for as long as Hevo has not read the source's schema again
(`source_schema_status.refreshed_ts`).
"""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from dagster_hevo.api.errors import HevoApiError, HevoConnectionError, HevoResponseError
from dagster_hevo.api.models import ObjectField, Pipeline, PipelineObject
from dagster_hevo.definitions.reading import CONNECTIONS
from dagster_hevo.definitions.snapshot import (
    AccountSnapshot,
    PipelineSelector,
    PipelineWithObjects,
)

if TYPE_CHECKING:
    from dagster_hevo.api.client import HevoClient

# Requests that a load leaves to runs which watch and trigger at the same time.
LEFT_TO_OTHERS = 20


def with_columns(
    client: HevoClient,
    account: AccountSnapshot,
    *,
    selector: PipelineSelector | None,
    kept: AccountSnapshot | None,
    most_requests: int | None,
    strict: bool = False,
    log: logging.Logger | None = None,
) -> AccountSnapshot:
    """Add columns to the objects that have none: remembered ones, else asked for.

    Args:
        client: Asks Hevo, over at most eight connections.
        account: The pipelines and objects.
        selector: The pipelines whose columns are wanted; all where there is none.
        kept: An earlier state, whose columns are taken while the source's schema is the same.
        most_requests: How many columns may be asked for now; None for all. The others are left for
            the next load.
        strict: Whether columns that cannot be read are an error.
        log: Where it is told what is left, and what failed.

    Raises:
        HevoError: With ``strict``, the columns of an object could not be read.
    """
    log = log or logging.getLogger("dagster_hevo")
    chosen = [
        _with_kept_columns(item, kept)
        for item in account.pipelines
        if selector is None or selector(item.pipeline)
    ]
    missing = [
        (item.pipeline, active)
        for item in chosen
        for active in item.active_objects
        if active.fields is None
    ]
    now = missing if most_requests is None else missing[: max(most_requests, 0)]
    if len(now) < len(missing):
        log.info(
            f"Reading the columns of {len(now)} objects now, within the request budget; "
            f"{len(missing) - len(now)} are left for the next load of the definitions."
        )
    columns = _read_columns(client, now, log, strict=strict)
    complete = (
        item.model_copy(
            update={
                "objects": tuple(
                    _with_fields(known, columns.get((item.pipeline.id, known.object_id)))
                    for known in item.objects or ()
                )
            }
        )
        for item in chosen
    )
    return account.merged_with(AccountSnapshot.of(complete, fetched_at=account.fetched_at))


def _with_fields(known: PipelineObject, fields: tuple[ObjectField, ...] | None) -> PipelineObject:
    return known if fields is None else known.model_copy(update={"fields": fields})


def _with_kept_columns(
    item: PipelineWithObjects, kept: AccountSnapshot | None
) -> PipelineWithObjects:
    before = kept.pipeline(item.pipeline.id) if kept is not None else None
    if before is None or _schema_ts(before.pipeline) != _schema_ts(item.pipeline):
        return item
    columns = {
        known.object_id: known.fields for known in before.objects or () if known.fields is not None
    }
    objects = tuple(
        known if known.fields is not None else _with_fields(known, columns.get(known.object_id))
        for known in item.objects or ()
    )
    return item.model_copy(update={"objects": objects})


def _schema_ts(pipeline: Pipeline) -> int | None:
    status = pipeline.source_schema_status
    return None if status is None else status.refreshed_ts


def _read_columns(
    client: HevoClient,
    wanted: list[tuple[Pipeline, PipelineObject]],
    log: logging.Logger,
    *,
    strict: bool,
) -> dict[tuple[int, str], tuple[ObjectField, ...]]:
    def read(one: tuple[Pipeline, PipelineObject]) -> tuple[ObjectField, ...] | None:
        pipeline, known = one
        try:
            return client.get_object(pipeline.id, known.object_id).fields or ()
        except (HevoApiError, HevoConnectionError, HevoResponseError) as error:
            if strict:
                raise
            log.warning(
                f"The columns of {known.name} of pipeline {pipeline.id} are left out: {error}"
            )
            return None

    if not wanted:
        return {}
    with ThreadPoolExecutor(max_workers=CONNECTIONS, thread_name_prefix="hevo-columns") as pool:
        found = pool.map(read, wanted)
        return {
            (pipeline.id, known.object_id): fields
            for (pipeline, known), fields in zip(wanted, found, strict=True)
            if fields is not None
        }
