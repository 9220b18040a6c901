"""A local Hevo to develop and test against: the API, its surprises, and a warehouse it loads into.

Start with `HevoSandbox` (`server.py`) and `Scenario` (`scenario.py`). Names are looked up when
first used, so that the pytest plugin beside this file costs nothing and works without the extra.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dagster_hevo.sandbox.behaviour import Behaviour
    from dagster_hevo.sandbox.clock import SandboxClock
    from dagster_hevo.sandbox.faults import Fault, FaultBook, FaultKind
    from dagster_hevo.sandbox.request_log import SeenRequest
    from dagster_hevo.sandbox.scenario import (
        AccountScenario,
        FieldScenario,
        HistoryScenario,
        ObjectScenario,
        PipelineScenario,
        Scenario,
        ScheduleScenario,
    )
    from dagster_hevo.sandbox.scenario_file import (
        ScenarioError,
        built_in_scenarios,
        parse_scenario,
        read_scenario,
    )
    from dagster_hevo.sandbox.seen_job import SeenJob
    from dagster_hevo.sandbox.server import HevoSandbox, serve
    from dagster_hevo.sandbox.serving import SandboxHostError, SandboxPortError
    from dagster_hevo.sandbox.triggers import Trigger

__all__ = [
    "AccountScenario",
    "Behaviour",
    "Fault",
    "FaultBook",
    "FaultKind",
    "FieldScenario",
    "HevoSandbox",
    "HistoryScenario",
    "ObjectScenario",
    "PipelineScenario",
    "SandboxClock",
    "SandboxHostError",
    "SandboxPortError",
    "Scenario",
    "ScenarioError",
    "ScheduleScenario",
    "SeenJob",
    "SeenRequest",
    "Trigger",
    "built_in_scenarios",
    "parse_scenario",
    "read_scenario",
    "serve",
]

_HOMES = {
    "behaviour": ("Behaviour",),
    "clock": ("SandboxClock",),
    "faults": ("Fault", "FaultBook", "FaultKind"),
    "request_log": ("SeenRequest",),
    "scenario": (
        "AccountScenario",
        "FieldScenario",
        "HistoryScenario",
        "ObjectScenario",
        "PipelineScenario",
        "Scenario",
        "ScheduleScenario",
    ),
    "scenario_file": ("ScenarioError", "built_in_scenarios", "parse_scenario", "read_scenario"),
    "seen_job": ("SeenJob",),
    "server": ("HevoSandbox", "serve"),
    "serving": ("SandboxHostError", "SandboxPortError"),
    "triggers": ("Trigger",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        module = import_module(f"{__name__}.{home}")
    except ModuleNotFoundError as missing:
        if (missing.name or "").partition(".")[0] not in ("duckdb", "fastapi", "uvicorn"):
            raise
        raise ImportError(
            f'the local Hevo needs {missing.name}: pip install "dagster-hevo[sandbox]"',
            name=missing.name,
        ) from missing
    return getattr(module, name)
