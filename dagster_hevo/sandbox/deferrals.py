"""When a job of the local Hevo is DEFERRED, and how much work is done around that.

Hevo defers a job while the source's own limits are exhausted, and goes on by itself. What a job is
otherwise is in `jobs.py`; which deferrals a new job gets, in `layout.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Deferral:
    """A wait of ``seconds`` that begins after so many seconds of work."""

    after: float
    seconds: float


@dataclass(frozen=True)
class Deferrals:
    """All waits of a job, in the order of their beginnings."""

    waits: tuple[Deferral, ...] = ()

    @property
    def seconds(self) -> float:
        """How long they take together."""
        return sum(wait.seconds for wait in self.waits)

    def wait_at(self, elapsed: float) -> Deferral | None:
        """The wait that a job is in, so many seconds after its start; none: it works."""
        for begins, wait in self._beginnings():
            if begins <= elapsed < begins + wait.seconds:
                return wait
        return None

    def work_in(self, elapsed: float) -> float:
        """Seconds of work done in so many seconds after the start."""
        current = self.wait_at(elapsed)
        if current is not None:
            return current.after
        over = [wait for begins, wait in self._beginnings() if begins + wait.seconds <= elapsed]
        return elapsed - sum(wait.seconds for wait in over)

    def _beginnings(self) -> Iterator[tuple[float, Deferral]]:
        waited = 0.0
        for wait in self.waits:
            yield wait.after + waited, wait
            waited += wait.seconds
