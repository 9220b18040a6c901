"""The local Hevo's time: this machine's, sped up, moved ahead on demand, and told with an offset.

Nothing here sleeps. Who asks for the time is in `account.py`; what happens in it, in `jobs.py`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class SandboxClock:
    """Seconds since the epoch as the local Hevo lives them.

    Args:
        speed: Sandbox seconds a real second; 0 stops time, so that it moves by `advance` only.
        offset: Seconds by which the times in answers differ from this clock's, as a server's
            clock differs from a client's.
        ticks: Where real seconds come from.
        start: The sandbox second at which it starts; by default this machine's time.
    """

    def __init__(
        self,
        speed: float = 1.0,
        *,
        offset: float = 0.0,
        ticks: Callable[[], float] = time.monotonic,
        start: float | None = None,
    ) -> None:
        if speed < 0:
            raise ValueError(f"speed must not be negative: {speed}")
        self.speed = speed
        self.offset = offset
        self._ticks = ticks
        self._started = ticks()
        self._start = time.time() if start is None else start
        self._advanced = 0.0
        self._lock = threading.Lock()

    def now(self) -> float:
        """The sandbox's present, in seconds."""
        with self._lock:
            return self._start + (self._ticks() - self._started) * self.speed + self._advanced

    def advance(self, seconds: float) -> None:
        """Move ahead by sandbox seconds; never back, since what happened stays happened."""
        if seconds < 0:
            raise ValueError(f"time does not go back: {seconds}")
        with self._lock:
            self._advanced += seconds

    def told_ms(self, moment: float) -> int:
        """A moment as answers tell it: epoch milliseconds, by the server's own offset."""
        return round((moment + self.offset) * 1000)
