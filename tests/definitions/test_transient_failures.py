"""A bad minute of Hevo's API costs no asset, and a refresh that is requested is all or nothing."""

from __future__ import annotations

import logging

import pytest

from dagster_hevo import (
    HevoNotFoundError,
    HevoServerError,
    build_hevo_assets_definitions,
    load_hevo_asset_specs,
)
from dagster_hevo.definitions.reading import FAILURES_IN_A_ROW, Wanted
from dagster_hevo.sandbox import Fault, FaultKind, Scenario

OBJECTS = "*/pipelines/{}/objects"
KINDS = [
    Fault(FaultKind.STATUS_BEFORE, path=OBJECTS.format(102), status=503),
    Fault(FaultKind.RATE_LIMITED, path=OBJECTS.format(102), seconds=0),
    Fault(FaultKind.CUT_BEFORE, path=OBJECTS.format(102)),
    Fault(FaultKind.HTML, path=OBJECTS.format(102)),
]


def keys(hevo) -> set[str]:
    return {spec.key.to_user_string() for spec in load_hevo_asset_specs(hevo)}


@pytest.mark.parametrize("fault", KINDS, ids=lambda fault: str(fault.kind))
def test_a_pipeline_that_cannot_be_read_stays_as_it_was_known(account, caplog, fault):
    sandbox, resource = account()
    before = keys(resource())
    sandbox.faults.add(fault)
    with caplog.at_level(logging.WARNING, "dagster_hevo"):
        assert keys(resource(definitions_max_age=0)) == before
    assert "Pipeline 102 (Shop 2) is taken as it was read earlier" in caplog.text


def test_what_could_not_be_read_is_read_at_the_next_load(account):
    sandbox, resource = account()
    before = keys(resource())
    sandbox.faults.add(Fault(FaultKind.STATUS_BEFORE, path=OBJECTS.format(102), times=1))
    assert keys(resource(definitions_max_age=0)) == before
    sandbox.add_object(
        102, Scenario.simple(1, 1).pipelines[0].objects[0].model_copy(update={"name": "new_table"})
    )
    # Within definitions_max_age: the other pipelines are not read again.
    counted = len(sandbox.requests)
    assert keys(resource()) == before | {"shop_2/new_table"}
    assert [seen.path for seen in sandbox.requests[counted:]] == ["/api/v1/pipelines/102/objects"]


def test_a_pipeline_that_was_never_read_is_left_out_with_a_warning(account, caplog):
    sandbox, resource = account()
    sandbox.faults.add(KINDS[0])
    with caplog.at_level(logging.WARNING, "dagster_hevo"):
        assert {key.split("/")[0] for key in keys(resource())} == {"shop_1", "shop_3"}
    assert "Pipeline 102 (Shop 2) is left out" in caplog.text


def test_strict_fails_although_the_pipeline_is_known(account):
    sandbox, resource = account()
    keys(resource())
    sandbox.faults.add(KINDS[0])
    with pytest.raises(HevoServerError):
        build_hevo_assets_definitions(workspace=resource(definitions_max_age=0), strict=True)


def test_a_requested_refresh_writes_all_or_nothing(account, tmp_path):
    sandbox, resource = account()
    keys(resource())
    (kept,) = (tmp_path / "dagster-hevo").glob("state-*.json")
    before = kept.read_text()
    sandbox.faults.add(Fault(FaultKind.STATUS_BEFORE, path=OBJECTS.format(103), times=1))
    with pytest.raises(HevoServerError):
        resource().loader.read(Wanted(), force_refresh=True)
    assert kept.read_text() == before
    assert len(resource().loader.read(Wanted(), force_refresh=True).pipelines) == 3


def test_columns_that_cannot_be_read_fail_a_requested_refresh(account):
    sandbox, resource = account(pipelines=1)
    sandbox.faults.add(Fault(FaultKind.STATUS_BEFORE, path="*/objects/*", times=1))
    with pytest.raises(HevoServerError):
        resource().loader.read(Wanted(include_columns=True), force_refresh=True)


def test_another_selection_of_the_same_account_wipes_nothing(account):
    sandbox, resource = account()
    keys(resource())
    load_hevo_asset_specs(
        resource(definitions_max_age=0), pipeline_selector_fn=lambda item: item.id == 101
    )
    sandbox.faults.add(Fault(FaultKind.STATUS_BEFORE, path="*/objects"))
    assert len(keys(resource(definitions_max_age=0))) == 6


def test_a_pipeline_that_hevo_does_not_know_any_more_is_left_out(account):
    sandbox, resource = account()
    keys(resource())
    sandbox.faults.add(Fault(FaultKind.STATUS_BEFORE, path=OBJECTS.format(102), status=404))
    assert {key.split("/")[0] for key in keys(resource(definitions_max_age=0))} == {
        "shop_1",
        "shop_3",
    }


def test_an_outage_ends_the_reading_before_every_pipeline_was_tried(account):
    sandbox, resource = account(pipelines=FAILURES_IN_A_ROW * 4, objects=1)
    before = keys(resource())
    sandbox.faults.add(Fault(FaultKind.STATUS_BEFORE, path="*/objects"))
    counted = len(sandbox.requests)
    assert keys(resource(definitions_max_age=0)) == before
    assert len(sandbox.requests) - counted < FAILURES_IN_A_ROW * 2


def test_an_unknown_pipeline_is_refused_with_the_pipelines_there_are(account):
    _, resource = account()
    with pytest.raises(HevoNotFoundError, match=r"no pipeline 999\. .*101 \(Shop 1\), 102"):
        resource().load_workspace(pipeline_id=999)


def test_a_pipeline_that_can_never_be_read_is_left_out_of_each_load(account):
    """Assets, then a sensor on the same resource; then a reload that takes the rest as kept."""
    sandbox, resource = account()
    sandbox.faults.add(Fault(FaultKind.STATUS_BEFORE, path=OBJECTS.format(102), status=404))
    hevo = resource()
    for each in (hevo, hevo, resource()):
        assert {key.split("/")[0] for key in keys(each)} == {"shop_1", "shop_3"}
