"""The job sensor in simulated time: how late jobs are recorded, and what a tick costs.

    python benchmarks/sensor.py             # all figures; exit code 1 where one misses its bound
    python benchmarks/sensor.py --small     # the same, small, in seconds: for the tests

The tick, its budget and its cursor are the real ones; Hevo and time are simulated, with the default
100 requests per minute, so that six hours take a minute. The cost of a tick is measured apart, over
real HTTP against the local Hevo and with a Dagster instance on disk.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from random import Random
from statistics import median
from typing import Any

import dagster as dg

from dagster_hevo import HevoResource, build_hevo_assets_definitions, build_hevo_job_sensor
from dagster_hevo.api.models import Job, JobObject, Page, Pipeline, PipelineObject
from dagster_hevo.api.rate_limit import open_budget
from dagster_hevo.execution.events import ObjectAsset
from dagster_hevo.job_sensor.budget import TickBudget
from dagster_hevo.job_sensor.cursor import SensorCursor
from dagster_hevo.job_sensor.followed import FollowedPipeline, SensorSettings, TickTools
from dagster_hevo.job_sensor.recorder import JobRecorder
from dagster_hevo.job_sensor.tick import Tick
from dagster_hevo.jobs.ledger_store import MemoryStore
from dagster_hevo.jobs.objects import KnownObject
from dagster_hevo.sandbox import HevoSandbox, Scenario
from dagster_hevo.sensors import TickEnvironment

EPOCH = 1_790_000_000.0
LIMIT = 100
SHARE = 50
INTERVAL = 60.0
PAGE = 100
ANSWERED_AFTER = 0.25
TICK_SECONDS = 30.0
MINUTE = 60.0
HOUR = 3600.0


@dataclass
class SimulatedJob:
    """A job, with its times in seconds of the simulation."""

    job_id: str
    pipeline_id: int
    made: float
    ends: float
    recorded: list[float] = field(default_factory=list[float])

    def shown(self, now: float) -> Job:
        is_over = now >= self.ends
        return Job.model_validate(
            {
                "job_id": self.job_id,
                "type": "INCREMENTAL",
                "status": "COMPLETED" if is_over else "IN_PROGRESS",
                "created_ts": int((EPOCH + self.made) * 1000),
                "updated_ts": int((EPOCH + min(self.ends, now)) * 1000),
                "duration": int((min(self.ends, now) - self.made) * 1000),
                "objects_success": int(is_over),
            }
        )


class Simulation:
    """Hevo, time and the daemon of one sensor."""

    def __init__(self, pipelines: int, every_minutes: int) -> None:
        self.now = 0.0
        self.jobs: dict[int, list[SimulatedJob]] = {n: [] for n in range(1, pipelines + 1)}
        self.by_id: dict[str, SimulatedJob] = {}
        self.requests: list[float] = []
        self.store = MemoryStore()
        self.cursor: str | None = None
        self.largest_cursor = 0
        self.share = self._budget(SHARE, "share")
        self.whole = self._budget(LIMIT, "whole")
        self.contest = self._budget(SHARE, "contest")
        self.followed = {n: self._follow(n, every_minutes) for n in self.jobs}

    def _budget(self, limit: int, name: str) -> Any:
        return open_budget(
            "memory",
            requests_per_minute=limit,
            user_key=f"{name}-{id(self)}",
            clock=self._time,
            sleep=self._sleep,
        )

    def _follow(self, number: int, minutes: int) -> FollowedPipeline:
        asset = ObjectAsset(
            dg.AssetKey(f"table_{number}"), number, f"p{number}", KnownObject(f"o{number}", "t")
        )
        told = {
            "id": number,
            "name": f"p{number}",
            "schedule": {"sync_type": "SCHEDULED", "frequency_minutes": minutes},
        }
        return FollowedPipeline(Pipeline.model_validate(told), (asset,), frozenset({asset.key}))

    def add(self, pipeline_id: int, made: float, lasts: float) -> None:
        """A job, after those that were added before."""
        job_id = f"{pipeline_id}-{len(self.jobs[pipeline_id])}"
        job = SimulatedJob(job_id, pipeline_id, made, made + lasts)
        self.jobs[pipeline_id].append(job)
        self.by_id[job_id] = job

    # Hevo

    def _request(self) -> None:
        self._tick_budget.acquire()
        self._sleep(ANSWERED_AFTER)
        self.requests.append(self.now)

    def job_pages(self, pipeline_id: int, begin_at: str | None = None) -> Iterator[Page[Job]]:
        self._request()
        listed = [job for job in self.jobs[pipeline_id] if job.made <= self.now]
        end = len(listed) - int(begin_at or 0)
        page = listed[max(end - PAGE, 0) : end][::-1]
        following = None if end <= PAGE else str(int(begin_at or 0) + PAGE)
        shown = tuple(job.shown(self.now) for job in page)
        yield Page(shown, following is not None, following)

    def get_job(self, pipeline_id: int, job_id: str) -> Job:
        self._request()
        return self.by_id[job_id].shown(self.now)

    def job_object_pages(
        self, pipeline_id: int, job_id: str, begin_at: str | None = None
    ) -> Iterator[Page[JobObject]]:
        self._request()
        yield Page((JobObject(object_id=f"o{pipeline_id}", status="COMPLETED"),), False)

    def object_pages(
        self, pipeline_id: int, begin_at: str | None = None
    ) -> Iterator[Page[PipelineObject]]:
        yield Page((), False)

    def hevo_now_ms(self) -> int:
        return int(self._time() * 1000)

    # The event log: nothing is searched where nobody dies.

    def loaded(self, *_: Any) -> frozenset[dg.AssetKey]:
        return frozenset()

    def checked(self, *_: Any) -> frozenset[dg.AssetCheckKey]:
        return frozenset()

    def answered_by(self, *_: Any) -> frozenset[dg.AssetCheckKey]:
        return frozenset()

    # Time

    def _time(self) -> float:
        return EPOCH + self.now

    def _sleep(self, seconds: float) -> None:
        self.now += seconds

    def tick(self) -> None:
        """One tick, and its events stored."""
        budget = self._tick_budget = TickBudget(
            self.share,
            self.whole,
            self.contest,
            SHARE,
            self._time() + TICK_SECONDS,
            INTERVAL,
            "sensor",
            self._time,
        )
        tools = TickTools(
            self,
            self.store,
            budget,
            JobRecorder(self, self, self._time, print),
            SensorSettings(INTERVAL, "account", "sensor", 60.0, SHARE),
            self._time,
            self._time(),
            lambda _: None,
            print,
            lambda *_: False,
            lambda: "id",
        )
        result = Tick(self.followed, tools).run(SensorCursor.from_text(self.cursor))
        for event in result.events:
            if isinstance(event, dg.AssetMaterialization):
                job = self.by_id[str(event.metadata["dagster-hevo/job_id"].value)]
                job.recorded.append(self.now)
        self.cursor = result.cursor.to_text()
        self.largest_cursor = max(self.largest_cursor, len(self.cursor))

    def run(self, until: float) -> None:
        """Tick every minute."""
        while self.now < until:
            began = self.now
            self.tick()
            self.now = max(self.now, began + INTERVAL)


def lateness(jobs: Collection[SimulatedJob]) -> list[float]:
    """Minutes from each job's end to its record, sorted."""
    return sorted((job.recorded[0] - job.ends) / MINUTE for job in jobs if job.recorded)


def beyond_expected(jobs: list[SimulatedJob], since: float) -> list[float]:
    """Minutes from when each hourly job could be expected to have ended to its record."""
    found: list[float] = []
    for place, job in enumerate(jobs):
        if job.made < since or not job.recorded:
            continue
        before = jobs[max(place - 12, 0) : place]
        lasts = median([each.ends - each.made for each in before])
        expected = before[-1].made + HOUR + lasts + max(0.05 * lasts, 10.0)
        found.append((job.recorded[0] - max(expected, job.ends)) / MINUTE)
    return found


def share_of(values: list[float], part: float) -> float:
    return values[min(int(len(values) * part), len(values) - 1)] if values else float("inf")


@dataclass
class Report:
    """Figures, each with its bound."""

    missed: list[str] = field(default_factory=list[str])

    def tell(
        self, what: str, value: float, bound: float | None = None, *, least: bool = False
    ) -> None:
        said = ""
        if bound is not None:
            is_met = value >= bound if least else value <= bound
            said = f"   (at {'least' if least else 'most'} {bound:g}{'' if is_met else ': MISSED'})"
            if not is_met:
                self.missed.append(what)
        print(f"{what:<66}{value:>10,.2f}{said}", flush=True)


def many_pipelines(report: Report, pipelines: int, hours: int) -> None:
    """Pipelines with an hourly job each, at any minute of the hour."""
    print(f"\n{pipelines:,} pipelines with an hourly job each, {LIMIT} requests per minute")
    rng, simulation = Random(7), Simulation(pipelines, 60)
    warm_up = 2
    for number in simulation.jobs:
        phase, lasts = rng.uniform(0, HOUR), rng.uniform(60, 600)
        for hour in range(-3, hours + warm_up):
            made = phase + hour * HOUR + rng.uniform(0, 30)
            simulation.add(number, made, lasts * rng.uniform(0.8, 1.25))
    began = time.monotonic()
    simulation.run((hours + warm_up + 1.5) * HOUR)
    counted = [
        job for jobs in simulation.jobs.values() for job in jobs if job.made >= warm_up * HOUR
    ]
    late = lateness(counted)
    by_pipeline = {
        number: median(lateness([job for job in jobs if job.made >= warm_up * HOUR]) or [1e9])
        for number, jobs in simulation.jobs.items()
    }
    middle = median(by_pipeline.values())
    report.tell("jobs", len(counted))
    report.tell("recorded not once", sum(len(job.recorded) != 1 for job in counted), 0)
    report.tell("minutes until recorded: median", median(late))
    report.tell("minutes until recorded: 95%", share_of(late, 0.95), 25)
    report.tell("minutes until recorded: the last", late[-1])
    # Ticks come once a minute: below three of them, twice the median says nothing about fairness.
    bound = max(2 * middle, 3 * INTERVAL / MINUTE)
    report.tell("minutes until recorded: the median pipeline's median", middle)
    report.tell("minutes until recorded: the latest pipeline's", max(by_pipeline.values()), bound)
    later = sum(value > 2 * middle for value in by_pipeline.values())
    report.tell("pipelines later than twice the median", later)
    # A job that ends earlier than those before it is polled when they would have ended: more than
    # one request per job to find that out is not there. What is left is waiting.
    waited = {
        number: median(beyond_expected(jobs, warm_up * HOUR) or [0.0])
        for number, jobs in simulation.jobs.items()
    }
    report.tell("minutes after its expected end: the median pipeline", median(waited.values()))
    report.tell("minutes after its expected end: the latest pipeline", max(waited.values()))
    share = SHARE * 60 / max(pipelines, 1) - 2
    report.tell("requests per job left for polls beside list and objects", share)
    report.tell("requests per minute", len(simulation.requests) / (simulation.now / MINUTE), SHARE)
    report.tell("largest cursor, kB", simulation.largest_cursor / 1000)
    print(f"simulated {simulation.now / HOUR:.1f} hours in {time.monotonic() - began:.0f} s")


def long_backlog(report: Report, backlog: int, others: int) -> None:
    """One pipeline with a backlog, while others run hourly."""
    print(f"\n{backlog:,} jobs of backlog on one pipeline, while {others} others run every hour")
    rng, simulation = Random(11), Simulation(others + 1, 60)
    phases = {n: (rng.uniform(0, HOUR), rng.uniform(60, 300)) for n in range(2, others + 2)}
    hours = backlog / (SHARE * 0.8 * 60) + 1
    for number, (phase, lasts) in phases.items():
        for hour in range(-3, int(hours) + 2):
            simulation.add(number, phase + hour * HOUR, lasts * rng.uniform(0.9, 1.1))
    simulation.tick()
    began = simulation.now + 60
    for n in range(backlog):
        simulation.add(1, began + n * 0.5, 0.4)
    # The sensor is off while the backlog comes about.
    off_until = simulation.now = began + backlog * 0.5 + 1
    requests_before = len(simulation.requests)
    while any(not job.recorded for job in simulation.jobs[1][-backlog:]):
        if simulation.now > off_until + 3 * hours * HOUR:
            break
        start = simulation.now
        simulation.tick()
        simulation.now = max(simulation.now, start + INTERVAL)
    took = max(job.recorded[0] for job in simulation.jobs[1] if job.recorded) - off_until
    drained = sum(bool(job.recorded) for job in simulation.jobs[1])
    rate = drained / (took / MINUTE)
    seen = [
        job
        for number in phases
        for job in simulation.jobs[number]
        if off_until < job.ends < off_until + took - min(30 * MINUTE, took / 4)
    ]
    late = lateness(seen)
    report.tell("hours until the backlog is recorded", took / HOUR)
    report.tell(
        "jobs of the backlog recorded not once",
        sum(len(job.recorded) != 1 for job in simulation.jobs[1]),
        0,
    )
    report.tell("backlog recorded per minute, of the share", rate / SHARE, 0.8, least=True)
    report.tell("the others' jobs", len(seen))
    report.tell("the others' recorded not once", sum(len(job.recorded) != 1 for job in seen), 0)
    report.tell("the others, minutes until recorded: median", median(late))
    report.tell("the others, minutes until recorded: 95%", share_of(late, 0.95), 5)
    spent = (len(simulation.requests) - requests_before) / (took / MINUTE)
    report.tell("requests per minute", spent, SHARE)
    report.tell("largest cursor, kB", simulation.largest_cursor / 1000)


def cost_of_ticks(report: Report, pipelines: int, objects: int) -> None:
    """What ticks cost in real time, over HTTP, with an instance on disk."""
    print(f"\n{pipelines * objects:,} objects of {pipelines} jobs to record, in real time")
    scenario = Scenario.simple(
        pipelines,
        objects,
        seconds_per_object=1 / objects,
        job_appears_after=(0, 0),
        requests_per_minute=0,
    )
    with tempfile.TemporaryDirectory() as home:
        sandbox = HevoSandbox(scenario, speed=0).start()
        instance = dg.DagsterInstance.local_temp(home)
        try:
            hevo = HevoResource(
                api_key=sandbox.api_key,
                api_secret=sandbox.api_secret,
                base_url=sandbox.url,
                requests_per_minute=0,
                rate_limit_store="memory",
            )
            build_hevo_assets_definitions(workspace=hevo)
            sensor = build_hevo_job_sensor(
                workspace=hevo, environment=TickEnvironment(now=sandbox.now)
            )
            cursor = _evaluated(sensor, instance, None)[0].cursor
            for pipeline_id in sandbox.pipeline_ids:
                sandbox.start_scheduled_job(pipeline_id)
            sandbox.advance(3600)
            sandbox.finish_jobs()
            recorded, cpu, longest, stored = Counter[str](), 0.0, 0.0, 0.0
            events = 0
            for _ in range(40):
                result, wall, spent = _evaluated(sensor, instance, cursor)
                cpu, longest = cpu + spent, max(longest, wall)
                began = time.monotonic()
                for event in result.asset_events:
                    instance.report_runless_asset_event(event)
                    if isinstance(event, dg.AssetMaterialization):
                        recorded[event.asset_key.to_user_string()] += 1
                events += len(result.asset_events)
                stored += time.monotonic() - began
                cursor = result.cursor
                sandbox.advance(60)
                if not result.asset_events:
                    break
            count = pipelines * objects
            report.tell("objects recorded", sum(recorded.values()), count, least=True)
            report.tell("recorded not once", sum(n != 1 for n in recorded.values()), 0)
            report.tell("the longest tick, seconds", longest, 45)
            report.tell("CPU per recorded object, milliseconds", cpu / count * 1000, 3)
            report.tell(
                "then Dagster stores an event in, milliseconds", stored / max(events, 1) * 1000
            )
        finally:
            sandbox.stop()
            instance.dispose()


def _evaluated(
    sensor: dg.SensorDefinition, instance: dg.DagsterInstance, cursor: str | None
) -> tuple[Any, float, float]:
    """A tick's result, its seconds, and the CPU seconds of its thread."""
    wall, cpu = time.monotonic(), time.thread_time()
    with dg.build_sensor_context(
        instance=instance, cursor=cursor, sensor_name=sensor.name
    ) as context:
        result = sensor(context)
    return result, time.monotonic() - wall, time.thread_time() - cpu


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--small", action="store_true", help="a small run, for the tests")
    parser.add_argument("--only", choices=["pipelines", "backlog", "cost"])
    options = parser.parse_args()
    report = Report()
    if options.only in {None, "pipelines"}:
        many_pipelines(report, 60 if options.small else 1000, 2 if options.small else 6)
    if options.only in {None, "backlog"}:
        long_backlog(report, *((600, 40) if options.small else (10_000, 50)))
    if options.only in {None, "cost"}:
        cost_of_ticks(report, 4 if options.small else 100, 25 if options.small else 100)
    print(
        f"\n{'all bounds are met' if not report.missed else 'MISSED: ' + '; '.join(report.missed)}"
    )
    return 1 if report.missed else 0


if __name__ == "__main__":
    sys.exit(main())
