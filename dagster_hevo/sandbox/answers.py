"""How the local Hevo's pipelines, objects and jobs look in answers, as JSON bodies.

The routes are in `app.py`, pages in `pages.py` and `job_list.py`. A property that does not apply
is left out.
"""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any
from uuid import UUID, uuid5
from zlib import crc32

from dagster_hevo.sandbox.clock import SandboxClock
from dagster_hevo.sandbox.jobs import JobRun, ObjectProgress
from dagster_hevo.sandbox.pipelines import ObjectState, PipelineState
from dagster_hevo.sandbox.rows import RowMaker, warehouse_type
from dagster_hevo.sandbox.scenario import Behaviour

Json = dict[str, Any]
_COUNTS = (
    "events_ingested",
    "events_loaded",
    "events_failed",
    "objects_success",
    "objects_queued",
    "objects_skipped",
    "objects_failed",
)


def pipeline_body(pipeline: PipelineState, clock: SandboxClock) -> Json:
    """A pipeline as JSON; `source.config` holds its fake passwords."""
    scenario = pipeline.scenario
    schedule: Json = {"sync_type": pipeline.sync_type}
    if pipeline.frequency_minutes is not None:
        schedule["frequency_minutes"] = round(pipeline.frequency_minutes)
    policy = scenario.failure_policy
    alert: Json = {"enabled": scenario.latency_alert_minutes is not None}
    if scenario.latency_alert_minutes is not None:
        alert["threshold_minutes"] = scenario.latency_alert_minutes
    body: Json = {
        "id": pipeline.id,
        "name": scenario.name,
        "status": pipeline.status,
        "source": {
            "name": pipeline.source_name,
            "connector_id": scenario.source.connector_id or f"source-{pipeline.id}",
            "source_type": scenario.source.source_type,
            "config": pipeline.source_config,
        },
        "destination": {**scenario.destination.model_dump(), "status": "ACTIVE"},
        "destination_prefix": scenario.destination_prefix or scenario.schema_in_warehouse,
        "replication_type": scenario.replication_type,
        "load_mode": scenario.load_mode,
        "schema_evolution": scenario.schema_evolution,
        "schedule": schedule,
        "failure_handling_policy": {
            "object_failure_level": policy.object_failure_level,
            "object_failure_threshold": policy.object_failure_threshold or 0,
        },
        "source_schema_status": {
            "status": "SYNCED",
            "refreshed_ts": clock.told_ms(pipeline.schema_refreshed),
        },
        "latency_alert": alert,
        "created_by_email": pipeline.created_by,
        "updated_by_email": pipeline.updated_by,
        "created_ts": clock.told_ms(pipeline.created),
        "updated_ts": clock.told_ms(pipeline.updated),
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


def job_body(pipeline: PipelineState, job: JobRun, clock: SandboxClock, now: float) -> Json:
    """A job as JSON, as it is at that moment. Times are integers in milliseconds."""
    behaviour = pipeline.behaviour
    objects = job.progress(now)
    counts = (
        sum(entry.ingested for entry in objects),
        sum(entry.loaded for entry in objects),
        sum(entry.failed for entry in objects),
        sum(entry.is_success for entry in objects),
        sum(entry.is_waiting for entry in objects),
        sum(not (entry.is_success or entry.is_waiting or entry.is_failed) for entry in objects),
        sum(entry.is_failed for entry in objects),
    )
    updated = job.updated(now)
    duration = round((updated - job.created) * 1000)
    body: Json = {
        "job_id": job.job_id,
        "type": job.type,
        "status": spelt(job.status(now), behaviour),
        "created_ts": clock.told_ms(job.created),
        "updated_ts": clock.told_ms(updated),
        **dict(zip(_COUNTS, counts, strict=True)),
        "duration": duration,
    }
    if behaviour.optional_fields:
        body |= {
            "min_latency": duration // 4,
            "max_latency": duration,
            "mean_latency": duration // 2,
            "billable_events": body["events_loaded"],
            "non_billable_events": 0,
        }
    if behaviour.odd_job_values and job is next(iter(pipeline.listed_jobs(now)), None):
        return _with_odd_values(body)
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
    entries = job.progress(now)
    listed = entries[: max(0, len(entries) - behaviour.job_objects_leave_out)]
    return [
        (state, entry)
        for entry in listed
        if (state := pipeline.objects[entry.object_id]).scenario.mentioned
    ]


def job_object_body(pipeline: PipelineState, state: ObjectState, entry: ObjectProgress) -> Json:
    """What a job did with one object, as JSON."""
    behaviour = pipeline.behaviour
    name, schema = state.scenario.name, pipeline.scenario.schema_in_warehouse
    body: Json = {
        "object_name": {
            "bare": name,
            "qualified": f"{schema}.{name}",
            "prefixed": f"PREFIX_{name.upper()}",
            "hashed": f"t{crc32(name.encode()):08x}",
            "none": None,
        }[behaviour.job_object_names],
        "status": spelt(entry.status, behaviour),
        "rows_processed": entry.loaded,
        "rows_failed": entry.failed,
    }
    if behaviour.job_object_fields == "full":
        body |= {
            "object_id": {
                "own": state.object_id,
                "other": str(uuid5(UUID(int=pipeline.id), state.object_id)),
                "none": None,
            }[behaviour.job_object_ids],
            "source_namespace": {"k0": name, "k1": schema},
            "events_ingested": entry.ingested,
            "events_loaded": entry.loaded,
            "events_failed": entry.failed,
        }
    return _without(body)


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


def _with_odd_values(body: Json) -> Json:
    created = datetime.fromtimestamp(body["created_ts"] / 1000, timezone.utc)
    return {
        **body,
        **{name: -1 - body[name] for name in _COUNTS},
        "status": None,
        "created_ts": created.isoformat(),
        "duration": body["duration"] + 0.5,
        "shard": {"zone": None, "replicas": [1, 2]},
    }
