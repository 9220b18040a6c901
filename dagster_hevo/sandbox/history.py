"""The jobs that a pipeline of the local Hevo had before the sandbox started.

Jobs that run while it is up are in `jobs.py` and started in `pipelines.py`. A past job's objects
are made when somebody looks at them, so that a history of thousands of jobs costs next to nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from dagster_hevo.sandbox.families import loaded_objects
from dagster_hevo.sandbox.jobs import JobRun, ObjectRun
from dagster_hevo.sandbox.objects import ObjectState
from dagster_hevo.sandbox.scenario import HistoryScenario, PipelineScenario


def past_jobs(
    pipeline_id: int,
    scenario: PipelineScenario,
    objects: Sequence[ObjectState],
    now: float,
    new_id: Callable[[], str],
) -> list[JobRun]:
    """The jobs of a pipeline's history, oldest first.

    Args:
        pipeline_id: The pipeline.
        scenario: Says what the history is.
        objects: The pipeline's objects.
        now: The moment that the history lies before, in sandbox seconds.
        new_id: Makes job ids.
    """
    loaded = loaded_objects(objects)
    jobs: list[JobRun] = []
    for past in scenario.history:
        for back in range(past.count):
            ended = now - (past.minutes_ago + back * past.every_minutes) * 60
            created = ended - past.seconds
            cancelled = past.status in ("CANCELLED", "CANCELED")
            jobs.append(
                JobRun(
                    job_id=new_id(),
                    number=0,
                    pipeline_id=pipeline_id,
                    type=past.type,
                    requested_by="schedule",
                    created=created,
                    listed_at=created,
                    lay_out=_past_objects(loaded, past),
                    policy=scenario.failure_policy,
                    cancelled_at=created if cancelled else None,
                    ended_at=ended,
                    final_status=past.status,
                )
            )
    jobs.sort(key=lambda job: job.created)
    for number, job in enumerate(jobs, start=1):
        job.number = number
    return jobs


def _past_objects(
    objects: Sequence[ObjectState], past: HistoryScenario
) -> Callable[[], list[ObjectRun]]:
    def lay_out() -> list[ObjectRun]:
        length = past.seconds / max(1, len(objects))
        runs: list[ObjectRun] = []
        for place, state in enumerate(objects):
            rows = state.scenario.rows_changed
            if past.type != "INCREMENTAL" or state.scenario.mode == "full_load":
                rows = state.scenario.rows
            run = ObjectRun(
                state.object_id, place * length, (place + 1) * length, ranges=((1, rows),)
            )
            if past.status == "SKIPPED":
                run.outcome = "skipped"
            elif past.status == "FAILED" and place == 0:
                run.outcome = "failed"
            elif past.status == "COMPLETED_WITH_FAILURES" and place == 0:
                run.outcome, run.failing = "failed_events", 1
            runs.append(run)
        return runs

    return lay_out
