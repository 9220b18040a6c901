"""What the tests of whole runs share: a local Hevo, the resource that reads it, and runs of both.

Times are the real ones divided by about fifty, in the scenario and in the resource alike, so that
durations that Hevo tells and time that passes here agree.
"""

from __future__ import annotations

import json
import multiprocessing
import multiprocessing.context
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import shop_process

from dagster_hevo import HevoResource, build_hevo_assets_definitions
from dagster_hevo.dagster_private import engine_event_metadata
from dagster_hevo.execution.run_ledger import RECORD_KEY
from dagster_hevo.sandbox import HevoSandbox, Scenario

MEMORY_DISK = Path("/dev/shm")
# Forked from one process that has imported what takes long, and knows nothing of the tests.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(
    ["shop_process", "dagster_hevo.assets", "dagster_hevo.execution.step", "dagster_hevo.sensors"]
)
RunProcess = multiprocessing.context.ForkServerProcess
QUICK: dict[str, Any] = {
    "job_appears_after": (0.05, 0.15),
    "restarting_seconds": 0.1,
    "cancelling_seconds": 0.1,
    "transition_seconds": 0.05,
    "job_objects_late_seconds": 0.3,
}


def quick_scenario(pipelines: int = 1, objects: int = 3, **changes: Any) -> Scenario:
    """Plain pipelines whose jobs take a few tenths of a second."""
    changes.setdefault("seconds_per_object", 0.3 / objects)
    changes.setdefault("requests_per_minute", 0)
    return Scenario.simple(pipelines, objects, **{**QUICK, **changes})


def quick_settings(sandbox: HevoSandbox, **changes: Any) -> dict[str, Any]:
    """The settings of a resource that reads this sandbox and does not wait long."""
    return {
        "api_key": sandbox.api_key,
        "api_secret": sandbox.api_secret,
        "base_url": sandbox.url,
        "retry_delay": 0.02,
        "timeout": 5.0,
        "requests_per_minute": 0,
        "rate_limit_store": "memory",
        "poll_interval": 0.05,
        "poll_timeout": 60.0,
        "job_discovery_timeout": 1.5,
        "job_objects_timeout": 1.5,
        **changes,
    }


@dataclass
class Shop:
    """A local Hevo, the account as a resource, and what it was made of."""

    sandbox: HevoSandbox
    hevo: HevoResource
    pipeline_id: int = 101
    instance: dg.DagsterInstance = field(default_factory=dg.DagsterInstance.ephemeral)

    def key(self, table: str | int, schema: str = "shop_1") -> dg.AssetKey:
        """The asset of a table, which may be given by its number."""
        name = f"table_{table:02d}" if isinstance(table, int) else table
        return dg.AssetKey([schema, name])

    def assets(self, **options: Any) -> list[dg.AssetsDefinition]:
        """The definitions that the factory makes."""
        return list(build_hevo_assets_definitions(workspace=self.hevo, **options))

    def run(
        self,
        *tables: int,
        assets: Sequence[Any] | None = None,
        config: Mapping[str, Any] | None = None,
        selection: Any = None,
        step: str = "hevo_shop_1_101",
        raise_on_error: bool = False,
    ) -> dg.ExecuteInProcessResult:
        """Materialize some tables, or all, in a Dagster run in this process."""
        chosen = [self.key(table) for table in tables] if tables else selection
        return dg.materialize(
            self.assets() if assets is None else list(assets),
            selection=chosen,
            resources={"hevo": self.hevo},
            instance=self.instance,
            run_config={"ops": {step: {"config": dict(config)}}} if config else None,
            raise_on_error=raise_on_error,
        )

    @property
    def jobs(self) -> list[Any]:
        """The jobs that the pipeline ran because of a trigger."""
        return [job for job in self.sandbox.jobs(self.pipeline_id) if job.requested_by == "api"]

    def object_ids(self, *tables: int) -> set[str]:
        return {f"obj-{self.pipeline_id}-{table}" for table in tables}


def materialized(result: Any) -> dict[str, dg.AssetMaterialization]:
    """What a run materialized, by the table's name."""
    found: dict[str, dg.AssetMaterialization] = {}
    for event in result.all_events:
        if event.event_type is dg.DagsterEventType.ASSET_MATERIALIZATION:
            record = event.step_materialization_data.materialization
            assert record.asset_key.path[-1] not in found, "recorded twice"
            found[record.asset_key.path[-1]] = record
    return found


def checked(result: Any) -> dict[str, Any]:
    """How a run's checks ended, by the table's name."""
    return {item.asset_key.path[-1]: item for item in result.get_asset_check_evaluations()}


def failure_of(result: Any) -> Any:
    """What the only failed step of a run failed with."""
    (event,) = [event for event in result.all_events if event.is_step_failure]
    return event.step_failure_data.user_failure_data or event.step_failure_data.error


def logged(instance: dg.DagsterInstance, run_id: str) -> str:
    """Everything that the page of a run shows, as text."""
    entries = instance.all_logs(run_id)
    return "\n".join(
        (entry.dagster_event.message if entry.dagster_event else entry.user_message) or ""
        for entry in entries
    )


def records_shown(instance: dg.DagsterInstance, run_id: str) -> list[tuple[str | None, Any]]:
    """The ledger's records among a run's engine events, each with its step."""
    events = [
        entry.dagster_event
        for entry in instance.all_logs(run_id, of_type=dg.DagsterEventType.ENGINE_EVENT)
    ]
    found = [(event.step_key, engine_event_metadata(event).get(RECORD_KEY)) for event in events]
    return [(step_key, value.value) for step_key, value in found if value is not None]


def told(metadata: Mapping[str, Any], name: str) -> Any:
    """A value under the namespace of this package."""
    return metadata[f"dagster-hevo/{name}"].value


Open = Callable[..., Shop]


@pytest.fixture
def shop() -> Iterator[Open]:
    """Open a shop: a sandbox with this scenario, and settings of the resource over the quick ones.

    The scenario may be left out; then the arguments of `quick_scenario` may be among the options.
    """
    opened: list[HevoSandbox] = []

    def begin(
        scenario: Scenario | None = None,
        *,
        settings: Mapping[str, Any] | None = None,
        sandbox: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> Shop:
        running = HevoSandbox(scenario or quick_scenario(**options), **(sandbox or {})).start()
        opened.append(running)
        return Shop(running, HevoResource(**quick_settings(running, **(settings or {}))))

    yield begin
    for running in opened:
        running.stop()


@pytest.fixture
def dagster_home(tmp_path: Path) -> Iterator[Path]:
    """A folder for an instance that outlives processes, on a disk in memory where there is one.

    A run commits hundreds of times, and it is not the disk that is tested.
    """
    if not MEMORY_DISK.is_dir() or not os.access(MEMORY_DISK, os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=MEMORY_DISK, prefix="hevo-runs-") as folder:
        yield Path(folder)


@dataclass
class Station:
    """A Dagster instance on disk, and the processes that run jobs of `shop_location.py` in it."""

    shop: Shop
    home: Path
    settings: dict[str, Any]
    started: list[RunProcess] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.instance = dg.DagsterInstance.local_temp(str(self.home))

    @property
    def environment(self) -> dict[str, str]:
        return {
            "DAGSTER_HOME": str(self.home),
            "DAGSTER_DISABLE_TELEMETRY": "1",
            "SHOP_SETTINGS": json.dumps(self.settings),
        }

    def launch(self, job: str, *, again: str | None = None, begin: Any = None) -> RunProcess:
        """Start a run of a job in a process of its own.

        Args:
            job: Its name in `shop_location.py`.
            again: The run to re-execute from its failure.
            begin: An event to wait for before the run begins.
        """
        output = str(self.home / f"process-{len(self.started)}.log")
        process = PROCESSES.Process(
            target=shop_process.run_job, args=(job, self.environment, output, again, begin)
        )
        process.start()
        self.started.append(process)
        return process

    def run(self, job: str, *, again: str | None = None, within: float = 60.0) -> int | None:
        """Run a job in a process of its own and wait for its exit code: 0 for success."""
        process = self.launch(job, again=again)
        process.join(within)
        return process.exitcode

    def output(self) -> str:
        return "\n".join(path.read_text("utf8", "replace") for path in self.home.glob("*.log"))

    @property
    def runs(self) -> list[dg.DagsterRun]:
        """All runs, the oldest first."""
        return list(reversed(self.instance.get_runs()))

    def logged(self, run_id: str) -> str:
        """Everything that the run page shows."""
        return logged(self.instance, run_id)

    def records(self, run_id: str) -> list[tuple[str | None, Any]]:
        """What a run's page shows of the ledger: each record with its step."""
        return records_shown(self.instance, run_id)

    def materialized(self, run_id: str) -> list[str]:
        """The tables that a run materialized."""
        kind = dg.DagsterEventType.ASSET_MATERIALIZATION
        return sorted(
            entry.dagster_event.asset_key.path[-1]
            for entry in self.instance.all_logs(run_id, of_type=kind)
        )

    def stop(self) -> None:
        for process in self.started:
            process.kill()
            process.join()
        self.instance.dispose()


@pytest.fixture
def station(shop: Open, dagster_home: Path) -> Iterator[Callable[..., Station]]:
    """Open a shop whose runs happen in processes of their own."""
    opened: list[Station] = []

    def begin(*, settings: Mapping[str, Any] | None = None, **options: Any) -> Station:
        open_shop = shop(settings=settings, **options)
        place = Station(
            open_shop, dagster_home, quick_settings(open_shop.sandbox, **(settings or {}))
        )
        opened.append(place)
        return place

    yield begin
    for place in opened:
        place.stop()


def wait_until(condition: Callable[[], Any], *, within: float = 60.0, what: str = "it") -> Any:
    """Wait until a condition holds and return what it returned."""
    give_up = time.monotonic() + within
    while time.monotonic() < give_up:
        found = condition()
        if found:
            return found
        time.sleep(0.01)
    raise AssertionError(f"{what} did not come about within {within:g} s")
