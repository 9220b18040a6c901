"""External and partitioned assets, pipelines that are being deleted, and what an event tells."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timezone

import dagster as dg
import pytest
from station import told

from dagster_hevo import DagsterHevoTranslator, load_hevo_asset_specs
from dagster_hevo.api.models import Job, LatencyAlert
from dagster_hevo.definitions.checks import threshold_minutes
from dagster_hevo.execution.latency import latency_evaluation
from dagster_hevo.job_sensor.recorder import partition_of

DAILY = dg.DailyPartitionsDefinition(start_date="2024-01-01")


def record_of(place, table: str = "table_01"):
    key = dg.AssetKey(["shop_1", table])
    (record,) = place.instance.fetch_materializations(key, 10).records
    return record.asset_materialization


def test_external_assets_get_no_evaluations_of_checks_that_do_not_exist(station):
    place = station()
    place.definitions = dg.Definitions(
        assets=load_hevo_asset_specs(place.hevo), resources={"hevo": place.hevo}
    )
    place.tick()
    place.run_job()
    place.ticks(2)
    assert place.materialized() == place.loaded()
    assert not place.checked()


def test_assets_with_checks_get_them_answered_where_the_location_is_known(station):
    place = station()
    place.definitions = dg.Definitions(assets=place.assets, resources={"hevo": place.hevo})
    place.tick()
    place.run_job()
    place.ticks(2)
    assert sorted(place.checked()) == ["table_01", "table_02"]


class Daily(DagsterHevoTranslator):
    partitions: dg.PartitionsDefinition = DAILY

    def get_asset_spec(self, props):
        return super().get_asset_spec(props).replace_attributes(partitions_def=self.partitions)


class Regional(Daily):
    partitions = dg.StaticPartitionsDefinition(["eu", "us"])


def test_an_asset_of_time_partitions_is_recorded_for_the_newest_that_there_was(station):
    place = station(sensor={"translator": Daily()})
    place.tick()
    job = place.run_job()
    place.ticks(2)
    made = datetime.fromtimestamp(place.job(job.job_id).created_ts / 1000, tz=timezone.utc)
    assert record_of(place).partition == DAILY.get_partition_keys(current_time=made)[-1]


def test_an_asset_whose_partition_nothing_tells_is_not_recorded_and_said_so(station):
    place = station(sensor={"translator": Regional()})
    place.tick()
    place.run_job()
    place.tick()
    texts = [
        event.description
        for event in place.last.asset_events
        if isinstance(event, dg.AssetObservation)
    ]
    assert any("partitioned in a way that does not tell" in text for text in texts)
    assert not place.materialized()


def test_an_asset_without_a_partition_to_record_is_warned_of_once_a_week(station):
    place = station(objects=30, seconds_per_object=0.1, sensor={"translator": Regional()})
    place.tick()
    told: list[tuple[str, str]] = []
    for _ in range(20):
        place.run_job()
        place.tick(12 * 3600)
        told += [
            (event.asset_key.to_user_string(), event.description)
            for event in place.last.asset_events
            if isinstance(event, dg.AssetObservation)
        ]
    # Ten assets carry the warning, which names all; twice in ten days.
    assert len(told) == 20
    assert all("and 20 more are partitioned" in text for _, text in told)
    assert max(Counter(key for key, _ in told).values()) == 2


def test_a_partition_needs_a_time():
    assert partition_of(DAILY, Job(job_id="a", status="COMPLETED")) is None


@pytest.mark.parametrize("status", ["DELETED", "DELETING"])
def test_a_pipeline_that_is_being_deleted_is_not_followed(station, status):
    place = station(pipelines=2)
    data = place.hevo.load_workspace()
    changed = data.model_copy(
        update={
            "pipelines": tuple(
                item.model_copy(
                    update={"pipeline": item.pipeline.model_copy(update={"status": status})}
                )
                if item.pipeline.id == 101
                else item
                for item in data.pipelines
            )
        }
    )
    from dagster_hevo.api.enums import PipelineStatus

    assert changed.pipelines[0].pipeline.status == PipelineStatus(status)
    place.make_sensor(account=changed)
    place.tick()
    assert list(place.kept["pipelines"]) == ["102"]
    assert not place.sandbox.requests_to("*/101/jobs*")


def test_an_event_tells_how_late_it_is(station):
    place = station()
    place.tick()
    job = place.run_job(seconds=30)
    place.tick(90)
    ended = next(item.finished for item in place.sandbox.jobs(101) if item.job_id == job.job_id)
    late = told(record_of(place).metadata, "recorded_after_seconds")
    assert late == pytest.approx(place.now() - ended, abs=2.0)


MINUTE = 60_000
KEY = dg.AssetKey("orders")


def job_with(**latencies) -> Job:
    return Job(job_id="job", status="COMPLETED", **latencies)


@pytest.mark.parametrize(
    ("latencies", "passed"),
    [
        ({"max_latency": 31 * MINUTE, "min_latency": 1}, False),
        ({"max_latency": 30 * MINUTE}, True),
        ({"mean_latency": 45 * MINUTE}, False),
    ],
)
def test_a_latency_beyond_the_pipelines_alert_is_a_warning(latencies, passed):
    found = latency_evaluation(KEY, 101, job_with(**latencies), 30)
    assert found is not None
    assert found.passed is passed
    assert found.severity is dg.AssetCheckSeverity.WARN
    assert found.check_name == "hevo_latency"


def test_without_a_threshold_or_a_latency_nothing_is_said():
    assert latency_evaluation(KEY, 101, job_with(max_latency=5), None) is None
    assert latency_evaluation(KEY, 101, job_with(), 30) is None


@pytest.mark.parametrize(
    ("alert", "minutes"),
    [
        (None, None),
        ({"enabled": False, "threshold_minutes": 30}, None),
        ({"enabled": True, "threshold_minutes": 30}, 30),
        ({"threshold_minutes": 30}, 30),
        ({"enabled": True}, None),
    ],
)
def test_the_threshold_is_the_one_of_an_alert_that_is_on(alert, minutes):
    given = None if alert is None else LatencyAlert.model_validate(alert)
    assert threshold_minutes(given) == minutes
