"""The DuckDB file that jobs of the local Hevo load into.

DuckDB lets one process write a file while nobody else has it open, so the connection lives only
as long as one write and is tried again while others read. What to write is decided in `jobs.py`,
the rows are made in `rows.py`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from dagster_hevo.sandbox.jobs import LoadKind
from dagster_hevo.sandbox.rows import RowMaker, literal, quoted

HEVO_COLUMNS = {
    "__hevo_id": "VARCHAR",
    "__hevo__ingested_at": "TIMESTAMP",
    "__hevo__loaded_at": "TIMESTAMP",
    "__hevo__marked_deleted": "BOOLEAN",
}


class WarehouseBusyError(Exception):
    """Others kept the warehouse file open for longer than we were ready to wait."""


@dataclass(frozen=True)
class Load:
    """Rows on their way into a table.

    Attributes:
        ranges: Row numbers as (first, last) pairs.
        failing: How many of the last rows are left behind.
        ingested_at: Sandbox seconds, as answers tell them.
        loaded_at: The same, for the load.
    """

    schema: str
    table: str
    maker: RowMaker
    kind: LoadKind
    ranges: tuple[tuple[int, int], ...]
    failing: int
    ingested_at: float
    loaded_at: float


class Warehouse:
    """A DuckDB file, opened for each write and closed again.

    Args:
        path: The file; made when first written to.
        patience: Real seconds to try for while others have the file open.
        sleep: Waits between two tries.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        patience: float = 30.0,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.path = Path(path)
        self._patience = patience
        self._sleep = sleep
        self._lock = threading.Lock()

    def write(self, loads: Sequence[Load]) -> None:
        """Write all of these loads through one connection, each in a transaction of its own.

        Raises:
            WarehouseBusyError: The file stayed open elsewhere for the whole patience.
        """
        if not loads:
            return
        with self._lock, self._connection(read_only=False) as connection:
            for load in loads:
                connection.execute("BEGIN")
                for statement in _statements(connection, load):
                    connection.execute(statement)
                connection.execute("COMMIT")

    def rows(self, table: str) -> list[dict[str, Any]]:
        """All rows of a table, `schema.table`; none if there is no such table.

        Args:
            table: Its name with its schema, or without where that is enough to tell it.
        """
        if not self.path.exists():
            return []
        schema, _, name = table.rpartition(".")
        with self._lock, self._connection(read_only=True) as connection:
            found = connection.execute(
                "SELECT table_schema FROM information_schema.tables"
                " WHERE table_name = ? AND (? = '' OR table_schema = ?)",
                [name, schema, schema],
            ).fetchall()
            if not found:
                return []
            if len(found) > 1:
                raise ValueError(f"several schemas have a table {name}: name it with its schema")
            result = connection.execute(f"SELECT * FROM {quoted(found[0][0])}.{quoted(name)}")
            names = [column[0] for column in result.description or ()]
            return [dict(zip(names, row, strict=True)) for row in result.fetchall()]

    @contextmanager
    def _connection(self, *, read_only: bool) -> Generator[duckdb.DuckDBPyConnection, None, None]:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        waited, pause = 0.0, 0.01
        while True:
            try:
                connection = duckdb.connect(str(self.path), read_only=read_only)
                break
            except (duckdb.IOException, duckdb.ConnectionException, duckdb.BinderException) as busy:
                if waited >= self._patience:
                    raise WarehouseBusyError(
                        f"{self.path} stayed open elsewhere for {waited:.0f} s: {busy}"
                    ) from busy
                self._sleep(pause)
                waited += pause
                pause = min(0.2, pause * 1.5)
        try:
            yield connection
        finally:
            connection.close()


def _statements(connection: duckdb.DuckDBPyConnection, load: Load) -> Iterator[str]:
    table = f"{quoted(load.schema)}.{quoted(load.table)}"
    columns = {**load.maker.columns(), **HEVO_COLUMNS}
    described = ", ".join(f"{quoted(name)} {kind}" for name, kind in columns.items())
    yield f"CREATE SCHEMA IF NOT EXISTS {quoted(load.schema)}"
    if load.kind == "drop":
        yield f"DROP TABLE IF EXISTS {table}"
    yield f"CREATE TABLE IF NOT EXISTS {table} ({described})"
    present = connection.execute(
        "SELECT column_name FROM information_schema.columns"
        " WHERE table_schema = ? AND table_name = ?",
        [load.schema, load.table],
    ).fetchall()
    for name in columns.keys() - {row[0] for row in present}:
        yield f"ALTER TABLE {table} ADD COLUMN {quoted(name)} {columns[name]}"
    rows = _rows(load)
    entry = load.maker.entry
    merges = entry.load_mode == "MERGE"
    if load.kind == "replace" and merges:
        yield f"DELETE FROM {table}"
    if rows is None:
        return
    if load.kind in ("merge", "changes") and merges:
        # A row's own id follows from its key, so replacing by it is merging by primary key.
        keys = [quoted(field.name) for field in entry.key_fields] or ['"__hevo_id"']
        same = " AND ".join(f"old.{key} IS NOT DISTINCT FROM new.{key}" for key in keys)
        yield f"DELETE FROM {table} AS old USING ({rows}) AS new WHERE {same}"
    names = ", ".join(quoted(name) for name in columns)
    yield f"INSERT INTO {table} ({names}) SELECT {names} FROM ({rows})"


def _rows(load: Load) -> str | None:
    ranges = _without_last(load.ranges, load.failing)
    if not ranges:
        return None
    entry = load.maker.entry
    numbers = " UNION ALL ".join(
        f"SELECT range AS i FROM range({first}, {last + 1})" for first, last in ranges
    )
    values = [f"{load.maker.expression(field)} AS {quoted(field.name)}" for field in entry.fields]
    values += [
        f'md5({literal(load.schema + "." + load.table + "/")} || i) AS "__hevo_id"',
        f'make_timestamp({round(load.ingested_at * 1e6)}) AS "__hevo__ingested_at"',
        f'make_timestamp({round(load.loaded_at * 1e6)}) AS "__hevo__loaded_at"',
        'FALSE AS "__hevo__marked_deleted"',
    ]
    return f"SELECT {', '.join(values)} FROM ({numbers})"


def _without_last(ranges: Sequence[tuple[int, int]], failing: int) -> list[tuple[int, int]]:
    kept: list[tuple[int, int]] = []
    for first, last in reversed(ranges):
        dropped = min(failing, last - first + 1)
        failing -= dropped
        if last - dropped >= first:
            kept.append((first, last - dropped))
    return kept[::-1]
