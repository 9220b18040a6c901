"""The command `snapshot`: an account's pipelines and objects, into a file to load from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from dagster_hevo.cli.account import with_account
from dagster_hevo.cli.exits import CommandError, HevoCommand
from dagster_hevo.cli.output import tell, write_json

if TYPE_CHECKING:
    from dagster_hevo.resources import HevoResource


@click.command(cls=HevoCommand)
@click.option(
    "--output",
    required=True,
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file, which is replaced whole.",
)
@click.option(
    "--columns",
    "include_columns",
    is_flag=True,
    help="Read the columns too: a request an object, as fast as the request budget allows.",
)
@with_account
def snapshot(account: HevoResource, *, output: Path, include_columns: bool, as_json: bool) -> None:
    """Write the pipelines and objects into a file without secrets.

    HevoResource(snapshot_path="FILE") loads definitions from it without a request to Hevo, for
    tests, CI and images that are built without keys.
    """
    from dagster_hevo.definitions.columns import with_columns
    from dagster_hevo.definitions.kept_state import write_snapshot
    from dagster_hevo.definitions.reading import Wanted, read_account

    client = account.get_client()
    # All of it and asked for now: what was kept from an earlier load is no snapshot of today.
    state = read_account(client, Wanted(strict=True))
    if include_columns:
        state = with_columns(
            client, state, selector=None, kept=None, most_requests=None, strict=True
        )
    try:
        write_snapshot(output, state)
    except OSError as error:
        raise CommandError(f"{output} cannot be written: {error.strerror or error}.") from error
    objects = sum(len(item.objects or ()) for item in state.pipelines)
    with_fields = sum(
        known.fields is not None for item in state.pipelines for known in item.objects or ()
    )
    if as_json:
        write_json(
            {
                "output": str(output),
                "pipelines": len(state.pipelines),
                "objects": objects,
                "objects_with_columns": with_fields,
                "requests": client.requests_sent,
            }
        )
        return
    columns = f", the columns of {with_fields} of them" if include_columns else ""
    tell(
        f"Wrote {len(state.pipelines)} pipelines and {objects} objects{columns} to {output}, with "
        f"{client.requests_sent} requests."
    )
