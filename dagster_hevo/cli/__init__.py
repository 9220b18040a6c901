"""The command `dagster-hevo`: what it is made of.

Each command is in a module of its own; what a command does beyond showing lives in the package, and
is imported when the command runs, so that `--help` is quick and needs neither Dagster nor extras.
"""

from __future__ import annotations

import click

from dagster_hevo.cli.doctor import doctor
from dagster_hevo.cli.listing import jobs, objects, pipelines
from dagster_hevo.cli.resyncing import resync
from dagster_hevo.cli.sandbox import sandbox
from dagster_hevo.cli.sensor import sensor
from dagster_hevo.cli.snapshot import snapshot
from dagster_hevo.cli.watching import watch
from dagster_hevo.version import __version__

EPILOG = (
    "The keys come from the environment: HEVO_API_KEY and HEVO_API_SECRET. Exit codes: 0 well; "
    "1 a job failed or something is wrong; 2 wrong usage; 3 keys or permission; 4 not found; "
    "5 Hevo could not be reached or failed; 6 busy, or out of time; 130 interrupted."
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]}, epilog=EPILOG)
@click.version_option(__version__, prog_name="dagster-hevo")
def main() -> None:
    """Hevo pipelines as Dagster assets."""


for command in (pipelines, objects, jobs, watch, resync, snapshot, doctor, sensor, sandbox):
    main.add_command(command)
