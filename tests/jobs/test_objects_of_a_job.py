"""Which object of ours a job means, when it lists one: on plain values."""

from __future__ import annotations

import pytest

from dagster_hevo.api.models import JobObject, PipelineObject
from dagster_hevo.jobs.objects import KnownObject, ObjectIndex, distinct

INDEX = ObjectIndex(KnownObject(each, f"name_{each}", f"db.shop.name_{each}") for each in "abc")


def listed(**content) -> JobObject:
    return JobObject.model_validate(content)


def known(object_id: str, name: str, schema: str, status: str = "ACTIVE") -> PipelineObject:
    return PipelineObject.model_validate(
        {
            "object_id": object_id,
            "source_namespace": {"k0": name, "k1": schema},
            "destination_namespace": {"k0": name, "k1": schema},
            "status": status,
        }
    )


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({"object_id": "b", "object_name": "name_a"}, "b"),
        ({"source_namespace": {"k0": "name_a", "k1": "shop"}}, "a"),
        ({"source_namespace": {"k0": "name_a", "k1": "shop", "k2": "db"}}, "a"),
        ({"source_namespace": {"k0": "name_a"}}, "a"),
        ({"object_name": "name_c"}, "c"),
        ({"object_name": "shop.name_c"}, "c"),
        ({"object_name": "db.shop.name_c"}, "c"),
        ({}, None),
        ({"object_id": "77", "source_namespace": {"k0": "name_a", "k1": "shop"}}, "a"),
        ({"object_id": "77", "object_name": "name_a"}, "a"),
        ({"object_id": "77", "object_name": "shop.name_a"}, "a"),
        ({"object_id": "77"}, "77"),
    ],
)
def test_an_object_is_found_by_id_then_namespace_then_name(content, expected):
    assert INDEX.identify(listed(**content)) == expected


@pytest.mark.parametrize(
    "content",
    [
        {"object_name": "elsewhere"},
        {"object_name": "other.name_a"},
        {"object_name": "name_a", "source_namespace": {"k0": "name_a", "k1": "other"}},
        {"object_id": "77", "object_name": "name_a", "source_namespace": {"k0": "x", "k1": "y"}},
        {"source_namespace": {"k0": "name_a", "k1": "shop", "k2": "other_db"}},
    ],
)
def test_an_object_of_another_namespace_is_none_of_ours(content):
    assert INDEX.identify(listed(**content)) not in INDEX.objects


@pytest.mark.parametrize("status", ["ACTIVE", "INACTIVE"])
def test_a_bare_name_that_two_objects_share_finds_neither(status):
    objects = [known("eu", "orders", "eu"), known("us", "orders", "us", status)]
    index = ObjectIndex(KnownObject.all_of(objects))
    entry = listed(object_id="77", object_name="orders")
    assert index.identify(entry) == "77"
    assert index.unclear_in([entry]) == {"eu", "us"}
    assert index.identify(listed(object_name="us.orders")) == "us"
    assert index.identify(listed(source_namespace={"k0": "orders", "k1": "eu"})) == "eu"


def test_a_name_is_shared_with_an_object_that_is_not_in_the_index():
    objects = KnownObject.all_of([known("eu", "orders", "eu"), known("us", "orders", "us")])
    index = ObjectIndex(objects[:1])
    assert index.identify(listed(object_name="orders")) != "eu"


def test_a_name_beside_an_unknown_id_is_another_object_where_the_job_lists_ids_that_we_know():
    entries = (listed(object_id="b"), listed(object_id="77", object_name="name_a"))
    assert INDEX.ids_in(entries) == {"b", "77"}
    assert INDEX.unclear_in(entries) == {"a"}
    without_known_ids = (listed(object_id="78", object_name="name_b"), entries[1])
    assert INDEX.ids_in(without_known_ids) == {"a", "b"}
    without_any_id = (entries[0], listed(object_name="name_a"))
    assert INDEX.ids_in(without_any_id) == {"a", "b"}


def test_an_object_that_pages_list_twice_counts_once_as_it_was_listed_last():
    found = distinct(
        [
            listed(object_id="a", status="IN_PROGRESS"),
            listed(object_id="b", status="COMPLETED"),
            listed(object_id="a", status="COMPLETED"),
        ]
    )
    assert [(item.object_id, str(item.status)) for item in found] == [
        ("a", "COMPLETED"),
        ("b", "COMPLETED"),
    ]


@pytest.mark.parametrize("word", ["FAILED", "SKIPPED", "CANCELLED", "BLOCKED", "INCONSISTENT"])
@pytest.mark.parametrize("is_first", [True, False])
def test_an_object_that_was_not_loaded_stays_so_though_it_is_listed_again(word, is_first):
    words = [word, "COMPLETED"] if is_first else ["COMPLETED", word]
    (found,) = distinct([listed(object_id="a", status=each) for each in words])
    assert str(found.status) == word


def test_entries_that_say_nothing_are_not_the_same_object():
    assert len(distinct([listed(status="COMPLETED"), listed(status="COMPLETED")])) == 2
