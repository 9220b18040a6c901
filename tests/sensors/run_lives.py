"""What the tests of runs beside the sensor share: a run with its job, and how both go on."""

from __future__ import annotations

from typing import Any

import dagster as dg
from station import Station

FAILED = dg.DagsterEventType.RUN_FAILURE
SUCCEEDED = dg.DagsterEventType.RUN_SUCCESS


def triggered_run(station: Station) -> dg.DagsterRun:
    """A run that has triggered the pipeline and not found its job yet; the sensor has ticked."""
    station.tick()
    run = station.begin_run()
    station.trigger(run)
    return run


def run_with_job(station: Station, *, claims: bool = True) -> tuple[dg.DagsterRun, Any]:
    """A run and its job, which has loaded; the run has claimed it, unless told otherwise."""
    run = triggered_run(station)
    job = station.run_job()
    if claims:
        station.claim(run, job)
    return run, job


def orphaned_job(station: Station, *, claims: bool = True) -> tuple[dg.DagsterRun, Any]:
    """A run that has died, and its job, which has loaded."""
    run, job = run_with_job(station, claims=claims)
    station.end_run(run, FAILED)
    return run, job


def record_and_settle(station: Station, run: dg.DagsterRun, job: Any) -> None:
    """The step of a run records its job and succeeds; the run goes on."""
    station.record(run, job)
    station.settle(run, job)
    station.succeed_step(run)


def finish_run(station: Station, run: dg.DagsterRun, job: Any) -> None:
    """A run records its job and succeeds."""
    record_and_settle(station, run, job)
    station.end_run(run, SUCCEEDED)


def logged(station: Station, result: dg.ExecuteInProcessResult) -> str:
    """What a run told people."""
    entries = station.instance.all_logs(result.dagster_run.run_id)
    return "\n".join(entry.user_message or "" for entry in entries)


class SecondSensor:
    """A second sensor beside a station's own, each with its cursor; both have ticked once.

    Args:
        station: The station, whose own sensor ticks by ``tick_first`` from now on.
        options: What the second sensor differs in.
    """

    def __init__(self, station: Station, **options: Any) -> None:
        self._station = station
        station.tick()
        self._first = station.sensor, station.cursor
        station.make_sensor(name="another", **options)
        self._second: tuple[Any, str | None] = station.sensor, None
        self.tick_second()

    def tick_first(self, after: float = 60.0) -> None:
        """Let time pass, and the station's own sensor tick."""
        self._first = self._ticked(self._first, after)

    def tick_second(self, after: float = 60.0) -> None:
        """Let time pass, and the second sensor tick."""
        self._second = self._ticked(self._second, after)

    def _ticked(self, kept: tuple[Any, str | None], after: float) -> tuple[Any, str | None]:
        self._station.sensor, self._station.cursor = kept
        self._station.tick(after)
        return self._station.sensor, self._station.cursor


@dg.op
def nothing() -> None: ...


@dg.job
def refresh() -> None:
    """A job for the sensor to request."""
    nothing()


@dg.job
def alarm() -> None:
    """Another one."""
    nothing()


@dg.job
def count() -> None:
    """A third one."""
    nothing()
