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
    """Print one JSON document to stdout; what a terminal would obey stands there as its code."""
    click.echo(escaped_json(json.dumps(content, indent=2, ensure_ascii=False, default=str)))


def escaped_json(text: str) -> str:
    """A JSON document with the same values and without characters that are not seen as one."""

    def code(character: str) -> str:
        if character == "\n" or character.isprintable():
            return character
        return json.dumps(character)[1:-1] if character > "\x7e" else f"\\u{ord(character):04x}"

    lines_only = text.replace("\n", "")
    return text if lines_only.isprintable() else "".join(map(code, text))


def tell(text: str, *, err: bool = False) -> None:
    """Print lines for people; of what others wrote in them, a terminal obeys nothing."""
    from dagster_hevo.api.foreign_text import escaped_lines

    click.echo(escaped_lines(text), err=err)


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
    """A value in a table: a dash for none, numbers in groups, codes for what is not seen."""
    if cell is None or cell == "":
        return "-"
    if isinstance(cell, int) and not isinstance(cell, bool):
        return f"{cell:,}"
    from dagster_hevo.api.foreign_text import escaped

    return escaped(str(cell))


def moment(epoch_ms: int | None) -> str | None:
    """A time of Hevo's for people, in UTC."""
    if epoch_ms is None:
        return None
    try:
        time = datetime.fromtimestamp(epoch_ms / 1000, tz=timezone.utc)
    except (ValueError, OverflowError, OSError):  # beyond what calendars know
        return str(epoch_ms)
    return time.strftime("%Y-%m-%d %H:%M:%SZ")


def job_json(pipeline_id: int, job: Job) -> dict[str, Any]:
    """A job for programs: Hevo's own properties, and what its status means."""
    return {
        "pipeline_id": pipeline_id,
        **job.model_dump(mode="json"),
        "completion": str(job.status.completion),
    }
