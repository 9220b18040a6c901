"""Dagster assets, sensors and a component for Hevo pipelines: the public names and nothing else.

The names are loaded when they are first used: `dagster_hevo.api` and `dagster_hevo.jobs` work
without Dagster, and a code location does not pay for what it does not use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from dagster_hevo.version import __version__

if TYPE_CHECKING:
    from dagster_hevo.api.async_client import AsyncHevoClient
    from dagster_hevo.api.client import HevoClient
    from dagster_hevo.api.enums import (
        JobCompletionStatus,
        JobStatus,
        JobType,
        PipelineStatus,
        ResyncMode,
    )
    from dagster_hevo.api.errors import (
        HevoApiError,
        HevoAuthenticationError,
        HevoConfigurationError,
        HevoConflictError,
        HevoConnectionError,
        HevoError,
        HevoJobFailedError,
        HevoJobNotFoundError,
        HevoJobTimeoutError,
        HevoNotFoundError,
        HevoOutageError,
        HevoPermissionError,
        HevoPipelineBusyError,
        HevoPipelineStateError,
        HevoRateLimitError,
        HevoRequestTakenOverError,
        HevoResponseError,
        HevoServerError,
    )
    from dagster_hevo.api.models import Job, JobObject, Namespace, Pipeline, PipelineObject
    from dagster_hevo.assets import (
        build_hevo_assets_definitions,
        hevo_assets,
        load_hevo_asset_specs,
    )
    from dagster_hevo.components.account import HevoAccountComponent
    from dagster_hevo.definitions.options import HevoDefinitionsOptions
    from dagster_hevo.definitions.snapshot import AccountSnapshot
    from dagster_hevo.jobs.request import IfJobRunning, SyncAction
    from dagster_hevo.metadata import HevoMetadataSet
    from dagster_hevo.op_results import HevoJobResult, HevoObjectResult, HevoPipelineResult
    from dagster_hevo.ops import (
        HevoCancelJobConfig,
        HevoDisableOpConfig,
        HevoPipelineConfig,
        HevoResyncOpConfig,
        HevoSwitchConfig,
        HevoSyncOpConfig,
        hevo_cancel_job_op,
        hevo_disable_pipeline_op,
        hevo_enable_pipeline_op,
        hevo_refresh_schema_op,
        hevo_resync_op,
        hevo_sync_op,
    )
    from dagster_hevo.resources import HevoResource
    from dagster_hevo.sensors import build_hevo_job_sensor
    from dagster_hevo.sync_config import HevoSyncConfig
    from dagster_hevo.translator import DagsterHevoTranslator, HevoObjectProps

_HOMES = {
    "dagster_hevo.api.async_client": ("AsyncHevoClient",),
    "dagster_hevo.api.client": ("HevoClient",),
    "dagster_hevo.api.enums": (
        "JobCompletionStatus",
        "JobStatus",
        "JobType",
        "PipelineStatus",
        "ResyncMode",
    ),
    "dagster_hevo.api.errors": (
        "HevoApiError",
        "HevoAuthenticationError",
        "HevoConfigurationError",
        "HevoConflictError",
        "HevoConnectionError",
        "HevoError",
        "HevoJobFailedError",
        "HevoJobNotFoundError",
        "HevoJobTimeoutError",
        "HevoNotFoundError",
        "HevoOutageError",
        "HevoPermissionError",
        "HevoPipelineBusyError",
        "HevoPipelineStateError",
        "HevoRateLimitError",
        "HevoRequestTakenOverError",
        "HevoResponseError",
        "HevoServerError",
    ),
    "dagster_hevo.api.models": ("Job", "JobObject", "Namespace", "Pipeline", "PipelineObject"),
    "dagster_hevo.assets": (
        "build_hevo_assets_definitions",
        "hevo_assets",
        "load_hevo_asset_specs",
    ),
    "dagster_hevo.components.account": ("HevoAccountComponent",),
    "dagster_hevo.definitions.options": ("HevoDefinitionsOptions",),
    "dagster_hevo.definitions.snapshot": ("AccountSnapshot",),
    "dagster_hevo.jobs.request": ("IfJobRunning", "SyncAction"),
    "dagster_hevo.op_results": ("HevoJobResult", "HevoObjectResult", "HevoPipelineResult"),
    "dagster_hevo.ops": (
        "HevoCancelJobConfig",
        "HevoDisableOpConfig",
        "HevoPipelineConfig",
        "HevoResyncOpConfig",
        "HevoSwitchConfig",
        "HevoSyncOpConfig",
        "hevo_cancel_job_op",
        "hevo_disable_pipeline_op",
        "hevo_enable_pipeline_op",
        "hevo_refresh_schema_op",
        "hevo_resync_op",
        "hevo_sync_op",
    ),
    "dagster_hevo.resources": ("HevoResource",),
    "dagster_hevo.sensors": ("build_hevo_job_sensor",),
    "dagster_hevo.sync_config": ("HevoSyncConfig",),
    "dagster_hevo.metadata": ("HevoMetadataSet",),
    "dagster_hevo.translator": ("DagsterHevoTranslator", "HevoObjectProps"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "AccountSnapshot",
    "AsyncHevoClient",
    "DagsterHevoTranslator",
    "HevoAccountComponent",
    "HevoApiError",
    "HevoAuthenticationError",
    "HevoCancelJobConfig",
    "HevoClient",
    "HevoConfigurationError",
    "HevoConflictError",
    "HevoConnectionError",
    "HevoDefinitionsOptions",
    "HevoDisableOpConfig",
    "HevoError",
    "HevoJobFailedError",
    "HevoJobNotFoundError",
    "HevoJobResult",
    "HevoJobTimeoutError",
    "HevoMetadataSet",
    "HevoNotFoundError",
    "HevoObjectProps",
    "HevoObjectResult",
    "HevoOutageError",
    "HevoPermissionError",
    "HevoPipelineBusyError",
    "HevoPipelineConfig",
    "HevoPipelineResult",
    "HevoPipelineStateError",
    "HevoRateLimitError",
    "HevoRequestTakenOverError",
    "HevoResource",
    "HevoResponseError",
    "HevoResyncOpConfig",
    "HevoServerError",
    "HevoSwitchConfig",
    "HevoSyncConfig",
    "HevoSyncOpConfig",
    "IfJobRunning",
    "Job",
    "JobCompletionStatus",
    "JobObject",
    "JobStatus",
    "JobType",
    "Namespace",
    "Pipeline",
    "PipelineObject",
    "PipelineStatus",
    "ResyncMode",
    "SyncAction",
    "__version__",
    "build_hevo_assets_definitions",
    "build_hevo_job_sensor",
    "hevo_assets",
    "hevo_cancel_job_op",
    "hevo_disable_pipeline_op",
    "hevo_enable_pipeline_op",
    "hevo_refresh_schema_op",
    "hevo_resync_op",
    "hevo_sync_op",
    "load_hevo_asset_specs",
]


def __getattr__(name: str) -> object:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
