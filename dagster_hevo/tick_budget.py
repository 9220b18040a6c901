"""The requests of the job sensor: at most its share of the user's budget, and never a long wait.

The budget itself is `api/rate_limit.py`; a tick spends from it in `observation.py`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dagster_hevo.api.rate_limit import RequestBudget

# Waiting this many seconds is worth it: what an earlier tick spent a minute ago comes free again,
# and runs that use up the whole budget leave the sensor its turn in the queue.
PATIENCE = 5.0


class TickSpent(Exception):
    """The tick may send no more requests: its share, the user's budget or its time is used up."""


@dataclass
class TickBudget:
    """What a tick asks before each of its requests.

    Args:
        share: The sensor's part of the budget, shared by all ticks and processes: one tick's end
            and the next one's beginning fall into one minute.
        whole: The user's budget, which runs spend too.
        most_requests: How many requests this tick may send.
        until: When it may send no more, on the clock ``now``.
        now: Tells the time in seconds.

    Attributes:
        spent: How many requests it has sent.
        has_ended: Whether it has waited in vain.
    """

    share: RequestBudget
    whole: RequestBudget
    most_requests: int
    until: float
    now: Callable[[], float] = time.time
    spent: int = 0
    has_ended: bool = False

    def left(self) -> int:
        """How many requests the tick can send now."""
        left = self.most_requests - self.spent
        is_over = self.has_ended or self.now() >= self.until
        return 0 if is_over else max(0, min(left, self.share.remaining()))

    def acquire(self, urgent: bool = False) -> bool:
        """Let one request be sent.

        Raises:
            TickSpent: None may be sent any more in this tick.
        """
        for budget in (self.share, self.whole):
            patience = min(self.until - self.now(), PATIENCE)
            if self.has_ended or self.spent >= self.most_requests or patience <= 0:
                raise TickSpent
            if not budget.acquire(urgent, timeout=patience):
                # Once is enough: waiting again for each job that is left would add up.
                self.has_ended = True
                raise TickSpent
        self.spent += 1
        return True

    def exhaust(self, retry_after: float) -> None:
        """Hevo answered 429: nobody sends for a while."""
        self.whole.exhaust(retry_after)
