"""How many polls the schedule spends, and how late it notices the end: a simulation, no network.

    python benchmarks/watching.py [--jobs 500] [--seed 1]

`one_job` polls a single job; `crowd` lets many share a budget. The policy is `jobs/schedule.py`.
"""

from __future__ import annotations

import argparse
import bisect
import heapq
import itertools
import math
import random
import statistics
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from dagster_hevo.jobs.schedule import History, Progress, next_poll

POLL_INTERVAL = 10.0
LATENCY = 0.3
WINDOW = 60.0
OVERHEAD = 4  # pipeline status, baseline, POST, outcome; the requests that find the job are counted


@dataclass(frozen=True)
class Watched:
    """What one simulated job cost: `lag` in seconds from its end to the poll that saw it."""

    polls: int
    requests: int
    lag: float


@dataclass(frozen=True)
class Case:
    """A job to come: its true duration in seconds, and what is known before."""

    duration: float
    history: History
    objects: tuple[float, ...] = ()

    def progress(self, elapsed: float) -> Progress | None:
        """What the job tells at a moment: its objects run one after another."""
        if not self.objects:
            return None
        return Progress(bisect.bisect_right(self.objects, elapsed), len(self.objects))


def one_job(case: Case, rng: random.Random) -> Watched:
    """Poll one job that has the whole budget to itself."""
    visible = rng.uniform(5, 15)
    finds, elapsed = 1, 5.0
    while elapsed < visible:
        finds, elapsed = finds + 1, elapsed + 5
    polls = 0
    while elapsed < case.duration:
        elapsed += next_poll(
            elapsed=elapsed,
            history=case.history,
            progress=case.progress(elapsed),
            polls_so_far=polls,
            last_poll=elapsed,
            poll_interval=POLL_INTERVAL,
            watchers=1,
            requests_per_minute=100,
        )
        polls += 1
    return Watched(polls, OVERHEAD + finds + polls, elapsed - case.duration)


def noisy(rng: random.Random, middle: float, sigma: float) -> float:
    """A duration around `middle` seconds; `sigma` is a share of it."""
    return max(0.2 * middle, rng.gauss(middle, sigma * middle))


def steady(rng: random.Random, middle: float, sigma: float = 0.1) -> Case:
    """A pipeline whose jobs take about the same time."""
    return Case(
        noisy(rng, middle, sigma), History(tuple(noisy(rng, middle, sigma) for _ in range(20)))
    )


def trending(rng: random.Random, middle: float) -> Case:
    """A pipeline whose jobs take 4% longer each time."""
    durations = [noisy(rng, middle * 1.04**age, 0.03) for age in range(-20, 1)]
    return Case(durations[-1], History(tuple(durations[:-1])))


def bimodal(rng: random.Random, middle: float) -> Case:
    """A pipeline with quick days and, one in three, days on which it takes four times as long."""
    durations = [noisy(rng, middle * (2 if rng.random() < 1 / 3 else 0.5), 0.08) for _ in range(21)]
    return Case(durations[-1], History(tuple(durations[:-1])))


def unknown(rng: random.Random, middle: float) -> Case:
    """The first job of a pipeline."""
    return Case(noisy(rng, middle, 0.25), History())


def longer(rng: random.Random, middle: float) -> Case:
    """A job that takes six times as long as all before it."""
    return Case(6 * middle, steady(rng, middle).history)


def failing(rng: random.Random, middle: float) -> Case:
    """A job that fails within the first fifth of its usual time."""
    return Case(rng.uniform(0.05, 0.2) * middle, steady(rng, middle).history)


SHAPES: dict[str, Callable[[random.Random, float], Case]] = {
    "steady (10%)": steady,
    "noisy (40%)": lambda rng, middle: steady(rng, middle, 0.4),
    "trending (4% a job)": trending,
    "bimodal (x0.5, x2)": bimodal,
    "none": unknown,
    "history wrong: x6": longer,
    "history wrong: fails early": failing,
}


def with_objects(case: Case, rng: random.Random, count: int = 12) -> Case:
    """The same job, telling its progress through objects of very unequal size."""
    sizes = [rng.lognormvariate(0, 1) for _ in range(count)]
    scale = case.duration / sum(sizes)
    return Case(
        case.duration,
        case.history,
        tuple(end * scale for end in itertools.accumulate(sizes)),
    )


def lone_jobs(
    shape: Callable[[random.Random, float], Case],
    middle: float,
    *,
    jobs: int,
    seed: int,
    progress: bool = False,
) -> list[Watched]:
    """Watch `jobs` jobs of a shape, one after another."""
    rng = random.Random(seed)
    watched: list[Watched] = []
    for _ in range(jobs):
        case = shape(rng, middle)
        watched.append(one_job(with_objects(case, rng) if progress else case, rng))
    return watched


@dataclass
class RequestedJob:
    """One of many jobs that are requested at once."""

    name: str
    case: Case
    triggered_at: float = math.inf
    visible_at: float = math.inf
    polls: int = 0
    requests: int = 0
    lag: float | None = None


@dataclass
class Crowd:
    """Many watchers, one request budget: a sliding window that queues, and Hevo's own count.

    Args:
        jobs: The jobs, all requested at moment 0.
        limit: Requests per minute.
        reserve: How much of the window a job that is not triggered leaves free for those that are.
        counted: Whether watchers know how many they are; else each believes to be alone.
    """

    jobs: list[RequestedJob]
    rng: random.Random
    limit: int = 100
    reserve: int = 0
    counted: bool = True
    now: float = 0.0
    watchers: int = 0
    sent: int = 0
    refused: int = 0
    _woken_at: float = 0.0
    _granted: deque[float] = field(default_factory=lambda: deque[float]())
    _arrived: deque[float] = field(default_factory=lambda: deque[float]())
    _queue: deque[tuple[RequestedJob, Callable[[RequestedJob], None]]] = field(
        default_factory=deque
    )
    _waiting: deque[tuple[RequestedJob, Callable[[RequestedJob], None]]] = field(
        default_factory=deque
    )
    _agenda: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)
    _order: Iterable[int] = field(default_factory=itertools.count)

    def run(self) -> None:
        """Let everything happen, until every job has its outcome."""
        for job in self.jobs:
            begin = self._waiting if self.reserve else self._queue
            begin.append((job, self._pipeline_read))
        self._grant()
        while self._agenda:
            self.now, _, happen = heapq.heappop(self._agenda)
            happen()
            self._grant()

    def _at(self, moment: float, happen: Callable[[], None]) -> None:
        heapq.heappush(self._agenda, (moment, next(iter(self._order)), happen))

    def _send(self, job: RequestedJob, answered: Callable[[RequestedJob], None]) -> None:
        self._queue.append((job, answered))

    def _grant(self) -> None:
        while self._granted and self._granted[0] <= self.now - WINDOW:
            self._granted.popleft()
        while True:
            if self._queue and len(self._granted) < self.limit:
                job, answered = self._queue.popleft()
            elif self._waiting and len(self._granted) < self.limit - self.reserve:
                job, answered = self._waiting.popleft()
            else:
                break
            self._granted.append(self.now)
            self.sent += 1
            job.requests += 1
            self._at(self.now + LATENCY / 2, self._arrive)
            self._at(self.now + LATENCY, lambda job=job, answered=answered: answered(job))
        if self._queue:
            self._wake(self._granted[0])
        elif self._waiting:
            self._wake(self._granted[len(self._granted) - (self.limit - self.reserve)])

    def _wake(self, granted: float) -> None:
        moment = granted + WINDOW + 1e-6
        if moment < self._woken_at or self._woken_at <= self.now:
            self._woken_at = moment
            self._at(moment, lambda: None)

    def _arrive(self) -> None:
        """Hevo counts for itself, and refuses what is too much."""
        while self._arrived and self._arrived[0] <= self.now - WINDOW:
            self._arrived.popleft()
        self._arrived.append(self.now)
        self.refused += len(self._arrived) > self.limit

    def _pipeline_read(self, job: RequestedJob) -> None:
        self._send(job, self._baseline_read)

    def _baseline_read(self, job: RequestedJob) -> None:
        self._send(job, self._triggered)

    def _triggered(self, job: RequestedJob) -> None:
        job.triggered_at = self.now
        job.visible_at = self.now + self.rng.uniform(5, 15)
        self.watchers += 1
        self._at(self.now + 6, lambda: self._send(job, self._list_read))

    def _list_read(self, job: RequestedJob) -> None:
        if self.now >= job.visible_at:
            self._seen(job)
        else:
            self._at(self.now + 8, lambda: self._send(job, self._list_read))

    def _polled(self, job: RequestedJob) -> None:
        job.polls += 1
        self._seen(job)

    def _seen(self, job: RequestedJob) -> None:
        elapsed = self.now - job.triggered_at
        if elapsed >= job.case.duration:
            job.lag = elapsed - job.case.duration
            self.watchers -= 1
            self._send(job, lambda job: None)
            return
        wait = next_poll(
            elapsed=elapsed,
            history=job.case.history,
            progress=job.case.progress(elapsed),
            polls_so_far=job.polls,
            last_poll=elapsed,
            poll_interval=POLL_INTERVAL,
            watchers=self.watchers if self.counted else 1,
            requests_per_minute=self.limit,
            seed=job.name,
        )
        self._at(self.now + wait, lambda: self._send(job, self._polled))


def crowd(*, jobs: int, seed: int, reserve: int = 0, counted: bool = True) -> Crowd:
    """Jobs of 10 to 60 minutes (true duration within 10%), all requested at once."""
    rng = random.Random(seed)
    requested = [
        RequestedJob(f"job-{number}", steady(rng, rng.uniform(600, 3600))) for number in range(jobs)
    ]
    shared = Crowd(requested, rng, reserve=reserve, counted=counted)
    shared.run()
    return shared


def best_plan(middle: float, sigma: float, price: float) -> tuple[float, float]:
    """What a planner reaches that knows the distribution of the end: polls and mean lag.

    Solved backwards over whole seconds, each poll costing `price` seconds of lag.
    """
    horizon = round(middle * (1 + 6 * sigma))
    over = [math.erfc((middle - t) / (sigma * middle) / math.sqrt(2)) / 2 for t in range(horizon)]
    area = list(
        itertools.accumulate(((a + b) / 2 for a, b in itertools.pairwise(over)), initial=0.0)
    )
    costs, polls, lags = ([0.0] * horizon for _ in range(3))
    for start in range(horizon - 2, -1, -1):
        best = math.inf
        for poll in range(min(start + round(POLL_INTERVAL), horizon - 1), horizon):
            lag = area[poll] - area[start] - over[start] * (poll - start)
            cost = lag + price * (1 - over[start]) + costs[poll]
            if cost < best:
                best = costs[start] = cost
                polls[start] = 1 - over[start] + polls[poll]
                lags[start] = lag + lags[poll]
    return polls[10], lags[10]


def percentile(values: Iterable[float], share: float) -> float:
    """The value below which `share` of the values lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def figures(watched: list[Watched]) -> str:
    """A table row of what polling cost and gained."""
    lags = [one.lag for one in watched]
    return (
        f"{statistics.mean(one.polls for one in watched):7.1f}"
        f"{max(one.polls for one in watched):6d}"
        f"{statistics.mean(one.requests for one in watched):10.1f}"
        f"{statistics.mean(lags):10.1f}{statistics.median(lags):9.1f}{percentile(lags, 0.95):9.1f}"
    )


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=500, help="jobs per row (default 500)")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()

    head = f"{'':42s}{'polls':>7s}{'most':>6s}{'requests':>10s}"
    head += f"{'lag mean':>10s}{'median':>9s}{'95%':>9s}"
    print(f"One job at a time, poll_interval {POLL_INTERVAL:g} s; lag in seconds\n{head}")
    for name, shape in SHAPES.items():
        for middle, label in ((60, "1 min"), (600, "10 min"), (3600, "1 h"), (21600, "6 h")):
            for progress in (False, True):
                watched = lone_jobs(
                    shape, middle, jobs=options.jobs, seed=options.seed, progress=progress
                )
                title = f"{name}, {label}{', progress' if progress else ''}"
                print(f"{title:42s}{figures(watched)}")

    print("\nsteady (10%), 10 min, planned by one who knows the distribution and hears no failure")
    for price in (0.2, 0.1, 0.05, 0.02):
        polls, lag = best_plan(600, 0.1, price)
        print(f"{'':42s}{polls:7.1f}{'':16s}{lag:10.1f}")

    print(f"\n{options.jobs} jobs of 10 to 60 minutes at once, 100 requests per minute\n{head}")
    rows = (
        ("counted", 0, True),
        ("counted, 20 requests kept for the begun", 20, True),
        ("each believes to be alone", 0, False),
    )
    for title, reserve, counted in rows:
        shared = crowd(jobs=options.jobs, seed=options.seed, reserve=reserve, counted=counted)
        seen = [
            Watched(job.polls, job.requests, job.lag) for job in shared.jobs if job.lag is not None
        ]
        print(f"{title:42s}{figures(seen)}")
        print(
            f"  ends seen {len(seen)}, refused {shared.refused}, requests {shared.sent}, "
            f"all done after {shared.now / 60:.0f} min"
        )


if __name__ == "__main__":
    main()
