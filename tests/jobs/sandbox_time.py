"""Time that moves only while somebody sleeps, and what was logged meanwhile."""

from __future__ import annotations

import heapq
import itertools
import logging
from collections.abc import Callable

from dagster_hevo.sandbox import HevoSandbox


class Terminated(BaseException):
    """The run was terminated, as Dagster or the keyboard does it."""


class SandboxTime:
    """The sandbox's time as a runner sees it: sleeping moves it, and nothing else does.

    What is due at a moment is done when sleeping reaches it; it may raise, as a signal does.
    """

    def __init__(self, sandbox: HevoSandbox) -> None:
        self._sandbox = sandbox
        self._began = sandbox.now()
        self._count = itertools.count()
        self._due: list[tuple[float, int, Callable[[], object]]] = []

    def monotonic(self) -> float:
        return self._sandbox.now() - self._began

    def sleep(self, seconds: float) -> None:
        wake = self.monotonic() + seconds
        while self._due and self._due[0][0] <= wake:
            moment, _, action = heapq.heappop(self._due)
            self._sandbox.advance(max(moment - self.monotonic(), 0.0))
            action()
        self._sandbox.advance(max(wake - self.monotonic(), 0.0))

    def at(self, moment: float, action: Callable[[], object]) -> None:
        """Do something when sleeping reaches this moment, in seconds since the beginning."""
        heapq.heappush(self._due, (moment, next(self._count), action))

    def terminate_at(self, moment: float) -> None:
        """Terminate the run at this moment."""

        def terminate() -> None:
            raise Terminated

        self.at(moment, terminate)


class Told(logging.Handler):
    """Keeps what was told to people."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)

    def lines(self, text: str = "", level: int = logging.DEBUG) -> list[str]:
        """The lines from this level on that hold a text."""
        found = [record.getMessage() for record in self.records if record.levelno >= level]
        return [line for line in found if text in line]

    def warnings(self, text: str = "") -> list[str]:
        return self.lines(text, logging.WARNING)
