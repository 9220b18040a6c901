"""What the tests of the job sensor share: a station, opened with a scenario."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from station import Station, still_scenario

from dagster_hevo.sandbox import HevoSandbox

MEMORY_DISK = Path("/dev/shm")


@pytest.fixture
def dagster_home(tmp_path: Path) -> Iterator[Path]:
    """A folder for an instance; in memory where the machine has such a disk."""
    if not MEMORY_DISK.is_dir() or not os.access(MEMORY_DISK, os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=MEMORY_DISK, prefix="hevo-sensor-") as folder:
        yield Path(folder)


@pytest.fixture
def station(dagster_home: Path) -> Iterator[Callable[..., Any]]:
    """Open a station; arguments of `still_scenario`, of the resource and of the sensor."""
    opened: list[Station] = []

    def begin(
        scenario: Any = None,
        *,
        settings: dict[str, Any] | None = None,
        sensor: dict[str, Any] | None = None,
        **options: Any,
    ) -> Station:
        sandbox = HevoSandbox(scenario or still_scenario(**options), speed=0).start()
        instance = dg.DagsterInstance.local_temp(str(dagster_home))
        place = Station(sandbox, instance, settings or {}, sensor or {})
        opened.append(place)
        return place

    yield begin
    for place in opened:
        place.sandbox.stop()
        place.instance.dispose()
