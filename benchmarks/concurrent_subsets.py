"""Two runs want two parts of one pipeline at the same time: both right, fifty times of fifty?

Two processes share an instance. In each round both trigger at once; Hevo refuses one of them, in
turn with 500, with 409 and with silence.

    python benchmarks/concurrent_subsets.py --rounds 50
"""

from __future__ import annotations

import argparse
import logging
import multiprocessing
import os
import tempfile
import time
from multiprocessing.queues import SimpleQueue
from multiprocessing.synchronize import Barrier

import dagster as dg

from dagster_hevo import HevoResource, build_hevo_assets_definitions
from dagster_hevo.sandbox import HevoSandbox, Scenario

PARTS = ((1, 2), (3, 4))
REFUSALS = (500, 409, "ignore")
Recorded = tuple[int, int, str, tuple[str, ...], tuple[str, ...]]


def run_rounds(
    part: int,
    rounds: int,
    settings: dict[str, object],
    home: str,
    start: Barrier,
    reports: SimpleQueue[Recorded],
) -> None:
    """What a process does: a run of its part a round, beginning when the other begins."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    logging.disable(logging.CRITICAL)
    hevo = HevoResource(**settings)
    assets = build_hevo_assets_definitions(workspace=hevo)
    selection = [dg.AssetKey(["shop_1", f"table_{place:02d}"]) for place in PARTS[part]]
    with dg.DagsterInstance.local_temp(home) as instance:
        for number in range(rounds):
            start.wait()
            result = dg.materialize(
                assets,
                selection=selection,
                resources={"hevo": hevo},
                instance=instance,
                raise_on_error=False,
            )
            events = [
                event.step_materialization_data.materialization.metadata
                for event in result.get_asset_materialization_events()
            ]
            objects = sorted(str(each["dagster-hevo/object_id"].value) for each in events)
            jobs = sorted({str(each["dagster-hevo/job_id"].value) for each in events})
            reports.put((number, part, failure_of(result), tuple(objects), tuple(jobs)))
            start.wait()


def failure_of(result: dg.ExecuteInProcessResult) -> str:
    """What a run failed with; nothing where it succeeded."""
    for event in result.all_events:
        if event.is_step_failure:
            content = event.step_failure_data
            told = content.user_failure_data.description if content.user_failure_data else None
            return told or (content.error.message if content.error else "no reason")
    return "" if result.success else "no failed step"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=50)
    rounds = parser.parse_args().rounds
    scenario = Scenario.simple(
        1,
        4,
        seconds_per_object=0.1,
        requests_per_minute=0,
        job_appears_after=(0.05, 0.3),
        restarting_seconds=0.1,
    )
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["dagster_hevo.assets", "dagster_hevo.execution.step"])
    began = time.monotonic()
    with (
        tempfile.TemporaryDirectory(dir=memory_disk()) as home,
        HevoSandbox(scenario) as sandbox,
    ):
        settings: dict[str, object] = {
            "api_key": sandbox.api_key,
            "api_secret": sandbox.api_secret,
            "base_url": sandbox.url,
            "requests_per_minute": 0,
            "rate_limit_store": "memory",
            "poll_interval": 0.05,
            "poll_timeout": 60.0,
            "job_discovery_timeout": 1.5,
            "job_objects_timeout": 1.5,
        }
        start, reports = context.Barrier(3), context.SimpleQueue()
        processes = [
            context.Process(
                target=run_rounds, args=(part, rounds, settings, home, start, reports), daemon=True
            )
            for part in range(len(PARTS))
        ]
        for process in processes:
            process.start()
        right = 0
        for number in range(rounds):
            sandbox.set_behaviour(101, on_conflict=REFUSALS[number % len(REFUSALS)])
            before = {job.job_id for job in sandbox.jobs(101)}
            start.wait()
            start.wait()
            found = sorted(reports.get() for _ in PARTS)
            jobs = {job.job_id: job for job in sandbox.jobs(101) if job.job_id not in before}
            problems = problems_of(found, {each: job.object_ids for each, job in jobs.items()})
            right += not problems
            if problems:
                print(f"round {number}: {'; '.join(problems)}")
        for process in processes:
            process.join()
        refused = len([each for each in sandbox.triggers(101) if each.result != "accepted"])
    print(
        f"{right} of {rounds} rounds right: two runs, two jobs, each run its own; "
        f"{refused} triggers refused or passed over; {time.monotonic() - began:.0f} s"
    )
    return 0 if right == rounds else 1


def problems_of(found: list[Recorded], jobs: dict[str, tuple[str, ...]]) -> list[str]:
    """What is wrong with a round."""
    problems: list[str] = []
    if len(jobs) != len(PARTS):
        problems.append(f"{len(jobs)} jobs")
    for _, part, failure, objects, job_ids in found:
        requested = tuple(f"obj-101-{place}" for place in PARTS[part])
        if failure:
            problems.append(f"the run of part {part} failed: {failure}")
        elif objects != requested:
            problems.append(f"the run of part {part} recorded {objects}")
        elif [tuple(sorted(jobs.get(each, ()))) for each in job_ids] != [requested]:
            problems.append(f"the run of part {part} recorded jobs {job_ids}")
    return problems


def memory_disk() -> str | None:
    """A disk in memory, where there is one: what is measured is not the disk."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


if __name__ == "__main__":
    raise SystemExit(main())
