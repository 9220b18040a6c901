"""What a marketing and support team asks of the three sources: one table a question.

Each model names the Hevo assets that it reads, so that it is made after them, and skipped in a run
in which one of them could not be loaded. The files are opened in `warehouse.py`.
"""

from __future__ import annotations

from collections.abc import Sequence

import dagster as dg

from example_project.warehouse import Warehouse

KINDS = {"duckdb", "sql"}


def hevo_tables(*names: str) -> list[dg.AssetKey]:
    """The asset keys of tables named `schema.table`, as Hevo's assets have them."""
    return [dg.AssetKey(name.split(".")) for name in names]


def write(warehouse: Warehouse, table: str, query: str) -> dg.MaterializeResult:
    """Put the rows of a query into a table of the models' file, in place of those before."""
    with warehouse.open() as connection:
        connection.execute(f"CREATE OR REPLACE TABLE {table} AS {query}")
        rows = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
        columns = connection.execute(f"DESCRIBE {table}").fetchall()
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": rows[0] if rows else 0,
            "dagster/table_name": table,
            "dagster/column_schema": dg.TableSchema(
                columns=[dg.TableColumn(name, kind.lower()) for name, kind, *_ in columns]
            ),
        }
    )


def count(warehouse: Warehouse, query: str) -> int:
    """The number that a query answers with."""
    with warehouse.open() as connection:
        row = connection.execute(query).fetchone()
    return int(row[0]) if row else 0


def no_rows(found: int, what: str) -> dg.AssetCheckResult:
    """A check that passes if nothing was found of what must not be there."""
    return dg.AssetCheckResult(
        passed=found == 0, description=f"{found} {what}", metadata={"found": found}
    )


CUSTOMERS = """
WITH people AS (
    SELECT lower(email) AS email, first_name, last_name, NULL AS country,
           NULL::BOOLEAN AS is_subscribed, 'activecampaign' AS source
    FROM warehouse.activecampaign.contacts
    WHERE NOT __hevo__marked_deleted
    UNION ALL
    SELECT lower(email), first_name, last_name, country, is_subscribed, 'klaviyo'
    FROM warehouse.klaviyo.profile_v2
    WHERE NOT __hevo__marked_deleted
    UNION ALL
    SELECT lower(email), split_part(full_name, ' ', 1), split_part(full_name, ' ', 2),
           NULL, NULL, 'front'
    FROM warehouse.front.contacts
    WHERE NOT __hevo__marked_deleted
)
SELECT
    email,
    any_value(first_name) AS first_name,
    any_value(last_name) AS last_name,
    any_value(country) AS country,
    coalesce(bool_or(is_subscribed), FALSE) AS is_subscribed,
    bool_or(source = 'activecampaign') AS in_activecampaign,
    bool_or(source = 'klaviyo') AS in_klaviyo,
    bool_or(source = 'front') AS in_front,
    count(DISTINCT source) AS sources
FROM people
WHERE email IS NOT NULL
GROUP BY email
ORDER BY sources DESC, email
"""


@dg.asset(
    deps=hevo_tables("activecampaign.contacts", "klaviyo.profile_v2", "front.contacts"),
    group_name="marketing",
    kinds=KINDS,
    automation_condition=dg.AutomationCondition.eager(),
    description="Everybody we know, once, by e-mail address, and which sources know them.",
)
def customers(warehouse: Warehouse) -> dg.MaterializeResult:
    return write(warehouse, "customers", CUSTOMERS)


@dg.asset_check(asset=customers, description="No e-mail address is there twice.")
def customers_are_distinct(warehouse: Warehouse) -> dg.AssetCheckResult:
    query = "SELECT count(*) - count(DISTINCT email) FROM customers"
    return no_rows(count(warehouse, query), "customers are there twice")


OPEN_CONVERSATIONS = """
WITH messages AS (
    SELECT conversation_id, count(*) AS messages, max(created_at) AS last_message_at
    FROM warehouse.front.conversation_messages
    GROUP BY conversation_id
)
SELECT
    conversations.id AS conversation_id,
    conversations.subject,
    coalesce(inbox.name, 'none') AS inbox,
    coalesce(teammate.first_name || ' ' || teammate.last_name, 'nobody') AS assignee,
    contacts.email AS customer_email,
    coalesce(messages.messages, 0) AS messages,
    messages.last_message_at
FROM warehouse.front.conversations AS conversations
LEFT JOIN warehouse.front.conversation_inboxes AS inboxes
    ON inboxes.conversation_id = conversations.id
LEFT JOIN warehouse.front.inbox AS inbox ON inbox.id = inboxes.inbox_id
LEFT JOIN warehouse.front.teammate AS teammate ON teammate.id = conversations.assignee_id
LEFT JOIN warehouse.front.contacts AS contacts ON contacts.id = conversations.contact_id
LEFT JOIN messages ON messages.conversation_id = conversations.id
WHERE conversations.status IN ('assigned', 'unassigned')
    AND NOT conversations.__hevo__marked_deleted
ORDER BY messages.last_message_at DESC NULLS LAST, conversation_id
"""


@dg.asset(
    deps=hevo_tables(
        "front.conversations",
        "front.conversation_inboxes",
        "front.conversation_messages",
        "front.inbox",
        "front.teammate",
        "front.contacts",
    ),
    group_name="support",
    kinds=KINDS,
    automation_condition=dg.AutomationCondition.eager(),
    description="Conversations that wait for somebody: whose they are, where, and since when.",
)
def open_conversations(warehouse: Warehouse) -> dg.MaterializeResult:
    return write(warehouse, "open_conversations", OPEN_CONVERSATIONS)


@dg.asset_check(
    asset=open_conversations,
    description="The joins neither lose a conversation nor show one twice.",
)
def open_conversations_are_complete(warehouse: Warehouse) -> dg.AssetCheckResult:
    query = """
    SELECT count(*)
    FROM (
        SELECT id AS conversation_id
        FROM warehouse.front.conversations
        WHERE status IN ('assigned', 'unassigned') AND NOT __hevo__marked_deleted
    ) AS wanted
    FULL JOIN (
        SELECT conversation_id, count(*) AS times FROM open_conversations GROUP BY ALL
    ) AS found USING (conversation_id)
    WHERE found.times IS DISTINCT FROM 1 OR wanted.conversation_id IS NULL
    """
    return no_rows(count(warehouse, query), "conversations are missing, too many or there twice")


SUPPORT_LOAD = """
SELECT
    inbox,
    assignee,
    count(*) AS open_conversations,
    count(DISTINCT customers.email) FILTER (customers.sources > 1) AS customers_known_elsewhere,
    min(last_message_at) AS waiting_since
FROM open_conversations
LEFT JOIN customers ON customers.email = open_conversations.customer_email
GROUP BY inbox, assignee
ORDER BY open_conversations DESC, inbox, assignee
"""


@dg.asset(
    deps=[open_conversations, customers],
    group_name="support",
    kinds=KINDS,
    automation_condition=dg.AutomationCondition.eager(),
    description="How many open conversations each teammate has in each inbox.",
)
def support_load(warehouse: Warehouse) -> dg.MaterializeResult:
    return write(warehouse, "support_load", SUPPORT_LOAD)


@dg.asset_check(asset=support_load, description="Every open conversation is counted once.")
def support_load_adds_up(warehouse: Warehouse) -> dg.AssetCheckResult:
    query = """
    SELECT abs((SELECT sum(open_conversations) FROM support_load)
             - (SELECT count(*) FROM open_conversations))
    """
    return no_rows(count(warehouse, query), "conversations more or fewer than there are")


CAMPAIGN_REACH = """
SELECT
    'activecampaign' AS source,
    CAST(campaigns.id AS VARCHAR) AS campaign_id,
    campaigns.name,
    campaigns.status,
    lists.name AS audience,
    campaigns.send_amount AS recipients,
    campaigns.opens,
    round(campaigns.opens / nullif(campaigns.send_amount, 0), 2) AS open_rate
FROM warehouse.activecampaign.campaigns AS campaigns
LEFT JOIN warehouse.activecampaign.lists AS lists ON lists.id = campaigns.list_id
UNION ALL
SELECT
    'klaviyo',
    campaigns.id,
    campaigns.name,
    lower(campaigns.status),
    (
        SELECT string_agg(DISTINCT lists.name, ', ' ORDER BY lists.name)
        FROM warehouse.klaviyo.audience_included_v2 AS audiences
        JOIN warehouse.klaviyo.list_v2 AS lists ON lists.id = audiences.audience_id
        WHERE audiences.campaign_id = campaigns.id
    ),
    estimations.estimated_recipient_count,
    NULL,
    NULL
FROM warehouse.klaviyo.campaign_v2 AS campaigns
LEFT JOIN warehouse.klaviyo.campaign_recipient_estimation_v2 AS estimations
    ON estimations.campaign_id = campaigns.id
ORDER BY recipients DESC NULLS LAST, source, campaign_id
"""


@dg.asset(
    deps=hevo_tables(
        "activecampaign.campaigns",
        "activecampaign.lists",
        "klaviyo.campaign_v2",
        "klaviyo.campaign_recipient_estimation_v2",
        "klaviyo.audience_included_v2",
        "klaviyo.list_v2",
    ),
    group_name="marketing",
    kinds=KINDS,
    automation_condition=dg.AutomationCondition.eager(),
    description="Campaigns of both mailing tools side by side: whom they reach, who opens them.",
)
def campaign_reach(warehouse: Warehouse) -> dg.MaterializeResult:
    return write(warehouse, "campaign_reach", CAMPAIGN_REACH)


@dg.asset_check(asset=campaign_reach, description="Nobody opens what was not sent to them.")
def campaign_reach_is_plausible(warehouse: Warehouse) -> dg.AssetCheckResult:
    query = "SELECT count(*) FROM campaign_reach WHERE recipients IS NULL OR opens > recipients"
    return no_rows(count(warehouse, query), "campaigns without recipients or with too many opens")


ASSETS: Sequence[dg.AssetsDefinition] = (
    customers,
    open_conversations,
    support_load,
    campaign_reach,
)
CHECKS: Sequence[dg.AssetChecksDefinition] = (
    customers_are_distinct,
    open_conversations_are_complete,
    support_load_adds_up,
    campaign_reach_is_plausible,
)
