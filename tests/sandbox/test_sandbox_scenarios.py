"""Scenario files are read with errors that lead to the line, and the fixture finds its scenario."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import dagster_hevo.sandbox
from dagster_hevo.sandbox import Scenario, ScenarioError, parse_scenario, read_scenario

EXAMPLE = Path(__file__).parents[2] / "example_project" / "scenario.yaml"


def test_an_error_names_the_file_the_line_and_the_key():
    text = "name: x\npipelines:\n  - name: p\n    objects:\n      - name: a\n        rows: many\n"
    with pytest.raises(ScenarioError, match=r"shop.yaml, line 6: pipelines\.0\.objects\.0\.rows"):
        parse_scenario(text, "shop.yaml")


def test_a_misspelt_key_is_noticed():
    with pytest.raises(ScenarioError, match=r"line 2: behaviour\.restarting_second"):
        parse_scenario("behaviour:\n  restarting_second: 5\n")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("pipelines: [", "not valid YAML"),
        ("pipelines: [{name: a, id: 1}, {name: b, id: 1}]", "same id"),
        ("pipelines: [{name: p, objects: [a, A]}]", "same table"),
        (
            "pipelines: [{name: p, objects: [{name: a, fields: [{name: b_id, references: b}]}]}]",
            "references b",
        ),
        ("behaviour: {job_appears_after: [9, 3]}", "earlier first"),
        ("faults: [{kind: earthquake}]", "faults.0.kind"),
    ],
)
def test_nonsense_is_refused(text, complaint):
    with pytest.raises(ScenarioError, match=complaint):
        parse_scenario(text)


def test_a_missing_file_is_an_error_that_lists_the_built_in_ones():
    with pytest.raises(ScenarioError, match="default"):
        read_scenario("nowhere.yaml")


def test_a_pipelines_behaviour_overrides_only_what_it_states(start):
    scenario = Scenario.model_validate(
        {
            "behaviour": {"on_conflict": 409, "restarting_seconds": 0},
            "pipelines": [
                {"name": "a", "objects": ["x"]},
                {"name": "b", "objects": ["x"], "behaviour": {"on_conflict": "ignore"}},
            ],
        }
    )
    sandbox, hevo = start(scenario)
    codes = []
    for pipeline_id in (101, 102):
        hevo.post(f"/pipelines/{pipeline_id}/actions/resync")
        codes.append(hevo.post(f"/pipelines/{pipeline_id}/actions/resync").status_code)
        assert sandbox.pipeline_status(pipeline_id) == "INITIALIZED"
    assert codes == [409, 204]


def test_the_example_has_the_objects_of_its_three_sources():
    scenario = read_scenario(EXAMPLE)
    counts = {entry.schema_in_warehouse: len(entry.objects) for entry in scenario.pipelines}
    assert counts == {"activecampaign": 38, "klaviyo": 18, "front": 29}


def test_the_examples_front_pipeline_ends_with_failures(start):
    sandbox, _ = start(read_scenario(EXAMPLE))
    statuses = {}
    for pipeline_id in sandbox.pipeline_ids:
        sandbox.start_scheduled_job(pipeline_id, type="RESYNC")
        statuses[pipeline_id] = sandbox.finish_jobs()[0].status
    assert statuses == {201: "COMPLETED", 202: "COMPLETED", 203: "COMPLETED_WITH_FAILURES"}


def test_the_fixture_runs_the_default_scenario(hevo_sandbox):
    assert hevo_sandbox.scenario.name == "default"


@pytest.mark.hevo_scenario(Scenario.simple(pipelines=2, objects=1), speed=0, warehouse=True)
def test_the_marker_chooses_scenario_and_options(hevo_sandbox, tmp_path):
    assert hevo_sandbox.pipeline_ids == (101, 102)
    hevo_sandbox.start_scheduled_job(101, type="RESYNC")
    hevo_sandbox.finish_jobs()
    assert hevo_sandbox.warehouse == tmp_path / "warehouse.duckdb"
    assert len(hevo_sandbox.warehouse_rows("table_01")) == 100


@pytest.mark.parametrize("hevo_sandbox", [Scenario(name="mine")], indirect=True)
def test_an_indirect_parameter_chooses_the_scenario(hevo_sandbox):
    assert hevo_sandbox.scenario.name == "mine"


def test_the_plugin_imports_no_server():
    script = (
        "import sys, dagster_hevo.sandbox.pytest_plugin\n"
        "print(sorted({'fastapi', 'uvicorn', 'duckdb'} & sys.modules.keys()))"
    )
    said = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert said.stdout.strip() == "[]"


def test_without_the_extra_the_import_says_what_to_install():
    script = (
        "import sys; sys.modules['fastapi'] = None\n"
        "import dagster_hevo.sandbox.pytest_plugin\n"
        "from dagster_hevo.sandbox import HevoSandbox\n"
    )
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert 'pip install "dagster-hevo[sandbox]"' in said.stderr


def test_every_public_name_can_be_imported():
    for name in dagster_hevo.sandbox.__all__:
        assert getattr(dagster_hevo.sandbox, name) is not None
