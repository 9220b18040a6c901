"""What cannot be read holds up nothing else, and is said: pages of lists, and jobs' objects."""

from __future__ import annotations

import json

import dagster as dg
from station import Station

from dagster_hevo.job_sensor.status import TickStatus, status_in
from dagster_hevo.sandbox import Fault

HOUR = 3600.0
LATER_PAGES = Fault("status_before", path="*/101/jobs", query="*cursor=*", status=500)


def warnings_of(place: Station) -> list[str]:
    return [
        event.description or ""
        for event in place.last.asset_events
        if isinstance(event, dg.AssetObservation)
    ]


def told(place: Station) -> TickStatus:
    found = status_in(place.cursor)
    assert found is not None
    return found


def with_two_pages(station, **options) -> Station:
    """A pipeline with so many jobs that its list has a second page, and the sensor has begun."""
    place = station(objects=1, seconds_per_object=5, settings={"page_size": 12}, **options)
    for _ in range(30):
        place.run_job(seconds=60)
    place.sandbox.advance(300)
    place.tick()
    return place


def test_the_pages_that_can_be_read_are_settled_where_a_later_one_never_can(station):
    place = with_two_pages(station)
    past = [job.job_id for job in place.sandbox.jobs()]
    place.sandbox.faults.add(LATER_PAGES)
    for _ in range(3):
        place.run_job(seconds=60)
    place.tick()
    assert place.materialized() == place.loaded(but_not=past)
    for _ in range(4):
        place.run_job(seconds=60)
    place.ticks(40)
    assert place.materialized() == place.loaded(but_not=past)


def test_a_list_that_cannot_be_read_is_said_in_each_tick_and_warned_of_once(station):
    place = with_two_pages(station, pipelines=2)
    place.sandbox.faults.add(LATER_PAGES)
    place.run_job(seconds=60)
    said: list[str] = []
    for _ in range(90):
        place.tick()
        assert told(place).unreadable == 1
        assert "unreadable pipelines: 1" in told(place).line
        said += [text for text in warnings_of(place) if "not answered" in text]
    assert len(said) == 1
    assert "list of pipeline 101 to the end" in said[0]
    place.sandbox.faults.clear()
    place.ticks(15)
    assert told(place).unreadable == 0


def test_jobs_of_a_page_that_can_be_read_again_are_recorded(station):
    place = with_two_pages(station)
    past = [job.job_id for job in place.sandbox.jobs()]
    place.sandbox.faults.add(LATER_PAGES)
    for _ in range(20):
        place.run_job(seconds=60)
    place.ticks(20)
    assert len(place.materialized()) == 12
    place.sandbox.faults.clear()
    place.ticks(15)
    assert place.materialized() == place.loaded(but_not=past)


def test_an_outage_of_all_pipelines_is_one_warning(station):
    place = station(pipelines=15, objects=2)
    place.tick()
    place.sandbox.faults.add(Fault("status_before", path="*/jobs", status=503))
    said: list[str] = []
    for _ in range(12):
        place.tick(900)
        said += warnings_of(place)
    assert len(set(said)) == 1
    assert len(said) == 10
    assert "and 5 more" in said[0]


def test_one_job_that_cannot_be_read_alone_does_not_stop_its_pipeline(station):
    place = station(objects=1, seconds_per_object=1000, settings={"page_size": 12})
    place.tick()
    slow = place.sandbox.start_scheduled_job(101)
    place.tick()
    cursor = json.loads(place.cursor or "")
    lost = {"since": int(place.now()), "due_at": 0}
    cursor["pipelines"]["101"]["open"]["not-listed"] = lost
    place.cursor = json.dumps(cursor)
    place.sandbox.faults.add(Fault("status_before", path="*/jobs/not-listed", status=500))
    place.sandbox.finish_jobs(101)
    place.ticks(6)
    assert {job_id for job_id, _ in place.materialized()} == {slow.job_id}
    assert told(place).unreadable == 0
    said: list[str] = []
    for _ in range(60):
        place.tick(HOUR)
        said += warnings_of(place)
    assert sum("could not be read 24 times" in text for text in said) == 1
    assert not place.kept["pipelines"]["101"].get("open")


def with_unreadable_jobs(station, count: int) -> tuple[Station, list[str]]:
    place = station(objects=1, seconds_per_object=5, settings={"page_size": 50})
    place.tick()
    bad = [place.run_job(seconds=120).job_id for _ in range(count)]
    for job_id in bad:
        path = f"*/jobs/{job_id}/objects"
        place.sandbox.faults.add(Fault("status_before", path=path, status=500))
    return place, bad


def test_many_jobs_that_cannot_be_read_do_not_block_newer_ones(station):
    place, bad = with_unreadable_jobs(station, 70)
    place.ticks(2)
    good = [place.run_job(seconds=60).job_id for _ in range(2)]
    place.ticks(2)
    assert {job_id for job_id, _ in place.materialized()} == set(good)
    assert len(place.kept["pipelines"]["101"]["open"]) <= 50
    # And are recorded, each once, when they can be read.
    place.sandbox.faults.clear()
    place.ticks(40, every=300)
    assert place.materialized() == place.loaded()
    assert len(bad) == 70


def test_jobs_that_find_no_place_are_not_tried_in_every_tick(station):
    place, bad = with_unreadable_jobs(station, 60)
    place.ticks(2)
    seen = len(place.sandbox.requests_to("*/jobs/*/objects"))
    place.ticks(10)
    # The ten without a place once, the others by their own pauses.
    tries = place.sandbox.requests_to("*/jobs/*/objects")[seen:]
    without_place = set(bad) - set(place.kept["pipelines"]["101"]["open"])
    assert len(without_place) == 10
    count = sum(any(job_id in str(entry.path) for job_id in without_place) for entry in tries)
    assert count <= 10
