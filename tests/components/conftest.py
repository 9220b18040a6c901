"""What the component's tests share: a local Hevo, and an environment that leads to it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from three_pipelines import SCENARIO

from dagster_hevo.sandbox import HevoSandbox, parse_scenario


@pytest.fixture(scope="module")
def sandbox() -> Iterator[HevoSandbox]:
    with HevoSandbox(parse_scenario(SCENARIO), speed=600) as running:
        yield running


@pytest.fixture(autouse=True)
def _environment(sandbox: HevoSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEVO_API_KEY", sandbox.api_key)
    monkeypatch.setenv("HEVO_API_SECRET", sandbox.api_secret)
    monkeypatch.setenv("HEVO_BASE_URL", sandbox.url)
    for name in ("DAGSTER_HOME", "DAGSTER_IS_DEV_CLI"):
        monkeypatch.delenv(name, raising=False)
