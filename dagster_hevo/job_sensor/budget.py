"""The requests of a tick: at most the sensor's share of the user's budget, and never a long wait.

The budget itself is `api/rate_limit.py`; a tick spends from it in `tick.py`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dagster_hevo.api.rate_limit import RequestBudget

# A request counts for a little more than a minute. A tick that begins a minute after the one before
# waits until the first requests of that one count no more; then they come free at the pace in which
# they were sent, and hardly a part of the share is lost.
PATIENCE = 5.0
PATIENCE_AT_FIRST = 15.0


# Requests that a pipeline may send before another one has its turn, where there are enough.
LONGEST_TURN = 8


class TickSpent(Exception):
    """The tick may send no more requests: its share, the user's budget or its time is used up."""


@dataclass
class TickBudget:
    """What a tick acquires before each of its requests.

    Args:
        share: The sensors' part of the budget, shared by all ticks and processes.
        whole: The user's budget, which runs spend too.
        contest: Where sensors that could use more than they get say so; no request is counted.
        limit: Requests per minute of the share; 0 for no limit.
        until: When the tick may send no more, on the clock ``now``.
        interval: Seconds between two ticks.
        sensor_id: Tells this sensor from others that share the budget.
        now: Tells the time in seconds; only differences count.
        most: How many requests this tick may send, beside the share.

    Attributes:
        spent: How many requests it has sent.
        has_ended: Whether it has waited in vain, or has spent its part.
    """

    share: RequestBudget
    whole: RequestBudget
    contest: RequestBudget
    limit: int
    until: float
    interval: float = 60.0
    sensor_id: str = ""
    now: Callable[[], float] = time.monotonic
    most: int | None = None
    spent: int = 0
    has_ended: bool = False

    def begin(self) -> None:
        """Divide the share among the sensors that could use more than they get.

        Whoever finds the share used up says so for five minutes; all who say so get equal parts.
        One sensor alone may use all of it.
        """
        contenders = self.contest.watchers() if self.limit else 0
        if contenders > 1:
            minutes = min(self.interval, 60.0) / 60.0
            # With two, a list can be read and one of its jobs recorded.
            self.most = max(2, math.ceil(self.limit * minutes / contenders))

    @property
    def turn(self) -> int:
        """How many requests one pipeline may send before another one has its turn."""
        limits = [limit for limit in (self.limit, self.most) if limit]
        return min([LONGEST_TURN, *(max(2, limit // 5) for limit in limits)])

    @property
    def is_over(self) -> bool:
        """Whether the tick has to end: nothing more is sent or recorded."""
        return self.has_ended or self.now() >= self.until

    def check_time(self) -> None:
        """End the tick where its time is up.

        Raises:
            TickSpent: It is.
        """
        if self.now() >= self.until:
            raise TickSpent

    def acquire(self, urgent: bool = False) -> bool:
        """Let one request be sent.

        Raises:
            TickSpent: None may be sent any more in this tick.
        """
        if self.is_over:
            raise TickSpent
        if self.most is not None and self.spent >= self.most:
            self._end()
        for budget in (self.share, self.whole):
            is_first = not self.spent and budget is self.share
            at_first = min(PATIENCE_AT_FIRST, max(self.interval / 4, PATIENCE))
            longest = at_first if is_first else PATIENCE
            patience = min(self.until - self.now(), longest)
            if patience <= 0 or not budget.acquire(urgent, timeout=patience):
                # Once is enough: waiting again for each job that is left would add up.
                self._end()
        self.spent += 1
        return True

    def exhaust(self, retry_after: float) -> None:
        """Hevo answered 429: nobody sends for a while."""
        self.whole.exhaust(retry_after)

    def _end(self) -> None:
        self.has_ended = True
        if self.limit:
            self.contest.register_watcher(self.sensor_id)
        raise TickSpent
