"""The checks that assets have: what they are called, and what they say of themselves.

How they are answered is `execution/events.py` and `execution/latency.py`.
"""

from __future__ import annotations

import dagster as dg

from dagster_hevo.api.models import LatencyAlert

CHECK_NAME = "hevo_job"
LATENCY_CHECK_NAME = "hevo_latency"
THRESHOLD = "dagster-hevo/latency_threshold_minutes"


def check_spec(key: dg.AssetKey) -> dg.AssetCheckSpec:
    """The check that tells how the last job fared with an asset's object."""
    return dg.AssetCheckSpec(
        name=CHECK_NAME,
        asset=key,
        description="Whether Hevo's last job loaded the object without failed events.",
    )


def latency_check_spec(key: dg.AssetKey, minutes: int | None = None) -> dg.AssetCheckSpec:
    """The check that tells whether an asset's data came later than its pipeline's alert allows.

    Args:
        key: The asset.
        minutes: The threshold, for the steps that answer the check.
    """
    return dg.AssetCheckSpec(
        name=LATENCY_CHECK_NAME,
        asset=key,
        description="Whether Hevo's last job stayed below the pipeline's latency threshold.",
        metadata={} if minutes is None else {THRESHOLD: minutes},
    )


def threshold_minutes(alert: LatencyAlert | None) -> int | None:
    """The threshold of a pipeline's latency alert; None where it has none, or it is off."""
    if alert is None or alert.enabled is False or not alert.threshold_minutes:
        return None
    return alert.threshold_minutes
