"""`make demo`: all three pipelines and all models in one Dagster run, and proof of what it loaded.

It fails if anything is not as it must be. The processes are in `processes.py`, the judgement is in
`report.py`; Dagster is imported only when the run is over, to leave it the processors.
"""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from example_project.processes import (
    PROJECT,
    ROOT,
    dagster_home,
    ended_with,
    in_memory,
    interrupted_by_sigterm,
    lines_of,
    local_hevo,
)

# Jobs that take three minutes are over in two seconds. Faster than this, and nothing could be seen
# of a job under way; the limit of 100 requests a minute is left as it is, because the run needs
# less than half of it.
SPEED = 100.0
POLL_SECONDS = 0.25
ROWS_SHOWN = 3
MODELS = ("customers", "open_conversations", "support_load", "campaign_reach")

# What Dagster's console says of a step: level, job, run, step, message.
STEP_LINE = re.compile(
    r" - dagster - (INFO|WARNING|ERROR) - everything - [0-9a-f-]+ - (?:\d+ - )?(\S+) - (.+)"
)
COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def main(folder: Path = ROOT / ".demo") -> int:
    """Run the demonstration; return the exit status."""
    # Not on a terminal, rich would take 80 columns and squeeze the tables.
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 130)
    interrupted_by_sigterm()
    started = time.monotonic()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    home = folder / "dagster_home"
    warehouse, models = folder / "warehouse.duckdb", folder / "models.duckdb"
    try:
        with in_memory(home) as quick_home, local_hevo(warehouse, speed=SPEED) as hevo:
            dagster_home(quick_home)
            console.print(
                f"A local Hevo is up at {hevo.address}, {SPEED:g} times as fast as a real one."
            )
            console.print("A Dagster run now loads all objects and makes the models ...")
            run_started = time.monotonic()
            status = run_everything(
                console,
                folder / "run.log",
                {
                    **hevo.environment,
                    "DAGSTER_HOME": str(quick_home),
                    "EXAMPLE_WAREHOUSE": str(warehouse),
                    "EXAMPLE_MODELS": str(models),
                    "EXAMPLE_POLL_INTERVAL": str(POLL_SECONDS),
                    # A code server hands what it knows of the account to the steps; the command
                    # that runs a job without one does not. So that not each step asks Hevo again,
                    # they are forked from a process that has asked.
                    "EXAMPLE_PRELOADED": "example_project.definitions",
                },
            )
            run_seconds = time.monotonic() - run_started
    except KeyboardInterrupt:
        console.print("Interrupted: the run and the local Hevo have ended.")
        return 130
    found = problems(console, home, warehouse, models, status, folder / "run.log")
    for problem in found:
        console.print(f"[red]not as it must be:[/] {escape(problem)}", soft_wrap=True)
    seconds = time.monotonic() - started
    if not found:
        console.print(
            f"[green]All as it must be[/]: source, Dagster and DuckDB agree. {run_seconds:.0f} s "
            f"for the run, {seconds:.0f} s in all. It is all kept in {folder.name}/.",
            soft_wrap=True,
        )
    return 1 if found else 0


def run_everything(console: Console, log: Path, environment: Mapping[str, str]) -> int:
    """Run the job `everything` in processes of its own, showing what its steps say."""
    command = [
        *(sys.executable, "-m", "dagster", "job", "execute"),
        *("-m", "example_project.definitions", "-a", "defs", "-j", "everything"),
    ]
    with ended_with(
        command,
        environment=environment,
        stdout=subprocess.PIPE,
        stop_signal=signal.SIGINT,
        patience=20.0,
    ) as process:
        for line in lines_of(process, log):
            said = STEP_LINE.search(COLOURS.sub("", line))
            if said is not None:
                level, step, message = said.groups()
                colour = {"INFO": "dim", "WARNING": "yellow"}.get(level, "red")
                console.print(f"  [{colour}]{step}: {escape(message)}[/]", soft_wrap=True)
        return process.wait()


def problems(
    console: Console, home: Path, warehouse: Path, models: Path, status: int, log: Path
) -> list[str]:
    """Print what was loaded, and return what is wrong with it."""
    import dagster as dg

    from dagster_hevo.sandbox import read_scenario
    from example_project import report

    scenario = read_scenario(PROJECT / "scenario.yaml")
    sources = report.objects_of(scenario)
    with dg.DagsterInstance.from_config(str(home)) as instance:
        runs = instance.get_runs(limit=1)
        recorded = report.recorded_in(instance, runs[0].run_id) if runs else {}
    found: list[str] = []
    if status != 0 or not runs or not runs[0].is_success:
        found.append(f"the run failed (exit status {status}); its log is {log}")
    counts = (
        report.rows_in(warehouse, [item.table for item in sources]) if warehouse.exists() else {}
    )
    reports = [
        report.ObjectReport(
            item, recorded.get(item.table, report.RecordedObject()), counts.get(item.table)
        )
        for item in sources
    ]
    console.print(objects_table(reports))
    found += report.problems_of(reports, scenario)
    for model in MODELS:
        try:
            names, rows = report.first_rows(models, model, ROWS_SHOWN)
        except Exception as error:  # noqa: BLE001 (whatever DuckDB says, the report goes on)
            found.append(f"{model}: {error}")
            continue
        console.print(rows_table(model, names, rows))
        if not rows:
            found.append(f"{model}: it has no rows")
    return found


def objects_table(reports: list) -> Table:
    """One line an object."""
    table = Table(title=f"{len(reports)} objects, as Dagster recorded them", title_justify="left")
    for name, justify in (
        *(("pipeline", "left"), ("table", "left"), ("events loaded", "right")),
        *(("failed", "right"), ("rows in DuckDB", "right"), ("check", "left")),
    ):
        table.add_column(name, justify=justify, no_wrap=True)
    for entry in reports:
        recorded = entry.recorded
        check = {True: "passed", None: "[red]missing[/]"}.get(
            recorded.check_passed, f"[yellow]{recorded.check_severity}[/]"
        )
        table.add_row(
            entry.source.pipeline,
            entry.source.table,
            _number(recorded.events_loaded),
            _number(recorded.events_failed),
            _number(entry.rows),
            check,
            style="red" if any(entry.problems()) else None,
        )
    return table


def rows_table(title: str, names: list[str], rows: list) -> Table:
    """Rows of a model."""
    table = Table(*names, title=title, title_justify="left")
    for row in rows:
        table.add_row(*("" if value is None else escape(str(value)) for value in row))
    return table


def _number(value: int | None) -> str:
    return "[red]none[/]" if value is None else f"{value:,}"


if __name__ == "__main__":
    sys.exit(main())
