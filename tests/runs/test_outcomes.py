"""What each end of a job and of its objects becomes: materializations, checks, failures."""

from __future__ import annotations

from typing import Any

import dagster as dg
import pytest
from shop_runs import checked, failure_of, logged, materialized, quick_scenario, told

from dagster_hevo.sandbox import Fault

GOOD = ["table_02", "table_03"]
TABLE: list[tuple[str, dict[str, Any], bool, bool, str, int]] = [
    # outcome in Hevo, with these; recorded? check passes? severity where it does not, failed events
    ("completed", {}, True, True, "WARN", 0),
    ("failed_events", {"failed_events": 7}, True, False, "WARN", 7),
    ("failed", {}, False, False, "ERROR", 0),
    ("blocked", {}, False, False, "ERROR", 0),
    ("inaccessible", {}, False, False, "ERROR", 0),
    ("inconsistent", {}, False, False, "ERROR", 0),
    ("skipped", {}, False, True, "WARN", 0),
    ("completed", {"mentioned": False}, True, True, "WARN", 0),
]


@pytest.mark.parametrize(
    ("outcome", "more", "is_recorded", "passes", "severity", "failed"),
    TABLE,
    ids=[f"{row[0]} {row[1] or ''}" for row in TABLE],
)
def test_each_object_gets_what_became_of_it(
    shop, outcome, more, is_recorded, passes, severity, failed
):
    place = shop()
    place.sandbox.set_object(101, "table_01", outcome=outcome, **more)
    result = place.run()
    assert result.success
    assert sorted(materialized(result)) == (["table_01"] if is_recorded else []) + GOOD
    checks = checked(result)
    assert sorted(checks) == ["table_01", *GOOD]
    check = checks["table_01"]
    assert check.passed is passes
    if not passes:
        assert check.severity.value == severity
    assert told(check.metadata, "events_failed") == failed
    assert told(check.metadata, "job_id") == place.jobs[0].job_id


def test_an_object_that_is_not_mentioned_is_recorded_with_a_remark(shop):
    place = shop()
    place.sandbox.set_object(101, "table_01", mentioned=False)
    recorded = materialized(place.run())["table_01"]
    assert "prove that it was loaded" in told(recorded.metadata, "remark")


def test_the_counts_of_failed_events_are_on_the_materialization(shop):
    place = shop()
    place.sandbox.set_object(101, "table_01", outcome="failed_events", failed_events=7)
    metadata = materialized(place.run())["table_01"].metadata
    assert told(metadata, "events_failed") == 7
    assert told(metadata, "events_loaded") == 93
    assert told(metadata, "job_status") == "COMPLETED_WITH_FAILURES"


def test_assets_after_a_stale_object_are_skipped_and_those_after_fresh_ones_run(shop):
    place = shop()
    place.sandbox.set_object(101, "table_01", outcome="failed")

    @dg.asset(deps=[place.key(1)])
    def after_stale() -> None: ...

    @dg.asset(deps=[place.key(2)])
    def after_fresh() -> None: ...

    @dg.asset(deps=[place.key(1), place.key(3)])
    def after_both() -> None: ...

    result = place.run(assets=[*place.assets(), after_stale, after_fresh, after_both])
    assert result.success
    assert sorted(materialized(result)) == ["after_fresh", *GOOD]


@pytest.mark.parametrize(
    "status",
    [
        "FAILED",
        "CANCELLED",
        "CANCELED",
        "SKIPPED",
        "DEFERRED_WITH_FAILURES",
        "DEFERRED_WITH_FAILURE",
    ],
)
def test_a_job_that_did_not_complete_fails_the_run_and_keeps_what_was_loaded(shop, status):
    place = shop(jobs_end_as=status)
    result = place.run()
    assert not result.success
    assert sorted(materialized(result)) == ["table_01", *GOOD]
    # Both spellings of a word are one status.
    assert status[:6] in failure_of(result).description


@pytest.mark.parametrize("status", ["COMPLETED", "COMPLETED_WITH_FAILURES"])
def test_a_job_that_completed_lets_the_run_succeed(shop, status):
    place = shop(jobs_end_as=status)
    result = place.run()
    assert result.success
    assert sorted(materialized(result)) == ["table_01", *GOOD]


def test_a_job_in_an_unknown_status_is_waited_for_until_poll_timeout(shop):
    place = shop(jobs_end_as="PONDERING", settings={"poll_timeout": 1.5})
    result = place.run()
    assert not result.success
    assert "PONDERING" in failure_of(result).description
    assert "poll_timeout" in failure_of(result).description
    assert materialized(result) == {}


def test_completed_with_failures_is_recorded_and_then_fails_where_it_is_not_accepted(shop):
    place = shop()
    place.sandbox.set_object(101, "table_01", outcome="failed_events", failed_events=7)
    result = place.run(config={"accept_completed_with_failures": False})
    assert not result.success
    assert sorted(materialized(result)) == ["table_01", *GOOD]
    assert "accept_completed_with_failures" in failure_of(result).description


def test_a_strict_policy_fails_the_run_and_the_failure_says_what_failed(shop):
    scenario = quick_scenario()
    strict = type(scenario.pipelines[0].failure_policy)(object_failure_level="STRICT")
    pipeline = scenario.pipelines[0].model_copy(update={"failure_policy": strict})
    place = shop(scenario.model_copy(update={"pipelines": (pipeline,)}))
    place.sandbox.set_object(101, "table_01", outcome="blocked")
    result = place.run()
    assert not result.success
    assert sorted(materialized(result)) == GOOD
    failure = failure_of(result)
    metadata = failure.metadata
    assert told(metadata, "pipeline_id") == 101
    assert told(metadata, "job_id") == place.jobs[0].job_id
    assert told(metadata, "job_status") == "FAILED"
    assert told(metadata, "events_loaded") == 200
    assert told(metadata, "objects_failed") == 1
    (failed,) = metadata["problem_objects"].value
    assert failed["object"] == "table_01"
    assert "BLOCKED" in failed["remark"]
    assert "What to do:" in failure.description


def test_a_job_that_somebody_cancels_fails_the_run_and_is_not_retried(shop):
    place = shop(jobs_end_as="CANCELLED")
    assets = place.assets(retry_policy=dg.RetryPolicy(max_retries=2))
    result = place.run(assets=assets)
    assert not result.success
    assert len(place.jobs) == 1
    assert "CANCELLED" in failure_of(result).description


def refuse(place, kind: str) -> Any:
    """Have the shop refuse for this reason; return the resource that asks it then."""
    hevo = place.hevo
    assets = place.assets(retry_policy=dg.RetryPolicy(max_retries=2))
    if kind == "401":
        hevo = type(hevo)(
            **{**_settings(hevo), "api_key": place.sandbox.api_key, "api_secret": "wrong"}
        )
    elif kind == "403":
        hevo = type(hevo)(
            **{
                **_settings(hevo),
                "api_key": place.sandbox.member_key,
                "api_secret": place.sandbox.api_secret,
            }
        )
    elif kind == "400":
        place.sandbox.faults.add(Fault("status_before", method="POST", status=400))
    elif kind == "404":
        place.sandbox.faults.add(Fault("status_before", path="*/101", status=404))
    else:
        place.sandbox.set_pipeline_status(101, kind)
    return assets, hevo


def _settings(hevo) -> dict[str, Any]:
    names = ("base_url", "poll_interval", "requests_per_minute", "rate_limit_store", "retry_delay")
    return {name: getattr(hevo, name) for name in names}


@pytest.mark.parametrize(
    ("kind", "what_to_do"),
    [
        ("401", "check api_key and api_secret"),
        ("403", "owner account"),
        ("404", "check the id"),
        ("400", "Check the request"),
        ("DISABLED", "enable it in Hevo"),
        ("INITIALIZE_FAILED", "fix what it reports"),
        ("DELETED", "reload the code location"),
    ],
)
def test_what_trying_again_cannot_help_fails_once_and_says_what_to_do(shop, kind, what_to_do):
    place = shop()
    assets, hevo = refuse(place, kind)
    before = len(place.sandbox.requests)
    result = dg.materialize(
        assets, resources={"hevo": hevo}, instance=place.instance, raise_on_error=False
    )
    assert not result.success
    assert not [event for event in result.all_events if event.is_step_up_for_retry]
    failure = failure_of(result)
    assert what_to_do in failure.description
    assert told(failure.metadata, "pipeline_id") == 101
    if kind.isdigit():
        assert failure.metadata["status_code"].value == int(kind)
        assert failure.metadata["hevo_message"].value
    else:
        assert failure.metadata["pipeline_status"].value == kind
    # What a refusal in unknown words was for may have passed: it is sent once more, and no more.
    assert len(place.sandbox.requests_to("*", "POST")) <= (2 if kind == "400" else 0)
    assert len(place.sandbox.requests) - before <= (20 if kind == "400" else 10)
    assert place.jobs == []


def test_a_server_error_before_the_asking_is_retried_by_dagster(shop):
    place = shop(settings={"retry_limit": 2})
    assets = place.assets(retry_policy=dg.RetryPolicy(max_retries=2))
    place.sandbox.faults.add(Fault("status_before", path="*/101", status=503, times=3))
    result = place.run(assets=assets)
    assert result.success
    assert len([event for event in result.all_events if event.is_step_up_for_retry]) == 1
    assert len(place.jobs) == 1


def test_a_busy_pipeline_fails_the_run_where_that_is_wished(shop):
    place = shop(seconds_per_object=5)
    other = place.sandbox.start_scheduled_job(101)
    result = place.run(config={"if_job_running": "FAIL"})
    assert not result.success
    assert other.job_id in failure_of(result).description
    assert place.jobs == []


def test_an_adopted_job_records_only_the_objects_that_are_in_it(shop):
    place = shop(seconds_per_object=0.7)
    other = place.sandbox.start_scheduled_job(101, object_ids=["obj-101-1", "obj-101-2"])
    result = place.run(config={"if_job_running": "ADOPT"})
    assert result.success
    recorded = materialized(result)
    assert sorted(recorded) == ["table_01", "table_02"]
    assert {told(item.metadata, "job_id") for item in recorded.values()} == {other.job_id}
    assert place.jobs == []
    assert not checked(result)["table_03"].passed


def test_poll_timeout_cancels_the_job_and_names_it(shop):
    place = shop(seconds_per_object=10, settings={"poll_timeout": 1.0})
    result = place.run()
    assert not result.success
    (job,) = place.jobs
    failure = failure_of(result)
    assert f"Cancelled job {job.job_id}" in failure.description
    assert told(failure.metadata, "job_id") == job.job_id
    assert job.status in ("CANCELLING", "CANCELLED")


def test_the_run_page_tells_what_was_asked_found_and_ended(shop):
    place = shop()
    text = logged(place.instance, place.run().run_id)
    (job,) = place.jobs
    assert "About to trigger: resync pipeline 101" in text
    assert "Triggered: resync pipeline 101." in text
    assert f"Found job {job.job_id}" in text
    assert f"Job {job.job_id} of pipeline 101 ended COMPLETED" in text
    assert "3 of 3 objects loaded, 300 events loaded" in text
