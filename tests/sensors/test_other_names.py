"""What is followed is kept by the pipeline and the assets, not by a sensor's name."""

from __future__ import annotations

import pytest
from station import DaemonDied, Station
from test_retries_and_sensor import OtherKeys

from dagster_hevo import DagsterHevoTranslator
from dagster_hevo.job_sensor.cursor import PipelineCursor
from dagster_hevo.jobs.ledger_store import MemoryStore
from dagster_hevo.jobs.marks import AssetSet, RecordMarks

DAY = 24 * 3600.0


class Key:
    """An asset's key."""

    def __init__(self, text: str) -> None:
        self.text = text

    def to_user_string(self) -> str:
        return self.text


def marks_of(store: MemoryStore, keys: str, sensor: str = "sensor") -> RecordMarks:
    return RecordMarks(store, "account", 1, AssetSet.of([Key(key) for key in keys]), sensor)


def renamed(place: Station, name: str = "hevo_sensor_eu", **options) -> None:
    """The sensor after a deployment that renames it: without its cursor."""
    place.make_sensor(name=name, **options)
    place.cursor = None


def test_jobs_that_end_while_the_sensor_is_renamed_are_recorded(station):
    place = station(seconds_per_object=5)
    place.ticks(3)
    place.run_job()
    place.tick()
    for _ in range(2):
        place.run_job(seconds=300)
    renamed(place)
    place.ticks(3)
    assert len(place.materialized()) == 6
    assert place.materialized() == place.loaded()


def test_a_job_that_was_half_recorded_is_completed_under_another_name(station):
    place = station(objects=4, seconds_per_object=5)
    place.ticks(3)
    place.run_job()
    with pytest.raises(DaemonDied):
        place.tick(200, dies_after=1)
    renamed(place)
    place.ticks(80)
    assert place.materialized() == place.loaded()


def test_a_job_that_was_begun_before_the_ledger_knew_how_far_is_completed(station):
    place = station(objects=4, seconds_per_object=5)
    place.tick()
    place.run_job()
    with pytest.raises(DaemonDied):
        place.tick(200, dies_after=2)
    place.sandbox.advance(3 * DAY)
    renamed(place)
    place.ticks(4)
    assert place.materialized() == place.loaded()


class WithoutOne(DagsterHevoTranslator):
    """A code location that has one table less."""

    def get_asset_spec(self, props):
        spec = super().get_asset_spec(props)
        if spec.key.path[-1] == "table_02":
            return spec.replace_attributes(key=spec.key.with_prefix("moved"))
        return spec


def test_a_new_name_and_other_assets_at_once_lose_nothing_of_the_assets_in_common(station):
    place = station(objects=3, seconds_per_object=5)
    place.ticks(2)
    place.run_job()
    place.tick()
    place.run_job(seconds=300)
    renamed(place, translator=WithoutOne())
    place.ticks(3)
    table = [key for key in place.materialized() if key[1].endswith("-1") or key[1].endswith("-3")]
    assert len(table) == 4
    assert set(place.materialized().values()) == {1}


def test_a_location_with_other_keys_begins_with_its_own_first_tick(station):
    place = station(seconds_per_object=5)
    place.ticks(3)
    place.run_job(seconds=300)
    renamed(place, "another", translator=OtherKeys())
    place.ticks(3)
    assert not any(key.path[0] == "elsewhere" for key in place.instance.all_asset_keys())


# The marks


def test_how_far_a_pipeline_is_followed_is_known_to_every_sensor_of_its_assets():
    store = MemoryStore()
    marks_of(store, "ab", "one").follow_until(10.0, 1000)
    assert marks_of(store, "ab", "another").followed_until() == (10.0, 1000)
    assert marks_of(store, "bc", "one").followed_until() == (10.0, 1000)
    assert marks_of(store, "cd", "one").followed_until() is None


def test_what_was_written_for_the_same_assets_counts_before_that_of_others():
    store = MemoryStore()
    marks_of(store, "ab").follow_until(10.0, 1000)
    marks_of(store, "bc").follow_until(20.0, 2000)
    assert marks_of(store, "ab").followed_until() == (10.0, 1000)
    assert marks_of(store, "abc").followed_until() == (20.0, 2000)
    for number in range(60):
        marks_of(store, f"b{number}").follow_until(30.0, 3000)
    assert len(store.read("followed/account/1")) <= 22


def test_a_job_begun_for_some_of_our_assets_is_unfinished_until_all_are_done():
    store = MemoryStore()
    other, ours = marks_of(store, "ab", "other"), marks_of(store, "bc", "ours")
    apart = marks_of(store, "xy", "apart")
    assert other.begin("job", 5.0) is None
    ahead = ours.begin("job", 6.0)
    assert ahead is not None
    assert ahead.sensor == "other"
    assert ahead.at == 5.0
    assert other.begin("job", 7.0) is None
    assert apart.begin("job", 8.0) is None
    assert {each.sensor for each in ours.unfinished(ours.of("job"))} == {"other", "ours"}
    other.finish("job")
    assert ours.begin("job", 9.0) is None
    ours.finish("job")
    assert not ours.unfinished(ours.of("job"))
    assert ours.of("job").is_done


def test_a_location_that_is_loaded_again_finishes_what_it_began_for_other_assets():
    store = MemoryStore()
    before, after = marks_of(store, "ab"), marks_of(store, "abc")
    before.begin("job", 5.0)
    after.finish("job")
    assert before.of("job").is_done
    assert not after.of("job").is_done


def test_a_new_cursor_is_one_whose_ledger_is_still_to_be_read():
    kept = PipelineCursor.from_json(PipelineCursor(since=5.0, is_new=True).to_json())
    assert kept is not None
    assert kept.is_new
