"""What may go wrong in one world: which traits it has, drawn from its seed.

Each trait is counted where it really occurs, by the same name (`World.count`). A trait that never
occurs in many seeds is a hole in the simulation.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

HEVO_TRAITS = {
    # The job list
    "list: later than usual": 0.15,
    "list: later than job_discovery_timeout": 0.08,
    "list: any order": 0.3,
    "list: oldest first": 0.15,
    "list: an entry twice": 0.2,
    "list: small pages": 0.25,
    "list: leaves one out of one read": 0.2,
    "list: status lags": 0.2,
    "list: odd values on old jobs": 0.15,
    "list: jobs without times": 0.1,
    "list: unknown type words": 0.1,
    # The time
    "time: clock skew": 0.4,
    "time: no Date": 0.2,
    "time: clock far off": 0.06,
    # What a job lists of its objects
    "objects: late": 0.3,
    "objects: statuses lag": 0.2,
    "objects: no ids": 0.2,
    "objects: other ids": 0.15,
    "objects: qualified names": 0.3,
    "objects: words that nobody knows": 0.1,
    "objects: equal names in two schemas": 0.3,
    "objects: children beside those requested": 0.2,
    "objects: one more beside those requested": 0.15,
    "objects: the active ones change": 0.12,
    "objects: a requested one is not included": 0.12,
    "objects: leaves one out of one read": 0.15,
    "objects: list grows": 0.2,
    "objects: list stays incomplete": 0.1,
    "objects: failed or skipped": 0.25,
    "objects: failed events": 0.2,
    "objects: unlisted failed events": 0.1,
    "objects: statuses without meaning": 0.06,
    # Jobs
    "job: other than completed": 0.25,
    "job: deferred for a while": 0.06,
    "job: deferred for ever": 0.03,
    "job: unknown status for ever": 0.03,
    "job: vanishes": 0.03,
    "job: seconds only": 0.2,
    # Triggers
    "trigger: refused in unknown words": 0.15,
    "trigger: refused with 400": 0.1,
    "trigger: ignored while busy": 0.3,
    "trigger: accepted while busy": 0.12,
    "trigger: accepted without effect": 0.06,
    "trigger: answer lost, with effect": 0.12,
    "trigger: answer lost, without effect": 0.1,
    "trigger: server error, with effect": 0.06,
    "trigger: not sent": 0.08,
    "trigger: 429": 0.06,
    "trigger: restarts afterwards": 0.12,
    "trigger: restarts for minutes": 0.06,
    # Others
    "others: own schedule": 0.4,
    "others: the same objects": 0.25,
    "others: other objects": 0.25,
    "others: the whole pipeline": 0.12,
    # The API
    "api: out": 0.15,
    "api: out for very long": 0.02,
    "api: errors now and then": 0.15,
}

WORLD_TRAITS = {
    "world: killed": 0.25,
    "world: terminated": 0.15,
    "world: retries": 0.5,
    "world: re-executed": 0.4,
    "world: re-executed twice": 0.12,
    "world: re-executed from failure": 0.3,
    "world: user code raises": 0.08,
    "world: cancel_on_termination off": 0.15,
    "world: does not wait": 0.12,
    "world: poll_timeout shorter than the job": 0.1,
    "world: two runs at once": 0.3,
    "world: other machines' clocks": 0.4,
    "world: slow process": 0.2,
    "world: sensor": 0.7,
    "world: sensor killed": 0.08,
    "world: sensor's memory lost": 0.08,
}

ALWAYS = ("list: 5 to 15 s late", "trigger: accepted", "trigger: refused")


@dataclass(frozen=True)
class Traits:
    """The traits of one world.

    Attributes:
        names: Those that it has.
    """

    names: frozenset[str]

    @classmethod
    def draw(cls, rng: Random) -> Traits:
        """Draw traits: few in some worlds, many in others."""
        heat = rng.choice((0.0, 0.3, 1.0, 1.0, 1.5, 2.5))
        both = (*HEVO_TRAITS.items(), *WORLD_TRAITS.items())
        names = frozenset(name for name, chance in both if rng.random() < chance * heat)
        return cls(names)

    def has(self, name: str) -> bool:
        """Whether the world has a trait."""
        return name in self.names
