"""The command `sandbox`: a local Hevo in the foreground."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from dagster_hevo.cli.account import json_option
from dagster_hevo.cli.exits import CommandError, ExitCode
from dagster_hevo.cli.output import write_json


@click.command()
@click.option(
    "--port", default=8765, show_default=True, type=click.IntRange(0, 65535), help="0: a free one."
)
@click.option(
    "--host", default="127.0.0.1", show_default=True, metavar="ADDRESS", help="Where to listen."
)
@click.option(
    "--allow-remote",
    is_flag=True,
    help="Let --host be an address that other machines reach. They see the keys: it is plain http.",
)
@click.option(
    "--scenario",
    metavar="FILE",
    help="A scenario file, or the name of a built-in scenario.  [default: default]",
)
@click.option(
    "--speed",
    default=1.0,
    show_default=True,
    type=click.FloatRange(min=0, min_open=True),
    help="Sandbox seconds a real second.",
)
@click.option(
    "--warehouse",
    metavar="PATH",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A DuckDB file for its jobs to load into.  [default: they load nowhere]",
)
@json_option
def sandbox(
    port: int,
    host: str,
    allow_remote: bool,
    scenario: str | None,
    speed: float,
    warehouse: Path | None,
    as_json: bool,
) -> None:
    """Run a local Hevo to develop and test against, until Ctrl-C.

    It prints its address and the keys that it accepts, which are others at each start.
    """
    try:
        from dagster_hevo.sandbox import (
            HevoSandbox,
            SandboxHostError,
            SandboxPortError,
            ScenarioError,
            serve,
        )
    except ImportError as missing:
        raise CommandError(str(missing)) from missing
    place: dict[str, Any] = {"host": host, "allow_remote": allow_remote, "warehouse": warehouse}
    try:
        if as_json:
            served = HevoSandbox(scenario, port=port, speed=speed, **place)
            served.serve_here(
                lambda url: write_json(
                    {
                        "HEVO_BASE_URL": url,
                        "HEVO_API_KEY": served.api_key,
                        "HEVO_API_SECRET": served.api_secret,
                        "scenario": served.scenario.name,
                        "pipelines": list(served.pipeline_ids),
                    }
                )
            )
        else:
            serve(scenario, port, speed, announce=_announce, **place)
    except (ScenarioError, SandboxHostError) as unusable:
        raise CommandError(str(unusable), ExitCode.USAGE) from unusable
    except SandboxPortError as taken:
        raise CommandError(str(taken)) from taken
    except KeyboardInterrupt:
        click.echo("Stopped.", err=as_json)


def _announce(text: str) -> None:
    click.echo(text, nl=False)
