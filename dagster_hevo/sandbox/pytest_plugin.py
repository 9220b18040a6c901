"""The fixture `hevo_sandbox`: a local Hevo for one test.

pytest loads this file in every project that has the package installed, so it imports the sandbox
only when a test asks for it. The sandbox itself is in `server.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from dagster_hevo.sandbox.server import HevoSandbox

_MARKER = "hevo_scenario"
_SPEED = 60.0


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known, so that `--strict-markers` accepts it."""
    config.addinivalue_line(
        "markers",
        f"{_MARKER}(scenario=None, **options): the scenario of the fixture hevo_sandbox (a "
        "Scenario, a file or a built-in name) and options of HevoSandbox; warehouse=True makes a "
        "DuckDB file in tmp_path.",
    )


@pytest.fixture
def hevo_sandbox(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[HevoSandbox]:
    """A running local Hevo, 60 times as fast as the real one.

    The scenario comes from an indirect parameter, else from the closest `hevo_scenario` marker,
    else it is `default`. A parameter is a scenario, or a mapping of options with `scenario` in it.
    """
    from dagster_hevo.sandbox import HevoSandbox

    options: dict[str, Any] = {"speed": _SPEED}
    marker = request.node.get_closest_marker(_MARKER)
    if marker is not None:
        options |= marker.kwargs
        if marker.args:
            options["scenario"] = marker.args[0]
    parameter: Any = getattr(request, "param", None)
    if isinstance(parameter, Mapping):
        options.update(parameter)  # pyright: ignore[reportUnknownArgumentType]
    elif parameter is not None:
        options["scenario"] = parameter
    if options.get("warehouse") is True:
        options["warehouse"] = tmp_path / "warehouse.duckdb"
    with HevoSandbox(**options) as sandbox:
        yield sandbox
