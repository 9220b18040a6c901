"""Checks that are run without their assets: answered by the last jobs, triggering none."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping

import dagster as dg

from dagster_hevo.api.errors import HevoConfigurationError
from dagster_hevo.api.models import Job, JobObject
from dagster_hevo.dagster_private import check_evaluations
from dagster_hevo.definitions.checks import CHECK_NAME
from dagster_hevo.execution.events import ObjectAsset, check_result
from dagster_hevo.execution.latency import latency_results
from dagster_hevo.jobs.hevo_api import HevoApi
from dagster_hevo.jobs.job_list import read_jobs
from dagster_hevo.jobs.newness import CLOCK_TOLERANCE_MS
from dagster_hevo.jobs.objects import ObjectIndex
from dagster_hevo.jobs.outcome import list_agrees, outcome_of_job
from dagster_hevo.jobs.reading import read_objects
from dagster_hevo.jobs.settings import Clock, JobSettings, SystemClock

MOST_JOBS = 20

Answered = Callable[[dg.AssetKey], Mapping[str, dg.AssetCheckResult]]


def answer_checks(
    hevo: HevoApi,
    assets: Iterable[ObjectAsset],
    checked: frozenset[dg.AssetCheckKey],
    specs: Iterable[dg.AssetCheckSpec],
    *,
    settings: JobSettings,
    log: logging.Logger,
    clock: Clock | None = None,
    answered: Answered | None = None,
) -> Iterator[dg.AssetCheckResult]:
    """Say of each checked asset what the last finished job that had it made of it.

    A job had an asset that it lists, or that was answered for it when it ended: where Hevo lists no
    objects of jobs, its counts proved then what they cannot prove alone.

    Args:
        hevo: Hevo's API.
        assets: The assets of one pipeline.
        checked: The checks that are to be answered.
        specs: All checks of these assets.
        settings: How long the list of a job's objects may lag behind the job's end.
        log: Where people are told of jobs that do not say enough.
        clock: Tells the time and waits.
        answered: Gives the answers of earlier jobs to an asset's check, by the job's id.

    Raises:
        HevoConfigurationError: No recent job lists some of them.
    """
    known = list(assets)
    pipeline_id = known[0].pipeline_id
    index = ObjectIndex(asset.known for asset in known)
    known_specs = tuple(specs)
    keys = {check.asset_key for check in checked}
    unanswered = {asset.object_id: asset for asset in known if asset.key in keys}
    ended = [job for job in read_jobs(hevo, pipeline_id).jobs if job.is_terminal]
    ended.sort(key=lambda job: job.created_ts or 0, reverse=True)
    earlier: dict[dg.AssetKey, Mapping[str, dg.AssetCheckResult]] = {}
    for job in ended[:MOST_JOBS]:
        if not unanswered:
            return
        listed = _objects_of(hevo, pipeline_id, job, settings, clock or SystemClock())
        if not list_agrees(job, listed):
            log.warning(
                f"Job {job.job_id} of pipeline {pipeline_id} ended {job.status}, and the list of "
                "its objects does not agree with its counts: what it does not list is answered by "
                "earlier jobs."
            )
        outcome = outcome_of_job(pipeline_id, job, listed, index, requested=())
        for item in outcome.objects.values():
            asset = unanswered.pop(item.object_id, None)
            if asset is None:
                continue
            if dg.AssetCheckKey(asset.key, CHECK_NAME) in checked:
                yield check_result(outcome, item, asset.key)
            of_asset = {check for check in checked if check.asset_key == asset.key}
            yield from latency_results(outcome, known_specs, of_asset, {asset.key})
        if answered is None:
            continue
        for asset in list(unanswered.values()):
            if asset.key not in earlier:
                earlier[asset.key] = answered(asset.key)
            answer = earlier[asset.key].get(job.job_id)
            if answer is not None:
                del unanswered[asset.object_id]
                if dg.AssetCheckKey(asset.key, CHECK_NAME) in checked:
                    yield answer
    if unanswered:
        names = ", ".join(sorted(asset.known.name for asset in unanswered.values())[:10])
        raise HevoConfigurationError(
            f"None of the last {min(len(ended), MOST_JOBS)} finished jobs of pipeline "
            f"{pipeline_id} lists {names}, so there is nothing to check. What to do: materialize "
            "the assets first."
        )


def answered_in(instance: dg.DagsterInstance) -> Answered:
    """What gives the answers of earlier jobs from a Dagster instance's event log.

    Args:
        instance: The Dagster instance.
    """

    def answers(key: dg.AssetKey) -> Mapping[str, dg.AssetCheckResult]:
        found: dict[str, dg.AssetCheckResult] = {}
        check_key = dg.AssetCheckKey(key, CHECK_NAME)
        for _, evaluation in check_evaluations(instance, check_key, MOST_JOBS):
            job_id = evaluation.metadata.get("dagster-hevo/job_id")
            if job_id is None or str(job_id.value) in found:
                continue
            found[str(job_id.value)] = dg.AssetCheckResult(
                asset_key=key,
                check_name=CHECK_NAME,
                passed=evaluation.passed,
                severity=evaluation.severity,
                description=evaluation.description,
                metadata=evaluation.metadata,
            )
        return found

    return answers


def _objects_of(
    hevo: HevoApi, pipeline_id: int, job: Job, settings: JobSettings, clock: Clock
) -> tuple[JobObject, ...]:
    """What a job lists of its objects; while it has ended just now, until that is complete."""
    while True:
        listed = read_objects(hevo, pipeline_id, job.job_id)
        now_ms = hevo.hevo_now_ms()
        if list_agrees(job, listed) or now_ms is None or job.updated_ts is None:
            return listed
        age_ms = now_ms - job.updated_ts
        left = settings.job_objects_timeout - max(age_ms, 0) / 1000
        if left <= 0 or age_ms < -CLOCK_TOLERANCE_MS:
            return listed
        clock.sleep(min(settings.poll_interval, left))
