"""One seed, from its world to its verdict."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random

from dagster_hevo.api.enums import ResyncMode
from dagster_hevo.jobs.request import IfJobRunning, SyncAction, SyncRequest, make_request
from dagster_hevo.jobs.settings import JobSettings
from simulation.checker import Verdict, check
from simulation.dagster_world import Instance, Run
from simulation.hevo import HevoView
from simulation.jobs import JobMaker
from simulation.model import Trigger
from simulation.objects import ObjectWorld
from simulation.runs import Attempt, RunProcess, Script
from simulation.sensor import Sensor
from simulation.server import PIPELINE, HevoServer
from simulation.traits import Traits
from simulation.world import Process, World

HORIZON = 16 * 3600.0
DISCOVERY = 60.0
OTHERS_UNTIL = 600.0


@dataclass(frozen=True)
class PlayedSeed:
    """What came of a seed.

    Attributes:
        seed: The seed.
        violations: What must not happen, and did.
        counts: How often each trait, phase and named case occurred.
        trace: Who did what, and when.
    """

    seed: int
    violations: tuple[str, ...]
    counts: Counter[str]
    trace: tuple[tuple[float, str, str], ...] = ()


class Game:
    """A world with its Hevo and its Dagster.

    Args:
        seed: Decides everything.
        is_traced: Whether to keep a trace.
        traits: The world's traits; None draws them.
    """

    def __init__(self, seed: int, *, is_traced: bool = False, traits: Traits | None = None) -> None:
        self.world = World(seed, horizon=HORIZON, is_traced=is_traced)
        rng = self.world.rng
        self.traits = Traits.draw(rng) if traits is None else traits
        self.discovery = DISCOVERY
        self.objects = ObjectWorld(self.world, self.traits)
        maker = JobMaker(
            self.world,
            self.traits,
            discovery=DISCOVERY,
            objects=self.objects,
        )
        is_scheduled = self._has("others: own schedule") or rng.random() < 0.5
        self.server = HevoServer(self.world, self.traits, maker, is_scheduled=is_scheduled)
        self.server.on_list_read = self.someone_may_come
        self.instance = Instance()
        self.attempts: list[Attempt] = []
        self.scripts: dict[str, Script] = {}
        self.sensor = Sensor(self) if self._has("world: sensor") else None
        self.sensor_died_at: float | None = None
        self.skew: float | None = 0.0
        if self._has("time: no Date"):
            self.skew = None
        elif self._has("time: clock far off"):
            self.skew = rng.choice((-1, 1)) * rng.uniform(60, 600)
        elif self._has("time: clock skew"):
            self.skew = rng.uniform(-45, 45)
        self._runs_to_come = 0
        self._runs_in_progress = 0
        self._ids = 0
        self._listings = 0

    def _has(self, name: str) -> bool:
        return self.traits.has(name)

    def new_id(self) -> str:
        """An id that no other process makes."""
        self._ids += 1
        return f"r{self._ids}"

    def view(
        self,
        process: Process,
        new_trigger: Callable[[str, frozenset[str] | None], Trigger] | None = None,
    ) -> HevoView:
        """Hevo's API, for a process."""
        return HevoView(self.server, process, self.objects, skew=self.skew, new_trigger=new_trigger)

    def is_quiet(self) -> bool:
        """Whether no run goes on or is to come, and no job runs."""
        now = self.world.now
        if self._runs_to_come or self._runs_in_progress or now < OTHERS_UNTIL:
            return False
        return not any(job.is_busy(now) and job.ends < HORIZON for job in self.server.jobs)

    # Runs

    def run_at(self, moment: float, script: Script, root: str | None = None) -> None:
        """Launch a run at a moment."""
        self._runs_to_come += 1

        def launch() -> None:
            self._runs_to_come -= 1
            self._runs_in_progress += 1
            number = len(self.instance.runs)
            run = Run(f"run{number}", root or f"run{number}")
            self.instance.runs[run.run_id] = run
            self.scripts[run.run_id] = script
            self.world.tell(run.run_id, f"LAUNCHED, root {run.root}")
            body = RunProcess(self, run, script).live
            self.world.spawn(run.run_id, body, offset=script.offset)

        self.world.at(moment, launch)

    def after_run(self, run: Run, script: Script) -> None:
        """A run ended: re-execute it, where the script says so."""
        self._runs_in_progress -= 1
        for n, (delay, following) in enumerate(script.again):
            if run.has_succeeded and following.request != script.request:
                continue
            if following.request != script.request:
                self.world.count("world: re-executed from failure")
            self.world.count("world: re-executed twice" if n else "world: re-executed")
            self.run_at(self.world.now + delay, following, run.root)

    # Others

    def someone_may_come(self) -> None:
        """Somebody else may start a job just when a run reads the job list."""
        self._listings += 1
        rng, world = self.world.rng, self.world
        names = [name for name in OTHERS if self._has(name)]
        if not names or world.now > OTHERS_UNTIL or rng.random() > 0.06:
            return
        name = rng.choice(names)
        world.at(world.now + rng.random() * 2, lambda: self.someone_comes(name))

    def someone_comes(self, name: str) -> None:
        """Somebody else starts a job, where Hevo lets them."""
        rng = self.world.rng
        if name == "others: own schedule":
            self.server.someone_else_begins(name, "INCREMENTAL", self.objects.active)
        elif name == "others: the whole pipeline":
            kind = rng.choice(("RESYNC", "RESYNC", "RESYNC_WITH_DROP_AND_LOAD"))
            self.server.someone_else_begins(name, kind, self.objects.active)
        else:
            requests = [script.request for script in self.scripts.values()]
            request = rng.choice(requests) if requests else None
            ids = None if request is None else request.object_ids
            if name == "others: other objects" or ids is None:
                others = sorted(self.objects.active - (ids or frozenset()))
                ids = frozenset(others[: rng.randint(1, 2)]) or self.objects.active
            self.server.someone_else_begins(name, "HISTORICAL", ids)


OTHERS = (
    "others: own schedule",
    "others: the same objects",
    "others: other objects",
    "others: the whole pipeline",
)


def build(game: Game) -> None:
    """Fill a world: old jobs, other people, outages, runs, the sensor."""
    world, rng, traits = game.world, game.world.rng, game.traits
    for n in range(rng.choice((0, 1, 3, 12)) if rng.random() < 0.9 else 0):
        created = -300.0 * (n + 1) - rng.uniform(0, 200)
        game.server.jobs.append(game.server.maker.make_old(created))
    for name in OTHERS:
        if traits.has(name):
            for _ in range(rng.randint(1, 3)):
                moment = rng.uniform(0, OTHERS_UNTIL)
                world.at(moment, lambda name=name: game.someone_comes(name))
    if traits.has("objects: the active ones change"):
        for _ in range(rng.randint(1, 2)):
            world.at(rng.uniform(0, 400), game.objects.change)
    if traits.has("api: out"):
        for _ in range(rng.randint(1, 2)):
            begins = rng.uniform(5, 400)
            game.server.outages.append((begins, begins + rng.choice((5, 20, 60, 120))))
    if traits.has("api: out for very long"):
        begins = rng.uniform(20, 300)
        game.server.outages.append((begins, begins + 400))
        world.at(begins + 200, lambda: world.count("api: out for very long"))
    count = 1 + (traits.has("world: two runs at once") and 1 + (rng.random() < 0.3))
    begins = rng.uniform(1, 60)
    for n in range(count):
        moment = begins + (rng.choice((0.0, 0.3, 2.0, 20.0, 60.0)) if n else 0.0)
        game.run_at(moment, draw_script(game, rng))
        if n:
            world.count("world: two runs at once")
    if game.sensor is not None:
        _start_sensor(game, game.sensor)


def _start_sensor(game: Game, sensor: Sensor) -> None:
    world, rng = game.world, game.world.rng
    world.count("world: sensor")
    offset = rng.uniform(-30, 30) if game.traits.has("world: other machines' clocks") else 0.0
    process = world.spawn("sensor", sensor.live, offset=offset)
    if game.traits.has("world: sensor killed"):

        def die() -> None:
            world.count("world: sensor killed")
            world.tell("sensor", "KILLED")
            game.sensor_died_at = world.now
            world.kill(process)
            if rng.random() < 0.5:
                world.at(world.now + rng.uniform(1, 200), revive)

        def revive() -> None:
            game.sensor_died_at = None
            world.spawn("sensor", sensor.live, offset=offset)

        world.at(rng.uniform(10, 500), die)
    if game.traits.has("world: sensor's memory lost"):
        world.at(rng.uniform(10, 500), sensor.forget)


def draw_script(game: Game, rng: Random, depth: int = 0) -> Script:
    """How a run goes."""
    traits, active = game.traits, sorted(game.objects.active)
    wanted = active
    if rng.random() < 0.7:
        wanted = rng.sample(active, rng.randint(1, max(1, len(active) - 1)))
    action = SyncAction.SYNC_NOW if rng.random() < 0.2 else SyncAction.RESYNC
    request = make_request(
        PIPELINE,
        wanted,
        active,
        action=action,
        resync_mode=rng.choice((ResyncMode.EVOLVE_AND_MERGE, ResyncMode.DROP_AND_LOAD)),
        restarted_with=game.objects.children,
    )
    return _script_for(game, rng, request, draw_settings(traits, rng), depth)


def draw_settings(traits: Traits, rng: Random) -> JobSettings:
    """The bounds of a run."""
    poll_timeout = rng.choice((900.0, 1800.0))
    if traits.has("world: poll_timeout shorter than the job") and rng.random() < 0.7:
        poll_timeout = rng.uniform(20, 120)
    return JobSettings(
        poll_interval=rng.choice((5.0, 10.0)),
        poll_timeout=poll_timeout,
        job_discovery_timeout=DISCOVERY,
        deferred_timeout=240.0,
        job_objects_timeout=rng.choice((60.0, 120.0)),
        cancel_on_termination=not traits.has("world: cancel_on_termination off"),
        if_job_running=rng.choice(
            (IfJobRunning.WAIT, IfJobRunning.WAIT, IfJobRunning.ADOPT, IfJobRunning.FAIL)
        ),
        max_triggers=3,
        outage_timeout=240.0,
        requests_per_minute=0,
    )


def _script_for(
    game: Game, rng: Random, request: SyncRequest, settings: JobSettings, depth: int
) -> Script:
    traits = game.traits
    script = Script(request, settings)
    if traits.has("world: retries"):
        script.retries = rng.randint(1, 2)
    if traits.has("world: killed") and rng.random() < 0.6:
        script.kill_at = rng.randint(1, 70)
        script.found_dead_after = rng.choice((0.0, 10.0, 150.0))
    if traits.has("world: terminated") and rng.random() < 0.6:
        script.terminate_at = rng.randint(1, 70)
    script.raises = traits.has("world: user code raises")
    script.waits = not (traits.has("world: does not wait") and rng.random() < 0.7)
    if traits.has("world: cancel_on_termination off"):
        game.world.count("world: cancel_on_termination off")
    if settings.poll_timeout is not None and settings.poll_timeout < 200:
        game.world.count("world: poll_timeout shorter than the job")
    if traits.has("world: other machines' clocks"):
        game.world.count("world: other machines' clocks")
        script.offset = rng.uniform(0, 2000)
    if traits.has("world: slow process"):
        script.slow = 0.04
    if depth < 2 and traits.has("world: re-executed") and rng.random() < 0.8:
        times = 2 if traits.has("world: re-executed twice") else 1
        delay = rng.choice((0.5, 5.0, 60.0, 100.0, 130.0, 300.0))
        for _ in range(times):
            again = request
            ids = sorted(request.required_ids)
            is_part = traits.has("world: re-executed from failure") and len(ids) > 1
            if is_part and request.action is SyncAction.RESYNC and rng.random() < 0.6:
                part = frozenset(rng.sample(ids, rng.randint(1, len(ids) - 1)))
                again = replace(request, object_ids=part, wanted_ids=part)
            following = _script_for(game, rng, again, settings, depth + 1)
            script.again.append((delay + rng.choice((0.0, 0.0, 0.2, 10.0)), following))
    return script


def play(seed: int, *, is_traced: bool = False, traits: Traits | None = None) -> PlayedSeed:
    """Play a seed to its end."""
    game = Game(seed, is_traced=is_traced, traits=traits)
    build(game)
    if is_traced:
        game.world.tell("world", f"traits: {', '.join(sorted(game.traits.names)) or 'none'}")
    game.world.run()
    verdict: Verdict = check(game)
    counts = game.world.counts
    counts.update(verdict.cases)
    return PlayedSeed(seed, tuple(verdict.violations), counts, tuple(game.world.trace))
