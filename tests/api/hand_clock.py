"""A clock that only sleeping moves on, and request budgets that go by it."""

from __future__ import annotations

from dataclasses import dataclass, field

from dagster_hevo.api.rate_limit import RequestBudget, open_budget

KEY = "a-key-nobody-may-see"
START = 1_700_000_000.0


@dataclass(eq=False)
class Time:
    """A clock that only sleeping moves on."""

    now: float = START
    naps: list[float] = field(default_factory=list)

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.naps.append(seconds)
        self.now += seconds

    @property
    def passed(self) -> float:
        return self.now - START


def budget_on(store: str | None, time: Time, rate: int = 100) -> RequestBudget:
    return open_budget(
        store, requests_per_minute=rate, user_key=KEY, clock=time.clock, sleep=time.sleep
    )


def use_up(budget: RequestBudget) -> int:
    sent = 0
    while budget.acquire(timeout=0):
        sent += 1
    return sent
