"""An account of three pipelines as a scenario, and components that ask it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import dagster as dg

from dagster_hevo import HevoAccountComponent

SCENARIO = """
name: three pipelines
account: {requests_per_minute: 0}
pipelines:
  - name: Shop
    id: 101
    schema: shop
    source: {source_type: POSTGRES, name: shop db, config: {password: source-password}}
    destination: {id: 900, name: Warehouse, destination_type: SNOWFLAKE}
    schedule: {sync_type: SCHEDULED, frequency_minutes: 60}
    objects: [customers, orders]
  - name: Helpdesk
    id: 102
    schema: helpdesk
    source: {source_type: ZENDESK}
    destination: {id: 900, name: Warehouse, destination_type: SNOWFLAKE}
    objects: [tickets]
  - name: Test shop
    id: 103
    schema: test_shop
    source: {source_type: POSTGRES}
    destination: {id: 901, name: Test warehouse, destination_type: POSTGRES}
    objects: [customers]
"""

WORKSPACE = {
    "api_key": "{{ env.HEVO_API_KEY }}",
    "api_secret": "{{ env.HEVO_API_SECRET }}",
    "base_url": "{{ env.HEVO_BASE_URL }}",
    "requests_per_minute": 0,
    "rate_limit_store": "memory",
    "poll_interval": 0.05,
    "job_discovery_timeout": 2.0,
    "job_objects_timeout": 2.0,
}


def component(kind: type[HevoAccountComponent] = HevoAccountComponent, **attributes: Any) -> Any:
    """A component of these YAML attributes, of the account in the environment."""
    workspace = {**WORKSPACE, **attributes.pop("workspace", {})}
    return kind.resolve_from_dict({"workspace": workspace, **attributes})


def place() -> dg.ComponentLoadContext:
    """Where a component is, as far as it asks."""
    return dg.ComponentTree.for_test().load_context


def refreshed(made: HevoAccountComponent, path: Path) -> Path:
    """Have a component ask Hevo and write its state."""
    asyncio.run(made.write_state_to_path(path))
    return path


def definitions(made: HevoAccountComponent, path: Path) -> dg.Definitions:
    """The definitions of a component from its state, which is written first if it is not there."""
    if not path.exists():
        refreshed(made, path)
    return made.build_defs_from_state(place(), path)


def specs_of(defs: dg.Definitions) -> dict[str, dg.AssetSpec]:
    """The specs by the key as people write it."""
    return {spec.key.to_user_string(): spec for spec in defs.resolve_all_asset_specs()}
