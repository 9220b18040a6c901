"""Worlds in which requests are carried out, each ended with its test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from harness import World, scenario

from dagster_hevo.sandbox import HevoSandbox, Scenario

MakeWorld = Callable[..., World]


@pytest.fixture
def make_world() -> Iterator[MakeWorld]:
    """Make a world of a scenario, or of what `scenario` takes."""
    made: list[World] = []

    def make(
        given: Scenario | None = None, *, clock_offset: float | None = None, **stated: Any
    ) -> World:
        sandbox = HevoSandbox(
            given or scenario(**stated), speed=0, clock_offset=clock_offset
        ).start()
        made.append(World(sandbox))
        return made[-1]

    yield make
    for each in made:
        each.close()
        each.sandbox.stop()
