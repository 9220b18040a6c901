"""An hour of Hevo's own schedule under a real Dagster daemon that is restarted and killed.

The local Hevo runs in a process of its own, faster than real time; so do the daemon and its code
server, three times again, once after SIGKILL. At the end each object of each job that ended is held
against what Dagster recorded, and the requests that came in against the budget. The exit code is 1
where anything was recorded twice or not at all, or more than half the budget was spent.

    python benchmarks/sensor_daemon.py                 # 50 pipelines on Hevo's own schedule
    python benchmarks/sensor_daemon.py --with-runs     # the same beside runs of the same pipelines
    python benchmarks/sensor_daemon.py \\
        --no-wait 200 --speed 10 --minutes 10 --budget 1200 --objects 2
                                                       # 200 jobs that no process waits for
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg
from dagster_daemon import Daemon, folder
from scheduled_hevo import Hevo

from dagster_hevo import HevoResource, build_hevo_assets_definitions, build_hevo_job_sensor

SETTINGS = "HEVO_SENSOR_BENCHMARK"
SENSOR_AGENT = "the job sensor"
RUNNERS = 3
IN_PROGRESS = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED]


# The code location: the daemon's code server loads this file.


def resource(**changes: Any) -> HevoResource:
    settings = json.loads(os.environ[SETTINGS])
    return HevoResource(**{**settings["resource"], **changes})


def definitions() -> dg.Definitions:
    hevo = resource()
    assets = build_hevo_assets_definitions(workspace=hevo)
    # Its requests are told from those of runs by their User-Agent; budget and keys are the same.
    watching = resource(extra_headers={"User-Agent": SENSOR_AGENT})
    sensor = build_hevo_job_sensor(workspace=watching, minimum_interval_seconds=5)
    return dg.Definitions(assets=assets, sensors=[sensor], resources={"hevo": hevo})


if SETTINGS in os.environ:
    defs = definitions()


def settings_of(url: str, home: Path, options: argparse.Namespace) -> dict[str, Any]:
    return {
        "resource": {
            "api_key": "sandbox-key",
            "api_secret": "sandbox-secret",
            "base_url": url,
            "requests_per_minute": options.budget,
            "rate_limit_store": f"sqlite:///{home}/budget.db",
            "poll_interval": 0.5,
            "job_discovery_timeout": 10.0,
            "job_objects_timeout": 10.0,
            "retry_delay": 0.2,
        }
    }


def recorded(
    instance: dg.DagsterInstance, assets: list[dg.AssetsDefinition]
) -> tuple[Counter[tuple[str, str]], Counter[str]]:
    """How often each object of each job was materialized, and failed its check; and by whom."""
    found: Counter[tuple[str, str]] = Counter()
    by: Counter[str] = Counter()
    for definition in assets:
        for key in definition.keys:
            for record in instance.fetch_materializations(key, limit=1000).records:
                metadata = record.asset_materialization.metadata
                object_id = metadata["dagster-hevo/object_id"].value
                found[metadata["dagster-hevo/job_id"].value, object_id] += 1
                by["run" if record.run_id else "sensor"] += 1
        for check in definition.check_keys:
            store = instance.event_log_storage
            object_id = definition.get_asset_spec(check.asset_key).metadata[
                "dagster-hevo/object_id"
            ]
            for item in store.get_asset_check_execution_history(check, limit=1000):
                content = item.event.dagster_event.event_specific_data
                if not isinstance(content, dg.AssetCheckEvaluation):
                    continue  # A run that did not wait planned the check and left it to the sensor.
                if content.metadata["dagster-hevo/result"].value == "FAILED":
                    found[content.metadata["dagster-hevo/job_id"].value, object_id] += 1
    return found, by


def ought_to_be(hevo: Hevo, client: Any, told: dict[str, list[Any]]) -> Counter[tuple[str, str]]:
    """Each object of each job that ended, once: loaded or failed."""
    wanted: Counter[tuple[str, str]] = Counter()
    for pipeline_id, job_id, finished in hevo.order("jobs"):
        if finished is None:
            continue
        if job_id not in told:
            told[job_id] = [item.object_id for item in client.get_job_objects(pipeline_id, job_id)]
        for object_id in told[job_id]:
            wanted[job_id, object_id] = 1
    return wanted


def busiest_minute(moments: list[float]) -> int:
    """The most requests in any 60 seconds."""
    moments.sort()
    most = begin = 0
    for place, moment in enumerate(moments):
        while moments[begin] <= moment - 60:
            begin += 1
        most = max(most, place - begin + 1)
    return most


def materialize_on(options: dict[str, Any]) -> None:
    """Materialize pipelines one after another, each once or again and again until a moment."""
    assets = definitions_loaded()[options["first"] :: options["step"]]
    ended: Counter[str] = Counter()
    place = 0
    with dg.DagsterInstance.get() as instance:
        while time.time() < options["until"] and (options["waits"] or place < len(assets)):
            definition = assets[place % len(assets)]
            config = {"wait_for_completion": options["waits"], "action": "SYNC_NOW"}
            result = dg.materialize(
                [definition],
                instance=instance,
                resources={"hevo": resource()},
                run_config={"ops": {definition.node_def.name: {"config": config}}},
                raise_on_error=False,
            )
            ended["well" if result.success else "badly"] += 1
            place += 1
    print(json.dumps(ended), flush=True)


def definitions_loaded() -> list[dg.AssetsDefinition]:
    return list(build_hevo_assets_definitions(workspace=resource()))


@dataclass
class Runners:
    """Processes in which runs materialize pipelines."""

    processes: list[subprocess.Popen[str]] = field(default_factory=list)
    ended: Counter[str] = field(default_factory=Counter)

    def start(self, home: Path, *, until: float, waits: bool) -> None:
        for first in range(RUNNERS):
            options = {"first": first, "step": RUNNERS, "until": until, "waits": waits}
            with (home / f"runner-{first}.log").open("wb") as log:
                self.processes.append(
                    subprocess.Popen(
                        [sys.executable, __file__, "--run", json.dumps(options)],
                        stdout=subprocess.PIPE,
                        stderr=log,
                        text=True,
                    )
                )

    def join(self) -> None:
        for process in self.processes:
            told, _ = process.communicate()
            if told:
                self.ended.update(json.loads(told.splitlines()[-1]))

    def sweep(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait()


def wait_for(condition: Callable[[], Any], within: float) -> bool:
    give_up = time.monotonic() + within
    while time.monotonic() < give_up:
        if condition():
            return True
        time.sleep(0.5)
    return False


def measure(options: argparse.Namespace) -> bool:
    count = options.no_wait or options.pipelines
    # How often a job is looked at follows from how long it says it has been going on, which the
    # local Hevo's speed stretches: long jobs at a high speed would be waited for in real time.
    seconds = (600.0, 1200.0) if options.no_wait else (20.0, 240.0)
    began = time.monotonic()
    hevo = Hevo(
        {
            "pipelines": count,
            "objects": options.objects,
            "speed": options.speed,
            "job_seconds": seconds,
        }
    )
    with folder() as home:
        os.environ["DAGSTER_HOME"] = str(home)
        os.environ["DAGSTER_DISABLE_TELEMETRY"] = "1"
        os.environ[SETTINGS] = json.dumps(settings_of(hevo.url, home, options))
        workspace = home / "workspace.yaml"
        here = Path(__file__).resolve()
        location = {"relative_path": str(here), "working_directory": str(here.parent)}
        workspace.write_text(json.dumps({"load_from": [{"python_file": location}]}))
        assets = definitions_loaded()
        # A client of its own, outside the budget: it looks at the truth.
        client = resource(requests_per_minute=0, rate_limit_store="memory").get_client()
        daemon, runners = Daemon(home, workspace), Runners()
        instance = dg.DagsterInstance.get()
        try:
            daemon.start()
            return _measured(options, hevo, daemon, runners, instance, assets, client, began)
        finally:
            runners.sweep()
            daemon.sweep()
            instance.dispose()
            hevo.stop()


def _measured(
    options: argparse.Namespace,
    hevo: Hevo,
    daemon: Daemon,
    runners: Runners,
    instance: dg.DagsterInstance,
    assets: list[dg.AssetsDefinition],
    client: Any,
    began: float,
) -> bool:
    def followed() -> bool:
        states = [state for state in instance.all_instigator_state() if state.instigator_data]
        cursors = [getattr(state.instigator_data, "cursor", None) for state in states]
        known = [json.loads(cursor)["pipelines"] for cursor in cursors if cursor]
        return any(len(pipelines) == len(assets) for pipelines in known)

    if not wait_for(followed, 120):
        print("the sensor's first look at all pipelines did not come about")
        return False
    print(f"the sensor follows {len(assets)} pipelines after {time.monotonic() - began:.0f} s")
    length = options.minutes * 60 / options.speed
    in_progress = 0
    if options.no_wait:
        runners.start(daemon.home, until=time.time() + 1000, waits=False)
        runners.join()
        running = sum(finished is None for _, _, finished in hevo.order("jobs"))
        in_progress = len(instance.get_runs(dg.RunsFilter(statuses=IN_PROGRESS)))
        print(f"asked for all: {running} jobs go on, {in_progress} runs", flush=True)
    else:
        hevo.order("begin")
        if options.with_runs:
            runners.start(daemon.home, until=time.time() + length, waits=True)
    end = time.monotonic() + length
    span = max(end - time.monotonic(), 0) / (options.restarts + 1)
    for number in range(options.restarts):
        time.sleep(span)
        how = signal.SIGKILL if number == options.restarts // 2 else signal.SIGTERM
        daemon.stop(how)
        daemon.start()
        print(f"restarted the daemon after {how.name}", flush=True)
    time.sleep(max(0.0, end - time.monotonic()))
    if not options.no_wait:
        hevo.order("end")
        runners.join()
    told: dict[str, list[Any]] = {}

    def is_done() -> bool:
        if any(finished is None for _, _, finished in hevo.order("jobs")):
            return False
        return recorded(instance, assets)[0] == ought_to_be(hevo, client, told)

    wait_for(is_done, options.patience)
    wanted = ought_to_be(hevo, client, told)
    found, by = recorded(instance, assets)
    once = sum(found[key] == 1 for key in wanted)
    twice = sum(times > 1 for times in found.values())
    missing = sum(found[key] == 0 for key in wanted)
    unknown = sum(key not in wanted for key in found)
    requests = hevo.order("requests")
    sensor = busiest_minute([at for at, agent in requests if agent == SENSOR_AGENT])
    others = sum(agent != SENSOR_AGENT for _, agent in requests) - len(told)
    jobs = len(hevo.order("jobs"))
    rows = {
        "Hevo jobs": jobs,
        "their objects": len(wanted),
        "recorded once": once,
        "recorded twice": twice,
        "missing": missing,
        "recorded of no known job": unknown,
        "materializations by the sensor": by["sensor"],
        "materializations by runs": by["run"],
        "runs that ended well": runners.ended["well"],
        "runs that failed": runners.ended["badly"],
        "runs in progress when all had asked": in_progress,
        "sensor's requests in all": sum(agent == SENSOR_AGENT for _, agent in requests),
        "sensor's requests in its busiest minute": sensor,
        "half of the budget": options.budget // 2,
        "requests by runs": others,
        "seconds in all": round(time.monotonic() - began),
    }
    for name, value in rows.items():
        print(f"{name:<42}{value:>8}")
    is_right = not (twice or missing or unknown) and sensor <= options.budget // 2 and once > 0
    if options.no_wait:
        is_right = is_right and in_progress == 0 and jobs == len(assets)
    print("right" if is_right else "WRONG")
    return is_right


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--pipelines", type=int, default=50)
    parser.add_argument("--objects", type=int, default=4, help="objects a pipeline")
    parser.add_argument("--minutes", type=float, default=60, help="of the local Hevo's time")
    parser.add_argument("--speed", type=float, default=20, help="of the local Hevo's time")
    parser.add_argument("--restarts", type=int, default=3, help="one of them after SIGKILL")
    parser.add_argument("--budget", type=int, default=300, help="requests a real minute")
    parser.add_argument("--patience", type=float, default=120, help="seconds to wait at the end")
    parser.add_argument("--with-runs", action="store_true")
    parser.add_argument("--no-wait", type=int, default=0, metavar="JOBS")
    parser.add_argument("--run", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        materialize_on(json.loads(options.run))
        return 0
    return 0 if measure(options) else 1


if __name__ == "__main__":
    sys.exit(main())
