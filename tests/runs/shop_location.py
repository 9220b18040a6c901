"""A code location for runs in processes of their own (`shop_process.py`).

Settings of the resource come from the environment, so that every process finds the same sandbox.
"""

from __future__ import annotations

import json
import os

import dagster as dg

from dagster_hevo import HevoResource, build_hevo_assets_definitions, build_hevo_job_sensor


def shop_definitions() -> dg.Definitions:
    """The shop's assets, jobs over parts of them, and the sensor."""
    hevo = HevoResource(**json.loads(os.environ["SHOP_SETTINGS"]))
    assets = build_hevo_assets_definitions(
        workspace=hevo,
        retry_policy=dg.RetryPolicy(max_retries=int(os.environ.get("SHOP_RETRIES", "0"))),
    )
    tables = {
        part: dg.AssetSelection.assets(*[["shop_1", f"table_{place:02d}"] for place in places])
        for part, places in {"first": (1, 2), "second": (3, 4)}.items()
    }
    # Forked from a process that has imported what takes long; each loads the location itself.
    start = {"forkserver": {"preload_modules": ["dagster", "dagster_hevo.execution.step"]}}
    together = dg.multiprocess_executor.configured({"max_concurrent": 8, "start_method": start})
    jobs = [
        dg.define_asset_job("everything", executor_def=dg.in_process_executor),
        dg.define_asset_job("in_steps", executor_def=together),
    ]
    if any(spec.key == dg.AssetKey(["shop_1", "table_04"]) for one in assets for spec in one.specs):
        jobs += [
            dg.define_asset_job(part, selection, executor_def=dg.in_process_executor)
            for part, selection in tables.items()
        ]
    return dg.Definitions(
        assets=assets,
        jobs=jobs,
        sensors=[build_hevo_job_sensor(workspace=hevo)],
        resources={"hevo": hevo},
    )


defs = shop_definitions()


def everything() -> dg.JobDefinition:
    return defs.resolve_job_def("everything")


def in_steps() -> dg.JobDefinition:
    return defs.resolve_job_def("in_steps")


def first() -> dg.JobDefinition:
    return defs.resolve_job_def("first")


def second() -> dg.JobDefinition:
    return defs.resolve_job_def("second")
