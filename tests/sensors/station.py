"""A local Hevo whose time moves only by hand, and the job sensor ticked as the daemon ticks it."""

from __future__ import annotations

import json
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

import dagster as dg
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.events import DagsterEvent, StepMaterializationData
from dagster._core.execution.plan.objects import StepSuccessData
from dagster._core.remote_origin import (
    RegisteredCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    SensorInstigatorData,
)
from dagster._core.test_utils import freeze_time

from dagster_hevo import HevoResource, build_hevo_assets_definitions, build_hevo_job_sensor
from dagster_hevo.api.models import Job
from dagster_hevo.execution.events import ObjectAsset
from dagster_hevo.execution.run_ledger import InstanceStore, ledger_of_step, mark_recorded
from dagster_hevo.jobs.ledger import Ledger
from dagster_hevo.jobs.ledger_store import read_records, records_list
from dagster_hevo.jobs.newness import Baseline
from dagster_hevo.jobs.outcome import JobOutcome
from dagster_hevo.jobs.records import Answer, Settlement
from dagster_hevo.jobs.request import SyncAction, SyncRequest, make_request
from dagster_hevo.sandbox import HevoSandbox, Scenario
from dagster_hevo.sensors import TickEnvironment

STEP = "a_step"
HERE = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("here"), "repository")
AT_ONCE: dict[str, Any] = {
    "job_appears_after": (0, 0),
    "restarting_seconds": 0,
    "transition_seconds": 0,
    "duration_jitter": 0,
}


def still_scenario(pipelines: int = 1, objects: int = 2, **changes: Any) -> Scenario:
    """Pipelines whose jobs take twenty seconds of a time that somebody has to move ahead."""
    changes.setdefault("seconds_per_object", 20 / objects)
    changes.setdefault("requests_per_minute", 0)
    return Scenario.simple(pipelines, objects, **{**AT_ONCE, **changes})


class DaemonDied(Exception):
    """The daemon was killed between two of the events that it stored."""


@dataclass
class Station:
    """The sandbox, a Dagster instance, the sensor, and its cursor as the daemon keeps it."""

    sandbox: HevoSandbox
    instance: dg.DagsterInstance
    settings: dict[str, Any] = field(default_factory=dict)
    sensor_options: dict[str, Any] = field(default_factory=dict)
    cursor: str | None = None
    last: Any = None
    log: list[str] = field(default_factory=list)
    definitions: dg.Definitions | None = None

    def __post_init__(self) -> None:
        self.hevo = HevoResource(
            **{
                "api_key": self.sandbox.api_key,
                "api_secret": self.sandbox.api_secret,
                "base_url": self.sandbox.url,
                "requests_per_minute": 0,
                "rate_limit_store": "memory",
                "retry_delay": 0.01,
                "poll_interval": 0.02,
                "job_discovery_timeout": 1.0,
                "job_objects_timeout": 1.5,
                **self.settings,
            }
        )
        self.assets = list(build_hevo_assets_definitions(workspace=self.hevo))
        self.make_sensor()
        self.sandbox_began = len(self.sandbox.requests)

    def make_sensor(self, **options: Any) -> None:
        """The sensor as a code location makes it."""
        given = {"environment": TickEnvironment(now=self.now), **self.sensor_options, **options}
        self.sensor = build_hevo_job_sensor(workspace=self.hevo, **given)

    def now(self) -> float:
        """What time it is for all: the sandbox's."""
        return self.sandbox.now()

    # The daemon

    def tick(self, after: float = 60.0, *, dies_after: int | None = None) -> Any:
        """Let time pass, evaluate the sensor, store its events and its cursor.

        Args:
            after: Seconds to pass before.
            dies_after: Kill the daemon after this many stored events, before the cursor.
        """
        self.sandbox.advance(after)
        seen = len(self.sandbox.requests)
        with dg.build_sensor_context(
            instance=self.instance,
            cursor=self.cursor,
            sensor_name=self.sensor.name,
            definitions=self.definitions,
        ) as context:
            self.last = self.sensor(context)
        self.requests = [str(entry.path) for entry in self.sandbox.requests[seen:]]
        for place, event in enumerate(self.last.asset_events):
            if dies_after is not None and place >= dies_after:
                raise DaemonDied
            self.instance.report_runless_asset_event(event)
        if dies_after is not None:
            raise DaemonDied
        self.cursor = self.last.cursor
        return self.last

    def ticks(self, count: int, every: float = 60.0) -> None:
        for _ in range(count):
            self.tick(every)

    def switch_sensor(self, status: InstigatorStatus) -> None:
        """Tick once, and keep what the daemon keeps of it beside the switch in the web UI."""
        self.tick()
        origin = RemoteInstigatorOrigin(HERE, self.sensor.name)
        data = SensorInstigatorData(cursor=self.cursor)
        state = InstigatorState(origin, InstigatorType.SENSOR, status, data)
        self.instance.add_instigator_state(state)

    @property
    def kept(self) -> dict[str, Any]:
        """The cursor as JSON."""
        return json.loads(self.cursor or "{}")

    # Hevo

    def run_job(self, pipeline_id: int = 101, *, seconds: float = 30.0, **options: Any) -> Any:
        """A job of Hevo's own schedule from its beginning to its end."""
        job = self.sandbox.start_scheduled_job(pipeline_id, **options)
        self.sandbox.advance(seconds)
        return job

    # What was recorded

    def materialized(self) -> Counter[tuple[str, str]]:
        """How often each object of each job was recorded."""
        found: Counter[tuple[str, str]] = Counter()
        for asset in self.assets:
            for key in asset.keys:
                records = self.instance.fetch_materializations(key, limit=1000).records
                for record in records:
                    metadata = record.asset_materialization.metadata
                    job_id = metadata["dagster-hevo/job_id"].value
                    found[job_id, metadata["dagster-hevo/object_id"].value] += 1
        return found

    def checked(self) -> dict[str, Any]:
        """The last check of each asset, by its table."""
        found: dict[str, Any] = {}
        for asset in self.assets:
            for key in asset.check_keys:
                record = self.instance.get_latest_asset_check_evaluation_record(key)
                if record is not None:
                    event = record.event.dagster_event
                    found[key.asset_key.path[-1]] = event.event_specific_data
        return found

    def loaded(self, *, but_not: Sequence[str] = ()) -> Counter[tuple[str, str]]:
        """What ought to be recorded: each object of each finished job, once."""
        return Counter(
            {
                (job.job_id, object_id): 1
                for job in self.sandbox.jobs()
                if job.finished is not None and job.job_id not in but_not
                for object_id in job.object_ids
            }
        )

    # Runs

    def materialize(self, **config: Any) -> dg.ExecuteInProcessResult:
        """Materialize all assets in a run."""
        steps = {asset.node_def.name: {"config": config} for asset in self.assets}
        with freeze_time_at(self.now()):
            return dg.materialize(
                self.assets,
                instance=self.instance,
                resources={"hevo": self.hevo},
                run_config={"ops": steps},
                raise_on_error=False,
            )

    def begin_run(
        self,
        parent: str | None = None,
        status: dg.DagsterRunStatus = dg.DagsterRunStatus.STARTED,
        tags: Mapping[str, str] | None = None,
    ) -> dg.DagsterRun:
        """A run that nothing happens in but what a test writes."""
        chain = {} if parent is None else {"dagster/root_run_id": parent}
        run = dg.DagsterRun(
            job_name="a_job",
            run_id=str(uuid.uuid4()),
            status=status,
            parent_run_id=parent,
            root_run_id=parent,
            tags={**chain, **(tags or {})},
            remote_job_origin=RemoteJobOrigin(HERE, "a_job"),
        )
        self.instance.add_run(run)
        return run

    def request(self, action: SyncAction, pipeline_id: int = 101) -> SyncRequest:
        """A request for the whole pipeline."""
        ids = self.sandbox.object_ids(pipeline_id)
        return make_request(pipeline_id, ids, ids, action=action)

    def trigger(
        self,
        run: dg.DagsterRun,
        pipeline_id: int = 101,
        *,
        action: SyncAction = SyncAction.SYNC_NOW,
    ) -> None:
        """Write that the run has triggered a pipeline, with the jobs that are there now."""
        client = self.hevo.get_client()
        jobs = tuple(client.list_jobs(pipeline_id))
        ledger, request = self.ledger(run), self.request(action, pipeline_id)
        hevo_ms = client.hevo_now_ms()
        ledger.announce(request_id(run), request)
        ledger.write_baseline(request_id(run), request, Baseline.of(jobs, hevo_ms), 1)
        ledger.write_answer(
            request_id(run), request, Answer.ACCEPTED, hevo_ms=hevo_ms, may_have_started_a_job=True
        )

    def claim(self, run: dg.DagsterRun, job: Any) -> None:
        """Write that the run found its job."""
        request = self.request(SyncAction.SYNC_NOW, job.pipeline_id)
        assert self.ledger(run).claim(
            request_id(run),
            request,
            job.job_id,
            is_adopted=False,
            may_be_cancelled=True,
            is_detached=False,
        )

    def resume(self, run: dg.DagsterRun, job: Any) -> None:
        """Write that a run that re-executes another one goes on with its request."""
        earlier = self.ledger(run).resume(self.request(SyncAction.SYNC_NOW, job.pipeline_id))
        assert earlier is not None
        assert earlier.job_id == job.job_id

    def settle(self, run: dg.DagsterRun, job: Any) -> None:
        """Write that the run has recorded its job, for the assets of its pipeline."""
        specs = [spec for each in self.assets for spec in each.specs]
        assets = [asset for asset in map(ObjectAsset.of, specs) if asset is not None]
        mine = [asset for asset in assets if asset.pipeline_id == job.pipeline_id]
        outcome = JobOutcome(job.pipeline_id, self.job(job.job_id, job.pipeline_id), {})
        mark_recorded(self.instance, self.hevo.account, outcome, mine)
        request = self.request(SyncAction.SYNC_NOW, job.pipeline_id)
        self.ledger(run).settle(request_id(run), request, job.job_id, Settlement.RECORDED)

    def ledger(self, run: dg.DagsterRun) -> Ledger:
        return ledger_of_step(self.instance, run, STEP, base_url=self.hevo.account, attempt=0)

    def succeed_step(self, run: dg.DagsterRun) -> None:
        content = StepSuccessData(duration_ms=1.0)
        self._report(run, dg.DagsterEventType.STEP_SUCCESS, step_key=STEP, content=content)

    def record_one(self, run: dg.DagsterRun, job: Any) -> None:
        """Record the first object of a job in a run that then dies."""
        self.record(run, job, most=1)

    def record(self, run: dg.DagsterRun, job: Any, *, most: int | None = None) -> None:
        """Record a job in a run, as its step does."""
        recorded = 0
        for asset in self.assets:
            for spec in asset.specs:
                object_id = spec.metadata["dagster-hevo/object_id"]
                if object_id in job.object_ids and recorded != most:
                    recorded += 1
                    event = dg.AssetMaterialization(
                        spec.key,
                        metadata={
                            "dagster-hevo/job_id": job.job_id,
                            "dagster-hevo/object_id": object_id,
                        },
                    )
                    self._report(
                        run,
                        dg.DagsterEventType.ASSET_MATERIALIZATION,
                        step_key=STEP,
                        content=StepMaterializationData(event),
                    )

    def end_run(self, run: dg.DagsterRun, kind: dg.DagsterEventType) -> None:
        """End a run now, as its worker or, where that is dead, run monitoring does."""
        with freeze_time_at(self.now()):
            self._report(run, kind)

    def _report(
        self,
        run: dg.DagsterRun,
        kind: dg.DagsterEventType,
        *,
        step_key: str | None = None,
        content: Any = None,
    ) -> None:
        event = DagsterEvent(
            event_type_value=kind.value,
            job_name="a_job",
            step_key=step_key,
            event_specific_data=content,
            message="of a test",
        )
        self.instance.report_dagster_event(event, run.run_id)

    def records(self, run: dg.DagsterRun, step_key: str = STEP) -> list[str]:
        """What the ledger says of a step, over all runs that re-execute each other."""
        name = records_list(run.root_run_id or run.run_id, step_key)
        return [
            str(record.content.get("how", record.kind.value))
            for record in read_records(InstanceStore(self.instance), name)
        ]

    def job(self, job_id: str, pipeline_id: int = 101) -> Job:
        return self.hevo.get_client().get_job(pipeline_id, job_id)


def request_id(run: dg.DagsterRun) -> str:
    """One request for each run and those that re-execute it."""
    return f"request-{(run.root_run_id or run.run_id)[:8]}"


def freeze_time_at(moment: float) -> Any:
    """Dagster's own time, so that runs end at the sandbox's time."""
    return freeze_time(datetime.fromtimestamp(moment, tz=timezone.utc))


def told(metadata: Mapping[str, Any], name: str) -> Any:
    return metadata[f"dagster-hevo/{name}"].value
