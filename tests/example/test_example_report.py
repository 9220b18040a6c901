"""What `make demo` makes of source, Dagster and DuckDB, by plain values."""

from __future__ import annotations

from dagster_hevo.sandbox import Scenario, read_scenario
from example_project.processes import PROJECT
from example_project.report import (
    ObjectReport,
    RecordedObject,
    SourceObject,
    objects_of,
    problems_of,
)

COMMENTS = SourceObject("Front", "front.comments", rows=200, failing=4)
LOADED_IN_PART = RecordedObject(196, 4, "COMPLETED_WITH_FAILURES", False, "WARN")


def problems(recorded: RecordedObject, rows: int | None = 196) -> list[str]:
    return list(ObjectReport(COMMENTS, recorded, rows).problems())


def test_an_object_that_all_three_agree_on_has_no_problem():
    assert problems(LOADED_IN_PART) == []


def test_an_object_without_a_record_or_a_table_is_named_for_each():
    found = problems(RecordedObject(), rows=None)
    assert len(found) == 3
    assert all(problem.startswith("front.comments: ") for problem in found)


def test_a_row_too_few_in_the_warehouse_is_a_problem():
    assert problems(LOADED_IN_PART, rows=195) == ["front.comments: 195 rows in DuckDB, not 196"]


def test_a_count_that_dagster_recorded_wrongly_is_a_problem():
    wrong = RecordedObject(200, 0, "COMPLETED_WITH_FAILURES", False, "WARN")
    assert len(problems(wrong)) == 2


def test_a_check_that_passes_although_events_failed_is_a_problem():
    wrong = RecordedObject(196, 4, "COMPLETED_WITH_FAILURES", True, "WARN")
    assert problems(wrong) == ["front.comments: its check passed, with 4 events failing"]


def test_a_job_with_failing_events_must_not_have_ended_completed():
    scenario = Scenario.model_validate({"pipelines": [{"name": "Front"}]})
    wrong = RecordedObject(196, 4, "COMPLETED", False, "WARN")
    assert problems_of([ObjectReport(COMMENTS, wrong, 196)], scenario) == [
        "Front: its job ended COMPLETED, not COMPLETED_WITH_FAILURES"
    ]


def test_the_scenario_has_the_eighty_five_objects_of_the_three_sources():
    objects = objects_of(read_scenario(PROJECT / "scenario.yaml"))
    assert [
        sum(item.pipeline == name for item in objects)
        for name in ("ActiveCampaign", "Klaviyo v2", "Front")
    ] == [38, 18, 29]
    assert [(item.table, item.failing) for item in objects if item.failing] == [
        ("front.comments", 4)
    ]
