"""Hevo's limit of requests a minute and user: a window that slides with time.

It only counts. The answer past the limit is given in `gate.py`.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable

WINDOW_SECONDS = 60.0


class RequestLimit:
    """Lets a user send so many requests in any 60 seconds.

    Args:
        requests: How many; 0: no limit.
        ticks: Where seconds come from.
    """

    def __init__(self, requests: int, ticks: Callable[[], float]) -> None:
        self.requests = requests
        self._ticks = ticks
        self._sent: defaultdict[str, deque[float]] = defaultdict(deque)

    def seconds_to_wait(self, user: str) -> float:
        """Count a request and return 0, or return how long this user has to wait, not counting."""
        if not self.requests:
            return 0.0
        now, sent = self._ticks(), self._sent[user]
        while sent and sent[0] <= now - WINDOW_SECONDS:
            sent.popleft()
        if len(sent) >= self.requests:
            return sent[0] + WINDOW_SECONDS - now
        sent.append(now)
        return 0.0
