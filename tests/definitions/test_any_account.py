"""Any account either loads, with one asset per active object, or is refused by pipeline and object.

Generated: names of any characters up to 255, names that collide by case, separators and
normalisation, odd statuses, and pipelines of up to 5,000 objects.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from odd_accounts import a_pipeline, location, resource

from dagster_hevo import HevoConfigurationError
from dagster_hevo.api.models import Destination, Namespace, PipelineObject, Schedule, Source
from dagster_hevo.translator import key_part, name_in_key

LONGEST = 255
ALIKE = ["orders", "Orders", "ORDERS", "or-ders", "or_ders", "or.ders", "or ders", "or/ders"]
ALIKE += [
    "or~2Fders",
    "or%2Fders",
    "cafe\u0301",
    "caf\u00e9",
    "a__b",
    "a_b",
    "config",
    "context",
    "0",
]
any_text = st.text(max_size=LONGEST)
names = st.one_of(st.sampled_from(ALIKE), st.text(min_size=1, max_size=12), any_text)
maybe = st.one_of(st.none(), names)
statuses = st.sampled_from(["ACTIVE", "ACTIVE", "ACTIVE", "INACTIVE", "BLOCKED", "SOMETHING_NEW"])
namespaces = st.builds(Namespace, k0=maybe, k1=maybe, k2=maybe)


@st.composite
def objects(draw: st.DrawFn) -> PipelineObject:
    return PipelineObject(
        object_id=draw(st.uuids().map(str)),
        source_namespace=draw(namespaces),
        destination_namespace=draw(namespaces),
        object_name=draw(maybe),
        status=draw(statuses),
    )


@st.composite
def pipelines(draw: st.DrawFn):
    return a_pipeline(
        draw(st.lists(objects(), max_size=8, unique_by=lambda item: item.object_id)),
        id=draw(st.integers(1, 30)),
        name=draw(names),
        status=draw(st.sampled_from(["INITIALIZED", "DISABLED", "DELETED", "SOMETHING_NEW"])),
        source=Source(name=draw(maybe), source_type=draw(maybe)),
        destination=Destination(name=draw(maybe), destination_type=draw(maybe)),
        schedule=Schedule(frequency_minutes=draw(st.one_of(st.none(), st.integers(-5, 10**12)))),
    )


accounts = st.lists(pipelines(), min_size=1, max_size=4, unique_by=lambda item: item.pipeline.id)


def loads_or_is_refused(folder: Path, account, **options) -> None:
    """The one thing that must hold for every account."""
    active = {
        (item.pipeline.id, known.object_id): known
        for item in account
        for known in item.active_objects
    }
    try:
        definitions = location(resource(folder, *account), **options)
    except HevoConfigurationError as error:
        refusal = str(error)
    else:
        refusal = None
    if refusal is not None:
        # Two objects are loaded into one table: both are named, with their pipelines.
        named = [
            key for key, known in active.items() if f"{known.name} of pipeline {key[0]}" in refusal
        ]
        assert len(named) >= 2, refusal
        return
    specs = [
        spec
        for spec in definitions.resolve_all_asset_specs()
        if "dagster-hevo/object_id" in spec.metadata
    ]
    found = {
        (spec.metadata["dagster-hevo/pipeline_id"], spec.metadata["dagster-hevo/object_id"])
        for spec in specs
    }
    assert len(specs) == len(active)
    assert found == set(active)
    checks = definitions.resolve_asset_graph().asset_check_keys
    assert {key.asset_key for key in checks} == {spec.key for spec in specs}


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(account=accounts, lineage=st.booleans(), latency=st.booleans())
def test_every_account_loads_or_is_refused_by_name(account, lineage, latency):
    with tempfile.TemporaryDirectory() as folder:
        loads_or_is_refused(
            Path(folder),
            account,
            include_source_lineage=lineage,
            include_latency_check=latency,
            freshness_from_schedule=True,
        )


@given(name=any_text)
def test_any_name_can_be_read_back_from_a_key(name):
    assert name_in_key(key_part(name)) == name


@given(one=names, other=names)
def test_two_names_never_make_one_key(one, other):
    assert (key_part(one) == key_part(other)) == (one == other)


@pytest.mark.parametrize("count", [0, 1, 5000])
def test_pipelines_of_any_size_load(tmp_path, count):
    """Names of which each differs from others in case, separators or normalisation alone."""
    many = [
        PipelineObject(
            object_id=f"obj-{number}",
            source_namespace=Namespace(k0=f"{ALIKE[number % len(ALIKE)]} {number // 10}"),
            destination_namespace=Namespace(
                k0=f"{ALIKE[number % len(ALIKE)]} {number // len(ALIKE)}", k1="shop"
            ),
            status="ACTIVE",
        )
        for number in range(count)
    ]
    assert len({item.destination_namespace.k0 for item in many}) == count
    loads_or_is_refused(tmp_path, [a_pipeline(many)])


def test_the_longest_names_load(tmp_path):
    longest = [
        PipelineObject(
            object_id=f"obj-{number}",
            destination_namespace=Namespace(k0=letter * LONGEST, k1="s" * LONGEST),
            status="ACTIVE",
        )
        for number, letter in enumerate("xX客\N{PILE OF POO}")
    ]
    item = a_pipeline(longest, name="客" * LONGEST)
    loads_or_is_refused(tmp_path, [item])
