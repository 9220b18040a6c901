"""What the local Hevo was asked, in order, for tests to look at.

Written by `gate.py`. It keeps no Authorization header: only whose key came with a request.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any

from dagster_hevo.sandbox.faults import FaultKind


@dataclass(frozen=True)
class SeenRequest:
    """A request as the server saw it.

    Attributes:
        query: The query string.
        user: The API key it came with, known or not; none if it came without.
        status: What was answered; none if the connection was cut instead, or not yet.
        body: The JSON body, if it had one and came with keys that are known.
        at: Sandbox seconds.
        real_at: Real seconds since the epoch.
        fault: The fault that struck it.
        connection: The client's port: requests with the same one shared a connection.
    """

    method: str
    path: str
    query: str
    user: str | None
    status: int | None
    body: Any
    at: float
    real_at: float
    fault: FaultKind | None
    user_agent: str | None
    connection: int | None


MOST_REMEMBERED = 50_000
MOST_BYTES_REMEMBERED = 64 * 2**20


class RequestLog:
    """The requests seen so far, in the order of their arrival; the oldest are forgotten in time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: deque[tuple[SeenRequest, int]] = deque()
        self._forgotten = 0
        self._size = 0

    def add(self, seen: SeenRequest, size: int = 0) -> int:
        """Remember a request, whose body has so many bytes; returns its place."""
        with self._lock:
            self._seen.append((seen, size))
            self._size += size
            while len(self._seen) > MOST_REMEMBERED or self._size > MOST_BYTES_REMEMBERED:
                self._size -= self._seen.popleft()[1]
                self._forgotten += 1
            return self._forgotten + len(self._seen) - 1

    def answered(self, place: int, status: int) -> None:
        """Remember what a request was answered."""
        with self._lock:
            at = place - self._forgotten
            if 0 <= at < len(self._seen):
                seen, size = self._seen[at]
                self._seen[at] = (replace(seen, status=status), size)

    def matching(self, path: str, method: str) -> list[SeenRequest]:
        """The requests that match a path pattern and a method, `*` for any."""
        return [
            seen
            for seen in self.all()
            if method.upper() in ("*", seen.method) and fnmatchcase(seen.path, path)
        ]

    def all(self) -> list[SeenRequest]:
        """A copy of everything seen."""
        with self._lock:
            return [seen for seen, _ in self._seen]
