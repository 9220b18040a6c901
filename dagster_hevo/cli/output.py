"""How commands show things: JSON for programs, tables for people, and what a job is in both."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import Console

    from dagster_hevo.api.models import Job

# Wide enough that no line of a table breaks in a pipe, where programs read it.
PIPE_WIDTH = 1000
STYLES = {
    "ok": "green",
    "warn": "yellow",
    "wrong": "red",
    "COMPLETED": "green",
    "LOADED": "green",
    "INITIALIZED": "green",
    "ACTIVE": "green",
    "IN_PROGRESS": "cyan",
    "COMPLETED_WITH_FAILURES": "yellow",
    "LOADED_WITH_FAILURES": "yellow",
    "SKIPPED": "yellow",
    "NOT_LOADED": "red",
    "FAILED": "red",
}


def write_json(content: object) -> None:
    """Print one JSON document to stdout."""
    click.echo(json.dumps(content, indent=2, ensure_ascii=False, default=str))


def console(*, stderr: bool = False) -> Console:
    """A console on the streams of the moment; without colours and line breaks in a pipe."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    is_terminal = stream.isatty()
    return Console(file=stream, width=None if is_terminal else PIPE_WIDTH, highlight=False)


def write_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table; numbers to the right, known states in their colour."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    entries = [list(row) for row in rows]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for place, name in enumerate(columns):
        is_number = any(isinstance(row[place], int) for row in entries)
        table.add_column(name, justify="right" if is_number else "left", overflow="fold")
    for row in entries:
        # Not markup: names come from the source, and may hold anything.
        table.add_row(*(Text(shown(cell), style=STYLES.get(str(cell), "")) for cell in row))
    console().print(table)


def shown(cell: object) -> str:
    """A value in a table: a dash for none, numbers in groups, no control characters."""
    if cell is None or cell == "":
        return "-"
    if isinstance(cell, int) and not isinstance(cell, bool):
        return f"{cell:,}"
    return "".join(char if char.isprintable() else " " for char in str(cell))


def moment(epoch_ms: int | None) -> str | None:
    """A time of Hevo's for people, in UTC."""
    if epoch_ms is None:
        return None
    return datetime.fromtimestamp(epoch_ms / 1000, tz=timezone.utc).strftime("%Y-%m-%d %H:%M:%SZ")


def job_json(pipeline_id: int, job: Job) -> dict[str, Any]:
    """A job for programs: Hevo's own properties, and what its status means."""
    return {
        "pipeline_id": pipeline_id,
        **job.model_dump(mode="json"),
        "completion": str(job.status.completion),
    }
