"""What is requested for the wanted objects, and what a request covers: on plain values."""

from __future__ import annotations

import pytest

from dagster_hevo.api.enums import ResyncMode
from dagster_hevo.jobs.request import SyncAction, SyncRequest, make_request

OBJECTS = ("a", "b", "c")
SYNC_NOW = SyncAction.SYNC_NOW
DROP = ResyncMode.DROP_AND_LOAD


def request_for(*wanted: str, **given) -> SyncRequest:
    return make_request(1, wanted or OBJECTS, OBJECTS, **given)


def test_wanting_every_active_object_resyncs_the_pipeline():
    assert make_request(1, ["a", "b"], ["b", "a"]).object_ids is None


def test_wanting_some_objects_resyncs_just_those():
    assert make_request(1, ["a"], ["a", "b"]).object_ids == {"a"}


def test_a_sync_now_takes_the_whole_pipeline_whatever_is_wanted():
    made = make_request(1, ["a"], ["a", "b"], action=SYNC_NOW)
    assert made.object_ids is None
    assert made.required_ids == {"a", "b"}


def test_wanting_nothing_is_an_error():
    with pytest.raises(ValueError, match="nothing to request"):
        make_request(1, [], ["a"])


def test_children_are_resynced_with_their_parent_and_told_by_their_own_names():
    made = make_request(
        1, ["child"], ["parent", "child", "other"], restarted_with={"child": "parent"}
    )
    assert made.object_ids == {"parent"}
    assert made.answered_ids == {"parent", "child"}


def test_other_children_of_a_requested_parent_are_companions():
    parents = {"one": "parent", "two": "parent", "far": "elsewhere"}
    made = make_request(1, ["one"], ["parent", "one", "two", "far"], restarted_with=parents)
    assert made.companion_ids == {"one", "two"}


def test_equal_requests_have_the_same_key_in_whatever_order_they_are_made():
    assert request_for("a", "b").key == request_for("b", "a").key


def test_different_requests_have_different_keys():
    requests = [
        make_request(pipeline_id, wanted, OBJECTS, resync_mode=mode)
        for pipeline_id in (1, 2)
        for wanted in (["a"], ["b"], ["a", "b"], OBJECTS)
        for mode in ResyncMode
    ]
    requests.append(request_for(action=SYNC_NOW))
    assert len({request.key for request in requests}) == len(requests)


@pytest.mark.parametrize(
    ("request_", "sentence"),
    [
        (request_for(), "resync pipeline 1"),
        (request_for(resync_mode=DROP), "resync pipeline 1 (DROP_AND_LOAD)"),
        (request_for("a"), "resync 1 object of pipeline 1"),
        (request_for("a", "b"), "resync 2 objects of pipeline 1"),
        (request_for(action=SYNC_NOW), "sync pipeline 1 now"),
    ],
)
def test_a_request_reads_as_words(request_: SyncRequest, sentence: str):
    assert str(request_) == sentence


@pytest.mark.parametrize(
    ("wanted", "other", "is_covered"),
    [
        (request_for("a"), request_for("a"), True),
        (request_for("a"), request_for("a", "b"), True),
        (request_for("a"), request_for(), True),
        (request_for(), request_for(), True),
        (request_for("a", "b"), request_for("a"), False),
        (request_for("a"), request_for("b"), False),
        (request_for(), request_for("a", "b"), False),
        (request_for("a"), make_request(2, ["a"], OBJECTS), False),
        (request_for("a"), request_for("a", resync_mode=DROP), False),
        (request_for("a", resync_mode=DROP), request_for("a"), False),
        (request_for(), request_for(action=SYNC_NOW), False),
        (request_for(action=SYNC_NOW), request_for(), False),
        (request_for(action=SYNC_NOW), request_for(action=SYNC_NOW, resync_mode=DROP), True),
        (make_request(1, ["a", "b"], ["a", "b"]), request_for("a", "b"), True),
        (make_request(1, ["a"], []), request_for("a", "b"), False),
    ],
)
def test_a_request_is_covered_by_one_that_loads_as_much(wanted, other, is_covered):
    found = wanted.is_covered_by(
        other.pipeline_id, other.action.value, other.resync_mode.value, other.object_ids
    )
    assert found is is_covered
