"""What the sensor has missed it catches up with, however much, in whatever order, and fairly."""

from __future__ import annotations

import dagster as dg
import pytest

from dagster_hevo.sandbox import Fault
from dagster_hevo.sensors import TickEnvironment

DAY = 24 * 3600.0


def bounded(place, most_requests: int) -> None:
    place.make_sensor(environment=TickEnvironment(now=place.now, most_requests=most_requests))


def warnings_of(place) -> list[str]:
    """The warnings that were returned as events by the last tick."""
    return [
        event.description or ""
        for event in place.last.asset_events
        if isinstance(event, dg.AssetObservation)
    ]


def test_200_jobs_of_a_time_off_are_recorded_while_another_pipeline_is_not_held_up(station):
    place = station(pipelines=2, objects=1, seconds_per_object=5, settings={"page_size": 50})
    bounded(place, 20)
    place.tick()
    for _ in range(200):
        place.run_job(101, seconds=300)
    place.run_job(102)
    place.tick()
    assert any(object_id.startswith("obj-102") for _, object_id in place.materialized())
    place.ticks(15)
    assert place.materialized() == place.loaded()
    assert len(place.cursor or "") < 20_000


def test_a_backlog_is_recorded_from_the_oldest_to_the_newest_job(station):
    place = station(objects=1, seconds_per_object=5, settings={"page_size": 10})
    bounded(place, 7)
    place.tick()
    jobs = [place.run_job(seconds=300).job_id for _ in range(25)]
    recorded: list[str] = []
    for _ in range(14):
        place.tick()
        recorded += [
            event.metadata["dagster-hevo/job_id"].value
            for event in place.last.asset_events
            if isinstance(event, dg.AssetMaterialization)
        ]
    assert recorded == jobs


def test_a_long_list_without_order_that_takes_several_ticks_is_read_to_its_end(station):
    place = station(
        objects=1, seconds_per_object=5, job_order="shuffled", settings={"page_size": 4}
    )
    bounded(place, 9)
    place.tick()
    for _ in range(30):
        place.run_job(seconds=60)
    place.ticks(20)
    assert place.materialized() == place.loaded()


def test_a_list_that_begins_with_the_oldest_job_is_read_to_its_end(station):
    place = station(
        objects=1, seconds_per_object=5, job_order="oldest_first", settings={"page_size": 12}
    )
    for _ in range(30):
        place.run_job(seconds=60)
    past = [job.job_id for job in place.sandbox.jobs()]
    place.tick()
    for _ in range(3):
        place.run_job(seconds=60)
    place.ticks(3)
    assert place.materialized() == place.loaded(but_not=past)


def test_jobs_after_a_first_poll_that_saw_none_are_recorded_however_many(station):
    place = station(objects=1, seconds_per_object=5, settings={"page_size": 12})
    place.tick()
    for _ in range(40):
        place.run_job(seconds=60)
    place.ticks(2)
    assert len(place.materialized()) == 40


def test_a_list_of_objects_longer_than_a_tick_is_recorded_over_several(station):
    place = station(objects=25, settings={"page_size": 5})
    bounded(place, 3)
    place.tick()
    job = place.run_job(seconds=40)
    place.ticks(12)
    assert place.materialized() == place.loaded()
    assert {job_id for job_id, _ in place.materialized()} == {job.job_id}
    assert len(place.checked()) == 25


@pytest.mark.parametrize("stored", [0, 3, 9])
def test_a_part_of_a_list_of_objects_is_not_recorded_twice_after_a_death(station, stored):
    from station import DaemonDied

    place = station(objects=25, settings={"page_size": 5})
    bounded(place, 3)
    place.tick()
    place.run_job(seconds=40)
    place.ticks(4)
    with pytest.raises(DaemonDied):
        place.tick(dies_after=stored)
    place.ticks(10)
    assert place.materialized() == place.loaded()


def test_a_job_that_stays_deferred_for_ever_is_given_up_with_a_warning(station):
    place = station(seconds_per_object=10, defer_at=0.5, defer_seconds=100 * DAY)
    place.tick()
    job = place.sandbox.start_scheduled_job(101)
    told: list[str] = []
    for _ in range(20):
        place.tick(DAY / 2)
        told += warnings_of(place)
    assert any(job.job_id in text and "follows it no longer" in text for text in told)
    assert not place.kept["pipelines"]["101"].get("open")


@pytest.mark.parametrize(
    "fault",
    [
        Fault("status_before", path="*/objects", status=400),
        Fault("status_before", path="*/objects", status=500),
        Fault("html", path="*/objects"),
    ],
    ids=["400", "500", "html"],
)
def test_a_job_whose_objects_are_never_answered_is_recorded_as_not_proven(station, fault):
    place = station(pipelines=2)
    place.tick()
    place.run_job(101)
    place.sandbox.faults.add(fault)
    requests, told = 0, list[str]()
    for _ in range(60):
        place.tick(1800)
        requests += sum(path.endswith("/objects") for path in place.requests)
        told += warnings_of(place)
    assert requests <= 40  # Every tick would be 60, and would go on for ever.
    assert any("what it loaded is not proven" in text for text in told)
    assert not place.materialized()
    checks = place.checked().values()
    assert {check.metadata["dagster-hevo/result"].value for check in checks} == {"NOT_PROVEN"}
    place.sandbox.faults.clear()
    place.run_job(101)
    place.tick(1800)
    assert len(place.materialized()) == 2


def test_forty_hourly_pipelines_do_not_fall_behind_where_the_interval_is_an_hour(station):
    place = station(pipelines=40, objects=1, sensor={"minimum_interval_seconds": 3600})
    bounded(place, 50)
    assert place.sensor.minimum_interval_seconds == 60
    place.tick()
    for _ in range(2):
        for pipeline_id in place.sandbox.pipeline_ids:
            place.sandbox.start_scheduled_job(pipeline_id)
        place.ticks(60)
    assert place.materialized() == place.loaded()


def test_a_lost_cursor_loses_no_job_of_the_time_since(station):
    place = station(objects=1, seconds_per_object=5)
    place.run_job()
    past = [job.job_id for job in place.sandbox.jobs()]
    place.tick()
    for _ in range(3):
        place.run_job(seconds=300)
        place.tick()
    for _ in range(20):
        place.run_job(seconds=300)
    place.cursor = None
    place.ticks(3)
    assert place.materialized() == place.loaded(but_not=past)


def test_a_time_off_of_days_with_a_lost_cursor_at_its_end_loses_nothing(station):
    place = station(objects=1, seconds_per_object=5)
    place.tick()
    for _ in range(60):
        place.run_job(seconds=3600)
    place.cursor = None
    place.ticks(4)
    assert place.materialized() == place.loaded()
    assert len(place.materialized()) == 60
