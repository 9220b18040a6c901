"""How the local Hevo's state looks in answers: JSON bodies and pages.

Only shapes live here; the routes are in `app.py`. A property that does not apply is left out.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from dagster_hevo.sandbox.clock import SandboxClock
from dagster_hevo.sandbox.jobs import JobRun, ObjectProgress
from dagster_hevo.sandbox.pipelines import ObjectState, PipelineState
from dagster_hevo.sandbox.rows import RowMaker, warehouse_type
from dagster_hevo.sandbox.scenario import Behaviour

Json = dict[str, Any]
T = TypeVar("T")
LARGEST_PAGE = 100


class BadPageError(Exception):
    """A `limit` or `cursor` that no page answers to."""


def page_of(
    entries: Sequence[T],
    identity: Callable[[T], str],
    *,
    limit: str | None,
    cursor: str | None,
    default_limit: int,
) -> tuple[Sequence[T], str | None]:
    """A page and the cursor of the next one.

    A cursor names the last entry seen, so new entries before it shift nothing.

    Raises:
        BadPageError: The limit is no number from 1 on, or the cursor is none of ours.
    """
    size = default_limit
    if limit is not None:
        if not limit.isdigit() or int(limit) < 1:
            raise BadPageError(f"limit must be a number from 1 to {LARGEST_PAGE}: {limit!r}")
        size = min(int(limit), LARGEST_PAGE)
    start = 0
    if cursor:
        last = _read_cursor(cursor)
        start = 1 + next(
            (place for place, entry in enumerate(entries) if identity(entry) == last), -2
        )
        if start < 0:
            raise BadPageError(f"cursor is not valid: {cursor!r}")
    page = entries[start : start + size]
    more = start + size < len(entries)
    return page, _write_cursor(identity(page[-1])) if more else None


def page_body(entries: Sequence[Json], next_cursor: str | None) -> Json:
    """A page as JSON."""
    return {"data": list(entries), "has_more": next_cursor is not None, "next_cursor": next_cursor}


def pipeline_body(pipeline: PipelineState, clock: SandboxClock) -> Json:
    """A pipeline as JSON; `source.config` holds its fake passwords."""
    scenario = pipeline.scenario
    name = scenario.source.name or f"{scenario.name} source"
    schedule: Json = {"sync_type": pipeline.sync_type}
    if pipeline.frequency_minutes is not None:
        schedule["frequency_minutes"] = round(pipeline.frequency_minutes)
    policy: Json = {"object_failure_level": scenario.failure_policy.object_failure_level}
    if scenario.failure_policy.object_failure_threshold is not None:
        policy["object_failure_threshold"] = scenario.failure_policy.object_failure_threshold
    alert: Json = {"enabled": scenario.latency_alert_minutes is not None}
    if scenario.latency_alert_minutes is not None:
        alert["threshold_minutes"] = scenario.latency_alert_minutes
    body: Json = {
        "id": pipeline.id,
        "name": scenario.name,
        "status": pipeline.status,
        "source": {
            "name": name,
            "connector_id": scenario.source.connector_id or f"source-{pipeline.id}",
            "source_type": scenario.source.source_type,
            "config": pipeline.source_config,
        },
        "destination": {**scenario.destination.model_dump(), "status": "ACTIVE"},
        "destination_prefix": scenario.destination_prefix,
        "replication_type": scenario.replication_type,
        "load_mode": scenario.load_mode,
        "schema_evolution": scenario.schema_evolution,
        "schedule": schedule,
        "failure_handling_policy": policy,
        "source_schema_status": {
            "status": "REFRESHED",
            "refreshed_ts": clock.told_ms(pipeline.schema_refreshed),
        },
        "latency_alert": alert,
        "created_by_email": "owner@example.com",
        "updated_by_email": pipeline.updated_by,
        "created_ts": clock.told_ms(pipeline.created),
        "updated_ts": clock.told_ms(pipeline.updated),
        **pipeline.changes,
    }
    optional = {"latency_alert", "destination_prefix", "source_schema_status", "schedule"}
    return _without(body, set() if pipeline.behaviour.optional_fields else optional)


def object_body(pipeline: PipelineState, state: ObjectState, *, alone: bool = False) -> Json:
    """A pipeline object as JSON; ``alone`` is the answer for a single one, with its fields."""
    entry = state.scenario
    replicated = state.replicated or ("REPLICATED" if state.is_active else "PENDING")
    body: Json = {
        "object_id": state.object_id,
        "source_namespace": {"k0": entry.name, "k1": pipeline.scenario.schema_in_warehouse},
        "destination_namespace": _without(
            {
                "k0": entry.table_name,
                "k1": pipeline.scenario.schema_in_warehouse,
                "k2": pipeline.scenario.database,
            }
        ),
        "field_count": len(entry.fields),
        "status": entry.status,
        "replication_status": replicated,
    }
    if alone:
        body["object_name"] = entry.name
        body["destination_table_name"] = entry.table_name
        body["load_mode"] = entry.load_mode
        body["fields"] = _fields(pipeline, state)
    optional = {"object_name", "destination_table_name", "load_mode"}
    return _without(body, set() if pipeline.behaviour.optional_fields else optional)


def job_body(job: JobRun, behaviour: Behaviour, clock: SandboxClock, now: float) -> Json:
    """A job as JSON, as it is at that moment."""
    objects = job.progress(now)
    finished = job.ended_at is not None
    counts = {
        "events_ingested": sum(entry.ingested for entry in objects),
        "events_loaded": sum(entry.loaded for entry in objects),
        "events_failed": sum(entry.failed for entry in objects),
        "objects_success": sum(entry.is_success for entry in objects),
        "objects_queued": sum(entry.is_waiting for entry in objects),
        "objects_skipped": sum(
            not (entry.is_success or entry.is_waiting or entry.is_failed) for entry in objects
        ),
        "objects_failed": sum(entry.is_failed for entry in objects),
    }
    updated = job.updated(now)
    body: Json = {
        "job_id": job.job_id,
        "type": job.type,
        "status": spelt(job.status(now), behaviour),
        "created_ts": clock.told_ms(job.created),
        "updated_ts": clock.told_ms(updated),
        **counts,
        "duration": round((updated - job.created) * 1000),
    }
    if finished and counts["events_loaded"] and behaviour.optional_fields:
        latency = round((updated - job.created) * 1000)
        body |= {"min_latency": latency // 4, "max_latency": latency, "mean_latency": latency / 2}
        body |= {"billable_events": counts["events_loaded"], "non_billable_events": 0}
    return body


def job_objects(
    pipeline: PipelineState, job: JobRun, now: float
) -> list[tuple[ObjectState, ObjectProgress]]:
    """What a job tells of its objects at that moment, as the pipeline's behaviour has it."""
    behaviour = pipeline.behaviour
    told_from = {
        "live": job.created,
        "at_end": job.ended_at,
        "late": None if job.ended_at is None else job.ended_at + behaviour.job_objects_late_seconds,
        "never": None,
    }[behaviour.job_objects]
    if told_from is None or now < told_from:
        return []
    return [
        (state, entry)
        for entry in job.progress(now)
        if (state := pipeline.objects[entry.object_id]).scenario.mentioned
    ]


def job_object_body(pipeline: PipelineState, state: ObjectState, entry: ObjectProgress) -> Json:
    """What a job did with one object, as JSON."""
    body: Json = {
        "object_name": state.scenario.name,
        "status": spelt(entry.status, pipeline.behaviour),
        "rows_processed": entry.loaded,
        "rows_failed": entry.failed,
    }
    if pipeline.behaviour.job_object_fields == "full":
        body |= {
            "object_id": state.object_id,
            "source_namespace": {
                "k0": state.scenario.name,
                "k1": pipeline.scenario.schema_in_warehouse,
            },
            "events_ingested": entry.ingested,
            "events_loaded": entry.loaded,
            "events_failed": entry.failed,
        }
    return body


def jobs_in_order(pipeline: PipelineState, now: float) -> list[JobRun]:
    """The jobs that the API knows of by now, in the order that the behaviour asks for."""
    jobs = [job for job in pipeline.jobs if job.is_listed(now)]
    order = pipeline.behaviour.job_order
    if order == "newest":
        jobs.reverse()
    elif order == "shuffled":
        jobs.sort(key=lambda job: hashlib.md5(job.job_id.encode()).digest())
    return jobs


def spelt(status: str, behaviour: Behaviour) -> str:
    """A status in the spelling that the behaviour asks for."""
    if status == "CANCELLED":
        return behaviour.cancelled_spelling
    return behaviour.deferred_spelling if status == "DEFERRED_WITH_FAILURES" else status


def _fields(pipeline: PipelineState, state: ObjectState) -> list[Json]:
    entry = state.scenario
    maker = RowMaker(
        entry, {each.scenario.table_name: each.scenario for each in pipeline.objects.values()}
    )
    keys = {field.name for field in entry.key_fields}
    return [
        {
            "source_name": field.name,
            "source_type": maker.type_of(field),
            "destination_name": field.name,
            "destination_type": warehouse_type(maker.type_of(field)),
            "status": "ACTIVE",
            "primary_key": field.name in keys,
        }
        for field in entry.fields
    ]


def _without(body: Json, names: set[str] | None = None) -> Json:
    left_out = names or set()
    return {
        name: value for name, value in body.items() if value is not None and name not in left_out
    }


def _write_cursor(identity: str) -> str:
    return base64.urlsafe_b64encode(json.dumps({"after": identity}).encode()).decode()


def _read_cursor(cursor: str) -> str:
    try:
        return str(json.loads(base64.urlsafe_b64decode(cursor.encode()))["after"])
    except (binascii.Error, ValueError, KeyError, TypeError) as unreadable:
        raise BadPageError(f"cursor is not valid: {cursor!r}") from unreadable
