"""The job sensor: jobs that finish without this Dagster become the same events as those it ran.

What a tick does is `observation.py`; what is kept between ticks is `sensor_cursor.py`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import dagster as dg

from dagster_hevo.account_reading import Wanted
from dagster_hevo.api.models import Pipeline
from dagster_hevo.assets import load_state
from dagster_hevo.execution.events import ObjectAsset
from dagster_hevo.resources import HevoResource
from dagster_hevo.sensor_switch import JOB_SENSORS
from dagster_hevo.specs import AccountSpecs
from dagster_hevo.translator import DagsterHevoTranslator
from dagster_hevo.workspace import HevoWorkspaceData, PipelineSelector

if TYPE_CHECKING:
    from dagster_hevo.jobs.outcome import JobOutcome
    from dagster_hevo.observation import FollowedPipeline, Tick

TICK_SECONDS = 40.0
BUDGET_SHARE = 0.5
UNLIMITED_REQUESTS = 1000
REQUEST_TIMEOUT = 6.0

# What time it is for the sensors of this process, in seconds since the epoch.
CLOCK: Callable[[], float] = time.time

PipelineKey = int | str | Callable[[Pipeline], bool]
RequestedJob = Any


def build_hevo_job_sensor(
    *,
    workspace: HevoResource,
    translator: DagsterHevoTranslator | None = None,
    pipeline_selector_fn: PipelineSelector | None = None,
    name: str | None = None,
    minimum_interval_seconds: int = 60,
    default_status: dg.DefaultSensorStatus = dg.DefaultSensorStatus.RUNNING,
    include_checks: bool = True,
    request_jobs_on_completion: Mapping[PipelineKey, RequestedJob] | None = None,
    request_jobs_on_failure: Mapping[PipelineKey, RequestedJob] | None = None,
    account: HevoWorkspaceData | None = None,
) -> dg.SensorDefinition:
    """Make a sensor that records the jobs which Hevo ran without this Dagster.

    Its first tick takes the newest job of each pipeline as its start and records nothing older; of
    a pipeline that this tick cannot reach, jobs made before the first look are recorded. A job that
    a run of this Dagster waits for is left to that run; one that a run started without waiting
    (``wait_for_completion=False``) is recorded here when it ends.

    Args:
        workspace: The account.
        translator: The translator that made the assets.
        pipeline_selector_fn: Which pipelines to follow; default all.
        name: The sensor's name; default ``hevo_job_sensor``.
        minimum_interval_seconds: Seconds between two ticks, at least. A tick spends at most half
            of the request budget of that time, and 40 seconds.
        default_status: Whether it runs without being switched on.
        include_checks: Whether the assets have the check ``hevo_job``.
        request_jobs_on_completion: Dagster jobs to run when a pipeline's job has loaded, by the
            pipeline's id, name, or a function of the pipeline. The run key is the Hevo job's id.
        request_jobs_on_failure: The same for jobs that failed, were cancelled or skipped.
        account: What the account holds, where it is known already; else Hevo is asked when the code
            location is first loaded.

    Returns:
        The sensor.

    Raises:
        HevoError: Hevo could not be asked when the code location was first loaded.
    """
    if account is None:
        account = load_state(workspace, Wanted(pipeline_selector_fn))
    followed_assets = [
        (props.pipeline, tuple(asset for asset in map(ObjectAsset.of, specs) if asset is not None))
        for props, specs in AccountSpecs(translator).by_pipeline(
            account.select(pipeline_selector_fn)
        )
    ]
    on_completion = dict(request_jobs_on_completion or {})
    on_failure = dict(request_jobs_on_failure or {})
    sensor_name = name or "hevo_job_sensor"
    JOB_SENSORS[sensor_name] = default_status

    @dg.sensor(  # pyright: ignore[reportUnknownMemberType] (partly untyped in Dagster)
        name=sensor_name,
        description="Records the jobs that Hevo ran without this Dagster.",
        minimum_interval_seconds=minimum_interval_seconds,
        default_status=default_status,
        jobs=_jobs_once([*on_completion.values(), *on_failure.values()]) or None,
    )
    def hevo_job_sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        # Here, because only the process that ticks needs them: importing the package stays quick.
        from dagster_hevo.observation import FollowedPipeline

        followed = {
            pipeline.id: FollowedPipeline(pipeline, assets) for pipeline, assets in followed_assets
        }
        tick, cursor = evaluate_tick(
            context.instance,
            workspace,
            followed,
            context.cursor,
            interval=minimum_interval_seconds,
            include_checks=include_checks,
            sensor_name=sensor_name,
            log=context.log.info,
            now=CLOCK,
        )
        requests = [
            request
            for outcome in tick.recorded
            for request in _requests_after(
                outcome,
                followed[outcome.pipeline_id].pipeline,
                on_completion if outcome.completion.has_loaded else on_failure,
            )
        ]
        return dg.SensorResult(run_requests=requests, asset_events=tick.events, cursor=cursor)

    return hevo_job_sensor


def evaluate_tick(
    instance: dg.DagsterInstance,
    workspace: HevoResource,
    followed: Mapping[int, FollowedPipeline],
    cursor: str | None,
    *,
    interval: float,
    include_checks: bool,
    log: Callable[[str], None],
    sensor_name: str = "hevo_job_sensor",
    now: Callable[[], float] = time.time,
) -> tuple[Tick, str]:
    """Look at the pipelines that are due and find what is to be recorded.

    Args:
        instance: The Dagster instance.
        workspace: The account.
        followed: The pipelines, by id.
        cursor: What the tick before returned.
        interval: Seconds between two ticks.
        include_checks: Whether the assets have the check ``hevo_job``.
        log: Where the tick tells what it does.
        sensor_name: The sensor.
        now: Tells the time in seconds since the epoch.

    Returns:
        The tick, which holds the events, and the cursor for the next one.
    """
    from dagster_hevo.observation import Tick, TickSettings
    from dagster_hevo.sensor_cursor import SensorCursor
    from dagster_hevo.tick_budget import TickBudget

    per_minute = workspace.requests_per_minute
    most = max(int(per_minute * BUDGET_SHARE), 2) if per_minute else UNLIMITED_REQUESTS
    budget = TickBudget(
        workspace.get_budget_share("job sensor", BUDGET_SHARE),
        workspace.get_budget(),
        most,
        # A request takes at most its timeout to connect and again to answer.
        now() + TICK_SECONDS - 2 * REQUEST_TIMEOUT,
        now,
    )
    client = workspace.make_client(retry_limit=1, longest_timeout=REQUEST_TIMEOUT, budget=budget)
    settings = TickSettings(
        interval,
        most,
        TICK_SECONDS,
        include_checks,
        account=workspace.account,
        sensor_name=sensor_name,
        discovery_timeout=workspace.job_discovery_timeout,
    )
    tick = Tick(instance, client, budget, followed, settings, log, now)
    try:
        after = tick.run(SensorCursor.from_text(cursor))
    finally:
        client.close()
    return tick, after.to_text()


def _requests_after(
    outcome: JobOutcome, pipeline: Pipeline, jobs: Mapping[PipelineKey, RequestedJob]
) -> Iterable[dg.RunRequest]:
    asked: list[str] = []
    for key, job in jobs.items():
        if key in (pipeline.id, pipeline.name) or (callable(key) and key(pipeline)):
            job_name = job if isinstance(job, str) else job.name
            if job_name in asked:
                continue
            asked.append(job_name)
            job_id = outcome.job.job_id
            yield dg.RunRequest(
                # Dagster runs a key once, whatever the job: a second job needs another one.
                run_key=job_id if len(asked) == 1 else f"{job_id}/{job_name}",
                job_name=job_name,
                tags={
                    "dagster-hevo/pipeline_id": str(pipeline.id),
                    "dagster-hevo/job_id": outcome.job.job_id,
                },
            )


def _jobs_once(jobs: Iterable[RequestedJob]) -> list[RequestedJob]:
    by_name = {job if isinstance(job, str) else job.name: job for job in jobs}
    return [job for job in by_name.values() if not isinstance(job, str)]
