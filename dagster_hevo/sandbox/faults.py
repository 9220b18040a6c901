"""What can go wrong between a client and Hevo, on demand: by a script or by chance.

Which fault strikes a request is decided here; how it is inflicted is in `gate.py`.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Iterable
from enum import Enum
from fnmatch import fnmatchcase

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass


class FaultKind(str, Enum):
    """What goes wrong. `before` and `after` are relative to the request's taking effect."""

    CUT_BEFORE = "cut_before"
    CUT_AFTER = "cut_after"
    DELAY_BEFORE = "delay_before"
    DELAY_AFTER = "delay_after"
    STATUS_BEFORE = "status_before"
    STATUS_AFTER = "status_after"
    RATE_LIMITED = "rate_limited"
    HTML = "html"
    TRUNCATED_BODY = "truncated_body"
    CUT_JSON = "cut_json"
    DRIP_HEADERS = "drip_headers"
    DRIP_BODY = "drip_body"
    UNKNOWN_VALUES = "unknown_values"
    UNKNOWN_FIELDS = "unknown_fields"
    MISSING_FIELDS = "missing_fields"

    def __str__(self) -> str:
        return str(self.value)

    @property
    def spares_effect(self) -> bool:
        """Whether a request struck by it never reaches Hevo's state."""
        return self in _BEFORE


_BEFORE = frozenset({FaultKind.CUT_BEFORE, FaultKind.STATUS_BEFORE, FaultKind.RATE_LIMITED})


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Fault:
    """A fault and the requests that it strikes.

    Attributes:
        kind: What goes wrong.
        method: HTTP method, `*` for any.
        path: Pattern of the path with `*` and `?`, such as `*/actions/resync`.
        times: How often it strikes; none: without end.
        skip: How many matching requests it lets pass first.
        probability: Chance of striking a matching request, 0 to 1.
        status: The status of `status_before` and `status_after`.
        query: Pattern of the query, such as `*cursor=*` for the pages after a list's first.
        seconds: Real seconds of a delay (the client's timeout is real too), or between two bytes
            of `drip_headers` and `drip_body`; `Retry-After` of `rate_limited`.
    """

    kind: FaultKind
    method: str = "*"
    path: str = "*"
    times: int | None = None
    skip: int = 0
    probability: float = 1.0
    status: int = 503
    seconds: float = 1.0
    query: str = "*"

    def matches(self, method: str, path: str, query: str = "") -> bool:
        """Whether it is meant for such a request."""
        is_method = self.method.upper() in ("*", method.upper())
        return is_method and fnmatchcase(path, self.path) and fnmatchcase(query, self.query)


@dataclass
class _Watch:
    fault: Fault
    seen: int = 0
    struck: int = 0


@dataclass(frozen=True)
class StruckRequest:
    """A request that a fault struck."""

    fault: Fault
    method: str
    path: str


class FaultBook:
    """The faults of a running sandbox; the first that matches a request strikes it.

    Args:
        faults: What the scenario starts with.
        seed: Decides where faults by chance strike.
    """

    def __init__(self, faults: Iterable[Fault] = (), *, seed: int = 0) -> None:
        self._lock = threading.Lock()
        self._random = random.Random(seed)
        self._watches = [_Watch(fault) for fault in faults]
        self._struck: list[StruckRequest] = []

    def add(self, *faults: Fault) -> None:
        """Put faults after those already there."""
        with self._lock:
            self._watches.extend(_Watch(fault) for fault in faults)

    def add_by_chance(
        self,
        kinds: Iterable[FaultKind | str],
        probability: float,
        *,
        method: str = "*",
        path: str = "*",
        seconds: float = 1.0,
    ) -> None:
        """Let each of these kinds strike any matching request with this chance (0 to 1)."""
        self.add(
            *(
                Fault(
                    FaultKind(kind),
                    method=method,
                    path=path,
                    probability=probability,
                    seconds=seconds,
                )
                for kind in kinds
            )
        )

    def clear(self) -> None:
        """Forget every fault; what has struck stays known."""
        with self._lock:
            self._watches.clear()

    @property
    def struck(self) -> tuple[StruckRequest, ...]:
        """What has struck so far, in order."""
        with self._lock:
            return tuple(self._struck)

    @property
    def pending(self) -> tuple[Fault, ...]:
        """The scripted faults (those with `times`) that have yet to strike."""
        with self._lock:
            return tuple(
                watch.fault
                for watch in self._watches
                if watch.fault.times is not None and watch.struck < watch.fault.times
            )

    def pick(self, method: str, path: str, query: str = "") -> Fault | None:
        """The fault for this request, which counts as struck by it."""
        with self._lock:
            for watch in self._watches:
                fault = watch.fault
                if not fault.matches(method, path, query):
                    continue
                if fault.times is not None and watch.struck >= fault.times:
                    continue
                watch.seen += 1
                if watch.seen <= fault.skip:
                    continue
                if fault.probability < 1.0 and self._random.random() >= fault.probability:
                    continue
                watch.struck += 1
                self._struck.append(StruckRequest(fault, method, path))
                return fault
        return None
