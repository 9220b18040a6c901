"""What the tests of the command line share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from command_line import SECRET, CommandLine, quick_scenario

from dagster_hevo.sandbox import HevoSandbox, Scenario


@pytest.fixture
def at(tmp_path) -> Iterator[Callable[..., CommandLine]]:
    """Open a command line beside a sandbox with this scenario, or a plain one with options."""
    opened: list[HevoSandbox] = []

    def begin(
        scenario: Scenario | None = None, *, sandbox: dict[str, Any] | None = None, **options: Any
    ) -> CommandLine:
        running = HevoSandbox(
            scenario or quick_scenario(**options), api_secret=SECRET, **(sandbox or {})
        ).start()
        opened.append(running)
        return CommandLine(running, str(tmp_path))

    yield begin
    for running in opened:
        running.stop()
