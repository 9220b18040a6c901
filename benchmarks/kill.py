"""A run is killed at thirty points of a job's life and executed again: one Hevo job per request?

Each point is reached from the server's side: the local Hevo holds the request that stands for it,
or the run's own event log shows it, and the process gets SIGKILL there. Then the run is called
failed, as run monitoring does, and re-executed from its failure.

    python benchmarks/kill.py --points 30
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import dagster as dg

from dagster_hevo import HevoResource, build_hevo_assets_definitions
from dagster_hevo.sandbox import Fault, FaultKind, HevoSandbox, Scenario

OBJECTS = 8
HELD = 5.0
PATIENCE = 120.0
PROCESSES = multiprocessing.get_context("forkserver")
SETTINGS = "HEVO_BENCHMARK_SETTINGS"


@dataclass(frozen=True)
class Point:
    """A moment of a job's life.

    Attributes:
        name: What is going on.
        fault: The request that the local Hevo holds then, if it is told by a request.
        events: Else: how many events of this type the run's log holds by then.
        part: Whether the request is for a part of the pipeline.
        instant: Whether the job is over before it is seen.
    """

    name: str
    fault: Fault | None = None
    events: tuple[str, int] | None = None
    part: bool = False
    instant: bool = False


def held(kind: FaultKind, path: str, *, method: str = "GET", skip: int = 0) -> Fault:
    return Fault(kind, method=method, path=path, skip=skip, times=1, seconds=HELD)


def life_of_a_job() -> list[Point]:
    """Thirty points, from the first request to the last event."""
    before, after = FaultKind.DELAY_BEFORE, FaultKind.DELAY_AFTER
    pipeline, jobs, one_job = "*/pipelines/101", "*/101/jobs", "*/101/jobs/????????-*-????????????"
    objects_in_job, resync = "*/jobs/*/objects", "*/actions/resync"
    return [
        Point("reading the pipeline, before the baseline", held(before, pipeline)),
        Point("reading the jobs, before the baseline", held(before, jobs)),
        Point("reading the jobs, a part, before baseline", held(before, jobs), part=True),
        Point("baseline written", events=("ENGINE_EVENT", 1)),
        Point("inside the POST, not arrived", held(before, resync, method="POST")),
        Point("inside the POST, arrived", held(after, resync, method="POST")),
        Point(
            "inside the POST, a part, not arrived", held(before, resync, method="POST"), part=True
        ),
        Point("inside the POST, a part, arrived", held(after, resync, method="POST"), part=True),
        Point("inside the POST, quick job", held(after, resync, method="POST"), instant=True),
        Point("triggered, first read of the list", held(before, jobs, skip=1)),
        Point("triggered, first read answered", held(after, jobs, skip=1)),
        Point("triggered, second read of the list", held(before, jobs, skip=2)),
        Point("triggered, third read of the list", held(before, jobs, skip=3)),
        Point("triggered, a part, first read", held(before, jobs, skip=1), part=True),
        Point("triggered, a part, second read", held(after, jobs, skip=2), part=True),
        Point("triggered, quick job, first read", held(before, jobs, skip=1), instant=True),
        Point("a part, reading the job's objects", held(before, objects_in_job), part=True),
        Point("claim written", events=("ENGINE_EVENT", 2)),
        Point("polling, first poll", held(before, one_job)),
        Point("polling, first poll answered", held(after, one_job)),
        Point("polling, second poll", held(before, one_job, skip=1)),
        Point("polling, third poll", held(after, one_job, skip=2)),
        Point("polling, a part", held(before, one_job), part=True),
        Point("reading the outcome", held(before, objects_in_job)),
        Point("reading the outcome, answered", held(after, objects_in_job)),
        Point("reading the outcome, quick job", held(before, objects_in_job), instant=True),
        Point("first object recorded", events=("ASSET_MATERIALIZATION", 1)),
        Point("half of the objects recorded", events=("ASSET_MATERIALIZATION", OBJECTS // 2)),
        Point("all objects recorded, before settling", events=("ASSET_MATERIALIZATION", OBJECTS)),
        Point("settled, before the step's end", events=("ENGINE_EVENT", 3)),
    ]


@dataclass(frozen=True)
class Verdict:
    """What became of one killed request."""

    point: Point
    jobs: int
    recorded: int
    requested: int
    reached: bool
    took: float

    @property
    def is_right(self) -> bool:
        return self.reached and self.jobs == 1 and self.recorded == self.requested


def definitions() -> dg.Definitions:
    hevo = HevoResource(**json.loads(os.environ[SETTINGS]))
    part = dg.AssetSelection.assets(*[["shop_1", f"table_{place:02d}"] for place in (1, 2)])
    return dg.Definitions(
        assets=build_hevo_assets_definitions(workspace=hevo),
        jobs=[dg.define_asset_job("whole"), dg.define_asset_job("part", part)],
        resources={"hevo": hevo},
        executor=dg.in_process_executor,
    )


def whole() -> dg.JobDefinition:
    return definitions().resolve_job_def("whole")


def part() -> dg.JobDefinition:
    return definitions().resolve_job_def("part")


def run_in_process(settings: str, home: str, is_part: bool, again: str | None) -> None:
    """What a run's process does; its exit code is 0 for success."""
    os.environ |= {SETTINGS: settings, "DAGSTER_HOME": home, "DAGSTER_DISABLE_TELEMETRY": "1"}
    quiet = os.open(Path(home, "output.log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    with dg.DagsterInstance.get() as instance:
        options = dg.ReexecutionOptions.from_failure(again, instance) if again else None
        job = dg.reconstructable(part if is_part else whole)
        result = dg.execute_job(job, instance=instance, reexecution_options=options)
    sys.exit(0 if result.success else 1)


def wait_for(condition: Callable[[], Any], process: ForkServerProcess) -> bool:
    """Wait for a condition, as long as the process lives and patience lasts."""
    give_up = time.monotonic() + PATIENCE
    while time.monotonic() < give_up:
        if condition():
            return True
        if not process.is_alive():
            return bool(condition())
        time.sleep(0.004)
    return False


def count_of(instance: dg.DagsterInstance, kind: str) -> int:
    """How many events of a kind the steps of the only run have written."""
    runs = instance.get_runs(limit=1)
    if not runs:
        return 0
    records = instance.all_logs(runs[0].run_id, of_type=dg.DagsterEventType(kind))
    return len([record for record in records if record.step_key is not None])


def kill_at(point: Point, folder: Path) -> Verdict:
    """Kill a run at a point, execute it again, and count what Hevo and Dagster have."""
    began = time.monotonic()
    requested = 2 if point.part else OBJECTS
    scenario = Scenario.simple(
        1,
        OBJECTS,
        seconds_per_object=0.8 / requested,
        requests_per_minute=0,
        job_appears_after=(0.15, 0.3),
        restarting_seconds=0.1,
        instant_jobs=point.instant,
    )
    home = Path(tempfile.mkdtemp(dir=folder))
    with HevoSandbox(scenario) as sandbox, dg.DagsterInstance.local_temp(str(home)) as instance:
        settings = json.dumps(
            {
                "api_key": sandbox.api_key,
                "api_secret": sandbox.api_secret,
                "base_url": sandbox.url,
                "requests_per_minute": 0,
                "rate_limit_store": "memory",
                "poll_interval": 0.05,
                "timeout": 2 * HELD,
                "job_discovery_timeout": 2.0,
                "job_objects_timeout": 2.0,
            }
        )

        def start(again: str | None) -> ForkServerProcess:
            process = PROCESSES.Process(
                target=run_in_process, args=(settings, str(home), point.part, again)
            )
            process.start()
            return process

        if point.fault is not None:
            sandbox.faults.add(point.fault)
        process = start(None)
        if point.fault is not None:
            reached = wait_for(lambda: sandbox.faults.struck, process)
            time.sleep(0.05)  # until a request that is held after its effect has had it
        else:
            kind, count = point.events or ("", 0)
            reached = wait_for(lambda: count_of(instance, kind) >= count, process)
        process.kill()
        process.join()
        sandbox.faults.clear()
        (killed,) = instance.get_runs()
        reached = reached and process.exitcode == -signal.SIGKILL and not killed.is_finished
        if count_of(instance, "STEP_SUCCESS"):
            finished = killed  # nothing is left to be done again
        else:
            instance.report_run_failed(killed)
            again = start(killed.run_id)
            again.join(PATIENCE)
            again.kill()
            again.join()
            finished = instance.get_runs(limit=1)[0]
        recorded = 0
        if finished is killed or finished.is_success:
            # By both runs together, as the assets' pages show it: what the killed one recorded is
            # not recorded again. SQLite stores an event for the run first, then for the asset.
            keys = [dg.AssetKey(["shop_1", f"table_{n:02d}"]) for n in range(1, OBJECTS + 1)]
            found = [instance.fetch_materializations(key, limit=10) for key in keys]
            recorded = sum(len(item.records) for item in found)
        jobs = len([job for job in sandbox.jobs(101) if job.requested_by == "api"])
    return Verdict(point, jobs, recorded, requested, reached, time.monotonic() - began)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--points", type=int, default=30, help="how many, spread over all")
    parser.add_argument("--at-a-time", type=int, default=3)
    parser.add_argument("--only", help="points whose name contains this")
    parser.add_argument("--folder", help="where the instances are kept while it runs")
    arguments = parser.parse_args()
    PROCESSES.set_forkserver_preload(["dagster_hevo.assets", "dagster_hevo.execution.step"])
    points = life_of_a_job()
    step = len(points) / max(1, min(arguments.points, len(points)))
    points = [points[int(step * place)] for place in range(min(arguments.points, len(points)))]
    if arguments.only:
        points = [point for point in points if arguments.only in point.name]
    began = time.monotonic()
    with (
        tempfile.TemporaryDirectory(dir=arguments.folder or memory_disk()) as folder,
        ThreadPoolExecutor(arguments.at_a_time) as pool,
    ):
        verdicts = list(pool.map(lambda point: kill_at(point, Path(folder)), points))
    print(f"{'killed at':<44} {'Hevo jobs':>9} {'recorded':>9} {'seconds':>8}")
    for verdict in verdicts:
        remark = "" if verdict.is_right else "  WRONG" if verdict.reached else "  NOT REACHED"
        of = f"{verdict.recorded}/{verdict.requested}"
        line = f"{verdict.point.name:<44} {verdict.jobs:>9} {of:>9} {verdict.took:>8.1f}{remark}"
        print(line)
    right = sum(verdict.is_right for verdict in verdicts)
    took = time.monotonic() - began
    print(f"\n{right} of {len(verdicts)} points: one Hevo job, all recorded; {took:.0f} s")
    return 0 if right == len(verdicts) else 1


def memory_disk() -> str | None:
    """A disk in memory, where there is one: what is measured is not the disk."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


if __name__ == "__main__":
    raise SystemExit(main())
