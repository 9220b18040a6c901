"""Who recorded an asset for a job: read from the asset's own events, newest first.

The step of a re-execution and the job sensor both read it here, so that nothing is recorded twice.
"""

from __future__ import annotations

import dagster as dg

from dagster_hevo.api.models import Job
from dagster_hevo.metadata import HevoMetadataSet

RECORDS_PER_READ = 50
MOST_READS = 20
# Records carry this machine's time, jobs Hevo's: no two clocks are this far apart.
CLOCKS_APART_SECONDS = 24 * 3600.0


def recorded_by(instance: dg.DagsterInstance, key: dg.AssetKey, job: Job) -> str | None:
    """The run that recorded an asset for a job; empty: the job sensor; None: nobody.

    Older jobs may be recorded after newer ones, so the search ends only at what was written long
    before the job was made.
    """
    made = (job.created_ts or 0) / 1000
    cursor: str | None = None
    for _ in range(MOST_READS):
        found = instance.fetch_materializations(key, limit=RECORDS_PER_READ, cursor=cursor)
        for record in found.records:
            event = record.asset_materialization
            if event is not None and HevoMetadataSet.extract(event.metadata).job_id == job.job_id:
                return record.run_id
            if record.timestamp < made - CLOCKS_APART_SECONDS:
                return None
        if not found.has_more:
            return None
        cursor = found.cursor
    return None
