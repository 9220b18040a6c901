"""The code location: Hevo's assets, the models on top, and what keeps them fresh.

The models' SQL is in `models.py`. Where Hevo and the files are comes from the environment; `make
demo` and `make dev` set it.
"""

from __future__ import annotations

import os

import dagster as dg
from dagster_duckdb import DuckDBResource

from dagster_hevo import (
    HevoResource,
    HevoSyncConfig,
    SyncAction,
    build_hevo_assets_definitions,
    build_hevo_job_sensor,
)
from example_project import models
from example_project.warehouse import Warehouse

# What each step imports, and what takes it long: two of them are Dagster's own modules, and a
# module that is not there in some version is passed over.
IMPORTED_BY_STEPS = [
    "example_project.models",
    "dagster_hevo.execution.step",
    "dagster._core.storage.local_compute_log_manager",
    "dagster._utils.test.definitions",
]

hevo = HevoResource(
    api_key=dg.EnvVar("HEVO_API_KEY"),
    api_secret=dg.EnvVar("HEVO_API_SECRET"),
    base_url=dg.EnvVar("HEVO_BASE_URL"),  # a real account: region="us" instead
    # Real jobs take minutes, and ten seconds between two looks are right for them. The local Hevo
    # runs them in seconds, so `make demo` and `make dev` look more often.
    poll_interval=float(os.environ.get("EXAMPLE_POLL_INTERVAL", "10")),
)

hevo_assets = build_hevo_assets_definitions(workspace=hevo)

everything = dg.define_asset_job(
    "everything",
    selection=dg.AssetSelection.all(),
    description="Has Hevo load all objects again, then makes the models.",
)

daily = dg.ScheduleDefinition(
    name="daily",
    job=everything,
    cron_schedule="0 6 * * *",
    execution_timezone="Etc/UTC",
    # What changed since yesterday is enough for every day: a resync would read it all again.
    run_config=dg.RunConfig(
        ops={assets.op.name: HevoSyncConfig(action=SyncAction.SYNC_NOW) for assets in hevo_assets}
    ),
)

models_follow_hevo = dg.AutomationConditionSensorDefinition(
    name="models_follow_hevo",
    target=dg.AssetSelection.assets(*models.ASSETS),
    description="Makes a model again when a Hevo job has loaded what it reads, whoever started it.",
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=15,
)

defs = dg.Definitions(
    assets=[*hevo_assets, *models.ASSETS],
    asset_checks=models.CHECKS,
    jobs=[everything],
    schedules=[daily],
    sensors=[
        build_hevo_job_sensor(workspace=hevo, minimum_interval_seconds=30),
        models_follow_hevo,
    ],
    resources={
        "hevo": hevo,
        "warehouse": Warehouse(
            loaded_by_hevo=dg.EnvVar("EXAMPLE_WAREHOUSE"),
            models=DuckDBResource(database=dg.EnvVar("EXAMPLE_MODELS")),
        ),
    },
    # A step that waits for Hevo needs no processor, so more run at once than there are
    # processors; forked from a process that has imported what they need, each starts at once.
    # `make demo` adds this module (see there).
    executor=dg.multiprocess_executor.configured(
        {
            "max_concurrent": 8,
            "start_method": {
                "forkserver": {
                    "preload_modules": IMPORTED_BY_STEPS
                    + os.environ.get("EXAMPLE_PRELOADED", "").split()
                }
            },
        }
    ),
)
