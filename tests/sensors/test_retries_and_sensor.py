"""A retry that Dagster knows of, queued or delayed, owns its run's job; what is recorded is told
apart by the assets that it was recorded for."""

from __future__ import annotations

import dagster as dg
import pytest
from run_lives import FAILED, SecondSensor, finish_run, orphaned_job, run_with_job

from dagster_hevo import DagsterHevoTranslator
from dagster_hevo.execution.events import ObjectAsset
from dagster_hevo.execution.run_ledger import InstanceStore, wait_for_sensor
from dagster_hevo.jobs.marks import AssetSet, RecordMarks
from dagster_hevo.jobs.outcome import JobOutcome
from dagster_hevo.jobs.request import SyncAction


@pytest.mark.parametrize("status", [dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.NOT_STARTED])
def test_a_queued_retry_owns_the_job_as_long_as_it_is_queued(station, status):
    place = station()
    run, _ = orphaned_job(place)
    place.begin_run(parent=run.run_id, status=status)
    place.ticks(40)
    assert not place.materialized()


def test_a_delayed_retry_owns_the_job(station):
    place = station()
    run, _ = orphaned_job(place)
    place.instance.add_run_tags(run.run_id, {"dagster/will_retry": "true"})
    place.ticks(40)
    assert not place.materialized()


def test_a_run_that_will_not_be_retried_owns_nothing(station):
    place = station()
    run, _ = orphaned_job(place)
    place.instance.add_run_tags(run.run_id, {"dagster/will_retry": "false"})
    place.ticks(3)
    assert place.materialized() == place.loaded()


def test_a_retry_that_has_ended_owns_nothing(station):
    place = station()
    run, _ = orphaned_job(place)
    again = place.begin_run(parent=run.run_id)
    place.instance.add_run_tags(
        run.run_id, {"dagster/will_retry": "true", "dagster/auto_retry_run_id": again.run_id}
    )
    place.ticks(3)
    assert not place.materialized()
    place.end_run(again, FAILED)
    place.ticks(12)
    assert place.materialized() == place.loaded()


def test_a_retry_that_the_sensor_was_quicker_than_takes_the_job_and_loads_nothing(station):
    place = station()
    run, job = orphaned_job(place)
    place.ticks(3)
    assert place.materialized() == place.loaded()
    again = place.begin_run(parent=run.run_id, tags={"dagster/retry_number": "1"})
    earlier = place.ledger(again).resume(place.request(SyncAction.SYNC_NOW))
    assert earlier is not None
    assert earlier.job_id == job.job_id


def test_a_person_who_executes_the_run_again_after_the_sensor_recorded_it_loads_again(station):
    place = station()
    run, _ = orphaned_job(place)
    place.ticks(3)
    again = place.begin_run(parent=run.run_id)
    assert place.ledger(again).resume(place.request(SyncAction.SYNC_NOW)) is None


def test_a_run_that_died_while_it_recorded_leaves_the_rest_to_the_sensor(station):
    place = station()
    run, job = orphaned_job(place)
    assert place.ledger(run).begin_recording(place.request(SyncAction.SYNC_NOW), job.job_id) is None
    place.record_one(run, job)
    assert sum(place.materialized().values()) == 1
    place.ticks(4)
    assert place.materialized() == place.loaded()


class OtherKeys(DagsterHevoTranslator):
    """Another code location's names for the same objects."""

    def get_asset_spec(self, props):
        spec = super().get_asset_spec(props)
        return spec.replace_attributes(key=spec.key.with_prefix("elsewhere"))


def keys_recorded(place) -> set[str]:
    instance = place.instance
    return {
        key.to_user_string()
        for key in instance.all_asset_keys()
        if instance.get_latest_materialization_event(key) is not None
    }


def test_a_second_location_with_other_keys_records_what_a_run_of_the_first_has_settled(station):
    place = station(sensor={"translator": OtherKeys()})
    run, job = run_with_job(place)
    finish_run(place, run, job)
    place.ticks(4)
    assert len([key for key in keys_recorded(place) if key.startswith("elsewhere/")]) == 2
    assert sum(place.materialized().values()) == 2


def test_two_sensors_with_other_keys_each_record_every_job_once(station):
    place = station()
    sensors = SecondSensor(place, translator=OtherKeys())
    for _ in range(3):
        place.run_job()
        sensors.tick_first()
        sensors.tick_second(0)
    assert place.materialized() == place.loaded()
    elsewhere = [
        place.instance.fetch_materializations(key, limit=100).records
        for key in place.instance.all_asset_keys()
        if key.path[0] == "elsewhere"
    ]
    assert [len(each) for each in elsewhere] == [3, 3]


def test_two_sensors_with_the_same_keys_record_every_job_once_together(station):
    place = station()
    sensors = SecondSensor(place)
    for _ in range(3):
        place.run_job()
        sensors.tick_second()
        sensors.tick_first(0)
    assert place.materialized() == place.loaded()


# A run and a sensor that record one job at once


class Recording:
    """A job that a sensor records, or not, while a run waits."""

    def __init__(self, place) -> None:
        job = place.run_job()
        self.job_id = job.job_id
        specs = [spec for each in place.assets for spec in each.specs]
        self.assets = [asset for asset in map(ObjectAsset.of, specs) if asset is not None]
        self.outcome = JobOutcome(job.pipeline_id, place.job(job.job_id, job.pipeline_id), {})
        self.instance, self.base_url = place.instance, place.hevo.account
        keys = AssetSet.of([asset.key for asset in self.assets])
        store = InstanceStore(self.instance)
        self.marks = RecordMarks(store, self.base_url, job.pipeline_id, keys, "sensor")
        self.waits: list[float] = []

    def wait(self, *, finishes_at: int = 0) -> bool:
        def pause(seconds: float) -> None:
            self.waits.append(seconds)
            if len(self.waits) == finishes_at:
                self.marks.finish(self.job_id)

        return wait_for_sensor(self.instance, self.base_url, self.outcome, self.assets, pause=pause)


def test_a_run_waits_for_the_sensor_that_records_its_job(station):
    recording = Recording(station())
    recording.marks.begin(recording.job_id, 1.0)
    assert recording.wait(finishes_at=3)
    assert len(recording.waits) == 3


def test_a_run_does_not_wait_for_ever_for_a_sensor_that_is_gone(station):
    recording = Recording(station())
    recording.marks.begin(recording.job_id, 1.0)
    assert not recording.wait()
    assert 100 < sum(recording.waits) < 200


def other_marks(recording: Recording, count: int, sensor: str, more: str = "") -> RecordMarks:
    """Marks for the first assets of a recording, and others."""
    keys = [asset.key for asset in recording.assets][:count]
    keys += [dg.AssetKey(name) for name in more.split()]
    store = InstanceStore(recording.instance)
    pipeline_id = recording.outcome.pipeline_id
    return RecordMarks(store, recording.base_url, pipeline_id, AssetSet.of(keys), sensor)


def test_a_run_does_not_wait_for_a_sensor_that_records_other_assets(station):
    recording = Recording(station())
    other_marks(recording, 0, "elsewhere", "other_table").begin(recording.job_id, 1.0)
    assert not recording.wait()
    assert recording.waits == []


def test_a_run_waits_a_moment_for_a_sensor_that_is_about_to_begin(station):
    recording = Recording(station())
    assert not recording.wait()
    assert 4 <= sum(recording.waits) <= 10


def test_a_run_waits_for_a_sensor_whose_code_location_has_only_some_of_its_assets(station):
    recording = Recording(station())
    recording.marks = other_marks(recording, 1, "sensor", "new_table")
    recording.marks.begin(recording.job_id, 1.0)
    assert recording.wait(finishes_at=4)
    assert len(recording.waits) == 4


def test_a_run_waits_longer_where_many_events_are_stored(station):
    recording = Recording(station())
    recording.marks.begin(recording.job_id, 1.0)
    recording.marks.tell_storing(recording.job_id, 5000, 50.0)
    assert recording.wait(finishes_at=300)
    assert sum(recording.waits) == 600


def test_a_run_waits_as_long_as_a_sensor_makes_progress_and_half_an_hour_at_most(station):
    recording = Recording(station())
    recording.marks.begin(recording.job_id, 1.0)
    waits: list[float] = []

    def pause(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) % 50 == 0:  # Another part is recorded every 100 seconds.
            recording.marks.tell_storing(recording.job_id, 600, sum(waits))

    assert not wait_for_sensor(
        recording.instance, recording.base_url, recording.outcome, recording.assets, pause=pause
    )
    assert sum(waits) == 1800


def test_a_tick_of_many_events_says_so_to_the_runs_that_wait(station):
    place = station(pipelines=2, objects=300, settings={"page_size": 100}, seconds_per_object=0.01)
    place.tick()
    job = place.run_job(101)
    place.sandbox.advance(200)
    place.tick()
    specs = [spec for each in place.assets for spec in each.specs]
    assets = [asset for asset in map(ObjectAsset.of, specs) if asset is not None]
    keys = AssetSet.of([asset.key for asset in assets if asset.pipeline_id == 101])
    marks = RecordMarks(InstanceStore(place.instance), place.hevo.account, 101, keys)
    assert marks.of(job.job_id).events == 600
    assert not marks.of(job.job_id).is_done
    place.tick()
    assert marks.of(job.job_id).is_done


def test_a_second_sensor_leaves_a_job_that_another_one_records_for_some_of_its_assets(station):
    place = station()
    place.tick()
    recording = Recording(place)
    other = other_marks(recording, 1, "elsewhere", "other_table")
    other.begin(recording.job_id, place.now())
    place.ticks(5)
    assert not place.materialized()
    place.ticks(8, every=600)
    assert place.materialized() == place.loaded()
