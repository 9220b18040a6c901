"""Catalog files: what can be read, and what a bad one says."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from dagster_hevo.api.errors import HevoConfigurationError
from dagster_hevo.catalog import Catalog, CatalogError, IngestionMode, load_catalog
from dagster_hevo.catalog.files import read_catalog

SHOP = """
source: {name: Our Shop, source_types: [OUR_SHOP]}
objects:
  - {name: Orders, description: What was ordered.}
  - {name: Lines, description: Lines of the orders., parent: Orders}
"""
DOCUMENT = Path(__file__).parents[2] / "docs" / "catalog.md"


def complaint_about(text: str) -> str:
    with pytest.raises(CatalogError) as raised:
        read_catalog(text, origin="shop.yaml")
    assert "shop.yaml" in str(raised.value)
    return str(raised.value)


def test_a_short_catalog_leaves_everything_else_open(tmp_path: Path) -> None:
    path = tmp_path / "shop.yaml"
    path.write_text(SHOP, encoding="utf-8")
    catalog = load_catalog(path)
    orders = catalog.objects[0]
    assert orders.mode is IngestionMode.UNKNOWN
    assert orders.position_changeable is None
    assert catalog.source.replicates_deletes is None
    assert catalog.frequency_problem(1) is None


def test_a_path_may_be_text(tmp_path: Path) -> None:
    path = tmp_path / "shop.yaml"
    path.write_text(SHOP, encoding="utf-8")
    assert load_catalog(str(path)) == load_catalog(path)


def test_children_know_their_parent_and_parents_their_children() -> None:
    catalog = read_catalog(SHOP, origin="shop.yaml")
    orders, lines = catalog.objects
    assert catalog.parent_of(lines) is orders
    assert catalog.parent_of(orders) is None
    assert catalog.children_of(orders) == (lines,)
    assert catalog.children_of(lines) == ()


def test_a_catalog_cannot_be_changed() -> None:
    catalog = read_catalog(SHOP, origin="shop.yaml")
    with pytest.raises(ValidationError, match="frozen"):
        catalog.objects[0].name = "Others"  # pyright: ignore[reportAttributeAccessIssue]


def test_a_catalog_equals_its_copy_even_after_it_was_asked() -> None:
    catalog = read_catalog(SHOP, origin="shop.yaml")
    catalog.object_for("orders")
    assert catalog == Catalog.model_validate(catalog.model_dump())


def test_the_example_in_the_document_is_a_catalog() -> None:
    example = DOCUMENT.read_text(encoding="utf-8").split("```yaml\n")[1].split("```")[0]
    catalog = read_catalog(example, origin="docs/catalog.md")
    order_lines = catalog.object_for("order_items")
    assert order_lines is not None
    assert catalog.parent_of(order_lines) is catalog.object_for("order")


def test_every_error_is_one_of_configuration() -> None:
    assert issubclass(CatalogError, HevoConfigurationError)
    assert issubclass(CatalogError, ValueError)


def test_a_missing_file_is_named() -> None:
    with pytest.raises(CatalogError, match=r"nowhere/shop\.yaml cannot be read.*Check the path"):
        load_catalog("nowhere/shop.yaml")


def test_a_file_in_another_encoding_is_named(tmp_path: Path) -> None:
    path = tmp_path / "shop.yaml"
    path.write_bytes(b"source: {name: \xe9\xe8}")
    with pytest.raises(CatalogError, match="UTF-8"):
        load_catalog(path)


def test_broken_yaml_says_where_it_breaks() -> None:
    assert "line 3" in complaint_about("source: {name: Shop,\nobjects: [")


@pytest.mark.parametrize("text", ["", "- 1", "words", "3"])
def test_a_file_that_is_no_mapping_says_what_it_should_hold(text: str) -> None:
    assert "'source' and 'objects'" in complaint_about(text)


def test_a_wrong_value_is_named_by_its_key_and_object() -> None:
    text = SHOP.replace("name: Orders,", "name: Orders, mode: sometimes,")
    message = complaint_about(text)
    assert "objects[0] (Orders).mode" in message
    assert "full_load" in message
    assert "docs/catalog.md" in message


def test_an_unknown_key_is_named() -> None:
    text = SHOP.replace("name: Lines,", "name: Lines, perent: Orders,")
    assert "objects[1] (Lines).perent: no such key" in complaint_about(text)


def test_a_missing_key_is_named() -> None:
    text = SHOP.replace("description: What was ordered.", "since: null")
    assert "objects[0] (Orders).description: this key is missing" in complaint_about(text)


def test_a_release_that_yaml_read_as_a_number_is_refused() -> None:
    text = SHOP.replace("name: Orders,", "name: Orders, since: {release: 2.10, date: 2023-01-02},")
    assert "objects[0] (Orders).since.release" in complaint_about(text)


def test_many_problems_are_cut_short() -> None:
    text = "source: {name: Shop, source_types: [A]}\nobjects:\n" + "  - {name: 1}\n" * 20
    assert "and 35 more" in complaint_about(text)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (
            ("parent: Orders", "parent: Order"),
            "objects: the parent 'Order' of object 'Lines' is not an object here",
        ),
        (("parent: Orders", "parent: Lines"), "'Lines' is, over its parents, a parent of itself"),
        (("name: Lines", "name: Orders"), "'Orders' is there twice"),
        (("name: Lines", "name: Lines, aliases: [Orders]"), "'Orders' is there twice"),
        (("name: Lines", "name: '_-_'"), "has no letters"),
        (("[OUR_SHOP]", "['-']"), "source.source_types: '-' has no letters"),
        (("[OUR_SHOP]", "[]"), "source.source_types: it is empty"),
    ],
)
def test_a_catalog_that_contradicts_itself_is_refused(
    change: tuple[str, str], complaint: str
) -> None:
    assert complaint in complaint_about(SHOP.replace(*change))


def test_a_catalog_without_objects_is_refused() -> None:
    text = "source: {name: Shop, source_types: [SHOP]}\nobjects: []"
    assert "objects: it is empty" in complaint_about(text)


def test_one_wrong_object_is_one_complaint() -> None:
    text = "source: {name: Shop, source_types: [SHOP]}\nobjects: [{name: A}]"
    assert len(complaint_about(text).splitlines()) == 3


def test_parents_in_a_circle_are_refused() -> None:
    text = SHOP.replace("name: Orders,", "name: Orders, parent: Lines,")
    assert "a parent of itself" in complaint_about(text)


@pytest.mark.parametrize(
    "rule",
    [
        "default_minutes: 10, minimum_minutes: 30, maximum_minutes: 60, custom_hours: [1, 2]",
        "default_minutes: 30, minimum_minutes: 30, maximum_minutes: 60, custom_hours: [2, 1]",
        "default_minutes: 30, minimum_minutes: 0, maximum_minutes: 60, custom_hours: [1, 2]",
    ],
)
def test_frequencies_out_of_order_are_refused(rule: str) -> None:
    text = SHOP.replace("name: Our Shop", f"name: Our Shop, frequencies: [{{teams: all, {rule}}}]")
    assert "source.frequencies[0]" in complaint_about(text)


@pytest.mark.parametrize("value", ["2024-13-45", "!!bool maybe", "!!timestamp soon", "!!int ''"])
def test_values_that_yaml_itself_chokes_on_are_named(value: str) -> None:
    complaint_about(SHOP.replace("name: Our Shop", f"name: Our Shop, documented: {value}"))


@settings(deadline=None)  # the machine may be busy
@given(text=st.text() | st.binary().map(lambda raw: raw.decode("latin-1")))
def test_no_text_breaks_the_reader(text: str) -> None:
    for file in (text, SHOP + text, SHOP.replace("Orders", text)):
        # Anything but a catalog or a CatalogError fails here.
        with contextlib.suppress(CatalogError):
            assert read_catalog(file, origin="shop.yaml").objects
