"""The sensor says how it is doing: a line per tick, the cursor, the command, and a warning."""

from __future__ import annotations

import json
import os
from pathlib import Path

import dagster as dg
import pytest
from click.testing import CliRunner
from dagster._core.scheduler.instigation import InstigatorStatus

from dagster_hevo.cli import main
from dagster_hevo.job_sensor.cursor import SensorCursor
from dagster_hevo.job_sensor.status import backlog_text, status_in, with_backlog
from dagster_hevo.sensors import TickEnvironment

HOUR = 3600.0


def test_each_tick_writes_one_line_that_tells_all(station, capfd):
    place = station(pipelines=2, objects=3)
    place.tick()
    place.run_job(101)
    place.run_job(102)
    capfd.readouterr()
    place.tick()
    lines = [line for line in capfd.readouterr().err.splitlines() if "Polled" in line]
    assert len(lines) == 1
    assert "Polled 2 of 2 pipelines with 4 requests" in lines[0]
    assert "2 jobs recorded (6 objects), 0 ended jobs still to record" in lines[0]


def test_the_cursor_tells_the_backlog_and_its_age(station):
    place = station(objects=1, seconds_per_object=5, settings={"page_size": 50})
    place.make_sensor(environment=TickEnvironment(now=place.now, most_requests=4))
    place.tick()
    for _ in range(20):
        place.run_job(seconds=300)
    place.tick()
    told = status_in(place.cursor)
    assert told is not None
    assert told.jobs == 3
    assert told.backlog == 17
    assert told.was_cut_short
    assert told.oldest_seconds == pytest.approx(17 * 300, rel=0.1)


def test_a_backlog_that_grows_for_an_hour_is_warned_of_once_an_hour():
    cursor, warned = SensorCursor(), list[float]()
    for minute in range(150):
        cursor, has_grown = with_backlog(cursor, minute, minute * 60.0)
        if has_grown:
            warned.append(minute * 60.0)
    assert warned == [60.0 + HOUR, 60.0 + 2 * HOUR]


def test_a_backlog_that_shrinks_is_not_warned_of():
    cursor = SensorCursor()
    for minute in range(200):
        backlog = 100 + minute if minute % 30 else 50
        cursor, has_grown = with_backlog(cursor, backlog, minute * 60.0)
        assert not has_grown


@pytest.mark.parametrize(
    ("backlog", "behind", "said"),
    [
        (1, 2, "1 ended job is not recorded, 2 pipelines are still to be polled"),
        (3, 1, "3 ended jobs are not recorded, 1 pipeline is still to be polled"),
        (0, 4, "0 ended jobs are not recorded, 4 pipelines are still to be polled"),
    ],
)
def test_the_warning_of_a_backlog_counts_what_has_ended_and_is_not_recorded(backlog, behind, said):
    assert said in backlog_text(backlog, behind, 101)


def test_a_growing_backlog_becomes_an_event(station):
    place = station(objects=1, seconds_per_object=5, settings={"page_size": 50})
    place.make_sensor(environment=TickEnvironment(now=place.now, most_requests=2))
    place.tick()
    texts: list[str] = []
    for _ in range(40):
        for _ in range(4):
            place.run_job(seconds=60)
        place.tick(0)
        texts += [
            event.description or ""
            for event in place.last.asset_events
            if isinstance(event, dg.AssetObservation)
        ]
    assert any("backlog has grown for an hour" in text for text in texts)


@pytest.fixture
def at_home(station, dagster_home: Path, monkeypatch):
    """A station on the instance that DAGSTER_HOME names."""
    monkeypatch.setenv("DAGSTER_HOME", str(dagster_home))
    (dagster_home / "dagster.yaml").touch()
    return station()


def run_status(*options: str):
    return CliRunner().invoke(main, ["sensor", "status", *options])


def test_the_command_tells_the_same_from_the_instance(at_home):
    at_home.switch_sensor(InstigatorStatus.RUNNING)
    done = run_status("--json")
    (told,) = json.loads(done.stdout)
    assert told["sensor"] == "hevo_job_sensor"
    assert told["pipelines"] == 1
    assert told["base_url"] == at_home.hevo.account
    assert "secret" not in (at_home.cursor or "")
    assert "Polled 1 of 1 pipelines" in run_status().stdout


def test_a_sensor_that_is_off_ends_the_command_with_1(at_home):
    at_home.switch_sensor(InstigatorStatus.STOPPED)
    done = run_status("--json")
    assert done.exit_code == 1
    assert json.loads(done.stdout)[0]["state"] == "off"


def test_an_instance_without_a_job_sensor_says_what_to_do(at_home):
    done = run_status()
    assert done.exit_code == 4
    assert "build_hevo_job_sensor" in done.output


def test_without_dagster_home_the_command_says_so(monkeypatch):
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    assert "DAGSTER_HOME" not in os.environ
    done = run_status()
    assert done.exit_code == 2
    assert "DAGSTER_HOME is not set" in done.output
