"""What the tests of the example share: the local Hevo with its scenario, and its definitions."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from example_environment import environment_of

from dagster_hevo.sandbox import HevoSandbox, read_scenario
from example_project.processes import PROJECT, in_memory

DAGSTER_YAML = """
telemetry: {enabled: false}
# The daemon, which would dequeue runs, is not part of these tests.
run_coordinator: {module: dagster._core.run_coordinator, class: DefaultRunCoordinator}
"""


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A folder for Dagster's instance: a run commits hundreds of times, too slow on some disks."""
    with in_memory(tmp_path / "dagster_home") as folder:
        (folder / "dagster.yaml").write_text(DAGSTER_YAML, encoding="utf-8")
        yield folder


@pytest.fixture
def hevo(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HevoSandbox]:
    """The local Hevo of the example, 200 times as fast as real, told to the environment.

    Without its history: it tells of jobs that took minutes, which a watcher would wait for.
    """
    scenario = read_scenario(PROJECT / "scenario.yaml")
    fresh = [pipeline.model_copy(update={"history": ()}) for pipeline in scenario.pipelines]
    with HevoSandbox(
        scenario.model_copy(update={"pipelines": tuple(fresh)}),
        speed=200,
        api_key="distinctive-api-key-4711",
        api_secret="distinctive-api-secret-0815",
        warehouse=tmp_path / "warehouse.duckdb",
        behaviour={"own_schedule": False},
    ) as sandbox:
        for name, value in environment_of(sandbox, tmp_path, home).items():
            monkeypatch.setenv(name, value)
        yield sandbox


@pytest.fixture
def definitions(hevo: HevoSandbox) -> Iterator[dg.Definitions]:
    """The example's definitions, loaded again from the local Hevo of this test."""
    sys.modules.pop("example_project.definitions", None)
    yield importlib.import_module("example_project.definitions").defs
    sys.modules.pop("example_project.definitions", None)
