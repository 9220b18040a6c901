"""Recording a job that no run waited for: its objects' outcome as events, each of them once.

Which jobs are recorded is decided in `observation.py`; how an outcome becomes events, `events.py`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import dagster as dg

from dagster_hevo.api.errors import HevoNotFoundError
from dagster_hevo.api.models import Job, JobObject
from dagster_hevo.dagster_private import check_evaluations
from dagster_hevo.execution.events import CHECK_NAME, ObjectAsset, observed_events
from dagster_hevo.execution.recorded import recorded_by
from dagster_hevo.jobs.objects import ObjectIndex, distinct
from dagster_hevo.jobs.outcome import JobOutcome, ObjectResult, outcome_of_job

if TYPE_CHECKING:
    from dagster_hevo.api.client import HevoClient

RECORDS_COMPARED = 20

ObservedEvent = dg.AssetMaterialization | dg.AssetCheckEvaluation


class JobRecorder:
    """Makes the events of jobs, but for those that are there already.

    A run may have recorded a job, or an earlier tick that died before its cursor was kept; it may
    have died between an asset's materialization and its check, so each is looked for.

    Args:
        instance: The Dagster instance.
        client: Asks Hevo.
        include_checks: Whether the assets have the check ``hevo_job``.

    Attributes:
        events: The events to report.
    """

    def __init__(
        self, instance: dg.DagsterInstance, client: HevoClient, *, include_checks: bool
    ) -> None:
        self._instance = instance
        self._client = client
        self._include_checks = include_checks
        self.events: list[ObservedEvent] = []

    def read_objects(self, pipeline_id: int, job: Job) -> tuple[JobObject, ...]:
        """What a job lists of its objects; nothing where Hevo knows nothing of them."""
        try:
            return distinct(self._client.get_job_objects(pipeline_id, job.job_id))
        except HevoNotFoundError:
            return ()

    def outcome_of(
        self, pipeline_id: int, job: Job, listed: tuple[JobObject, ...], index: ObjectIndex
    ) -> JobOutcome:
        """What became of the objects.

        Nobody here requested the job. One of a kind that loads every object is held against all
        that are known, where its counts say that it had just as many.
        """
        is_whole = job.type is not None and (job.type.is_routine or job.type.is_resync)
        known = frozenset(index.objects)
        requested = known if is_whole and job.objects_success == len(known) else frozenset[str]()
        outcome = outcome_of_job(
            pipeline_id, job, listed, index, requested=requested, possible=requested
        )
        counted = ObjectResult.LOADED_BY_COUNT
        if any(item.result is counted for item in outcome.objects.values()):
            objects = self._client.list_objects(pipeline_id)
            active = frozenset(item.object_id for item in objects if item.is_replicated)
            if known != active:
                # The pipeline has other objects by now: counts do not tell which were loaded.
                return outcome_of_job(pipeline_id, job, listed, index, requested=())
        return outcome

    def record(
        self, outcome: JobOutcome, assets: Iterable[ObjectAsset], jobs: Iterable[Job]
    ) -> bool:
        """Add the events of a job that are not there yet.

        Args:
            outcome: What became of the job.
            assets: The assets of the pipeline.
            jobs: The pipeline's jobs: a check that a newer one has answered since is not answered
                by an older one again.

        Returns:
            Whether the job is news: False where a run has recorded it.
        """
        made = outcome.job.created_ts or 0
        newer = {job.job_id for job in jobs if made and (job.created_ts or 0) > made}
        by_run = False
        for asset in assets:
            item = outcome.objects.get(asset.object_id)
            if item is None:
                continue
            written = recorded_by(self._instance, asset.key, outcome.job)
            by_run = by_run or bool(written)
            check_key = dg.AssetCheckKey(asset.key, CHECK_NAME)
            checks = frozenset[dg.AssetCheckKey]()
            if self._include_checks:
                answers = self._check_answers(check_key)
                run_id = next((run for job, run in answers if job == outcome.job.job_id), None)
                by_run = by_run or bool(run_id)
                if run_id is None and not any(job in newer for job, _ in answers):
                    checks = frozenset([check_key])
            for event in observed_events(outcome, [asset], checks=checks):
                if written is None or isinstance(event, dg.AssetCheckEvaluation):
                    self.events.append(event)
        return not by_run

    def _check_answers(self, key: dg.AssetCheckKey) -> list[tuple[object, str]]:
        """The jobs that answered a check lately, each with its run; empty: the sensor."""
        answers: list[tuple[object, str]] = []
        for run_id, evaluation in check_evaluations(self._instance, key, RECORDS_COMPARED):
            value = evaluation.metadata.get("dagster-hevo/job_id")
            answers.append((None if value is None else value.value, run_id))
        return answers
