"""When the next poll of a running job is worth its request: pure arithmetic, no clock, no I/O.

Polling itself is `polling.py`; the request budget that polls are paid from is
`api/rate_limit.py`. What the choices below cost and gain is measured by `benchmarks/watching.py`.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from dagster_hevo.api.enums import JobCompletionStatus, JobType
from dagster_hevo.api.models import Job

LONGEST_POLL_WAIT = 900.0
"""Seconds: the furthest that two polls are apart while the budget is no obstacle."""

POLLS_SHARE = 0.8
"""How much of the request budget polls may use: triggers and outcomes need the rest."""

NEWEST = 16
"""How many earlier jobs count. Older ones say little about today and cost time to weigh."""

IMPATIENCE = 4e-4
"""What one poll is worth, in seconds of lag, for each second that the job takes.

Relative to the length, because five seconds matter to a job of ten minutes and not to one of six
hours.
"""

DOUBT = 0.003
"""How likely it is that the earlier jobs say nothing about this one."""

PROGRESS_WEIGHT = 0.03
"""How much the end that progress points to counts, where all of history counts 1."""

SAFETY = 0.035
"""The share of the polls without history that is made even while history says the end is far.

They notice a job that fails early.
"""

GROWTH = 0.045
"""Without history: how much longer the next interval is, as a share of the time gone by."""

FIRST_INTERVALS = 1.5
"""Without history: the first intervals, in poll intervals."""

UNGUIDED_WAIT = 300.0
"""Seconds: the longest interval without history while the budget is no obstacle."""

SPREAD = 0.1
"""How far watchers that share a budget are moved off each other, as a share of the interval."""

GAP = 0.3
"""Durations further apart than this (in logarithms) are two groups, as of quick and slow days."""

_COMPLETED = frozenset({JobCompletionStatus.COMPLETED, JobCompletionStatus.COMPLETED_WITH_FAILURES})
_MOST_STEPS = 400
_SHORTEST_INTERVAL = 0.001
_ROOT_TWO_PI = math.sqrt(2 * math.pi)
_ROOT_TWO = math.sqrt(2)


@dataclass(frozen=True)
class History:
    """How long earlier jobs of the same pipeline and kind took.

    Attributes:
        durations: Seconds, newest last.
    """

    durations: tuple[float, ...] = ()

    @classmethod
    def of(cls, jobs: Iterable[Job], like: JobType | None) -> History:
        """Read the history from a page of jobs, in whatever order Hevo lists them.

        Args:
            jobs: Jobs of one pipeline.
            like: The kind of job that is awaited; none: every kind counts.

        Returns:
            The durations of those that ran to completion: a failed or cancelled job says nothing
            about how long a good one takes. A duration that is missing or 0 is no duration.
        """
        durations = [
            (job.created_ts or 0, job.duration / 1000)
            for job in jobs
            if job.duration is not None
            and job.duration > 0
            and job.status.completion in _COMPLETED
            and (like is None or job.type == like)
        ]
        durations.sort(key=lambda pair: pair[0])
        return cls(tuple(seconds for _, seconds in durations))


@dataclass(frozen=True)
class Progress:
    """How many of its objects a job was through with when it was last seen.

    Attributes:
        done: Objects finished, well or not.
        total: All objects of the job; 0 when the job does not say.
        seen_at: Seconds since the job began; none: at the last poll.
    """

    done: int
    total: int
    seen_at: float | None = None

    @classmethod
    def of(cls, job: Job, seen_at: float | None = None) -> Progress:
        """Read it from a job as Hevo answered it."""
        return cls(job.objects_done, job.objects_total, seen_at)


@dataclass(frozen=True)
class Guess:
    """One way the job may go: it ends around `end`, give or take `spread` (seconds)."""

    weight: float
    end: float
    spread: float


@dataclass(frozen=True)
class Forecast:
    """When a job may end, as a handful of guesses; none at all when nothing is known.

    Why not a mean and a deviation: a pipeline with quick and slow days has no end around its mean.
    """

    guesses: tuple[Guess, ...]
    doubt: float = DOUBT

    @property
    def length(self) -> float:
        """The expected duration in seconds."""
        weight = sum(guess.weight for guess in self.guesses)
        return sum(guess.weight * guess.end for guess in self.guesses) / weight if weight else 0.0

    def odds(self, elapsed: float) -> tuple[float, float]:
        """How likely the job is to last beyond `elapsed`, and to end within the second after it."""
        lasting = ending = 0.0
        for guess in self.guesses:
            z = (elapsed - guess.end) / guess.spread
            if z > 8:
                continue
            if z < -8:
                lasting += guess.weight
                continue
            lasting += guess.weight * 0.5 * math.erfc(z / _ROOT_TWO)
            ending += guess.weight * math.exp(-z * z / 2) / (_ROOT_TWO_PI * guess.spread)
        return lasting, ending

    def stride(self, elapsed: float) -> float:
        """How far one may go from `elapsed` without stepping over a guess; infinite past them."""
        stride = math.inf
        for guess in self.guesses:
            z = (elapsed - guess.end) / guess.spread
            if z < -5:
                stride = min(stride, (-4.7 - z) * guess.spread)
            elif z < 8:
                stride = min(stride, guess.spread / 3)
        return stride

    def given(self, progress: Progress, seen_at: float) -> Forecast:
        """The forecast after hearing how many objects are done.

        Objects differ in size and several run at once, so the share of objects done is a rough
        measure of the time gone by: it weighs the guesses against each other and adds one of its
        own, and never replaces them.
        """
        if progress.total <= 0 or seen_at < _SHORTEST_INTERVAL:
            return self
        share = min(1.0, max(0.0, progress.done / progress.total))
        blur = 0.2 + 1 / progress.total
        guesses = [
            Guess(
                guess.weight
                * (0.02 + math.exp(-(((share - seen_at / guess.end) / blur) ** 2) / 2)),
                guess.end,
                guess.spread,
            )
            for guess in self.guesses
            if guess.end > 0
        ]
        if share > 0 and progress.total > 1:
            end = seen_at / share
            guesses.append(Guess(PROGRESS_WEIGHT, end, end * min(0.5, blur / share)))
        return Forecast(tuple(guesses), self.doubt if self.guesses else PROGRESS_WEIGHT)


@lru_cache(maxsize=1024)
def forecast(history: History) -> Forecast:
    """Turn earlier durations into guesses, one for each group of similar durations.

    A steady trend is carried on to the present: where each job takes longer than the last, all
    earlier ones are too short. Few jobs make a wide guess, however alike they are.
    """
    known = [math.log(seconds) for seconds in history.durations if 0 < seconds < math.inf][-NEWEST:]
    count = len(known)
    if not count:
        return Forecast(())
    slope = _trend(known)
    logs = sorted(value + slope * (count - place) for place, value in enumerate(known))
    least = 0.025 + 0.25 / count
    guesses: list[Guess] = []
    for group in _groups(logs):
        size = len(group)
        centre = sum(group) / size
        if size == 1:
            width = max(least, 0.1)
        else:
            variance = sum((value - centre) ** 2 for value in group) / (size - 1)
            width = min(0.5, max(least, math.sqrt(variance * (1 + 1 / size))))
        end = math.exp(min(30.0, max(-30.0, centre)))
        guesses.append(Guess(size / count, end, end * width))
    return Forecast(tuple(guesses))


def _groups(logs: list[float]) -> list[list[float]]:
    """Split sorted durations where the next is much longer than the one before."""
    groups = [[logs[0]]]
    for value in logs[1:]:
        if value - groups[-1][-1] > GAP:
            groups.append([])
        groups[-1].append(value)
    return groups


def _trend(logs: list[float]) -> float:
    """The typical step from one job to the next, or 0 where most pairs do not agree on its sign."""
    if len(logs) < 5:
        return 0.0
    steps = sorted(
        (logs[later] - logs[earlier]) / (later - earlier)
        for earlier in range(len(logs))
        for later in range(earlier + 1, len(logs))
    )
    agreement = sum(1 if step > 0 else -1 if step < 0 else 0 for step in steps) / len(steps)
    return steps[len(steps) // 2] if abs(agreement) > 0.6 else 0.0


@lru_cache(maxsize=1024)
def _appetite(ends: Forecast) -> float:
    """How many polls a job gets when each costs half a second of lag (see `_price`)."""
    total, elapsed = 0.0, 0.0
    for _ in range(_MOST_STEPS):
        stride = ends.stride(elapsed)
        if stride == math.inf:
            break
        lasting, ending = ends.odds(elapsed + stride / 2)
        total += math.sqrt(lasting * ending) * stride
        elapsed += stride
    return total


def share_interval(watchers: int, requests_per_minute: int) -> float:
    """Seconds between polls if all watchers polled equally often; 0 without a limit."""
    if requests_per_minute <= 0:
        return 0.0
    return 60 * max(1, watchers) / (POLLS_SHARE * requests_per_minute)


def longest_wait(poll_interval: float, watchers: int, requests_per_minute: int) -> float:
    """Seconds: the bound of `next_poll`, stretched by the budget only."""
    return max(poll_interval, LONGEST_POLL_WAIT, 4 * share_interval(watchers, requests_per_minute))


def next_poll(
    *,
    elapsed: float,
    history: History,
    progress: Progress | None,
    polls_so_far: int,
    last_poll: float,
    poll_interval: float,
    watchers: int,
    requests_per_minute: int,
    seed: str = "",
) -> float:
    """Say when the next poll at a job is worth its request.

    Polls come at a rate of sqrt(hazard / (2 * price)), which costs the least lag for a given
    number of polls. The hazard is the likelihood that the job ends now, having lasted until now;
    the price of a poll rises as more watchers share the budget. Once the job has outlasted what
    history knows, the intervals grow with the time gone by, as they do without history.

    Args:
        elapsed: Seconds since the job began.
        history: Durations of earlier jobs of that pipeline and kind.
        progress: How many objects are done; none: not known.
        polls_so_far: Polls made at this job.
        last_poll: `elapsed` at the last poll.
        poll_interval: Seconds: no two polls are closer.
        watchers: Jobs whose polls share the budget, this one included.
        requests_per_minute: The whole budget; 0: no limit.
        seed: Anything that differs between jobs, such as the job's id: watchers that began
            together do not poll together.

    Returns:
        Seconds from now: at least `poll_interval`, at most `longest_wait(...)`.
    """
    nearest = max(poll_interval, _SHORTEST_INTERVAL)
    longest = longest_wait(nearest, watchers, requests_per_minute)
    fair = share_interval(watchers, requests_per_minute)
    known = forecast(history)
    start = max(0.0, min(last_poll, elapsed))
    ends = known
    if progress is not None:
        seen_at = start if progress.seen_at is None else progress.seen_at
        ends = known.given(progress, seen_at)
    pace = _Pace(ends, _price(known if known.guesses else ends, fair), nearest, fair)
    swing = SPREAD * (1 - 1 / max(1, watchers))
    wait = pace.until_due(start, longest)
    wait *= 1 + swing * (2 * _fraction(seed, polls_so_far) - 1)
    return max(nearest, min(wait, longest) - (elapsed - start))


def _price(ends: Forecast, fair: float) -> float:
    """Seconds of lag that a poll must save to be made.

    A job may spend as many polls as its share of the budget holds while it lasts. Polls number
    `appetite / sqrt(2 * price)`, so the price follows from the polls.
    """
    price = IMPATIENCE * ends.length
    if fair <= 0:
        return price
    polls = max(1.0, ends.length / fair)
    return max(price, (_appetite(ends) / polls) ** 2 / 2)


@dataclass(frozen=True)
class _Pace:
    """How many polls a second are worth making, as time goes by."""

    ends: Forecast
    price: float
    poll_interval: float
    fair: float

    def until_due(self, start: float, longest: float) -> float:
        """Seconds after `start` when the rate has added up to one poll, or `longest`."""
        at, due = start, 0.0
        for _ in range(_MOST_STEPS):
            stride = min(self.ends.stride(at), longest / 4)
            rate = self.rate(at + min(stride, self.poll_interval) / 2)
            stride = max(min(stride, 0.5 / rate), self.poll_interval / 4)
            rate = self.rate(at + stride / 2)
            if due + rate * stride >= 1:
                return min(longest, at + (1 - due) / rate - start)
            due += rate * stride
            at += stride
            if at - start >= longest:
                return longest
        return at - start

    def rate(self, elapsed: float) -> float:
        """Polls a second at a moment of the job's life."""
        lasting, ending = self.ends.odds(elapsed)
        guided = lasting * (1 - self.ends.doubt)
        trust = guided / (guided + self.ends.doubt)
        unguided = max(1 - trust, SAFETY) / self.unguided_interval(elapsed)
        if not trust or not self.price:
            return unguided
        worth = math.sqrt(ending / lasting / (2 * self.price))
        return trust * min(1 / self.poll_interval, worth) + unguided

    def unguided_interval(self, elapsed: float) -> float:
        """The interval when nothing is known but how long the job has been going on."""
        return max(
            FIRST_INTERVALS * self.poll_interval, min(GROWTH * elapsed, UNGUIDED_WAIT), self.fair
        )


def _fraction(seed: str, polls_so_far: int) -> float:
    """A number from 0 to 1 that differs between jobs and polls, and never between runs."""
    return zlib.crc32(f"{seed}:{polls_so_far}".encode()) / 2**32
