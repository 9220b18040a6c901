"""Which spellings find an object, and which rather find nothing."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dagster_hevo.catalog import (
    Catalog,
    CatalogObject,
    CatalogSource,
    built_in_catalogs,
    find_catalog,
)
from dagster_hevo.catalog.names import loose_forms

EVERY_OBJECT = [(catalog, each) for catalog in built_in_catalogs() for each in catalog.objects]
CASES = (str.lower, str.upper, str.title, str.capitalize, str.swapcase)
SEPARATORS = ("", " ", "_", "-", "__", " - ")


def catalog_with(*names: str) -> Catalog:
    return Catalog(
        source=CatalogSource(name="Shop", source_types=("SHOP",)),
        objects=tuple(CatalogObject(name=name, description="What is sold.") for name in names),
    )


def found(catalog: Catalog, name: str) -> str | None:
    catalog_object = catalog.object_for(name)
    return catalog_object.name if catalog_object else None


@settings(deadline=None)  # the machine may be busy
@given(
    known=st.sampled_from(EVERY_OBJECT),
    case=st.sampled_from(CASES),
    separator=st.sampled_from(SEPARATORS),
    edge=st.sampled_from(("", " ", "_")),
)
def test_case_and_separators_do_not_matter(
    known: tuple[Catalog, CatalogObject], case: object, separator: str, edge: str
) -> None:
    catalog, catalog_object = known
    assert callable(case)
    spelling = edge + case(re.sub(r"[ _-]", separator, catalog_object.name)) + edge
    assert catalog.object_for(spelling) is catalog_object


@settings(deadline=None)  # the machine may be busy
@given(known=st.sampled_from(EVERY_OBJECT), case=st.sampled_from(CASES))
def test_a_version_suffix_may_be_left_out(
    known: tuple[Catalog, CatalogObject], case: object
) -> None:
    catalog, catalog_object = known
    assert callable(case)
    spelling = case(catalog_object.name.removesuffix("_v2"))
    assert catalog.object_for(spelling) is catalog_object


@settings(deadline=None)  # the machine may be busy
@given(known=st.sampled_from(EVERY_OBJECT), version=st.integers(3, 99))
def test_another_version_is_another_object(
    known: tuple[Catalog, CatalogObject], version: int
) -> None:
    catalog, catalog_object = known
    name = catalog_object.name.removesuffix("_v2")
    assert catalog.object_for(f"{name}_v{version}") is None


@settings(deadline=None)  # the machine may be busy
@given(known=st.sampled_from(EVERY_OBJECT), text=st.text(max_size=8))
def test_any_text_finds_an_object_of_the_catalog_or_nothing(
    known: tuple[Catalog, CatalogObject], text: str
) -> None:
    catalog, catalog_object = known
    for spelling in (text, catalog_object.name + text, text + catalog_object.name):
        match = catalog.object_for(spelling)
        assert match is None or match in catalog.objects


@settings(deadline=None)  # the machine may be busy
@given(name=st.text(st.characters(categories=("L", "Nd")), min_size=1))
def test_an_object_of_any_name_is_found_by_it(name: str) -> None:
    assert found(catalog_with(name, "something else"), name) == name


@settings(deadline=None)  # the machine may be busy
@given(text=st.text())
def test_no_text_is_too_odd_for_a_source_type(text: str) -> None:
    match = find_catalog(text)
    assert match is None or match in built_in_catalogs()


@pytest.mark.parametrize(
    ("source_type", "spelling", "name"),
    [
        ("ACTIVECAMPAIGN", "contact_tag", "Contact Tags"),
        ("ACTIVECAMPAIGN", "ecommerceorder", "E-Commerce Orders"),
        ("ACTIVECAMPAIGN", "address", "Addresses"),
        ("ACTIVECAMPAIGN", "saved_response", "Saved Responses"),
        ("ACTIVECAMPAIGN", "contact_custom_field_values", "Contacts Custom Field Values"),
        ("ACTIVECAMPAIGN", "custom_deal_field_value", "Custom Deal Fields Values"),
        ("KLAVIYO_V2", "flow_message_v2", "flow_messages_v2"),
        ("KLAVIYO_V2", "ProfileV2", "profile_v2"),
        ("KLAVIYO_V2", "profiles", "profile_v2"),
        ("FRONT", "inboxes", "Inbox"),
        ("FRONT", "teammates", "Teammate"),
        ("FRONT", "conversation_inbox", "Conversation Inboxes"),
    ],
)
def test_singular_and_plural_find_one_object(source_type: str, spelling: str, name: str) -> None:
    catalog = find_catalog(source_type)
    assert catalog is not None
    assert found(catalog, spelling) == name


@pytest.mark.parametrize("spelling", ["", " ", "_", "v2", "contact_v2", "contacts2", "tagz"])
def test_what_is_only_similar_finds_nothing(spelling: str) -> None:
    catalog = find_catalog("ACTIVECAMPAIGN")
    assert catalog is not None
    assert found(catalog, spelling) is None


def test_a_form_that_two_objects_claim_finds_neither_of_them() -> None:
    catalog = catalog_with("Order", "ORDER")
    assert found(catalog, "order") is None
    assert found(catalog, "Order") == "Order"
    assert found(catalog, "ORDER") == "ORDER"


def test_singular_and_plural_that_are_both_known_stay_apart() -> None:
    catalog = catalog_with("Team", "Teams")
    assert found(catalog, "TEAM") == "Team"
    assert found(catalog, "teams") == "Teams"


def test_a_plural_of_two_singulars_finds_neither_of_them() -> None:
    assert found(catalog_with("bas"), "bases") == "bas"
    assert found(catalog_with("base"), "bases") == "base"
    assert found(catalog_with("bas", "base"), "bases") is None


def test_a_name_without_version_finds_nothing_where_two_versions_are_known() -> None:
    catalog = catalog_with("profile_v2", "profile_v3")
    assert found(catalog, "profile") is None
    assert found(catalog, "PROFILE-V3") == "profile_v3"


def test_a_name_without_version_is_itself_where_it_is_known() -> None:
    catalog = catalog_with("profile", "profile_v2")
    assert found(catalog, "Profile") == "profile"
    assert found(catalog, "Profile V2") == "profile_v2"


def test_a_version_is_a_word_of_its_own() -> None:
    assert found(catalog_with("IPv4"), "ip") is None


def test_words_that_only_look_like_plurals_are_left_alone() -> None:
    assert found(catalog_with("News"), "new") is None
    assert found(catalog_with("SMS"), "sm") is None
    assert found(catalog_with("Status"), "statu") is None


def test_an_alias_is_as_good_as_the_name() -> None:
    lines = CatalogObject(name="Order Lines", aliases=("order_items",), description="Lines.")
    catalog = Catalog(source=CatalogSource(name="Shop", source_types=("SHOP",)), objects=(lines,))
    assert catalog.object_for("OrderItem") is lines


def test_a_long_name_has_few_forms() -> None:
    assert len(loose_forms(" ".join(["addresses"] * 200))) <= 5


def test_ten_thousand_objects_match_in_the_time_of_ten_thousand_lookups() -> None:
    catalog = catalog_with(*(f"Table {number} Rows" for number in range(10_000)))
    catalog.object_for("table_0_rows")
    started = time.process_time()
    matched = {found(catalog, f"table_{number}_row") for number in range(10_000)}
    assert len(matched) == 10_000
    # A search through the list would take minutes; a lookup takes some tens of microseconds.
    assert time.process_time() - started < 5
