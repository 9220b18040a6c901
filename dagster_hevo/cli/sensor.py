"""The command `sensor status`: how the job sensors of a Dagster instance are doing."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

import click

from dagster_hevo.cli.account import json_option
from dagster_hevo.cli.exits import CommandError, ExitCode
from dagster_hevo.cli.output import tell, write_json, write_table

if TYPE_CHECKING:
    import dagster as dg

    from dagster_hevo.job_sensor.status import TickStatus

# A sensor ticks every minute; one that has not for so long does not run.
SILENT_AFTER = 10 * 60.0


@click.group()
def sensor() -> None:
    """The job sensors of the Dagster instance that DAGSTER_HOME names."""


@sensor.command()
@json_option
def status(as_json: bool) -> None:
    """How the job sensors are doing, as of their last ticks. Sends Hevo nothing.

    The exit code is 1 where a sensor is off or has not ticked for ten minutes.
    """
    import dagster as dg

    if not os.environ.get("DAGSTER_HOME"):
        raise CommandError(
            "DAGSTER_HOME is not set. Set it to the folder of the Dagster instance whose sensors "
            "are meant.",
            ExitCode.USAGE,
        )
    with dg.DagsterInstance.get() as instance:
        found = sensors_of(instance)
    if not found:
        raise CommandError(
            "No job sensor has ticked on this Dagster instance. Add build_hevo_job_sensor to the "
            "definitions, and check that it is on and that the daemon runs.",
            ExitCode.NOT_FOUND,
        )
    now = time.time()
    rows = [(name, state_of(switch, told, now), told) for name, switch, told in found]
    if as_json:
        write_json(
            [{"sensor": name, "state": state, **told.to_json()} for name, state, told in rows]
        )
    else:
        _show(rows)
    if any(state != "on" for _, state, _ in rows):
        raise click.exceptions.Exit(ExitCode.WRONG)


def sensors_of(instance: dg.DagsterInstance) -> list[tuple[str, str, TickStatus]]:
    """The job sensors that have ticked: name, switch and what the last tick said."""
    from dagster_hevo.job_sensor.status import status_in

    found: list[tuple[str, str, TickStatus]] = []
    for state in instance.all_instigator_state():
        told = status_in(getattr(state.instigator_data, "cursor", None))
        if told is not None:
            found.append((state.name, state.status.value, told))
    return sorted(found, key=lambda item: item[0])


def state_of(switch: str, told: TickStatus, now: float) -> str:
    """Whether a sensor is on, off, or on and silent."""
    if switch == "STOPPED":
        return "off"
    return "silent" if now - told.ticked_at > SILENT_AFTER else "on"


def _show(rows: list[tuple[str, str, Any]]) -> None:
    from dagster_hevo.job_sensor.status import moment_text

    write_table(
        [
            "sensor",
            "state",
            "last tick",
            "pipelines",
            "unreadable",
            "due",
            "backlog",
            "requests",
        ],
        [
            (
                name,
                state,
                moment_text(told.ticked_at),
                told.pipelines,
                told.unreadable,
                told.behind,
                told.backlog,
                told.requests,
            )
            for name, state, told in rows
        ],
    )
    for name, _, told in rows:
        tell(f"{name}: {told.line}")
