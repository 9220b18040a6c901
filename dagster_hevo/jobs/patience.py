"""Reading from Hevo while a job of ours is on its way: a failed look is not a failed job."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

from dagster_hevo.api.errors import (
    HevoConnectionError,
    HevoError,
    HevoGarbledResponseError,
    HevoOutageError,
    HevoRateLimitError,
    HevoServerError,
)
from dagster_hevo.jobs.settings import Clock, as_text

T = TypeVar("T")

TRANSIENT = (
    HevoConnectionError,
    HevoGarbledResponseError,
    HevoRateLimitError,
    HevoServerError,
)
LOG_EVERY = 60.0


class Patience:
    """Repeats reads through an outage of Hevo's API, and says so once a minute.

    Args:
        clock: Measures the outage and waits.
        log: Where the outage is told.
        interval: Seconds between two tries.
        tolerance: Seconds after which an outage is named as one.
    """

    def __init__(
        self, clock: Clock, log: logging.Logger, *, interval: float, tolerance: float
    ) -> None:
        self._clock = clock
        self._log = log
        self._interval = interval
        self._tolerance = tolerance

    def read(self, what: str, call: Callable[[], T], *, until: float | None = None) -> T | None:
        """Call until an answer comes.

        Args:
            what: What is being read, for the log.
            call: The read.
            until: When to stop trying, on the clock; the caller then decides what its end means.

        Returns:
            The answer, or None if ``until`` came first.

        Raises:
            HevoOutageError: No answer for longer than the tolerance.
            HevoError: Anything that waiting does not heal, at once.
        """
        out_since: float | None = None
        told_at: float | None = None
        while True:
            try:
                answer = call()
            except TRANSIENT as error:
                now = self._clock.monotonic()
                if out_since is None:
                    out_since = now
                if now - out_since >= self._tolerance:
                    raise self._outage(what, now - out_since, error) from error
                if told_at is None or now - told_at >= LOG_EVERY:
                    told_at = now
                    self._log.warning(
                        f"Hevo's API gave no usable answer for {what} since "
                        f"{as_text(now - out_since)}; trying on for up to "
                        f"{as_text(self._tolerance - (now - out_since))}. Last: {error}"
                    )
                if until is not None and now >= until:
                    return None
                self._clock.sleep(self._interval)
            else:
                if out_since is not None:
                    gone = as_text(self._clock.monotonic() - out_since)
                    self._log.info(f"Hevo's API answers again for {what}, after {gone}.")
                return answer

    def _outage(self, what: str, seconds: float, last: HevoError) -> HevoOutageError:
        return HevoOutageError(
            f"Hevo's API has been out for {as_text(seconds)} while reading {what}. The job may go "
            "on in Hevo: when the API is back, retry or re-execute this run from failure, and it "
            f"takes the job up again. Last: {last}"
        )
