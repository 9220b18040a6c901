"""Runs that end before their job does, and the run that re-executes them."""

from __future__ import annotations

from typing import Any

import pytest
from harness import Killed, World
from sandbox_time import Terminated

REEXECUTION = {"run": "second", "reexecutes": "run"}
"""The run that re-executes the first one."""


def terminate_run(world: World, moment: float, *names: str, **given: Any) -> None:
    """A run that is terminated at a moment.

    Args:
        world: The world.
        moment: When, in seconds since its beginning.
        names: The objects that the run requests; all without names.
        given: What `World.runner` takes.
    """
    world.time.terminate_at(moment)
    with pytest.raises(Terminated):
        world.runner(*names, **given).run()


def die_before_the_trigger(world: World, *names: str) -> None:
    """A run that is killed between its baseline and its trigger."""

    def die() -> None:
        raise Killed

    world.before_trigger(die)
    with pytest.raises(Killed):
        world.runner(*names).run()
    assert world.book.kinds() == ["baseline"]
    assert world.triggers() == []
    world.book.end("run", has_succeeded=False)
