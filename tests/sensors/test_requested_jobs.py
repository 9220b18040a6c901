"""`request_jobs_on_completion` and `_on_failure`: by name, whatever a key function does, and for
jobs that a run waited for."""

from __future__ import annotations

import dagster as dg
import pytest
from run_lives import alarm, finish_run, refresh, run_with_job


def requested(place, ticks: int = 3) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for _ in range(ticks):
        place.tick()
        found += [(request.job_name, request.run_key) for request in place.last.run_requests]
    return found


@pytest.mark.parametrize("as_name", [True, False])
def test_a_job_by_its_name_is_requested_through_dagsters_own_evaluation(station, as_name):
    target = "refresh" if as_name else refresh
    options = {101: target, 102: "alarm"}
    place = station(sensor={"request_jobs_on_completion": options})
    place.definitions = dg.Definitions(
        assets=place.assets, jobs=[refresh, alarm], resources={"hevo": place.hevo}
    )
    place.tick()
    job = place.run_job()
    place.sandbox.advance(60)
    with dg.build_sensor_context(
        instance=place.instance,
        cursor=place.cursor,
        sensor_name=place.sensor.name,
        definitions=place.definitions,
    ) as context:
        data = place.sensor.evaluate_tick(context)
    assert [(item.job_name, item.run_key) for item in data.run_requests] == [
        ("refresh", job.job_id)
    ]


def test_a_key_function_that_raises_loses_neither_the_tick_nor_the_other_keys(station):
    def broken(pipeline):
        raise KeyError(pipeline.id)

    place = station(sensor={"request_jobs_on_completion": {broken: alarm, 101: refresh}})
    place.tick()
    job = place.run_job()
    assert requested(place) == [("refresh", job.job_id)]
    assert place.materialized() == place.loaded()


def test_a_job_that_a_run_waited_for_is_followed_by_the_requested_one_too(station):
    place = station(sensor={"request_jobs_on_completion": {101: refresh}})
    run, job = run_with_job(place)
    finish_run(place, run, job)
    assert requested(place) == [("refresh", job.job_id)]
    assert place.materialized() == place.loaded()


def test_jobs_of_the_time_before_the_first_tick_request_nothing(station):
    place = station(sensor={"request_jobs_on_completion": {101: refresh}})
    place.run_job()
    assert requested(place) == []
