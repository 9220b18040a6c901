"""Write the catalogs' tables: into the page that is named, else to standard output.

What they look like is `tables.py`. Files of one's own are checked on the way in.
"""

from __future__ import annotations

from pathlib import Path

import click

from dagster_hevo.catalog.registry import built_in_catalogs
from dagster_hevo.catalog.tables import catalog_tables, with_tables


@click.command()
@click.argument("page", required=False, type=click.Path(exists=True, path_type=Path))
def main(page: Path | None) -> None:
    """Write the tables of the built-in catalogs into PAGE, between its marks, or show them."""
    if page is None:
        click.echo(catalog_tables(built_in_catalogs()))
        return
    text = page.read_text(encoding="utf-8")
    page.write_text(with_tables(text, built_in_catalogs()), encoding="utf-8")


if __name__ == "__main__":
    main()
