"""What the tests of loading share: a local Hevo that answers at once, and the account in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dagster_hevo import HevoResource
from dagster_hevo.sandbox import HevoSandbox, Scenario

Open = Callable[..., tuple[HevoSandbox, Callable[..., HevoResource]]]


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))


@pytest.fixture
def account() -> Iterator[Open]:
    """Open a Hevo; gives the sandbox and what makes a resource, as a process of its own has one."""
    opened: list[HevoSandbox] = []

    def begin(
        scenario: Scenario | None = None, *, pipelines: int = 3, objects: int = 2
    ) -> tuple[HevoSandbox, Callable[..., HevoResource]]:
        sandbox = HevoSandbox(
            scenario or Scenario.simple(pipelines, objects, requests_per_minute=0), speed=600
        ).start()
        opened.append(sandbox)

        def resource(**settings: Any) -> HevoResource:
            return HevoResource(
                **{
                    "api_key": sandbox.api_key,
                    "api_secret": sandbox.api_secret,
                    "base_url": sandbox.url,
                    "requests_per_minute": 0,
                    "rate_limit_store": "memory",
                    "retry_limit": 1,
                    **settings,
                }
            )

        return sandbox, resource

    yield begin
    for sandbox in opened:
        sandbox.stop()
