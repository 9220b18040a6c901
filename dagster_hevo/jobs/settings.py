"""How long each state of a job's life may last, and the clock that measures it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Protocol

from dagster_hevo.jobs.request import IfJobRunning


class Clock(Protocol):
    """Time as a job's life sees it; tests pass one in which a day takes a millisecond."""

    def monotonic(self) -> float:
        """Seconds from some beginning, never going back."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


class SystemClock:
    """The machine's own clock."""

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


class WatcherCount(Protocol):
    """Knows how many jobs are polled on one request budget, in all processes."""

    def register_watcher(self, id: str, /) -> None: ...

    def forget_watcher(self, id: str, /) -> None: ...

    def watchers(self) -> int: ...


class SoleWatcher:
    """For a budget that nobody shares."""

    def register_watcher(self, id: str, /) -> None:
        pass

    def forget_watcher(self, id: str, /) -> None:
        pass

    def watchers(self) -> int:
        return 1


@dataclass(frozen=True)
class JobSettings:
    """The bounds of a job's life. All times in seconds.

    Attributes:
        poll_interval: The shortest time between two polls of one job.
        poll_timeout: How long to wait for the end in all; None for as long as it takes.
        job_discovery_timeout: How long a triggered job may take to appear in the job list.
        deferred_timeout: How long a job may stay DEFERRED without a break. Hevo's documents do not
            settle whether such a job goes on, so it is never waited for without this bound.
        job_objects_timeout: How long the list of a job's objects may lag behind the job's end.
        cancel_on_termination: Whether the job is cancelled when nobody waits for it any more.
        if_job_running: What to do about a foreign job on the pipeline.
        max_triggers: How many triggers may be sent whose answers are lost and that start no job.
        outage_timeout: How long Hevo's API may give no usable answer.
        requests_per_minute: The request budget; 0 for none.
    """

    poll_interval: float = 10.0
    poll_timeout: float | None = 24 * 3600.0
    job_discovery_timeout: float = 60.0
    deferred_timeout: float = 6 * 3600.0
    job_objects_timeout: float = 120.0
    cancel_on_termination: bool = True
    if_job_running: IfJobRunning = IfJobRunning.WAIT
    max_triggers: int = 3
    outage_timeout: float = 15 * 60.0
    requests_per_minute: int = 100


def as_text(seconds: float) -> str:
    """A duration for people: ``42s``, ``3m 05s``, ``2h 10m``."""
    whole = int(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m {whole % 60:02d}s"
    return f"{whole // 3600}h {whole % 3600 // 60:02d}m"
