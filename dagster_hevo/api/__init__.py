"""Hevo over HTTP, usable without Dagster: a client, its models, its errors.

The names are loaded when they are first used, so that a code location which only needs the models
does not pay for the HTTP library.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from dagster_hevo.api.enums import (
    JobCompletionStatus,
    JobObjectStatus,
    JobStatus,
    JobType,
    LoadMode,
    ObjectStatus,
    PipelineStatus,
    ReplicationStatus,
    ReplicationType,
    ResyncMode,
    SchemaEvolution,
    SyncType,
)
from dagster_hevo.api.models import (
    Job,
    JobObject,
    Namespace,
    ObjectField,
    Page,
    Pipeline,
    PipelineObject,
)

if TYPE_CHECKING:
    from dagster_hevo.api.async_client import AsyncHevoClient
    from dagster_hevo.api.client import HevoClient

__all__ = [
    "AsyncHevoClient",
    "HevoClient",
    "Job",
    "JobCompletionStatus",
    "JobObject",
    "JobObjectStatus",
    "JobStatus",
    "JobType",
    "LoadMode",
    "Namespace",
    "ObjectField",
    "ObjectStatus",
    "Page",
    "Pipeline",
    "PipelineObject",
    "PipelineStatus",
    "ReplicationStatus",
    "ReplicationType",
    "ResyncMode",
    "SchemaEvolution",
    "SyncType",
]

_LOADED_LATER = {
    "AsyncHevoClient": "dagster_hevo.api.async_client",
    "HevoClient": "dagster_hevo.api.client",
}


def __getattr__(name: str) -> object:
    if name in _LOADED_LATER:
        return getattr(import_module(_LOADED_LATER[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
