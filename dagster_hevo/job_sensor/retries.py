"""Whether Dagster knows of a run that will go on with the request of one that is gone."""

from __future__ import annotations

from collections.abc import Callable

import dagster as dg

from dagster_hevo.jobs.pipeline_ledger import RequestPointer
from dagster_hevo.jobs.records import RecordedRequest

_WILL_RETRY = "dagster/will_retry"
_RETRIED_AS = "dagster/auto_retry_run_id"
_ROOT = "dagster/root_run_id"
_NOT_BEGUN = (dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.QUEUED)
_UNFINISHED = [
    *_NOT_BEGUN,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
_RUNS_READ = 25


def retries_known_to(
    instance: dg.DagsterInstance,
) -> Callable[[RequestPointer, RecordedRequest], bool]:
    """Answers whether a retry or re-execution of a request's run is queued, delayed or running.

    A retry is delayed between the failure of a run and its launch: Dagster marks the failed run.
    Where it has not yet said whether it will retry, it may.
    """

    def will_be_retried(run: dg.DagsterRun) -> bool:
        if run.status is not dg.DagsterRunStatus.FAILURE or run.tags.get(_RETRIED_AS):
            return False
        told = run.tags.get(_WILL_RETRY)
        return told == "true" or (told is None and instance.run_retries_enabled)

    def is_retry_known(pointer: RequestPointer, request: RecordedRequest) -> bool:
        ids = {pointer.run_id, request.run_id, pointer.root_run_id}
        own = [run for run in map(instance.get_run_by_id, sorted(ids)) if run is not None]
        if any(run.status in _NOT_BEGUN or will_be_retried(run) for run in own):
            return True
        chain = {_ROOT: pointer.root_run_id}
        if instance.get_runs(dg.RunsFilter(tags=chain, statuses=_UNFINISHED), limit=1):
            return True
        failed = dg.RunsFilter(tags=chain, statuses=[dg.DagsterRunStatus.FAILURE])
        return any(map(will_be_retried, instance.get_runs(failed, limit=_RUNS_READ)))

    return is_retry_known
