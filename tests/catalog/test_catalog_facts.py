"""What the catalogs of this package say, held against the facts written out here.

How names match is in `test_catalog_names.py`, what a bad file says in `test_catalog_files.py`.
"""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest

from dagster_hevo.catalog import Catalog, IngestionMode, built_in_catalogs, find_catalog
from dagster_hevo.catalog.tables import with_tables

ACTIVECAMPAIGN = """
Accounts, Accounts Contact Association, Account Custom Fields, Account Custom Field Values,
Addresses, Automations, Brandings, Calendar Feeds, Campaigns, Connections, Contacts, Contact Tags,
Contacts Custom Fields, Contacts Custom Field Values, Custom Deal Fields, Custom Deal Fields Values,
Deals, Deal Roles, E-Commerce Customers, E-Commerce Orders, E-Commerce Order Products, Forms,
Groups, Group Limits, Lists, Messages, Pipelines, Saved Responses, Secondary Contacts, Scores,
Segments, Stages, Tags, Tasks, Task Outcomes, Task Types, Task Types and Outcome Relations, Users
"""
KLAVIYO = """
profile_v2, event_v2, metric_v2, list_v2, segment_v2, profile_list_v2, profile_segment_v2, flow_v2,
flow_action_v2, flow_messages_v2, campaign_v2, campaign_utm_param_v2, audience_included_v2,
audience_excluded_v2, campaign_messages_v2, campaign_message_template_v2,
campaign_message_send_time_v2, campaign_recipient_estimation_v2
"""
FRONT = """
Attachments, Channel, Comments, Comment Mentions, Contacts, Contact Groups, Contact Handles,
Contact Notes, Contact Links, Conversations, Conversation Tags, Conversation Links,
Conversation Followers, Conversation Inboxes, Conversation Messages,
Conversation Message Attachments, Conversation Message Recipient, Groups, Inbox, Inbox Channels,
Rules, Rule Actions, Shifts, Tags, Team, Teammate, Teammate Shifts, Team Inbox, Team Teammate
"""
DOCUMENT = Path(__file__).parents[2] / "docs" / "catalog.md"


def listed(names: str) -> list[str]:
    return [" ".join(name.split()) for name in names.split(",")]


def catalog_of(source_type: str) -> Catalog:
    catalog = find_catalog(source_type)
    assert catalog is not None
    return catalog


def named(catalog: Catalog, mode: IngestionMode) -> set[str]:
    return {each.name for each in catalog.objects if each.mode is mode}


@pytest.fixture
def activecampaign() -> Catalog:
    return catalog_of("ActiveCampaign")


@pytest.fixture
def klaviyo() -> Catalog:
    return catalog_of("KLAVIYO_V2")


@pytest.fixture
def front() -> Catalog:
    return catalog_of("FRONT")


@pytest.mark.parametrize(
    ("source_type", "names", "count"),
    [("ACTIVECAMPAIGN", ACTIVECAMPAIGN, 38), ("KLAVIYO_V2", KLAVIYO, 18), ("FRONT", FRONT, 29)],
)
def test_each_source_has_the_objects_of_its_data_model(
    source_type: str, names: str, count: int
) -> None:
    found = [each.name for each in catalog_of(source_type).objects]
    assert found == listed(names)
    assert len(found) == count


def test_activecampaign_reads_only_contacts_and_deals_incrementally(
    activecampaign: Catalog,
) -> None:
    assert named(activecampaign, IngestionMode.INCREMENTAL) == {"Contacts", "Deals"}
    assert named(activecampaign, IngestionMode.UNKNOWN) == set()


@pytest.mark.parametrize("name", ["Contacts", "Deals"])
def test_activecampaign_tells_since_when_an_object_is_incremental(
    activecampaign: Catalog, name: str
) -> None:
    catalog_object = activecampaign.object_for(name)
    assert catalog_object is not None
    assert str(catalog_object.mode_since) == "release 2.01 (2022-11-08)"


def test_activecampaign_tells_since_when_there_are_contact_tags(activecampaign: Catalog) -> None:
    since = {each.name: str(each.since) for each in activecampaign.objects if each.since}
    assert since == {"Contact Tags": "release 2.01 (2022-11-08)"}


def test_activecampaign_asks_for_an_administrator_or_a_permission(activecampaign: Catalog) -> None:
    required = {each.name: each.requires.kind for each in activecampaign.objects if each.requires}
    assert required == {
        "Tasks": "administrator",
        "Calendar Feeds": "administrator",
        "Stages": "administrator",
        "Pipelines": "administrator",
        "Automations": "permission",
        "Deals": "permission",
        "Forms": "permission",
        "Secondary Contacts": "permission",
    }


def test_activecampaign_keeps_its_own_limits_and_no_deletes(activecampaign: Catalog) -> None:
    source = activecampaign.source
    assert source.api is not None
    assert (source.api.calls_per_second, source.api.limited_per) == (5, "account")
    assert source.api.page_size == 100
    assert source.api.defers_when_exhausted is True
    assert source.replicates_deletes is False


@pytest.mark.parametrize("source_type", ["KLAVIYO_V2", "FRONT"])
def test_deletes_are_left_open_where_nothing_is_said(source_type: str) -> None:
    assert catalog_of(source_type).source.replicates_deletes is None


def test_klaviyo_reads_nine_objects_incrementally_and_the_rest_in_full(klaviyo: Catalog) -> None:
    assert named(klaviyo, IngestionMode.INCREMENTAL) == set(
        listed(
            "profile_v2, event_v2, list_v2, segment_v2, profile_list_v2, profile_segment_v2, "
            "flow_v2, flow_action_v2, flow_messages_v2"
        )
    )
    assert named(klaviyo, IngestionMode.UNKNOWN) == set()


def test_klaviyo_lets_five_objects_change_their_position(klaviyo: Catalog) -> None:
    changeable = {each.name for each in klaviyo.objects if each.position_changeable}
    assert changeable == {"event_v2", "flow_v2", "profile_v2", "list_v2", "segment_v2"}
    assert {each.position_changeable for each in klaviyo.objects} == {True, False}


def test_klaviyo_warns_of_what_only_the_weekly_load_sees(klaviyo: Catalog) -> None:
    warned = {each.name for each in klaviyo.objects if "weekly" in " ".join(each.notes)}
    assert warned == {"profile_list_v2", "profile_segment_v2"}


def test_front_knows_the_mode_of_team_only(front: Catalog) -> None:
    assert named(front, IngestionMode.FULL_LOAD) == {"Team"}
    assert named(front, IngestionMode.INCREMENTAL) == set()


def test_front_hangs_only_certain_children_on_their_parents(front: Catalog) -> None:
    children = {
        each.name: [child.name for child in front.children_of(each)]
        for each in front.objects
        if front.children_of(each)
    }
    assert children == {
        "Contacts": ["Contact Notes"],
        "Conversations": listed(
            "Comments, Comment Mentions, Conversation Followers, Conversation Messages, Inbox, "
            "Inbox Channels, Rules, Shifts, Teammate"
        ),
    }


def test_front_says_of_both_tables_of_tags_that_their_parent_is_doubtful(front: Catalog) -> None:
    for name in ("Tags", "Conversation Tags"):
        catalog_object = front.object_for(name)
        assert catalog_object is not None
        assert front.parent_of(catalog_object) is None
        assert "not certain" in " ".join(catalog_object.notes)


def test_front_lets_parents_do_what_children_cannot(front: Catalog) -> None:
    for each in front.objects:
        can = {each.position_changeable, each.restartable, each.runnable_alone}
        if front.children_of(each):
            assert can == {True}
        elif each.parent:
            assert can == {False}
        else:
            assert can == {None}
    assert front.source.skipping_parent_skips_children is True


def test_front_skips_inboxes_that_it_may_not_read(front: Catalog) -> None:
    conversations = front.object_for("conversations")
    assert conversations is not None
    assert conversations.requires is not None
    assert "inbox" in conversations.notes[0]


@pytest.mark.parametrize(
    ("source_type", "before", "after"),
    [
        ("ACTIVECAMPAIGN", (60, 60, 1440, (1, 24)), (360, 30, 1440, (1, 24))),
        ("KLAVIYO_V2", (360, 60, 2880, (1, 48)), (360, 30, 1440, (1, 24))),
        ("FRONT", (5, 5, 1440, (1, 24)), (360, 30, 1440, (1, 24))),
    ],
)
def test_frequencies_depend_on_the_age_of_the_team(
    source_type: str, before: tuple[object, ...], after: tuple[object, ...]
) -> None:
    found = [
        (each.default_minutes, each.minimum_minutes, each.maximum_minutes, each.custom_hours)
        for each in catalog_of(source_type).source.frequencies
    ]
    assert found == [before, after]


@pytest.mark.parametrize(
    ("source_type", "minutes"),
    [
        ("ACTIVECAMPAIGN", 30),
        ("ACTIVECAMPAIGN", 45),
        ("ACTIVECAMPAIGN", 60),
        ("ACTIVECAMPAIGN", 1440),
        ("KLAVIYO_V2", 2880),
        ("FRONT", 5),
        ("FRONT", None),
    ],
)
def test_a_frequency_that_some_team_can_have_is_no_problem(
    source_type: str, minutes: int | None
) -> None:
    assert catalog_of(source_type).frequency_problem(minutes) is None


@pytest.mark.parametrize(
    ("source_type", "minutes"),
    [
        ("ACTIVECAMPAIGN", 29),
        ("ACTIVECAMPAIGN", 1500),
        ("ACTIVECAMPAIGN", 90),
        ("KLAVIYO_V2", 2940),
        ("FRONT", 4),
        ("FRONT", 0),
    ],
)
def test_a_frequency_that_no_team_can_have_is_a_sentence(source_type: str, minutes: int) -> None:
    problem = catalog_of(source_type).frequency_problem(minutes)
    assert problem is not None
    assert problem.endswith(".")
    assert "created after release 2.21" in problem


def test_historical_load_is_everything_or_three_months(
    activecampaign: Catalog, klaviyo: Catalog, front: Catalog
) -> None:
    everything = activecampaign.source.historical_sync
    assert everything is not None
    assert everything.chosen is False
    for catalog in (klaviyo, front):
        history = catalog.source.historical_sync
        assert history is not None
        assert (history.chosen, history.default_months) == (True, 3)
    assert front.source.historical_sync is not None
    assert front.source.historical_sync.everything_since == datetime.date(1970, 1, 1)


def test_large_rows_are_known_of_where_the_documents_speak_of_them(
    activecampaign: Catalog, klaviyo: Catalog, front: Catalog
) -> None:
    for catalog in (activecampaign, klaviyo):
        size = catalog.source.event_size
        assert size is not None
        assert (size.not_loaded_above_mb, size.keep_rows_below_mb) == (128, 100)
    assert front.source.event_size is None


def test_the_document_shows_what_the_catalogs_say() -> None:
    page = DOCUMENT.read_text(encoding="utf-8")
    assert with_tables(page, built_in_catalogs()) == page, (
        "run: python -m dagster_hevo.catalog docs/catalog.md"
    )


def test_a_page_without_the_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="do not edit"):
        with_tables("# A page", built_in_catalogs())
