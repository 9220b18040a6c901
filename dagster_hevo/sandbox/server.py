"""The local Hevo as something to start: in a test (`HevoSandbox`) or in the foreground (`serve`).

Also the view of it that needs no HTTP: what was requested, which jobs ran, what was loaded. The
state itself is in `account.py`, threads and sockets in `serving.py`.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from secrets import token_hex
from types import TracebackType
from typing import Any

from dagster_hevo.sandbox.account import Account, WriteFailure
from dagster_hevo.sandbox.app import build_app
from dagster_hevo.sandbox.behaviour import Behaviour
from dagster_hevo.sandbox.clock import SandboxClock
from dagster_hevo.sandbox.connections import Connections
from dagster_hevo.sandbox.faults import Fault, FaultBook
from dagster_hevo.sandbox.gate import Gate
from dagster_hevo.sandbox.jobs import RequestedBy
from dagster_hevo.sandbox.request_limit import RequestLimit
from dagster_hevo.sandbox.request_log import SeenRequest
from dagster_hevo.sandbox.scenario import ObjectScenario, Scenario, UserScenario
from dagster_hevo.sandbox.scenario_file import read_scenario
from dagster_hevo.sandbox.seen_job import SeenJob
from dagster_hevo.sandbox.serving import ServedApp, check_host
from dagster_hevo.sandbox.triggers import Trigger
from dagster_hevo.sandbox.warehouse import Warehouse


class HevoSandbox:
    """A local Hevo, served on a background thread while the `with` block lasts.

    Args:
        scenario: A scenario, the path of a scenario file, the name of a built-in one, or none for
            `default`.
        port: Port on the loopback address; 0: any free one.
        speed: Sandbox seconds a real second; 0: time moves only by `advance`.
        api_key: The user name that the sandbox accepts; by default another one at each start.
        api_secret: The password that goes with it; by default another one at each start.
        warehouse: The DuckDB file that jobs load into; none: jobs load nowhere.
        member_key: A user name that is known but refused everything with 403, with the same
            password.
        requests_per_minute: Overrides the scenario's limit; 0: no limit.
        clock_offset: Overrides by how many seconds the server's clock differs.
        faults: More faults, after the scenario's own.
        seed: Overrides the scenario's seed.
        host: Address to listen on.
        allow_remote: Whether it may be one that other machines reach.
        behaviour: Overrides parts of the scenario's behaviour, by the names of `Behaviour`.

    Raises:
        SandboxHostError: Other machines reach the address, and that is not allowed.
        SandboxPortError: The port is in use.
        ScenarioError: The scenario file is not valid.
    """

    def __init__(
        self,
        scenario: Scenario | str | Path | None = None,
        *,
        port: int = 0,
        speed: float = 1.0,
        api_key: str | None = None,
        api_secret: str | None = None,
        warehouse: str | Path | None = None,
        member_key: str | None = None,
        requests_per_minute: int | None = None,
        clock_offset: float | None = None,
        faults: Iterable[Fault] = (),
        seed: int | None = None,
        host: str = "127.0.0.1",
        allow_remote: bool = False,
        behaviour: dict[str, Any] | None = None,
    ) -> None:
        check_host(host, allow_remote=allow_remote)
        # Random ones, since whoever knows them may read and change whatever the sandbox holds.
        api_key = api_key or f"sandbox-key-{token_hex(4)}"
        api_secret = api_secret or f"sandbox-secret-{token_hex(16)}"
        member_key = member_key or f"sandbox-member-key-{token_hex(4)}"
        chosen = scenario if isinstance(scenario, Scenario) else read_scenario(scenario)
        if behaviour:
            chosen = chosen.changed(**behaviour)
        if seed is not None:
            chosen = chosen.model_copy(update={"seed": seed})
        if requests_per_minute is None:
            requests_per_minute = chosen.account.requests_per_minute
        if clock_offset is None:
            clock_offset = chosen.account.clock_offset_seconds
        self.scenario = chosen
        self.api_key = api_key
        self.api_secret = api_secret
        self.member_key = member_key
        self.host = host
        self.port = port
        self.clock = SandboxClock(speed, offset=clock_offset)
        self.warehouse = None if warehouse is None else Path(warehouse)
        self.faults = FaultBook((*chosen.faults, *faults), seed=chosen.seed)
        self._account = Account(
            chosen,
            self.clock,
            (
                UserScenario(api_key=api_key, api_secret=api_secret),
                UserScenario(api_key=member_key, api_secret=api_secret, role="MEMBER"),
            ),
            None if warehouse is None else Warehouse(warehouse),
        )
        ticks = self.clock.now if chosen.account.limit_follows_speed else time.monotonic
        connections = Connections()
        self._gate = Gate(
            build_app(self._account),
            self._account,
            self.faults,
            connections,
            RequestLimit(requests_per_minute, ticks),
        )
        self._served = ServedApp(
            self._gate,
            connections,
            beside=None if warehouse is None else self._account.write_due_rows,
        )

    def __enter__(self) -> HevoSandbox:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> HevoSandbox:
        """Serve on a background thread until `stop`; returns once requests are answered.

        Raises:
            SandboxPortError: The port is in use.
        """
        self.port = self._served.listen(self.host, self.port)
        self._served.start()
        return self

    def stop(self) -> None:
        """Stop serving and wait for the threads to end."""
        self._served.stop()

    def serve_here(self, announce: Callable[[str], None]) -> None:
        """Serve on this thread until interrupted, announcing the address first.

        Raises:
            SandboxPortError: The port is in use.
        """
        self.port = self._served.listen(self.host, self.port)
        announce(self.url)
        self._served.run()

    @property
    def url(self) -> str:
        """The base URL, as for `HevoResource(base_url=...)`."""
        return f"http://{self.host}:{self.port}"

    @property
    def requests(self) -> list[SeenRequest]:
        """Every request so far, in the order of arrival."""
        return self._gate.log.all()

    def requests_to(self, path: str, method: str = "*") -> list[SeenRequest]:
        """The requests that match a path pattern such as `*/actions/resync`."""
        return self._gate.log.matching(path, method)

    @property
    def pipeline_ids(self) -> tuple[int, ...]:
        """The ids of its pipelines."""
        return tuple(self._account.pipelines)

    @property
    def write_failures(self) -> tuple[WriteFailure, ...]:
        """Loads that could not be written to the warehouse file."""
        return tuple(self._account.write_failures)

    def now(self) -> float:
        """The sandbox's present, in seconds."""
        return self.clock.now()

    def jobs(self, pipeline_id: int | None = None) -> list[SeenJob]:
        """All jobs of a pipeline, or of all, in the order of their creation."""
        with self._account.all_pipelines() as (pipelines, now):
            found = [
                SeenJob.of(job, now)
                for pipeline in pipelines
                if pipeline_id in (None, pipeline.id)
                for job in pipeline.jobs
            ]
        return sorted(found, key=lambda job: job.created)

    def triggers(self, pipeline_id: int | None = None) -> list[Trigger]:
        """Every request for a job that reached a pipeline, and what came of it."""
        with self._account.all_pipelines() as (pipelines, _):
            found = [
                trigger
                for pipeline in pipelines
                if pipeline_id in (None, pipeline.id)
                for trigger in pipeline.triggers
            ]
        return sorted(found, key=lambda trigger: trigger.at)

    def pipeline_status(self, pipeline_id: int) -> str:
        """A pipeline's status as it is now."""
        with self._account.pipeline(pipeline_id) as (pipeline, _):
            return pipeline.status

    def object_ids(self, pipeline_id: int, *names: str) -> tuple[str, ...]:
        """The ids of objects by table or name; without names, of all objects.

        Raises:
            KeyError: The pipeline has no such object.
        """
        with self._account.pipeline(pipeline_id) as (pipeline, _):
            if not names:
                return tuple(pipeline.objects)
            return tuple(pipeline.find_object(name).object_id for name in names)

    def warehouse_rows(self, table: str) -> list[dict[str, Any]]:
        """The rows of a warehouse table, named `table` or `schema.table`; none if not there.

        Raises:
            RuntimeError: The sandbox was started without a warehouse.
        """
        if self._account.warehouse is None:
            raise RuntimeError("no warehouse: start the sandbox with warehouse=PATH")
        self._account.catch_up()
        return self._account.warehouse.rows(table)

    def set_pipeline_status(self, pipeline_id: int, status: str) -> None:
        """Put a pipeline into a status that stays until something changes it."""
        with self._account.pipeline(pipeline_id) as (pipeline, now):
            pipeline.set_status(status, now)

    def set_behaviour(self, pipeline_id: int | None = None, **changes: Any) -> None:
        """Change how one pipeline or all behave from now on, by the names of `Behaviour`."""
        stated = Behaviour.model_validate(changes)
        self._account.change_behaviour(pipeline_id, stated)

    def set_object(self, pipeline_id: int, name: str, **changes: Any) -> None:
        """Change an object from now on, by the names of `ObjectScenario`.

        Args:
            pipeline_id: Its pipeline.
            name: Its id, table or name.
            changes: Such as `outcome="failed"` or `status="INACTIVE"`.
        """
        with self._account.pipeline(pipeline_id) as (pipeline, _):
            pipeline.change_object(name, **changes)

    def add_object(self, pipeline_id: int, entry: ObjectScenario) -> str:
        """Let a pipeline's source have another object; returns its id."""
        with self._account.pipeline(pipeline_id) as (pipeline, _):
            return pipeline.add_object(entry).object_id

    def start_scheduled_job(
        self,
        pipeline_id: int,
        *,
        type: str = "INCREMENTAL",
        object_ids: Iterable[str] | None = None,
        requested_by: RequestedBy = "schedule",
        listed_at_once: bool = True,
    ) -> SeenJob:
        """Start a job that no API client requested.

        Args:
            pipeline_id: Its pipeline.
            type: The job's type.
            object_ids: The objects it loads; none: all active ones.
            requested_by: "schedule", or "user" for somebody in Hevo's own pages.
            listed_at_once: False lets it enter the job list as late as any job.

        Raises:
            RuntimeError: A job is running, and the behaviour `on_conflict` is not `accept`.
        """
        with self._account.pipeline(pipeline_id) as (pipeline, now):
            if pipeline.running and pipeline.behaviour.on_conflict != "accept":
                running = pipeline.running[0].job_id
                raise RuntimeError(f"job {running} of pipeline {pipeline_id} is still running")
            job = pipeline.start_job(
                type,
                now,
                requested_by=requested_by,
                object_ids=None if object_ids is None else tuple(object_ids),
                drop_and_load=type in ("RESYNC_WITH_DROP_AND_LOAD", "TRUNCATE_AND_LOAD"),
            )
            if listed_at_once:
                job.listed_at = now
            return SeenJob.of(job, now)

    def finish_jobs(self, pipeline_id: int | None = None) -> list[SeenJob]:
        """Let running jobs do all that is left at once; returns them as they ended."""
        with self._account.all_pipelines() as (pipelines, now):
            running = [
                job
                for pipeline in pipelines
                if pipeline_id in (None, pipeline.id)
                for job in pipeline.running
            ]
            for job in running:
                job.hurry(now)
        self._account.catch_up()
        with self._account.lock:
            return [SeenJob.of(job, self.clock.now()) for job in running]

    def end_job(self, job_id: str, status: str) -> None:
        """End a running job with this status, whatever became of its objects.

        Raises:
            KeyError: No such job runs.
        """
        with self._account.running_job(job_id) as (_, job, now):
            job.end(now, status)
        self._account.catch_up()

    def cancel_job(self, job_id: str) -> None:
        """Cancel a running job, as somebody in Hevo's own pages would.

        Raises:
            KeyError: No such job runs.
        """
        with self._account.running_job(job_id) as (pipeline, job, now):
            pipeline.cancel(job, now)

    def advance(self, seconds: float) -> None:
        """Move time ahead by sandbox seconds and let happen what happens in them."""
        self.clock.advance(seconds)
        self._account.catch_up()


def serve(
    scenario: Scenario | str | Path | None = None,
    port: int = 8765,
    speed: float = 1.0,
    *,
    warehouse: str | Path | None = None,
    host: str = "127.0.0.1",
    allow_remote: bool = False,
    api_key: str | None = None,
    api_secret: str | None = None,
    announce: Callable[[str], Any] = sys.stdout.write,
) -> None:
    """Serve a local Hevo in the foreground until interrupted.

    Args:
        scenario: A scenario, the path of a scenario file, or the name of a built-in one.
        port: Port to listen on; 0: any free one.
        speed: Sandbox seconds a real second.
        warehouse: The DuckDB file that jobs load into.
        host: Address to listen on.
        allow_remote: Whether it may be one that other machines reach.
        api_key: The user name that the sandbox accepts; by default another one at each start.
        api_secret: The password that goes with it; by default another one at each start.
        announce: Is told the address, the keys and what there is.

    Raises:
        SandboxHostError: Other machines reach the address, and that is not allowed.
        SandboxPortError: The port is in use.
        ScenarioError: The scenario file is not valid.
    """
    sandbox = HevoSandbox(
        scenario,
        port=port,
        speed=speed,
        api_key=api_key,
        api_secret=api_secret,
        warehouse=warehouse,
        host=host,
        allow_remote=allow_remote,
    )

    def tell(url: str) -> None:
        loads = f"into {warehouse}" if warehouse is not None else "nowhere (no --warehouse)"
        announce(
            f"A local Hevo with the scenario '{sandbox.scenario.name}', "
            f"{len(sandbox.pipeline_ids)} pipelines, at {url}\n"
            f"  HEVO_BASE_URL={url}\n"
            f"  HEVO_API_KEY={sandbox.api_key}\n"
            f"  HEVO_API_SECRET={sandbox.api_secret}\n"
            f"  speed {speed:g}; jobs load {loads}. Ctrl-C ends it.\n"
        )
        sys.stdout.flush()

    sandbox.serve_here(tell)
