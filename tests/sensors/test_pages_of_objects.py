"""Lists of objects that need more requests than a tick has: read in parts, no page for nothing."""

from __future__ import annotations

from typing import Any

import pytest
from station import Station

from dagster_hevo.api.models import Page, PipelineObject
from dagster_hevo.job_sensor.open_job import Census
from dagster_hevo.job_sensor.reading import counted, has_just
from dagster_hevo.jobs.objects import KnownObject, ObjectIndex
from dagster_hevo.sandbox import Fault, ObjectScenario
from dagster_hevo.sensors import TickEnvironment


def bounded(place: Station, most_requests: int) -> None:
    place.make_sensor(environment=TickEnvironment(now=place.now, most_requests=most_requests))


def test_the_objects_of_a_pipeline_are_counted_over_several_ticks(station):
    place = station(objects=30, settings={"page_size": 5}, job_objects="never")
    bounded(place, 3)
    place.ticks(3)
    place.run_job(seconds=40)
    for _ in range(20):
        place.tick()
        assert len(place.requests) <= 3
    assert place.materialized() == place.loaded()
    # Six pages, when the code location was loaded and now: each of them once.
    assert len(place.sandbox.requests_to("*/pipelines/101/objects")) == 6 + 6


def test_a_job_that_waits_for_its_counts_does_not_hold_up_another_pipeline(station):
    place = station(pipelines=2, objects=30, settings={"page_size": 5}, job_objects="never")
    place.sandbox.set_behaviour(102, job_objects="live")
    bounded(place, 12)
    place.ticks(3)
    place.run_job(101, seconds=0)
    job = place.run_job(102, seconds=40)
    place.ticks(4)
    assert job.job_id in {job_id for job_id, _ in place.materialized()}
    place.ticks(20)
    assert place.materialized() == place.loaded()


def test_the_objects_of_a_pipeline_are_counted_once_for_several_jobs(station):
    place = station(objects=12, settings={"page_size": 5}, job_objects="never")
    place.tick()
    for _ in range(4):
        place.run_job(seconds=60)
    place.sandbox.advance(120)
    place.tick()
    assert len(place.sandbox.requests_to("*/pipelines/101/objects")) == 3 + 3
    assert place.materialized() == place.loaded()


def test_a_list_that_does_not_yet_agree_with_its_job_causes_no_counting(station):
    place = station(
        objects=12,
        settings={"page_size": 5},
        job_objects="late",
        job_objects_late_seconds=100,
        seconds_per_object=2,
    )
    place.tick()
    place.run_job()
    place.tick()
    assert not place.materialized()
    place.ticks(2)
    assert place.materialized() == place.loaded()
    assert len(place.sandbox.requests_to("*/pipelines/101/objects")) == 3  # At the load.


def test_a_long_list_read_too_early_is_read_again_only_once_it_is_final(station):
    place = station(objects=40, settings={"page_size": 5})
    bounded(place, 4)
    place.tick()
    job = place.run_job(seconds=40)
    path = f"*/jobs/{job.job_id}/objects"
    place.tick(20)
    early = len(place.sandbox.requests_to(path))
    assert early >= 2
    place.tick(30)
    assert len(place.sandbox.requests_to(path)) == early
    place.ticks(8)
    assert len(place.sandbox.requests_to(path)) == early + 8
    assert place.materialized() == place.loaded()


def test_what_was_read_before_a_page_that_fails_is_recorded_and_not_read_again(station):
    place = station(objects=20, settings={"page_size": 5})
    place.tick()
    job = place.run_job(seconds=25)
    place.sandbox.advance(300)
    path = f"*/jobs/{job.job_id}/objects"
    place.sandbox.faults.add(Fault("status_before", path=path, status=500, skip=2, times=1))
    place.tick()
    assert len(place.materialized()) == 10
    place.ticks(3)
    assert place.materialized() == place.loaded()
    assert len(place.sandbox.requests_to(path)) == 5


@pytest.mark.parametrize("added", [False, True])
def test_a_pipeline_with_other_objects_by_now_proves_nothing_by_counts(station, added):
    place = station(objects=6, settings={"page_size": 5}, job_objects="never")
    place.tick()
    place.run_job()
    if added:
        place.sandbox.add_object(101, ObjectScenario(name="new"))
    place.ticks(4)
    assert bool(place.materialized()) is not added


def test_a_census_tells_other_objects_of_the_same_number_apart():
    class Hevo:
        def object_pages(self, pipeline_id: int, begin_at: str | None = None):
            at = int(begin_at or 0)
            ids = ["a", "b", "c"][at : at + 1]
            found = [PipelineObject(object_id=each, status="ACTIVE") for each in ids]
            yield Page(tuple(found), at < 2, str(at + 1))

    class Tools:
        hevo = Hevo()

    tools: Any = Tools()
    index = ObjectIndex([KnownObject("a", "orders"), KnownObject("d", "c")])
    *_, last = counted(tools, 1, Census(), index)
    assert has_just(last, {"a", "b", "c"})
    assert not has_just(last, {"a", "b", "d"})
    assert not has_just(last, {"a", "b"})
    assert last.same_names == {"d"}  # An object that has no name goes by its id.


@pytest.mark.parametrize("is_replaced", [False, True])
@pytest.mark.parametrize(("fields", "ids"), [("short", "own"), ("full", "other")])
def test_a_table_that_has_taken_the_name_of_another_one_does_not_make_that_fresh(
    station, fields, ids, is_replaced
):
    place = station(objects=2, job_object_fields=fields, job_object_ids=ids)
    place.tick()
    if is_replaced:
        place.sandbox.set_object(101, "table_01", status="INACTIVE")
        place.sandbox.add_object(101, ObjectScenario(name="table_01", table="another"))
    place.run_job()
    place.ticks(4)
    found = {name for _, name in place.materialized()}
    assert len(found) == (1 if is_replaced else 2)
