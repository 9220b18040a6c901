"""Accounts made of values, to load from a snapshot's file: no Hevo answers here."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import dagster as dg
from dagster._core.remote_representation.external_data import RepositorySnap
from dagster._serdes import serialize_value

from dagster_hevo import HevoResource, build_hevo_assets_definitions, build_hevo_job_sensor
from dagster_hevo.api.models import Destination, Namespace, Pipeline, PipelineObject, Source
from dagster_hevo.definitions.kept_state import write_snapshot
from dagster_hevo.definitions.snapshot import AccountSnapshot, PipelineWithObjects


def an_object(number: int, name: str, *, schema: str | None = "shop", **fields: Any) -> Any:
    """An object that is called alike in the source and in the destination."""
    return PipelineObject(
        object_id=f"obj-{number}",
        source_namespace=Namespace(k0=name, k1="public"),
        destination_namespace=Namespace(k0=name, k1=schema),
        **{"status": "ACTIVE", **fields},
    )


def a_pipeline(objects: Iterable[PipelineObject], **fields: Any) -> PipelineWithObjects:
    given: dict[str, Any] = {
        "id": 101,
        "name": "Shop",
        "status": "INITIALIZED",
        "source": Source(name="shop database", source_type="POSTGRES"),
        "destination": Destination(destination_type="SNOWFLAKE"),
    }
    return PipelineWithObjects(pipeline=Pipeline(**{**given, **fields}), objects=tuple(objects))


def resource(folder: Path, *pipelines: PipelineWithObjects, **settings: Any) -> HevoResource:
    """An account that is loaded from a file."""
    path = folder / "snapshot.json"
    write_snapshot(path, AccountSnapshot.of(pipelines, is_listed=True, fetched_at=1.0))
    return HevoResource(
        **{"api_key": "key", "api_secret": "secret", "snapshot_path": str(path), **settings}
    )


def location(hevo: HevoResource, **options: Any) -> dg.Definitions:
    """A code location with everything there is of an account, checked as Dagster checks it."""
    definitions = dg.Definitions(
        assets=build_hevo_assets_definitions(workspace=hevo, **options),
        sensors=[build_hevo_job_sensor(workspace=hevo)],
        resources={"hevo": hevo},
    )
    dg.Definitions.validate_loadable(definitions)
    assert serialize_value(RepositorySnap.from_def(definitions.get_repository_def()))
    return definitions
