"""How long the life of a job may take at each station, and the clock it is measured with."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Protocol

from dagster_hevo.jobs.plan import IfJobRunning


class Clock(Protocol):
    """Time as the life of a job sees it; tests pass one in which a day takes a millisecond."""

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


@dataclass(frozen=True)
class JobSettings:
    """The bounds of a job's life. All times in seconds.

    Attributes:
        poll_interval: The closest that two looks at one job may be.
        poll_timeout: How long to wait for the end in all; None for as long as it takes.
        job_discovery_timeout: How long a triggered job may take to show up.
        cancel_on_termination: Whether a job that nobody waits for any more is cancelled.
        if_job_running: What to do about a job of somebody else's.
        max_asks: How often to ask when no answer tells whether the asking took effect, and no job
            came of it.
        outage_tolerance: How long Hevo's API may be out while a job is waited for.
        requests_per_minute: The request budget; 0 for none.
    """

    poll_interval: float = 10.0
    poll_timeout: float | None = 24 * 3600.0
    job_discovery_timeout: float = 60.0
    cancel_on_termination: bool = True
    if_job_running: IfJobRunning = IfJobRunning.WAIT
    max_asks: int = 3
    outage_tolerance: float = 15 * 60.0
    requests_per_minute: int = 100


def as_text(seconds: float) -> str:
    """A duration for people: ``42s``, ``3m 05s``, ``2h 10m``."""
    whole = int(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m {whole % 60:02d}s"
    return f"{whole // 3600}h {whole % 3600 // 60:02d}m"
