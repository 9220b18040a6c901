"""Which pipelines a selection takes."""

from __future__ import annotations

from typing import Any

import pytest
from three_pipelines import component

from dagster_hevo import HevoAccountComponent
from dagster_hevo.api.models import Destination, Pipeline, Source
from dagster_hevo.components.selector import PipelineSelection, nothing_selected


def pipeline(
    number: int, name: str, source: str | None, destination: str, kind: str, destination_id: int
) -> Pipeline:
    return Pipeline(
        id=number,
        name=name,
        status="INITIALIZED",
        source=Source(source_type=source),
        destination=Destination(id=destination_id, name=destination, destination_type=kind),
    )


PIPELINES = (
    pipeline(1, "Shop", "POSTGRES", "Warehouse", "SNOWFLAKE", 900),
    pipeline(2, "Shop copy", "MYSQL", "Warehouse", "SNOWFLAKE", 900),
    pipeline(3, "Helpdesk [old]", "ZENDESK", "Lake", "DATABRICKS", 901),
    pipeline(4, "Test shop", "POSTGRES", "Lake", "DATABRICKS", 901),
    pipeline(5, "Unnamed source", None, "Lake", "DATABRICKS", 901),
)


def taken(selection: PipelineSelection) -> list[int]:
    return [each.id for each in PIPELINES if selection(each)]


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        ({}, [1, 2, 3, 4, 5]),
        ({"by_id": [1, 4, 99]}, [1, 4]),
        ({"by_name": ["Shop"]}, [1]),
        ({"by_name": ["Shop*"]}, [1, 2]),
        ({"by_name": ["shop*"]}, []),
        ({"by_name": ["Helpdesk [old]"]}, [3]),
        ({"by_source_type": ["POSTGRES"]}, [1, 4]),
        ({"by_source_type": ["postgres", "MySQL"]}, [1, 2, 4]),
        ({"by_destination": ["Warehouse"]}, [1, 2]),
        ({"by_destination": ["L*"]}, [3, 4, 5]),
        ({"by_destination": ["databricks"]}, [3, 4, 5]),
        ({"by_destination": [900]}, [1, 2]),
        ({"by_source_type": ["POSTGRES"], "by_destination": ["Lake"]}, [4]),
        ({"by_id": [1], "by_name": ["Helpdesk [old]"]}, []),
        ({"by_id": []}, []),
        ({"exclude": {"by_name": ["Test *"]}}, [1, 2, 3, 5]),
        ({"by_source_type": ["POSTGRES"], "exclude": {"by_id": [4]}}, [1]),
        ({"exclude": {"by_source_type": ["POSTGRES"], "by_destination": ["Lake"]}}, [1, 2, 3, 5]),
    ],
    ids=str,
)
def test_a_selection_takes(selection: dict[str, Any], expected: list[int]) -> None:
    assert taken(PipelineSelection(**selection)) == expected


def test_the_same_selection_can_be_written_in_yaml(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONE_PIPELINE", "4")
    made = component(
        pipeline_selector={
            "by_id": [1, "{{ env.ONE_PIPELINE }}"],
            "exclude": {"by_name": ["Test *"]},
        }
    )
    assert taken(made.pipeline_selector) == [1]


def test_a_selector_may_be_a_function_of_ones_own() -> None:
    made = HevoAccountComponent.resolve_from_yaml(
        """
        workspace: {api_key: "{{ env.HEVO_API_KEY }}", api_secret: "{{ env.HEVO_API_SECRET }}"}
        pipeline_selector: "{{ even_ids }}"
        """,
        scope={"even_ids": lambda each: each.id % 2 == 0},
    )
    assert [each.id for each in PIPELINES if made.pipeline_selector(each)] == [2, 4]


def test_an_empty_exclude_is_refused() -> None:
    with pytest.raises(ValueError, match="exclude is empty"):
        PipelineSelection(exclude={})


@pytest.mark.parametrize("key", ["by_nmae", "by_type"])
def test_an_unknown_key_is_refused_by_name(key: str) -> None:
    with pytest.raises(Exception, match=key):
        component(pipeline_selector={key: ["Shop"]})


def test_what_there_is_to_select_from_is_named() -> None:
    words = nothing_selected(PIPELINES)
    assert "none of the 5 pipelines" in words
    assert "1 (Shop, POSTGRES to Warehouse)" in words


def test_of_many_pipelines_only_some_are_named() -> None:
    words = nothing_selected(PIPELINES * 10)
    assert words.endswith("and 30 more.")
