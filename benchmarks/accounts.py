"""The same shape of work for each integration: an account for its API, and how it loads that.

Ours loads pipelines with objects, dagster-fivetran connectors with tables, dagster-airbyte
connections with streams. No table has columns: Hevo lists none, so the others get none to read.
`pip install "dagster-hevo[benchmarks]"` brings the other two.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

INSTALL = 'not installed: pip install "dagster-hevo[benchmarks]"'


def hevo_answers(pipelines: int, objects: int) -> dict[str, Any]:
    """An account as Hevo answers for it."""
    answers: dict[str, Any] = {
        "GET /api/v1/pipelines": [
            {
                "id": number,
                "name": f"Shop {number}",
                "status": "INITIALIZED",
                "source": {
                    "name": "shop database",
                    "connector_id": "12",
                    "source_type": "POSTGRES",
                    "config": {"host": "db.example.com", "port": 5432, "user": "reader"},
                },
                "destination": {
                    "id": 3,
                    "name": "warehouse",
                    "connector_id": "7",
                    "destination_type": "SNOWFLAKE",
                },
                "destination_prefix": f"shop_{number}",
                "replication_type": "HISTORICAL_AND_INCREMENTAL",
                "load_mode": "MERGE",
                "schema_evolution": "ALLOW_ALL",
                "schedule": {"sync_type": "SCHEDULED", "frequency_minutes": 60},
                "failure_handling_policy": {"object_failure_level": "MODERATE"},
                "source_schema_status": {"status": "COMPLETED", "refreshed_ts": 1760000000000},
                "created_by_email": "owner@example.com",
                "created_ts": 1750000000000,
                "updated_ts": 1760000000000,
            }
            for number in range(1, pipelines + 1)
        ]
    }
    for number in range(1, pipelines + 1):
        answers[f"GET /api/v1/pipelines/{number}/objects"] = [
            {
                "object_id": f"obj-{number}-{item}",
                "source_namespace": {"k0": f"table_{item}", "k1": "public", "k2": "shop"},
                "destination_namespace": {
                    "k0": f"table_{item}",
                    "k1": f"shop_{number}",
                    "k2": "ANALYTICS",
                },
                "field_count": 12,
                "status": "ACTIVE",
                "replication_status": "REPLICATED",
            }
            for item in range(objects)
        ]
    return answers


def fivetran_answers(connectors: int, tables: int) -> dict[str, Any]:
    """One group with one destination; a schema a connector."""
    answers: dict[str, Any] = {
        "GET /v1/groups": {"data": {"items": [{"id": "group", "name": "group"}]}},
        "GET /v1/destinations/group": {
            "data": {"id": "group", "service": "snowflake", "config": {"database": "ANALYTICS"}}
        },
        "GET /v1/groups/group/connectors": {
            "data": {
                "items": [
                    {
                        "id": f"connector_{number}",
                        "schema": f"shop_{number}",
                        "service": "postgres",
                        "group_id": "group",
                        "paused": False,
                        "status": {"setup_state": "connected", "sync_state": "scheduled"},
                        "succeeded_at": "2026-01-01T00:00:00.000000Z",
                        "failed_at": None,
                        "sync_frequency": 60,
                        "schedule_type": "auto",
                    }
                    for number in range(1, connectors + 1)
                ]
            }
        },
    }
    for number in range(1, connectors + 1):
        answers[f"GET /v1/connectors/connector_{number}/schemas"] = {
            "data": {
                "schemas": {
                    "public": {
                        "name_in_destination": f"shop_{number}",
                        "enabled": True,
                        "tables": {
                            f"table_{item}": {
                                "name_in_destination": f"table_{item}",
                                "enabled": True,
                            }
                            for item in range(tables)
                        },
                    }
                }
            }
        }
    return answers


def airbyte_answers(connections: int, streams: int) -> dict[str, Any]:
    """One workspace with one destination."""
    answers: dict[str, Any] = {
        "GET /public/workspaces/workspace": {"workspaceId": "workspace"},
        "GET /public/connections": {
            "data": [{"connectionId": f"connection-{n}"} for n in range(1, connections + 1)]
        },
        "GET /public/destinations/destination": {
            "destinationId": "destination",
            "destinationType": "snowflake",
            "configuration": {"database": "ANALYTICS", "schema": "shop"},
        },
    }
    for number in range(1, connections + 1):
        wanted = json.dumps({"connectionId": f"connection-{number}"})
        answers[f"POST /internal/connections/get {wanted}"] = {
            "connectionId": f"connection-{number}",
            "name": f"Shop {number}",
            "prefix": f"shop_{number}_",
            "destinationId": "destination",
            "syncCatalog": {
                "streams": [
                    {
                        "stream": {"name": f"table_{item}", "jsonSchema": {}},
                        "config": {"selected": True},
                    }
                    for item in range(streams)
                ]
            },
        }
    return answers


def hevo_loader(url: str, *, limited: bool = False) -> Callable[[], list[Any]]:
    """What loads the specs of a Hevo account, as a code location does."""
    from dagster_hevo import HevoResource, load_hevo_asset_specs

    hevo = HevoResource(
        api_key="key",
        api_secret="secret",
        base_url=url,
        requests_per_minute=100 if limited else 0,
    )
    return lambda: load_hevo_asset_specs(hevo)


def fivetran_loader(url: str) -> Callable[[], list[Any]]:
    """What loads the specs of a Fivetran account; only the address is ours."""
    from dagster_fivetran import FivetranWorkspace, load_fivetran_asset_specs, resources

    resources.FIVETRAN_API_BASE = url
    workspace = FivetranWorkspace(account_id="account", api_key="key", api_secret="secret")
    return lambda: list(load_fivetran_asset_specs(workspace))


def airbyte_loader(url: str) -> Callable[[], list[Any]]:
    """What loads the specs of a self-managed Airbyte."""
    from dagster_airbyte import AirbyteWorkspace, load_airbyte_asset_specs

    workspace = AirbyteWorkspace(
        rest_api_base_url=f"{url}/public",
        configuration_api_base_url=f"{url}/internal",
        workspace_id="workspace",
        username="user",
        password="secret",
    )
    return lambda: list(load_airbyte_asset_specs(workspace))


@dataclass(frozen=True)
class Integration:
    """A package that loads assets of an account.

    Attributes:
        package: The module's name.
        answers: The account for its API, of so many pipelines and so many objects each.
        loader: Makes what loads it from an address.
    """

    package: str
    answers: Callable[[int, int], dict[str, Any]]
    loader: Callable[..., Callable[[], list[Any]]]

    @property
    def is_installed(self) -> bool:
        """Whether it can be measured here."""
        return find_spec(self.package) is not None


HEVO = Integration("dagster_hevo", hevo_answers, hevo_loader)
PEERS = (
    Integration("dagster_fivetran", fivetran_answers, fivetran_loader),
    Integration("dagster_airbyte", airbyte_answers, airbyte_loader),
)
