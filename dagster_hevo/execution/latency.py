"""The check ``hevo_latency``: whether a job's data came later than the pipeline's alert allows.

Off by default: Hevo itself warns of late pipelines, where that is switched on there.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

import dagster as dg

from dagster_hevo.api.models import Job
from dagster_hevo.definitions.checks import LATENCY_CHECK_NAME, THRESHOLD
from dagster_hevo.jobs.outcome import JobOutcome

_MS_PER_MINUTE = 60_000


def latency_results(
    outcome: JobOutcome,
    specs: Iterable[dg.AssetCheckSpec],
    selected: Collection[dg.AssetCheckKey],
    loaded: Collection[dg.AssetKey],
) -> Iterator[dg.AssetCheckResult]:
    """The results of a step's latency checks.

    Args:
        outcome: What became of the job.
        specs: The checks of the step's definition.
        selected: Those that the step is to answer.
        loaded: The assets that the job loaded.
    """
    for spec in specs:
        is_meant = spec.name == LATENCY_CHECK_NAME and spec.key in selected
        if not is_meant or spec.asset_key not in loaded:
            continue
        minutes = spec.metadata.get(THRESHOLD)
        found = latency_evaluation(
            spec.asset_key,
            outcome.pipeline_id,
            outcome.job,
            minutes if isinstance(minutes, int) else None,
        )
        if found is not None:
            yield dg.AssetCheckResult(
                asset_key=found.asset_key,
                check_name=found.check_name,
                passed=found.passed,
                severity=found.severity,
                description=found.description,
                metadata=found.metadata,
            )


def latency_of(job: Job) -> float | None:
    """The longest latency of a job's data that Hevo tells, in milliseconds."""
    told = (job.max_latency, job.mean_latency, job.min_latency)
    return next((value for value in told if value is not None), None)


def latencies(job: Job) -> Mapping[str, int]:
    """The latencies of a job's data, as metadata of an event."""
    told = {
        "min_latency_ms": job.min_latency,
        "max_latency_ms": job.max_latency,
        "mean_latency_ms": job.mean_latency,
    }
    return {f"dagster-hevo/{key}": round(value) for key, value in told.items() if value is not None}


def latency_evaluation(
    key: dg.AssetKey, pipeline_id: int, job: Job, minutes: int | None
) -> dg.AssetCheckEvaluation | None:
    """How a job's latency compares with a threshold; None where one of them is not known.

    Args:
        key: The asset.
        pipeline_id: Its pipeline.
        job: The job that loaded it.
        minutes: The threshold.
    """
    latency = latency_of(job)
    if minutes is None or latency is None:
        return None
    passed = latency <= minutes * _MS_PER_MINUTE
    return dg.AssetCheckEvaluation(
        asset_key=key,
        check_name=LATENCY_CHECK_NAME,
        passed=passed,
        severity=dg.AssetCheckSeverity.WARN,
        description=None
        if passed
        else f"The data came up to {latency / _MS_PER_MINUTE:.1f} minutes late; the pipeline's "
        f"alert allows {minutes}.",
        metadata={
            "dagster-hevo/pipeline_id": pipeline_id,
            "dagster-hevo/job_id": job.job_id,
            THRESHOLD: minutes,
            **latencies(job),
        },
    )
