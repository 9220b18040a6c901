"""The one request that starts a job, and what its answer can mean.

When it is sent, and what follows from the answer, is `trigger.py`.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from dagster_hevo.api.enums import ResyncMode
from dagster_hevo.jobs.plan import SyncAction, SyncPlan

if TYPE_CHECKING:
    from dagster_hevo.api.client import HevoClient


class Answer(Enum):
    """What is known after Hevo was asked."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    RETRACTED = "retracted"
    UNKNOWN = "unknown"


def send_trigger(client: HevoClient, plan: SyncPlan) -> None:
    """Ask Hevo for the job of a plan, once.

    Raises:
        HevoError: As ``HevoClient``; a lost answer leaves open whether a job comes of it.
    """
    if plan.action is SyncAction.SYNC_NOW:
        client.trigger_pipeline_sync(plan.pipeline_id)
    elif plan.object_ids is None:
        client.resync_pipeline(plan.pipeline_id, plan.resync_mode)
    else:
        drop = plan.resync_mode is ResyncMode.DROP_AND_LOAD
        client.resync_objects(plan.pipeline_id, sorted(plan.object_ids), drop)
