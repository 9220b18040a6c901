"""One history of job sensors, from its world to its verdict. The code under test is the real tick.

Several sensors, of one code location or of two with other asset keys, follow the same pipelines.
They are killed in the middle of a tick, between two of the events that it returned, and before
their cursor is kept; they are off for hours or days, and lose their cursors. Runs claim jobs, die
while they record, are retried by Dagster, or re-executed by a person.

What must hold at the end: each object that a job loaded after the first sensor began to follow its
pipeline is recorded once for the assets of each code location: not twice, and not never.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import dagster as dg

from dagster_hevo.api.errors import HevoError
from dagster_hevo.job_sensor.budget import TickBudget
from dagster_hevo.job_sensor.cursor import SensorCursor
from dagster_hevo.job_sensor.followed import FollowedPipeline, SensorSettings, TickTools
from dagster_hevo.job_sensor.recorder import JobRecorder
from dagster_hevo.job_sensor.tick import Tick
from dagster_hevo.jobs.ledger import Ledger
from dagster_hevo.jobs.marks import AssetSet, RecordMarks
from dagster_hevo.jobs.newness import Baseline
from dagster_hevo.jobs.pipeline_ledger import RequestPointer
from dagster_hevo.jobs.records import Answer, RecordedRequest, Settlement
from dagster_hevo.jobs.request import SyncAction, SyncRequest, make_request
from simulation.sensor_world import (
    ACCOUNT,
    EPOCH,
    FOREVER,
    HevoOf,
    Killed,
    LogOf,
    ModelJob,
    Recorded,
    Run,
    SensorWorld,
    Store,
    assets_of,
    pipeline,
)

STEP = "step"
QUIET_TICKS = 12
MOST_LAST_TICKS = 1000
HOUR = 3600.0
DAY = 24 * HOUR
TRAITS = {
    "list: any order": 0.2,
    "list: oldest first": 0.1,
    "list: leaves one out": 0.2,
    "list: jobs without times": 0.1,
    "list: equal times": 0.15,
    "time: no Date": 0.15,
    "api: errors": 0.2,
    "api: out": 0.2,
    "objects: late": 0.3,
    "objects: unreadable": 0.15,
    "job: failed": 0.3,
    "job: never ends": 0.1,
    "job: vanishes": 0.05,
    "sensor: killed": 0.5,
    "sensor: cursor lost": 0.25,
    "sensor: off": 0.4,
    "sensor: off for days": 0.1,
    "sensors: two of one location": 0.25,
    "sensors: two locations": 0.25,
    "tick: few requests": 0.3,
    "runs": 0.6,
    "runs: die": 0.5,
    "runs: retried": 0.5,
    "runs: re-executed": 0.3,
    "runs: do not wait": 0.2,
}


@dataclass
class SensorState:
    """A sensor as the daemon keeps it."""

    name: str
    prefix: str
    cursor: str | None = None
    is_ticking: bool = False
    off_until: float = 0.0
    began: dict[int, float] = field(default_factory=dict[int, float])
    walked: dict[int, float] = field(default_factory=dict[int, float])


class History:
    """A history.

    Args:
        seed: Decides everything.
    """

    def __init__(self, seed: int) -> None:
        self.world = world = SensorWorld(seed)
        rng = world.rng
        heat = rng.choice((0.0, 0.5, 1.0, 1.0, 1.6))
        world.traits = frozenset(n for n, chance in TRAITS.items() if rng.random() < chance * heat)
        self.objects = rng.randint(1, 3)
        self.interval = rng.choice((120.0, 300.0))
        self.page_size = rng.choice((2, 4, 12, 100))
        self.end = rng.choice((1.0, 2.0, 4.0)) * HOUR
        if self.has("sensor: off for days"):
            self.end = 3 * DAY
        self.sensors = [SensorState("first", "a")]
        if self.has("sensors: two of one location"):
            self.sensors.append(SensorState("second", "a"))
        if self.has("sensors: two locations"):
            self.sensors.append(SensorState("elsewhere", "b"))
        world.jobs = {pipeline_id: [] for pipeline_id in range(1, rng.randint(1, 3) + 1)}
        self.store = Store(world)
        self._ids = 0
        self._was_busy = False
        self.violations: list[str] = []
        for name in world.traits:
            world.counts[name] += 1

    def has(self, trait: str) -> bool:
        return trait in self.world.traits

    def new_id(self) -> str:
        self._ids += 1
        return f"id{self._ids}"

    # Hevo

    def make_job(self, pipeline_id: int, delay: float = 0.0) -> ModelJob:
        world, rng = self.world, self.world.rng
        made = world.now + delay
        if self.has("list: equal times"):
            made = made // 600 * 600 + 600
        lasts = rng.choice((1.0, 30.0, 200.0, 900.0))
        objects = tuple(
            f"p{pipeline_id}-o{n}" for n in range(self.objects) if rng.random() < 0.9
        ) or (f"p{pipeline_id}-o0",)
        job = ModelJob(
            f"j{pipeline_id}-{len(world.jobs[pipeline_id])}",
            pipeline_id,
            made,
            made + rng.uniform(0, 15),
            made + lasts,
            "COMPLETED",
            objects,
        )
        if self.has("job: failed") and rng.random() < 0.2:
            job.status = "FAILED"
            job.failed = frozenset(each for each in objects if rng.random() < 0.7)
        if self.has("job: never ends") and rng.random() < 0.1:
            job.ends, job.odd = FOREVER, rng.choice(("DEFERRED", "MYSTERIOUS"))
        if self.has("job: vanishes") and rng.random() < 0.1:
            job.vanishes = made + rng.uniform(60, HOUR)
        if self.has("objects: late") and rng.random() < 0.3:
            job.objects_late = rng.uniform(1, 100)
        if self.has("objects: unreadable") and rng.random() < 0.15:
            job.unreadable_until = job.ends + rng.uniform(60, 2 * HOUR)
        if self.has("list: jobs without times") and rng.random() < 0.2:
            job.is_timed = False
        world.jobs[pipeline_id].append(job)
        return job

    def schedule(self, pipeline_id: int) -> None:
        """Hevo's own schedule."""
        world, every = self.world, self.world.rng.choice((400.0, 1200.0, 3600.0))
        if self.end > DAY:
            every = 3 * HOUR

        def begin() -> None:
            if world.now < self.end:
                self.make_job(pipeline_id)
                world.at(world.now + every * world.rng.uniform(0.7, 1.3), begin)

        world.at(world.rng.uniform(-every, every), begin)

    # Runs

    def run(self, moment: float, root: str | None = None, tags: bool = False) -> None:
        """A run that triggers a pipeline, or goes on with the request of an earlier one."""
        world, rng = self.world, self.world.rng
        pipeline_id = rng.choice(sorted(world.jobs)) if root is None else int(root[1:2])
        run = Run(f"r{pipeline_id}-{self.new_id()}", "")
        run.root = root or run.run_id
        run.is_queued = True
        world.at(moment, lambda: self._begin_run(run, pipeline_id, is_retry=tags))
        if root is not None and tags:
            world.runs[run.run_id] = run  # Dagster knows of it while it is queued.

    def _begin_run(self, run: Run, pipeline_id: int, *, is_retry: bool) -> None:
        world, rng = self.world, self.world.rng
        world.runs[run.run_id] = run
        run.is_queued = False
        ledger = self._ledger(run, is_retry)
        request = self._request(pipeline_id)
        earlier = ledger.resume(request)
        waits = not (self.has("runs: do not wait") and rng.random() < 0.5)
        if earlier is not None and earlier.job_id is not None:
            world.counts["run resumes"] += 1
            job_id, request_id = earlier.job_id, earlier.request_id
            world.at(world.now + 1, lambda: self._await(run, ledger, request, request_id, job_id))
            return
        request_id = ledger.new_request_id()
        jobs = [job.shown(world.now) for job in world.jobs[pipeline_id] if job.listed <= world.now]
        hevo_ms = int((EPOCH + world.now) * 1000)
        ledger.announce(request_id, request)
        ledger.write_baseline(request_id, request, Baseline.of(tuple(jobs), hevo_ms), 1)
        if self._dies(run, 0.1):
            return
        job = self.make_job(pipeline_id, delay=1.0)
        ledger.write_answer(
            request_id, request, Answer.ACCEPTED, hevo_ms=hevo_ms, may_have_started_a_job=True
        )

        def claim() -> None:
            if self._dies(run, 0.15):
                return
            is_ours = ledger.claim(
                request_id,
                request,
                job.job_id,
                is_adopted=False,
                may_be_cancelled=False,
                is_detached=not waits,
            )
            if not is_ours:
                self._end(run, ok=False)
            elif waits:
                self._await(run, ledger, request, request_id, job.job_id)
            else:
                self._end(run, ok=True)

        world.at(max(job.listed, world.now) + rng.uniform(1, 20), claim)

    def _await(
        self, run: Run, ledger: Ledger, request: SyncRequest, request_id: str, job_id: str
    ) -> None:
        world, rng = self.world, self.world.rng
        job = next(each for each in world.jobs[request.pipeline_id] if each.job_id == job_id)
        if self._dies(run, 0.1):
            return
        if world.now < job.ends + job.objects_late:
            if world.now > self.end + 3 * HOUR:
                self._end(run, ok=False)
                return
            later = max(world.now + 10, min(job.ends + job.objects_late, world.now + 600))
            world.at(
                later + rng.uniform(1, 60),
                lambda: self._await(run, ledger, request, request_id, job_id),
            )
            return
        if job.status == "FAILED" and not job.loaded():
            ledger.settle(request_id, request, job_id, Settlement.FAILED, is_recorded=False)
            self._end(run, ok=False)
            return
        recorder = ledger.begin_recording(request, job_id)
        if recorder not in {None, run.run_id}:
            ledger.settle(request_id, request, job_id, Settlement.RECORDED)
            self._end(run, ok=True)
            return
        keys = [f"a/p{job.pipeline_id}/{each.split('-')[1]}" for each in sorted(job.loaded())]

        def record(left: list[str]) -> None:
            if self._dies(run, 0.1):
                world.counts["run died while recording"] += 1
                return
            known = {(each.key, each.job_id) for each in world.events if not each.is_check}
            if left:
                if (left[0], job_id) not in known:
                    world.events.append(Recorded(left[0], job_id, run.run_id))
                    world.tell(f"{run.run_id} records {left[0]} of {job_id}")
                world.at(world.now + rng.uniform(0.01, 2.0), lambda: record(left[1:]))
                return
            assets = assets_of(job.pipeline_id, "a", self.objects)
            marks = RecordMarks(
                self.store, ACCOUNT, job.pipeline_id, AssetSet.of([each.key for each in assets])
            )
            marks.finish(job_id)
            ledger.settle(request_id, request, job_id, Settlement.RECORDED)
            self._end(run, ok=True)

        record(keys)

    def _dies(self, run: Run, chance: float) -> bool:
        world, rng = self.world, self.world.rng
        if not self.has("runs: die") or rng.random() > chance:
            return False
        world.counts["run died"] += 1
        world.tell(f"{run.run_id} dies")
        # Found dead at once, or by run monitoring later.
        world.at(world.now + rng.choice((0.0, 5.0, 400.0)), lambda: self._end(run, ok=False))
        return True

    def _end(self, run: Run, *, ok: bool) -> None:
        world, rng = self.world, self.world.rng
        run.ended, run.has_succeeded = True, ok
        world.tell(f"{run.run_id} ends {'well' if ok else 'badly'}")
        if ok:
            return
        if self.has("runs: retried") and rng.random() < 0.6 and world.now < self.end:
            run.will_be_retried = True
            world.counts["run retried"] += 1

            def queue() -> None:
                run.will_be_retried = False
                self.run(world.now + rng.choice((1.0, 300.0)), run.root, tags=True)

            world.at(world.now + rng.choice((1.0, 60.0, 900.0)), queue)
        elif self.has("runs: re-executed") and rng.random() < 0.5 and world.now < self.end:
            world.counts["run re-executed"] += 1
            self.run(world.now + rng.choice((5.0, 200.0, 2000.0)), run.root)

    def _ledger(self, run: Run, is_retry: bool) -> Ledger:
        return Ledger(
            self.store,
            base_url=ACCOUNT,
            run_id=run.run_id,
            root_run_id=run.root,
            step_key=STEP,
            new_id=self.new_id,
            is_retry=is_retry,
        )

    def _request(self, pipeline_id: int) -> SyncRequest:
        ids = [f"p{pipeline_id}-o{n}" for n in range(self.objects)]
        return make_request(pipeline_id, ids, ids, action=SyncAction.SYNC_NOW)

    def _is_retry_known(self, pointer: RequestPointer, request: RecordedRequest) -> bool:
        chain = [run for run in self.world.runs.values() if run.root == pointer.root_run_id]
        return any(run.will_be_retried or run.is_queued or not run.ended for run in chain)

    # The daemon

    def tick(self, sensor: SensorState) -> None:
        """One tick, as the daemon carries it out: events one by one, then the cursor."""
        world, rng = self.world, self.world.rng
        if sensor.is_ticking or world.now < sensor.off_until:
            return
        if self.has("sensor: cursor lost") and world.now < self.end and rng.random() < 0.05:
            sensor.cursor = None
            world.tell(f"{sensor.name} LOSES ITS CURSOR")
        if self.has("sensor: off") and world.now < self.end and rng.random() < 0.05:
            longest = 2 * DAY if self.has("sensor: off for days") else HOUR
            sensor.off_until = world.now + rng.uniform(0, longest)
            return
        if self.has("sensor: killed") and world.now < self.end and rng.random() < 0.3:
            world.kill_in = rng.randint(0, 12)
        sensor.is_ticking = True
        try:
            self._tick(sensor)
        except Killed:
            world.counts["killed in a tick"] += 1
            world.tell(f"{sensor.name} KILLED")
        finally:
            world.kill_in = None
            sensor.is_ticking = False

    def _tick(self, sensor: SensorState) -> None:
        world, rng = self.world, self.world.rng
        most = rng.randint(2, 5) if self.has("tick: few requests") else None
        budget = TickBudget(
            _Unlimited(), _Unlimited(), _Unlimited(), 0, world.now + 30, now=lambda: world.now
        )
        budget.most = most
        hevo = HevoOf(world, budget, self.page_size, sensor.name)
        recorder = JobRecorder(hevo, LogOf(world), self._time, lambda _: None)
        tools = TickTools(
            hevo,
            self.store,
            budget,
            recorder,
            SensorSettings(self.interval, ACCOUNT, sensor.name, 60.0, 50),
            self._time,
            self._time(),
            lambda text: world.tell(f"{sensor.name}: {text}"),
            lambda text: world.tell(f"{sensor.name}: WARNING {text}"),
            self._is_retry_known,
            self.new_id,
        )
        followed = {
            each: FollowedPipeline(
                pipeline(each),
                assets := assets_of(each, sensor.prefix, self.objects),
                frozenset(asset.key for asset in assets),
            )
            for each in world.jobs
        }
        result = Tick(followed, tools).run(SensorCursor.from_text(sensor.cursor))
        world.counts["ticks"] += 1
        self._was_busy |= bool(result.status.jobs)
        dies_at = rng.randint(0, 12) if world.kill_in is not None else None
        world.kill_in = None
        for n, event in enumerate(result.events):
            if n == dies_at:
                world.counts["killed between events"] += 1
                raise Killed
            if isinstance(event, dg.AssetObservation):
                continue
            is_check = isinstance(event, dg.AssetCheckEvaluation)
            job_id = str(event.metadata["dagster-hevo/job_id"].value)
            key = event.asset_key.to_user_string()
            world.events.append(Recorded(key, job_id, "", is_check))
            world.pass_time(0.01)
        if dies_at is not None and rng.random() < 0.5:
            world.counts["killed before the cursor"] += 1
            raise Killed
        sensor.cursor = result.cursor.to_text()
        for pipeline_id, known in result.cursor.pipelines.items():
            sensor.began.setdefault(pipeline_id, known.since - EPOCH)
            if known.newest_ms is not None:
                sensor.walked.setdefault(pipeline_id, world.now)

    def _time(self) -> float:
        return EPOCH + self.world.now

    # The whole

    def play(self) -> History:
        world, rng = self.world, self.world.rng
        for pipeline_id in world.jobs:
            self.schedule(pipeline_id)
        if self.has("api: out"):
            for _ in range(2):
                begins = rng.uniform(0, self.end)
                world.outages.append((begins, begins + rng.choice((60.0, 900.0))))
        if self.has("runs"):
            for _ in range(rng.randint(1, 4)):
                self.run(rng.uniform(0, min(self.end, 4 * HOUR)))
        world.pass_time(rng.uniform(0, 600))
        step = self.interval if self.end < DAY else 1.5 * HOUR
        for sensor in self.sensors:
            self._tick_on(sensor, world.now + rng.uniform(0, 300), step)
        world.pass_time(self.end + 4 * HOUR - world.now)
        for sensor in self.sensors:
            sensor.off_until = 0.0
        quiet = 0
        for _ in range(MOST_LAST_TICKS):
            world.pass_time(HOUR)
            self._was_busy = False
            for sensor in self.sensors:
                try:
                    self.tick(sensor)
                except HevoError as error:
                    self.violations.append(f"{sensor.name} broke: {error}")
            quiet = 0 if self._was_busy else quiet + 1
            if quiet == (5 if self.has("tick: few requests") else 1) * QUIET_TICKS:
                break
        else:
            self.violations.append("the sensors never came to rest")
        self._check()
        return self

    def _tick_on(self, sensor: SensorState, moment: float, step: float) -> None:
        world = self.world

        def act() -> None:
            self.tick(sensor)
            if world.now < self.end + 3 * HOUR:
                self._tick_on(sensor, world.now + step * world.rng.uniform(0.9, 1.2), step)

        world.at(moment, act)

    def _check(self) -> None:
        world = self.world
        times = Counter((e.key, e.job_id) for e in world.events if not e.is_check)
        checks = Counter((e.key, e.job_id) for e in world.events if e.is_check)
        for what, found in (("recorded", times), ("checked", checks)):
            for (key, job_id), count in found.items():
                if count > 1:
                    self.violations.append(f"{key} of {job_id} was {what} {count} times")
        for prefix in {sensor.prefix for sensor in self.sensors}:
            mine = [sensor for sensor in self.sensors if sensor.prefix == prefix]
            for pipeline_id, jobs in world.jobs.items():
                began = min(sensor.began.get(pipeline_id, FOREVER) for sensor in mine)
                walked = min(sensor.walked.get(pipeline_id, FOREVER) for sensor in mine)
                for job in jobs:
                    self._check_job(job, prefix, began, walked, times)

    def _check_job(
        self,
        job: ModelJob,
        prefix: str,
        began: float,
        walked: float,
        times: Counter[tuple[str, str]],
    ) -> None:
        if job.ends >= FOREVER or job.vanishes < FOREVER:
            return
        if job.ends <= began or (job.ends <= walked and not job.is_timed):
            return
        for object_id in sorted(job.loaded()):
            key = f"{prefix}/p{job.pipeline_id}/{object_id.split('-')[1]}"
            if not times[key, job.job_id]:
                self.violations.append(f"{key} of {job.job_id} was never recorded")
            else:
                self.world.counts["recorded as it should be"] += 1


class _Unlimited:
    def acquire(self, urgent: bool = False, timeout: float | None = None) -> bool:
        return True

    def watchers(self) -> int:
        return 0

    def register_watcher(self, id: str) -> None: ...


def play_sensors(seed: int) -> History:
    """Play a history of job sensors to its end."""
    return History(seed).play()
