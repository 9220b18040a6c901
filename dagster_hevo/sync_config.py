"""What one materialization asks for: the fields of the launchpad.

What becomes of it is `jobs/request.py`; how a step carries it out, `runs.py`.
"""

from __future__ import annotations

import dagster as dg
from pydantic import Field

from dagster_hevo.api.enums import ResyncMode
from dagster_hevo.jobs.request import IfJobRunning, SyncAction


class HevoSyncConfig(dg.Config):
    """What one materialization asks Hevo for, and what it makes of the answer.

    Set it in the launchpad, or as the default of `build_hevo_assets_definitions`.
    """

    action: SyncAction = Field(
        default=SyncAction.RESYNC,
        description="RESYNC loads the selected objects again; SYNC_NOW runs the pipeline's own "
        "sync once, for all its objects.",
    )
    resync_mode: ResyncMode = Field(
        default=ResyncMode.EVOLVE_AND_MERGE,
        description="EVOLVE_AND_MERGE evolves the tables' schema and merges rows; DROP_AND_LOAD "
        "drops the tables and loads them afresh.",
    )
    if_job_running: IfJobRunning = Field(
        default=IfJobRunning.WAIT,
        description="When the pipeline is busy with a job not started here: WAIT for its end and "
        "then trigger, ADOPT it as ours, or FAIL.",
    )
    accept_completed_with_failures: bool = Field(
        default=True,
        description="Whether a job that ends COMPLETED_WITH_FAILURES lets the run succeed; the "
        "objects are recorded either way.",
    )
    wait_for_completion: bool = Field(
        default=True,
        description="If false, the step ends as soon as the job is found, and the job sensor "
        "records its outcome.",
    )
