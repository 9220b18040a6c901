"""The two DuckDB files: the one that Hevo loads into, and our own with the models.

DuckDB lets a file be written by one process while no other has it open. Hevo holds its file only
while it loads, so we read it for a moment at a time and try again when we come in between; the
models are in a file of their own, so that Hevo never waits for them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import duckdb
from dagster_duckdb import DuckDBResource

ALIAS = "warehouse"


class WarehouseBusyError(Exception):
    """Somebody kept one of the two files open for longer than we were ready to wait."""


class Warehouse(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Writes models with Hevo's tables in reach.

    Example:
        ::

            with warehouse.open() as connection:
                connection.execute("SELECT count(*) FROM warehouse.front.conversations")
    """

    loaded_by_hevo: str
    """Path of the file that Hevo loads into."""
    models: DuckDBResource
    """The file that the models are written to."""
    patience: float = 30.0
    """Seconds to try for while others have a file open."""

    @contextmanager
    def open(self) -> Generator[duckdb.DuckDBPyConnection, None, None]:
        """Connect to the models' file, with Hevo's tables readable as `warehouse.schema.table`.

        Raises:
            WarehouseBusyError: A file stayed open elsewhere for the whole patience.
            FileNotFoundError: Hevo has not loaded anything yet.
        """
        loaded = Path(self.loaded_by_hevo)
        if not loaded.exists():
            raise FileNotFoundError(
                f"{loaded} is not there: no Hevo job has loaded anything. Materialize Hevo's "
                "assets first."
            )
        with self.models.get_connection() as connection:
            path = str(loaded).replace("'", "''")
            until_free(
                lambda: connection.execute(f"ATTACH '{path}' AS {ALIAS} (READ_ONLY)"),
                what=path,
                patience=self.patience,
            )
            yield connection
            # The connection is closed when this block ends; a file left attached would lock Hevo
            # out until the process ends, should anything still hold the connection.
            connection.execute(f"DETACH {ALIAS}")


def until_free(
    action: Callable[[], object],
    *,
    what: str,
    patience: float,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Try until DuckDB gets its lock on a file.

    Args:
        action: Opens the file.
        what: The file's name, for the error.
        patience: Seconds to go on for.
        sleep: Waits for a number of seconds.

    Raises:
        WarehouseBusyError: It stayed open elsewhere for the whole patience.
    """
    waited, pause = 0.0, 0.02
    while True:
        try:
            action()
        except duckdb.IOException as busy:
            if waited >= patience:
                raise WarehouseBusyError(
                    f"{what} stayed open elsewhere for {waited:.0f} s: {busy}"
                ) from busy
            sleep(pause)
            waited += pause
            pause = min(0.25, pause * 1.5)
        else:
            return
