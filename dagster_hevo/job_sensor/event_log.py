"""What the event log says of a job: looked up for many assets at once, and never without a bound.

Looked up only where the ledger says that somebody began to record the job and may have died.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Protocol

import dagster as dg

from dagster_hevo.api.models import Job
from dagster_hevo.dagster_private import check_evaluations, latest_check_evaluations
from dagster_hevo.metadata import HevoMetadataSet

RECORDS_PER_READ = 100
MOST_READS = 5
CHECKS_COMPARED = 20
# Records carry this machine's time, jobs Hevo's: no two clocks are this far apart.
CLOCKS_APART_SECONDS = 24 * 3600.0
JOB_ID = "dagster-hevo/job_id"


class EventLog(Protocol):
    """What was recorded of jobs."""

    def loaded(
        self, job: Job, keys: Collection[dg.AssetKey], runs: Collection[str]
    ) -> frozenset[dg.AssetKey]:
        """The assets that were recorded as materialized by a job, or in one of its runs."""
        ...

    def checked(
        self, job: Job, keys: Collection[dg.AssetCheckKey], runs: Collection[str]
    ) -> frozenset[dg.AssetCheckKey]:
        """The checks that were answered for a job, or in one of its runs."""
        ...

    def answered_by(
        self, keys: Collection[dg.AssetCheckKey], job_ids: Collection[str]
    ) -> frozenset[dg.AssetCheckKey]:
        """The checks whose last answer is for one of these jobs."""
        ...


@dataclass(frozen=True)
class InstanceEventLog:
    """The event log of a Dagster instance.

    Attributes:
        instance: The instance.
    """

    instance: dg.DagsterInstance

    def loaded(
        self, job: Job, keys: Collection[dg.AssetKey], runs: Collection[str]
    ) -> frozenset[dg.AssetKey]:
        found: set[dg.AssetKey] = set()
        unclear: list[dg.AssetKey] = []
        since = (job.created_ts or 0) / 1000 - CLOCKS_APART_SECONDS
        for key, entry in self.instance.get_latest_materialization_events(list(keys)).items():
            event = None if entry is None else entry.asset_materialization
            if entry is None or event is None or entry.timestamp < since:
                continue
            if _job_of(event.metadata) == job.job_id or entry.run_id in runs:
                found.add(key)
            else:
                unclear.append(key)
        found.update(key for key in unclear if self._was_loaded(key, job.job_id, runs, since))
        return frozenset(found)

    def _was_loaded(
        self, key: dg.AssetKey, job_id: str, runs: Collection[str], since: float
    ) -> bool:
        """Whether an asset was recorded for a job, before it was recorded for another one."""
        cursor: str | None = None
        for _ in range(MOST_READS):
            records = self.instance.fetch_materializations(
                dg.AssetRecordsFilter(asset_key=key, after_timestamp=max(since, 0.0)),
                limit=RECORDS_PER_READ,
                cursor=cursor,
            )
            for record in records.records:
                event = record.asset_materialization
                told = None if event is None else HevoMetadataSet.extract(event.metadata).job_id
                if told == job_id or record.run_id in runs:
                    return True
            if not records.has_more:
                return False
            cursor = records.cursor
        return False

    def checked(
        self, job: Job, keys: Collection[dg.AssetCheckKey], runs: Collection[str]
    ) -> frozenset[dg.AssetCheckKey]:
        found: set[dg.AssetCheckKey] = set()
        for key, (run_id, evaluation) in latest_check_evaluations(self.instance, keys).items():
            if evaluation is not None and (_is_of(evaluation, {job.job_id}) or run_id in runs):
                found.add(key)
                continue
            answers = check_evaluations(self.instance, key, CHECKS_COMPARED)
            if any(_is_of(each, {job.job_id}) or run in runs for run, each in answers):
                found.add(key)
        return frozenset(found)

    def answered_by(
        self, keys: Collection[dg.AssetCheckKey], job_ids: Collection[str]
    ) -> frozenset[dg.AssetCheckKey]:
        latest = latest_check_evaluations(self.instance, keys)
        return frozenset(
            key
            for key, (_, evaluation) in latest.items()
            if evaluation is not None and _is_of(evaluation, job_ids)
        )


def _job_of(metadata: Mapping[str, dg.MetadataValue]) -> object:
    value = metadata.get(JOB_ID)
    return None if value is None else value.value


def _is_of(evaluation: dg.AssetCheckEvaluation, job_ids: Collection[str]) -> bool:
    return _job_of(evaluation.metadata) in job_ids
