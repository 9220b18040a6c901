"""`make dev`: the example in Dagster's pages, beside a local Hevo that keeps its own schedule.

Both end together. What is kept in `.dev/` is there again the next time; `make clean` removes it.
"""

from __future__ import annotations

import signal
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console

from example_project.processes import (
    PROJECT,
    ROOT,
    dagster_home,
    ended_with,
    free_port,
    interrupted_by_sigterm,
    local_hevo,
)

# A real Hevo's jobs take minutes and its schedule hours. Here they take seconds and minutes. The
# clock is left alone: a Hevo whose clock runs faster tells of jobs that took minutes, and whoever
# waits for the next one believes it.
HURRY = 20.0
SCHEDULE_MINUTES = 3
POLL_SECONDS = 1.0
PORT = 3000


def hurried(scenario: dict[str, Any]) -> dict[str, Any]:
    """The scenario with quick jobs and a schedule that comes round while one looks on."""

    def quick_history(entry: dict[str, Any]) -> dict[str, Any]:
        return {**entry, "seconds": entry["seconds"] / HURRY}

    def quick_waits(behaviour: dict[str, Any]) -> dict[str, Any]:
        waits = {"defer_seconds": behaviour.get("defer_seconds", 0.0) / HURRY}
        return {**behaviour, **waits}

    pipelines = [
        {
            **pipeline,
            "behaviour": quick_waits(pipeline.get("behaviour", {})),
            "job_seconds": pipeline["job_seconds"] / HURRY,
            "schedule": {"sync_type": "SCHEDULED", "frequency_minutes": SCHEDULE_MINUTES},
            "history": [quick_history(entry) for entry in pipeline["history"]],
        }
        for pipeline in scenario["pipelines"]
    ]
    behaviour = {"job_appears_after": [0.5, 1.5], "restarting_seconds": 0.5}
    return {**scenario, "behaviour": behaviour, "pipelines": pipelines}


def main(folder: Path = ROOT / ".dev") -> int:
    """Run both until Ctrl-C; return the exit status."""
    console = Console(highlight=False)
    interrupted_by_sigterm()
    home = dagster_home(folder / "dagster_home")
    warehouse = folder / "warehouse.duckdb"
    scenario = folder / "scenario.yaml"
    real = yaml.safe_load((PROJECT / "scenario.yaml").read_text(encoding="utf-8"))
    scenario.write_text(yaml.safe_dump(hurried(real)), encoding="utf-8")
    port = free_port(PORT)
    with ExitStack() as stack:
        try:
            hevo = stack.enter_context(local_hevo(warehouse, scenario=scenario))
            dagster = stack.enter_context(
                ended_with(
                    [
                        *(
                            sys.executable,
                            "-m",
                            "dagster",
                            "dev",
                            "-w",
                            str(ROOT / "workspace.yaml"),
                        ),
                        *("-h", "127.0.0.1", "-p", str(port)),
                    ],
                    stop_signal=signal.SIGINT,
                    patience=30.0,
                    environment={
                        **hevo.environment,
                        "DAGSTER_HOME": str(home),
                        "EXAMPLE_WAREHOUSE": str(warehouse),
                        "EXAMPLE_MODELS": str(folder / "models.duckdb"),
                        "EXAMPLE_POLL_INTERVAL": str(POLL_SECONDS),
                    },
                )
            )
            console.print(f"Dagster: http://127.0.0.1:{port}   local Hevo: {hevo.address}")
            console.print(
                f"Every {SCHEDULE_MINUTES} minutes Hevo runs its own schedule; the sensors record "
                "it and make the models again. Ctrl-C ends both."
            )
            while dagster.poll() is None:
                time.sleep(0.2)
        except KeyboardInterrupt:
            console.print("Ending both ...")
            return 0
        console.print("[red]Dagster has ended by itself.[/]")
        return 1


if __name__ == "__main__":
    sys.exit(main())
