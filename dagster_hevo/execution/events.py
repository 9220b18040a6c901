"""From a job's outcome to Dagster's events: materializations, checks and failures.

A run and the job sensor both end here, so that a job is recorded in the same way whoever started
it. What became of each object is decided in `jobs/outcome.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from graphlib import TopologicalSorter
from typing import Any

import dagster as dg

from dagster_hevo.api.enums import JobCompletionStatus
from dagster_hevo.api.errors import HevoApiError, HevoError, HevoJobError, HevoPipelineStateError
from dagster_hevo.api.models import Job
from dagster_hevo.catalog.known_objects import LOAD_MODE_TAG
from dagster_hevo.definitions.checks import CHECK_NAME
from dagster_hevo.jobs.objects import KnownObject
from dagster_hevo.jobs.outcome import JobOutcome, ObjectOutcome
from dagster_hevo.jobs.settings import as_text
from dagster_hevo.markdown import as_markdown

OBJECTS_NAMED = 10


@dataclass(frozen=True)
class ObjectAsset:
    """An asset and the object it stands for.

    Attributes:
        key: The asset.
        pipeline_id: The object's pipeline.
        pipeline_name: Its name.
        known: The object.
        load_mode: ``full_load`` or ``incremental``, where the catalog of the source tells.
        restarted_with: The id of the object that it is only restarted together with.
        upstream: The assets that it depends on.
        loaded_objects: How many objects of its pipeline Hevo loads, where that is known.
        destination_path: The table that it is loaded into, in full, where that is known.
    """

    key: dg.AssetKey
    pipeline_id: int
    pipeline_name: str
    known: KnownObject
    load_mode: str | None = None
    restarted_with: str | None = None
    upstream: frozenset[dg.AssetKey] = frozenset()
    loaded_objects: int | None = None
    destination_path: str | None = None

    @property
    def object_id(self) -> str:
        """The object's id."""
        return self.known.object_id

    @classmethod
    def of(cls, spec: dg.AssetSpec) -> ObjectAsset | None:
        """The asset of a spec that a translator made; None for any other spec.

        None too for an object that is never loaded, since its parent is skipped: whatever Hevo
        says of it, it is not fresh.
        """
        metadata = spec.metadata
        pipeline_id = metadata.get("dagster-hevo/pipeline_id")
        object_id = metadata.get("dagster-hevo/object_id")
        if not isinstance(pipeline_id, int) or not isinstance(object_id, str):
            return None
        if "dagster-hevo/skipped_parent" in metadata:
            return None
        return cls(
            spec.key,
            pipeline_id,
            str(metadata.get("dagster-hevo/pipeline_name", pipeline_id)),
            KnownObject(
                object_id,
                str(metadata.get("dagster-hevo/object_name", object_id)),
                metadata.get("dagster-hevo/source_path"),
                bool(metadata.get("dagster-hevo/shares_name", False)),
            ),
            load_mode=spec.tags.get(LOAD_MODE_TAG),
            restarted_with=metadata.get("dagster-hevo/restarted_with"),
            upstream=frozenset(dep.asset_key for dep in spec.deps),
            loaded_objects=metadata.get("dagster-hevo/loaded_objects"),
            destination_path=metadata.get("dagster-hevo/destination_path"),
        )


def run_events(
    outcome: JobOutcome,
    assets: Iterable[ObjectAsset],
    *,
    selected: frozenset[dg.AssetKey],
    checks: frozenset[dg.AssetCheckKey],
    recorded: frozenset[dg.AssetKey] = frozenset(),
) -> Iterator[dg.MaterializeResult[Any] | dg.AssetMaterialization | dg.AssetCheckResult]:
    """The events of a job in the run that waited for it.

    Args:
        outcome: What became of the job.
        assets: The assets of the pipeline.
        selected: The assets that the step is to materialize; of the others, those that the job
            loaded are recorded beside the step.
        checks: The checks that the step is to answer.
        recorded: Assets that an earlier attempt has recorded for this job: not recorded again.
    """
    for asset in upstream_first(assets):
        item = outcome.objects.get(asset.object_id)
        if item is None:
            continue
        check_key = dg.AssetCheckKey(asset.key, CHECK_NAME)
        check = check_result(outcome, item, asset.key) if check_key in checks else None
        if asset.key in recorded:
            if check is not None:
                yield check
            continue
        if asset.key in selected:
            if item.result.is_fresh:
                yield dg.MaterializeResult[Any](
                    asset_key=asset.key,
                    metadata=event_metadata(outcome, item, asset),
                    check_results=[] if check is None else [check],
                )
                continue
        elif item.result.is_fresh:
            yield materialization(outcome, item, asset)
        if check is not None:
            yield check


def upstream_first(assets: Iterable[ObjectAsset]) -> list[ObjectAsset]:
    """The assets of a step in the order of their dependencies, the only one that Dagster takes."""
    by_key = {asset.key: asset for asset in assets}
    graph = {key: sorted(asset.upstream & by_key.keys()) for key, asset in by_key.items()}
    return [by_key[key] for key in TopologicalSorter(graph).static_order()]


def observed_events(
    outcome: JobOutcome, assets: Iterable[ObjectAsset], *, checks: frozenset[dg.AssetCheckKey]
) -> Iterator[dg.AssetMaterialization | dg.AssetCheckEvaluation]:
    """The events of a job that no run waited for, for a sensor to report.

    Args:
        outcome: What became of the job.
        assets: The assets of the pipeline.
        checks: The checks that exist.
    """
    for asset in assets:
        item = outcome.objects.get(asset.object_id)
        if item is None:
            continue
        if item.result.is_fresh:
            yield materialization(outcome, item, asset)
        if dg.AssetCheckKey(asset.key, CHECK_NAME) in checks:
            yield dg.AssetCheckEvaluation(
                asset_key=asset.key,
                check_name=CHECK_NAME,
                passed=item.is_good,
                metadata=check_metadata(outcome, item),
                severity=severity_of(item),
                description=_described(item.remark),
            )


def materialization(
    outcome: JobOutcome, item: ObjectOutcome, asset: ObjectAsset
) -> dg.AssetMaterialization:
    """An object's materialization outside a step that was to materialize it."""
    return dg.AssetMaterialization(
        asset_key=asset.key,
        description=f"Loaded by Hevo's job {as_markdown(outcome.job.job_id)}.",
        metadata=event_metadata(outcome, item, asset),
    )


def event_metadata(
    outcome: JobOutcome, item: ObjectOutcome, asset: ObjectAsset
) -> Mapping[str, Any]:
    """The metadata of an object's materialization."""
    job = outcome.job
    facts = {
        "pipeline_id": asset.pipeline_id,
        "pipeline_name": asset.pipeline_name,
        "object_id": asset.object_id,
        "job_id": job.job_id,
        "job_type": None if job.type is None else str(job.type),
        "job_status": str(job.status),
        "events_ingested": item.events_ingested,
        "events_loaded": item.events_loaded,
        "events_failed": item.events_failed,
        "duration_ms": job.duration,
        "job_completed_at": completed_at(job),
    }
    metadata: dict[str, Any] = {
        f"dagster-hevo/{name}": value for name, value in facts.items() if value is not None
    }
    loaded_as = _loaded_as(job, asset)
    if loaded_as is not None:
        metadata["dagster-hevo/loaded_as"] = loaded_as
    if item.remark is not None:
        metadata["dagster-hevo/remark"] = item.remark
    return metadata


def _loaded_as(job: Job, asset: ObjectAsset) -> str | None:
    """Whether the table was reloaded or advanced: a routine job does both, by the object's mode."""
    if asset.load_mode is None or job.type is None:
        return None
    if job.type.is_routine and asset.load_mode == "incremental":
        return "advanced"
    return "reloaded in full"


def completed_at(job: Job) -> dg.TimestampMetadataValue | None:
    """When the job ended, by Hevo's clock: its last change, else its beginning and duration."""
    if job.updated_ts is not None:
        return dg.TimestampMetadataValue(job.updated_ts / 1000)
    if job.created_ts is not None and job.duration is not None:
        return dg.TimestampMetadataValue((job.created_ts + job.duration) / 1000)
    return None


def check_result(outcome: JobOutcome, item: ObjectOutcome, key: dg.AssetKey) -> dg.AssetCheckResult:
    """How the job fared with one object."""
    return dg.AssetCheckResult(
        asset_key=key,
        check_name=CHECK_NAME,
        passed=item.is_good,
        severity=severity_of(item),
        description=_described(item.remark),
        metadata=check_metadata(outcome, item),
    )


def _described(remark: str | None) -> str | None:
    return None if remark is None else as_markdown(remark)


def severity_of(item: ObjectOutcome) -> dg.AssetCheckSeverity:
    """An object that failed is an error; failed events, and what is not proven, are a warning."""
    return dg.AssetCheckSeverity.ERROR if item.result.is_error else dg.AssetCheckSeverity.WARN


def check_metadata(outcome: JobOutcome, item: ObjectOutcome) -> Mapping[str, Any]:
    """The metadata of a check's result."""
    counts = {"events_loaded": item.events_loaded, "events_ingested": item.events_ingested}
    return {
        "dagster-hevo/pipeline_id": outcome.pipeline_id,
        "dagster-hevo/job_id": outcome.job.job_id,
        "dagster-hevo/job_status": str(outcome.job.status),
        "dagster-hevo/object_status": item.status or "not listed",
        "dagster-hevo/result": str(item.result),
        "dagster-hevo/events_failed": item.events_failed,
        **{f"dagster-hevo/{name}": count for name, count in counts.items() if count is not None},
    }


def summary(outcome: JobOutcome) -> str:
    """One line for people on how a job ended."""
    job = outcome.job
    took = f" in {as_text(job.duration / 1000)}" if job.duration is not None else ""
    fresh = sum(item.result.is_fresh for item in outcome.objects.values())
    bad = [item.name for item in outcome.problem_objects]
    named = ", ".join(bad[:OBJECTS_NAMED]) + (", ..." if len(bad) > OBJECTS_NAMED else "")
    trouble = f"; to look into: {named}" if bad else ""
    return (
        f"Job {job.job_id} of pipeline {outcome.pipeline_id} ended {job.status}{took}: "
        f"{fresh} of {len(outcome.objects)} objects loaded, {job.events_loaded:,} events loaded, "
        f"{job.events_failed:,} failed{trouble}."
    )


def failure_of_outcome(
    outcome: JobOutcome, *, accept_completed_with_failures: bool
) -> dg.Failure | None:
    """The failure that a run ends with after a job, or None where it ended well enough."""
    if outcome.completion is JobCompletionStatus.COMPLETED:
        return None
    if outcome.completion is JobCompletionStatus.COMPLETED_WITH_FAILURES:
        if accept_completed_with_failures:
            return None
        way_out = "look at the failed events in Hevo, or set accept_completed_with_failures to true"
    elif outcome.job.status.was_cancelled:
        way_out = "materialize again if it was not cancelled on purpose"
    else:
        way_out = "look at the job in Hevo, fix what it reports, then materialize again"
    return dg.Failure(
        description=f"{summary(outcome)} What to do: {way_out}.",
        metadata={
            **job_metadata(outcome.pipeline_id, outcome.job),
            "problem_objects": dg.MetadataValue.json(
                [
                    {
                        "object": item.name,
                        "result": str(item.result),
                        "events_failed": item.events_failed,
                        "remark": item.remark,
                    }
                    for item in outcome.problem_objects
                ]
            ),
        },
        # Loaded is loaded: another try would load and bill it again.
        allow_retries=not (outcome.job.status.was_cancelled or outcome.completion.has_loaded),
    )


def failure_of_error(pipeline_id: int, error: HevoError) -> dg.Failure:
    """The failure that a run ends with when there is no outcome of a job."""
    metadata: dict[str, Any] = {"dagster-hevo/pipeline_id": pipeline_id}
    if isinstance(error, HevoApiError):
        metadata |= {
            "status_code": error.status_code,
            "request": f"{error.method} {error.path}",
            "hevo_message": error.message,
        }
    if isinstance(error, HevoPipelineStateError):
        metadata["pipeline_status"] = error.status
    if isinstance(error, HevoJobError) and error.job is not None:
        metadata |= job_metadata(pipeline_id, error.job)
    return dg.Failure(
        description=str(error), metadata=_metadata(metadata), allow_retries=error.can_retry
    )


def job_metadata(pipeline_id: int, job: Job) -> dict[str, dg.MetadataValue]:
    """A job's counts as metadata."""
    return _metadata(
        {
            "dagster-hevo/pipeline_id": pipeline_id,
            "dagster-hevo/job_id": job.job_id,
            "dagster-hevo/job_type": None if job.type is None else str(job.type),
            "dagster-hevo/job_status": str(job.status),
            "dagster-hevo/events_ingested": job.events_ingested,
            "dagster-hevo/events_loaded": job.events_loaded,
            "dagster-hevo/events_failed": job.events_failed,
            "dagster-hevo/objects_success": job.objects_success,
            "dagster-hevo/objects_failed": job.objects_failed,
            "dagster-hevo/objects_skipped": job.objects_skipped,
            "dagster-hevo/duration_ms": job.duration,
            "dagster-hevo/job_completed_at": completed_at(job) if job.is_terminal else None,
        }
    )


def _metadata(values: Mapping[str, object]) -> dict[str, dg.MetadataValue]:
    found: dict[str, dg.MetadataValue] = {}
    for name, value in values.items():
        if isinstance(value, dg.MetadataValue):
            found[name] = value
        elif isinstance(value, int):
            found[name] = dg.MetadataValue.int(value)
        elif value is not None:
            found[name] = dg.MetadataValue.text(str(value))
    return found
