"""Everything goes wrong at once, a thousand times: one Hevo job per request, each object recorded?

Several processes materialize pipelines, whole or in part, in real Dagster runs, while the local
Hevo cuts connections before and after requests took effect, answers with 5xx, 429, HTML and half
of an answer, and keeps requests waiting past the timeout. Times are the real ones divided by about
a hundred, in the local Hevo and in the resource alike.

    python benchmarks/chaos.py --requests 1000 --pipelines 20 --processes 10
"""

from __future__ import annotations

import argparse
import logging
import multiprocessing
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.queues import Queue
from queue import Empty

import dagster as dg

from dagster_hevo import HevoResource, build_hevo_assets_definitions
from dagster_hevo.sandbox import Fault, FaultKind, HevoSandbox, Scenario, SeenJob

OBJECTS = 3
TIMEOUT = 0.6
STUCK_AFTER = 60.0
STEP_RETRIES = 3

# Chances of a request; those that the kinds of one line share are split between them.
FAULTS: tuple[tuple[str, tuple[FaultKind, ...], float], ...] = (
    ("connection cut before its effect", (FaultKind.CUT_BEFORE,), 0.05),
    ("connection cut after its effect", (FaultKind.CUT_AFTER,), 0.05),
    ("5xx", (FaultKind.STATUS_BEFORE, FaultKind.STATUS_AFTER), 0.10),
    ("429", (FaultKind.RATE_LIMITED,), 0.03),
    ("HTML", (FaultKind.HTML,), 0.02),
    ("truncated", (FaultKind.TRUNCATED_BODY, FaultKind.CUT_JSON), 0.02),
    ("delay past the timeout", (FaultKind.DELAY_BEFORE, FaultKind.DELAY_AFTER), 0.05),
)


@dataclass(frozen=True)
class Wanted:
    """One materialization that is requested: a pipeline and the places of its tables."""

    number: int
    pipeline_id: int
    places: tuple[int, ...]

    @property
    def object_ids(self) -> frozenset[str]:
        return frozenset(f"obj-{self.pipeline_id}-{place}" for place in self.places)


@dataclass(frozen=True)
class Report:
    """What became of a request in Dagster.

    Attributes:
        recorded: Object, job and events loaded of each materialization.
        failure: What the run failed with, if it failed.
        attempts: How often the step was run.
        seconds: How long it took.
    """

    wanted: Wanted
    recorded: tuple[tuple[str, str, int], ...]
    failure: str | None
    attempts: int
    seconds: float


def all_faults() -> Iterator[Fault]:
    """Each kind at its chance: the first that matches strikes, so later chances are raised."""
    left = 1.0
    for _, kinds, chance in FAULTS:
        for kind in kinds:
            share = chance / len(kinds)
            for status in (500, 503) if kind in _WITH_STATUS else (503,):
                part = share / (2 if kind in _WITH_STATUS else 1)
                seconds = 1.0 if kind is FaultKind.RATE_LIMITED else TIMEOUT * 1.5
                yield Fault(kind, probability=part / left, status=status, seconds=seconds)
                left -= part


_WITH_STATUS = (FaultKind.STATUS_BEFORE, FaultKind.STATUS_AFTER)


def requests_of(count: int, pipelines: int, seed: int) -> list[Wanted]:
    """So many requests, spread evenly: every other one for a part of its pipeline."""
    chance = random.Random(seed)
    places = range(1, OBJECTS + 1)
    return [
        Wanted(
            number,
            101 + number % pipelines,
            tuple(places)
            if number // pipelines % 2 == 0
            else tuple(sorted(chance.sample(places, chance.randrange(1, OBJECTS)))),
        )
        for number in range(count)
    ]


def carry_out(
    wanted_all: list[Wanted], settings: dict[str, object], reports: Queue[Report]
) -> None:
    """What a process does: one Dagster run per request, one after the other."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    logging.disable(logging.CRITICAL)
    hevo = HevoResource(**settings)
    retry = dg.RetryPolicy(max_retries=STEP_RETRIES, delay=0.05)
    while True:
        try:
            assets = build_hevo_assets_definitions(workspace=hevo, retry_policy=retry)
            break
        except Exception as error:  # noqa: BLE001 (the faults strike the loading too)
            sys.stderr.write(f"{error}\n")
    by_pipeline = {one.op.name.rpartition("_")[2]: one for one in assets}
    with dg.DagsterInstance.ephemeral() as instance:
        for wanted in wanted_all:
            began = time.monotonic()
            result = dg.materialize(
                [by_pipeline[str(wanted.pipeline_id)]],
                selection=[
                    dg.AssetKey([f"shop_{wanted.pipeline_id - 100}", f"table_{place:02d}"])
                    for place in wanted.places
                ],
                resources={"hevo": hevo},
                instance=instance,
                raise_on_error=False,
            )
            reports.put(report_of(wanted, result, time.monotonic() - began))
            instance.delete_run(result.run_id)


def report_of(wanted: Wanted, result: dg.ExecuteInProcessResult, seconds: float) -> Report:
    recorded: list[tuple[str, str, int]] = []
    failure: str | None = None
    attempts = 1
    for event in result.all_events:
        if event.event_type is dg.DagsterEventType.ASSET_MATERIALIZATION:
            told = {
                name.removeprefix("dagster-hevo/"): value.value
                for name, value in event.step_materialization_data.materialization.metadata.items()
            }
            recorded.append((told["object_id"], told["job_id"], told.get("events_loaded", -1)))
        elif event.is_step_up_for_retry:
            attempts += 1
        elif event.is_step_failure:
            content = event.step_failure_data
            failure = (
                content.user_failure_data.description if content.user_failure_data else None
            ) or (content.error.message if content.error else "?")
    if failure is None and not result.success:
        failure = "the run failed without a failed step"
    return Report(wanted, tuple(recorded), failure, attempts, seconds)


@dataclass
class Count:
    """The table that is printed, and what it is made of."""

    wanted_all: list[Wanted]
    reports: dict[int, Report]
    jobs: list[SeenJob]
    rows: int

    def __post_init__(self) -> None:
        by_id = {job.job_id: job for job in self.jobs}
        used: Counter[str] = Counter()
        self.wrong: list[str] = []
        self.missing: list[str] = []
        for report in self.reports.values():
            wanted = report.wanted
            job_ids = {job_id for _, job_id, _ in report.recorded}
            used.update(job_ids)
            for object_id, job_id, loaded in report.recorded:
                job = by_id.get(job_id)
                is_right = (
                    job is not None
                    and object_id in wanted.object_ids
                    and frozenset(job.object_ids) == wanted.object_ids
                    and job.pipeline_id == wanted.pipeline_id
                    and loaded == self.rows
                )
                if not is_right:
                    self.wrong.append(f"request {wanted.number}: {object_id}, {job_id}, {loaded}")
            if len(report.recorded) != len({entry[0] for entry in report.recorded}):
                self.wrong.append(f"request {wanted.number}: an object twice")
            if len(job_ids) > 1:
                self.wrong.append(f"request {wanted.number}: {len(job_ids)} jobs")
            lost = wanted.object_ids - {entry[0] for entry in report.recorded}
            if lost and report.failure is None:
                self.missing.append(f"request {wanted.number}: {sorted(lost)}")
        self.wrong += [
            f"job {job_id}: recorded for {n} requests" for job_id, n in used.items() if n > 1
        ]
        self.stuck = [wanted for wanted in self.wanted_all if wanted.number not in self.reports]
        self.failures = [report for report in self.reports.values() if report.failure]
        self.needless = [job for job in self.jobs if job.job_id not in used]

    @property
    def is_right(self) -> bool:
        problems = (self.wrong, self.missing, self.stuck, self.failures, self.needless)
        return len(self.jobs) == len(self.wanted_all) and not any(problems)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=1000)
    parser.add_argument("--pipelines", type=int, default=20)
    parser.add_argument("--processes", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    wanted_all = requests_of(arguments.requests, arguments.pipelines, arguments.seed)
    scenario = Scenario.simple(
        arguments.pipelines,
        OBJECTS,
        rows=100,
        seconds_per_object=0.05,
        seed=arguments.seed,
        requests_per_minute=0,
        job_appears_after=(0.05, 0.15),
        restarting_seconds=0.05,
    )
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["dagster_hevo.assets", "dagster_hevo.execution.step"])
    began = time.monotonic()
    with HevoSandbox(scenario, faults=all_faults()) as sandbox:
        settings: dict[str, object] = {
            "api_key": sandbox.api_key,
            "api_secret": sandbox.api_secret,
            "base_url": sandbox.url,
            "requests_per_minute": 0,
            "rate_limit_store": "memory",
            "retry_limit": 5,
            "retry_delay": 0.02,
            "timeout": TIMEOUT,
            "poll_interval": 0.05,
            "poll_timeout": STUCK_AFTER,
            "job_discovery_timeout": 3.0,
            "job_objects_timeout": 1.5,
        }
        reports: Queue[Report] = context.Queue()
        processes = [
            context.Process(
                target=carry_out,
                args=(
                    # A pipeline belongs to one process: two runs of one pipeline at a time are
                    # what concurrent_subsets.py is about.
                    [w for w in wanted_all if w.pipeline_id % arguments.processes == place],
                    settings,
                    reports,
                ),
                daemon=True,
            )
            for place in range(arguments.processes)
        ]
        for process in processes:
            process.start()
        found = collect(reports, len(wanted_all), processes)
        for process in processes:
            process.join(1.0)
            process.kill()
        jobs = [job for job in sandbox.jobs() if job.requested_by == "api"]
        struck = Counter(str(item.fault.kind) for item in sandbox.faults.struck)
        requests = len(sandbox.requests)
    count = Count(wanted_all, found, jobs, rows=100)
    tell(count, requests, struck, time.monotonic() - began)
    return 0 if count.is_right else 1


def collect(reports: Queue[Report], expected: int, processes: list) -> dict[int, Report]:
    """The reports as they come, until all are there or none has come for long."""
    found: dict[int, Report] = {}
    while len(found) < expected:
        try:
            report = reports.get(timeout=2 * STUCK_AFTER)
        except Empty:
            break
        found[report.wanted.number] = report
        if len(found) % 100 == 0:
            print(f"... {len(found)} of {expected}", file=sys.stderr, flush=True)
    return found


def tell(count: Count, requests: int, struck: Counter[str], seconds: float) -> None:
    retried = sum(report.attempts > 1 for report in count.reports.values())
    slowest = max((report.seconds for report in count.reports.values()), default=0.0)
    rows = {
        "materializations requested": len(count.wanted_all),
        "Hevo jobs created": len(count.jobs),
        "wrong records": len(count.wrong),
        "missing records": len(count.missing),
        "stuck runs": len(count.stuck),
        "false failures": len(count.failures),
        "jobs of failed runs, not recorded": len(count.needless),
        "runs whose step was retried": retried,
        "requests": requests,
        "requests struck by a fault": sum(struck.values()),
    }
    for name, value in rows.items():
        print(f"{name:<36} {value:>8,}")
    print(f"{'slowest run':<36} {slowest:>7.1f}s\n{'all of it':<36} {seconds:>7.0f}s")
    print("\nfaults: " + ", ".join(f"{kind} {number}" for kind, number in sorted(struck.items())))
    for report in count.failures:
        print(f"\nrequest {report.wanted.number} failed: {report.failure}")
    for line in [*count.wrong, *count.missing]:
        print(f"  {line}")


if __name__ == "__main__":
    raise SystemExit(main())
