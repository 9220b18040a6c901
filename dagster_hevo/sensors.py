"""The job sensor: jobs that finish without this Dagster become the same events as those it ran.

Here is what a user imports; what a tick does is `dagster_hevo.job_sensor`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import dagster as dg

from dagster_hevo.api.models import Job, Pipeline
from dagster_hevo.dagster_private import with_job_names
from dagster_hevo.definitions.names import DEFAULT_RESOURCE_KEY, check_resource_key, sensor_name
from dagster_hevo.definitions.reading import Wanted
from dagster_hevo.definitions.snapshot import AccountSnapshot, PipelineSelector
from dagster_hevo.definitions.specs import AccountSpecs
from dagster_hevo.execution.events import ObjectAsset
from dagster_hevo.resources import HevoResource
from dagster_hevo.translator import DagsterHevoTranslator

if TYPE_CHECKING:
    from dagster_hevo.job_sensor.followed import FollowedPipeline
    from dagster_hevo.job_sensor.tick import TickResult

BUDGET_SHARE = 0.5
# Dagster ticks a sensor at least so often; what is not due is not polled.
LONGEST_INTERVAL = 60

PipelineKey = int | str | Callable[[Pipeline], bool]
RequestedJob = Any


@dataclass(frozen=True)
class TickEnvironment:
    """The clocks and bounds of a tick; tests pass their own.

    Attributes:
        now: Tells the time in seconds since the epoch.
        monotonic: Tells how much time passes, in seconds.
        seconds: How long a tick may take. Dagster ends one after a minute, and drops what it read.
        request_timeout: How long one request may take.
        most_requests: How many requests a tick may send; None for what its share allows.
    """

    now: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic
    seconds: float = 45.0
    request_timeout: float = 6.0
    most_requests: int | None = None


def build_hevo_job_sensor(
    *,
    workspace: HevoResource,
    translator: DagsterHevoTranslator | None = None,
    pipeline_selector_fn: PipelineSelector | None = None,
    name: str | None = None,
    minimum_interval_seconds: int = 60,
    default_status: dg.DefaultSensorStatus = dg.DefaultSensorStatus.RUNNING,
    default_sensor_status: dg.DefaultSensorStatus | None = None,
    resource_key: str = DEFAULT_RESOURCE_KEY,
    include_checks: bool = True,
    include_latency_check: bool = False,
    request_jobs_on_completion: Mapping[PipelineKey, RequestedJob] | None = None,
    request_jobs_on_failure: Mapping[PipelineKey, RequestedJob] | None = None,
    account: AccountSnapshot | None = None,
    environment: TickEnvironment | None = None,
) -> dg.SensorDefinition:
    """Make a sensor that records the jobs which Hevo ran without this Dagster.

    It begins with the jobs that end after its first tick, and from then on misses none: not while
    it is off, nor when its cursor is lost. A job that a run of this Dagster waits for is left to
    that run, also while a retry is queued; one that a run started without waiting
    (``wait_for_completion=False``) is recorded here when it ends.

    Args:
        workspace: The account.
        translator: The translator that made the assets.
        pipeline_selector_fn: Which pipelines to follow; default all.
        name: The sensor's name; default ``hevo_job_sensor``, or begun with the ``resource_key``.
        minimum_interval_seconds: Seconds between two polls of one pipeline, at least. Dagster ticks
            the sensor at least once a minute; it spends at most half of the request budget, and
            45 seconds per tick.
        default_status: Whether it runs without being switched on.
        default_sensor_status: The same, by the name that other integrations give it; it wins.
        resource_key: The key of the account among the resources, which the default name begins
            with.
        include_checks: Whether to answer the check ``hevo_job`` of assets that have it.
        include_latency_check: Whether the assets have the check ``hevo_latency``, and it is
            answered too.
        request_jobs_on_completion: Dagster jobs, or their names, to run when a pipeline's job has
            loaded, whether a run waited for it or not; by the pipeline's id, name, or a function of
            the pipeline. The run key is the Hevo job's id.
        request_jobs_on_failure: The same for jobs that failed, were cancelled or skipped.
        account: What the account holds, where it is known already; else it is read from Hevo when
            the code location is first loaded.
        environment: Other clocks and bounds, for tests.

    Returns:
        The sensor.

    Raises:
        HevoConfigurationError: ``resource_key`` is no name.
        HevoError: Hevo could not be read when the code location was first loaded.
    """
    if account is None:
        account = workspace.loader.load(Wanted(pipeline_selector_fn))
    specs_by_pipeline = [
        (props.pipeline, specs)
        for props, specs in AccountSpecs(translator).by_pipeline(
            account.select(pipeline_selector_fn)
        )
    ]
    on_completion = dict(request_jobs_on_completion or {})
    on_failure = dict(request_jobs_on_failure or {})
    requested = [*on_completion.values(), *on_failure.values()]
    place = environment or TickEnvironment()
    own_name = name or sensor_name(check_resource_key(resource_key))

    @dg.sensor(  # pyright: ignore[reportUnknownMemberType] (partly untyped in Dagster)
        name=own_name,
        description="Records the jobs that Hevo ran without this Dagster.",
        minimum_interval_seconds=min(minimum_interval_seconds, LONGEST_INTERVAL),
        default_status=default_sensor_status or default_status,
        jobs=_jobs_once(requested) or None,
    )
    def hevo_job_sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        followed = {
            each.pipeline.id: each
            for each in _followed(
                specs_by_pipeline,
                context.repository_def,
                has_checks=include_checks,
                has_latency_checks=include_latency_check,
            )
        }
        result = evaluate_tick(
            context, workspace, followed, float(minimum_interval_seconds), place, own_name
        )
        requests = [
            request
            for pipeline_id, job in result.ended
            for request in _requests_after(
                job,
                followed[pipeline_id].pipeline,
                on_completion if job.status.completion.has_loaded else on_failure,
                context.log.warning,
            )
        ]
        return dg.SensorResult(
            run_requests=requests, asset_events=result.events, cursor=result.cursor.to_text()
        )

    names = {job for job in requested if isinstance(job, str)}
    with_job_names(hevo_job_sensor, sorted(names - {job.name for job in _jobs_once(requested)}))
    return hevo_job_sensor


def evaluate_tick(
    context: dg.SensorEvaluationContext,
    workspace: HevoResource,
    followed: Mapping[int, FollowedPipeline],
    interval: float,
    environment: TickEnvironment,
    sensor_name: str = "hevo_job_sensor",
) -> TickResult:
    """Poll the pipelines that are due, and find what is to be recorded.

    Args:
        context: The sensor's, with the cursor of the tick before.
        workspace: The account.
        followed: The pipelines, by id.
        interval: Seconds between two polls of one pipeline, at least.
        environment: The clocks and bounds.
        sensor_name: The sensor.
    """
    # Here, because only the process that ticks needs them: importing the package stays quick.
    import uuid

    from dagster_hevo.execution.run_ledger import InstanceStore
    from dagster_hevo.job_sensor.budget import TickBudget
    from dagster_hevo.job_sensor.cursor import SensorCursor
    from dagster_hevo.job_sensor.event_log import InstanceEventLog
    from dagster_hevo.job_sensor.followed import SensorSettings, TickTools
    from dagster_hevo.job_sensor.recorder import JobRecorder
    from dagster_hevo.job_sensor.retries import retries_known_to
    from dagster_hevo.job_sensor.tick import Tick

    instance, log = context.instance, context.log
    origin = context.code_location_origin
    location = "" if origin is None else f"@{origin.location_name}"
    per_minute = workspace.setting("requests_per_minute")
    share = max(int(per_minute * BUDGET_SHARE), 2) if per_minute else 0
    settings = SensorSettings(
        interval,
        workspace.account,
        f"{sensor_name}{location}",
        workspace.setting("job_discovery_timeout"),
        share,
    )
    now = environment.now
    # A request takes at most its timeout to connect and again to answer.
    spare = 2 * environment.request_timeout + 3
    budget = TickBudget(
        workspace.get_budget_share("job sensor", BUDGET_SHARE),
        workspace.get_budget(),
        workspace.get_budget_share("job sensors that need more", BUDGET_SHARE),
        share,
        environment.monotonic() + max(environment.seconds - spare, environment.seconds / 3),
        interval,
        settings.sensor_id,
        environment.monotonic,
        most=environment.most_requests,
    )
    client = workspace.make_client(
        retry_limit=1, longest_timeout=environment.request_timeout, budget=budget
    )
    try:
        recorder = JobRecorder(client, InstanceEventLog(instance), now, log.warning)
        tools = TickTools(
            client,
            InstanceStore(instance),
            budget,
            recorder,
            settings,
            now,
            now(),
            log.info,
            log.warning,
            retries_known_to(instance),
            lambda: uuid.uuid4().hex[:12],
        )
        return Tick(followed, tools).run(SensorCursor.from_text(context.cursor))
    finally:
        client.close()


def _followed(
    specs_by_pipeline: Iterable[tuple[Pipeline, list[dg.AssetSpec]]],
    repository: dg.RepositoryDefinition | None,
    *,
    has_checks: bool,
    has_latency_checks: bool,
) -> Iterator[FollowedPipeline]:
    """The pipelines with what the code location has of them: checks and partitions.

    Where the location is not known, the settings say which checks there are.
    """
    from dagster_hevo.dagster_private import known_to_location
    from dagster_hevo.definitions.checks import CHECK_NAME, LATENCY_CHECK_NAME
    from dagster_hevo.job_sensor.followed import FollowedPipeline

    checks: frozenset[dg.AssetCheckKey] | None = None
    partitions: Mapping[dg.AssetKey, dg.PartitionsDefinition] = {}
    if repository is not None:
        checks, partitions = known_to_location(repository)

    def checked(keys: Iterable[dg.AssetKey], name: str, wanted: bool) -> frozenset[dg.AssetKey]:
        if not wanted:
            return frozenset()
        return frozenset(
            key for key in keys if checks is None or dg.AssetCheckKey(key, name) in checks
        )

    for pipeline, specs in specs_by_pipeline:
        assets = tuple(asset for asset in map(ObjectAsset.of, specs) if asset is not None)
        keys = [asset.key for asset in assets]
        known = {
            spec.key: definition
            for spec in specs
            if (definition := partitions.get(spec.key, spec.partitions_def)) is not None
        }
        yield FollowedPipeline(
            pipeline,
            assets,
            checked(keys, CHECK_NAME, has_checks),
            checked(keys, LATENCY_CHECK_NAME, has_latency_checks),
            known,
        )


def _requests_after(
    job: Job,
    pipeline: Pipeline,
    jobs: Mapping[PipelineKey, RequestedJob],
    warn: Callable[[str], None],
) -> Iterable[dg.RunRequest]:
    requested: list[str] = []
    for key, target in jobs.items():
        if not _is_meant(key, pipeline, warn):
            continue
        job_name = target if isinstance(target, str) else target.name
        if job_name in requested:
            continue
        requested.append(job_name)
        yield dg.RunRequest(
            # Dagster runs a key once, whatever the job: a second job needs another one.
            run_key=job.job_id if len(requested) == 1 else f"{job.job_id}/{job_name}",
            job_name=job_name,
            tags={
                "dagster-hevo/pipeline_id": str(pipeline.id),
                "dagster-hevo/job_id": job.job_id,
            },
        )


def _is_meant(key: PipelineKey, pipeline: Pipeline, warn: Callable[[str], None]) -> bool:
    if not callable(key):
        return key in (pipeline.id, pipeline.name)
    try:
        return bool(key(pipeline))
    except Exception as error:  # noqa: BLE001 (the caller's own code: not worth the tick)
        warn(
            f"A key function of request_jobs_on_completion or request_jobs_on_failure failed for "
            f"pipeline {pipeline.id} ({pipeline.name}): {type(error).__name__}: {error}. No run is "
            "requested by it."
        )
        return False


def _jobs_once(jobs: Iterable[RequestedJob]) -> list[RequestedJob]:
    by_name = {job.name: job for job in jobs if not isinstance(job, str)}
    return list(by_name.values())
