"""Whether an asset was recorded for a job: read from the asset's own events, newest first."""

from __future__ import annotations

import dagster as dg

from dagster_hevo.api.models import Job
from dagster_hevo.metadata import HevoMetadataSet

RECORDS_PER_READ = 50
MOST_READS = 20


def is_recorded(instance: dg.DagsterInstance, key: dg.AssetKey, job: Job) -> bool:
    """Whether an asset has a materialization by this job.

    The search ends at a materialization by a job that had ended before this one was made, by Hevo's
    clock: what is older than that cannot be of this job.
    """
    cursor: str | None = None
    for _ in range(MOST_READS):
        found = instance.fetch_materializations(key, limit=RECORDS_PER_READ, cursor=cursor)
        for record in found.records:
            event = record.asset_materialization
            if event is None:
                continue
            facts = HevoMetadataSet.extract(event.metadata)
            if facts.job_id == job.job_id:
                return True
            ended = facts.job_completed_at
            if ended is not None and ended.value * 1000 < (job.created_ts or 0):
                return False
        if not found.has_more:
            return False
        cursor = found.cursor
    return False
