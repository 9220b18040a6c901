"""Runs in processes of their own that end before their job does: killed, or terminated."""

from __future__ import annotations

import os
import signal
from typing import Any

import dagster as dg
from shop_runs import RunProcess, Station, wait_until

# Without a request to terminate in the instance, Dagster calls a run that a signal ended failed.
ENDED = (dg.DagsterRunStatus.CANCELED, dg.DagsterRunStatus.FAILURE)


def wait_for_trigger(station: Station) -> None:
    """Wait until Hevo has got the trigger of a run."""
    wait_until(lambda: station.shop.sandbox.triggers(101), what="the trigger")


def wait_for_poll(station: Station) -> Any:
    """Wait until a run has polled its job, and return the job."""
    wait_until(lambda: station.shop.sandbox.requests_to("*/jobs/*"), what="a poll of the job")
    (job,) = station.shop.jobs
    return job


def wait_for_cancels(station: Station, *, more_than: int = 0, within: float = 60.0) -> Any:
    """Wait until Hevo has got one more request to cancel a job, and return the new ones."""
    sandbox = station.shop.sandbox
    return wait_until(
        lambda: sandbox.requests_to("*/actions/cancel", "POST")[more_than:],
        within=within,
        what="the cancel",
    )


def terminate(process: RunProcess) -> None:
    """Send the signal that a run launcher sends."""
    assert process.pid is not None
    os.kill(process.pid, signal.SIGTERM)


def terminated_run(station: Station, process: RunProcess) -> dg.DagsterRun:
    """Terminate the only run, and wait until it has ended."""
    terminate(process)
    return ended_run(station, process)


def ended_run(station: Station, process: RunProcess) -> dg.DagsterRun:
    """The only run, once its terminated process has ended."""
    process.join(30)
    (run,) = station.runs
    assert run.status in ENDED
    return run


def killed_run(station: Station, process: RunProcess) -> dg.DagsterRun:
    """Kill the only run; what run monitoring does with a run whose worker is gone."""
    process.kill()
    process.join()
    (run,) = station.runs
    station.instance.report_run_failed(run)
    return run
