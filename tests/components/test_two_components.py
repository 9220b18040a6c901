"""Two components in one project: their sensors, states and steps do not collide."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import dagster as dg
import pytest
from three_pipelines import component, definitions

from dagster_hevo import HevoConfigurationError
from dagster_hevo.components.names import sensor_name_of
from dagster_hevo.components.selector import PipelineSelection, words_of


class Named:
    """A selector that is an object of a class."""

    def __init__(self, *names: str) -> None:
        self.names = frozenset(names)

    def __call__(self, pipeline) -> bool:
        return pipeline.name in self.names


def is_one_of(pipeline, names) -> bool:
    return pipeline.name in names


def bound_to(name):
    return lambda pipeline: pipeline.name == name


SELECTORS = [
    None,
    PipelineSelection(by_id=(1,)),
    PipelineSelection(by_id=(2,)),
    lambda pipeline: pipeline.id == 1,
    lambda pipeline: pipeline.id == 2,
    lambda pipeline: pipeline.name == "a",
    bound_to("a"),
    bound_to("b"),
    partial(is_one_of, names=("a",)),
    partial(is_one_of, names=("b",)),
    Named("a"),
    Named("b"),
    Named("a").__call__,
]


def test_state_keys_differ_by_what_was_selected():
    keys = [
        component().model_copy(update={"pipeline_selector": selector}).defs_state_config.key
        for selector in SELECTORS
    ]
    assert len(set(keys)) == len(SELECTORS)


def test_a_state_key_is_the_same_in_every_process():
    assert words_of(bound_to("a")) == words_of(bound_to("a"))
    assert words_of(Named("a", "b")) == words_of(Named("b", "a"))


class At:
    """Where a component is."""

    def __init__(self, path: str, number: int | None = None) -> None:
        self.defs_module_path = Path("/project/defs")
        self.path = self.defs_module_path / path
        self.component_path = type("Place", (), {"instance_key": number})()


@pytest.mark.parametrize(
    ("place", "name"),
    [
        (At("hevo/defs.yaml"), "hevo_job_sensor"),
        (At("hevo"), "hevo_job_sensor"),
        (At("finance/hevo/defs.yaml"), "finance_hevo_job_sensor"),
        (At("hevo/defs.yaml", 0), "hevo_job_sensor"),
        (At("hevo/defs.yaml", 1), "hevo_2_job_sensor"),
        (At("größe.yaml"), "gr_e_job_sensor"),
        (At("defs.yaml"), "hevo_job_sensor"),
    ],
)
def test_a_sensor_is_named_after_its_component_s_place(place, name):
    assert sensor_name_of(place) == name


def test_a_resource_key_names_steps_and_sensor(tmp_path):
    made = definitions(component(resource_key="hevo_ads", job_sensor=True), tmp_path / "state")
    (sensor,) = made.sensors
    assert sensor.name == "hevo_ads_job_sensor"
    steps = {each.op.name for each in made.assets if each.is_executable}
    assert steps
    assert all(step.startswith("hevo_ads__") for step in steps)


def test_two_components_of_one_account_merge(tmp_path):
    parts = [
        definitions(
            component(resource_key=key, job_sensor=True, translation={"key_prefix": key}),
            tmp_path / key,
        )
        for key in ("first", "second")
    ]
    merged = dg.Definitions.merge(*parts)
    dg.Definitions.validate_loadable(merged)
    assert len(merged.get_repository_def().sensor_defs) == 2


def test_jobs_after_a_pipeline_s_job_can_be_requested_in_yaml():
    made = component(
        job_sensor={
            "request_jobs_on_completion": {101: "report", "Shop": "report"},
            "request_jobs_on_failure": {"Shop": "alarm"},
        },
        strict=True,
        latency_checks=True,
        op_tags={"team": "sources"},
    )
    assert made.job_sensor.requests_on_completion == {101: "report", "Shop": "report"}
    assert made.job_sensor.requests_on_failure == {"Shop": "alarm"}
    assert made.options.strict
    assert made.options.include_latency_check
    assert made.options.op_tags == {"team": "sources"}


def test_a_resource_key_that_is_no_name_is_refused(tmp_path):
    with pytest.raises(HevoConfigurationError, match="resource_key is 'two words'"):
        definitions(component(resource_key="two words"), tmp_path / "state")
