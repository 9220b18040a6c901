"""Whether a job sensor is on: a step that does not wait says where nobody records its outcome."""

from __future__ import annotations

import json
from typing import Any, cast

import dagster as dg

CURSOR_KIND = "dagster-hevo job sensor"


def warning_without_sensor(instance: dg.DagsterInstance, account: str) -> str | None:
    """What to tell where no job sensor is on, so that nobody records a job that is not waited for.

    Args:
        instance: The Dagster instance, which knows the sensors that have ticked.
        account: The base URL of the Hevo account.

    Returns:
        The sentence; None where a sensor is on, or the instance does not tell.
    """
    try:
        states = [
            state
            for state in instance.all_instigator_state()
            if _account_in(getattr(state.instigator_data, "cursor", None)) == account
        ]
    except Exception as error:  # noqa: BLE001 (not worth a run that has done its work)
        return f"Whether the job sensor is on could not be found out: {error}"
    if not states:
        return (
            "No job sensor has ticked on this Dagster instance: nobody records the outcome until "
            "one does. Add build_hevo_job_sensor to the definitions, and check under Automation in "
            "Dagster's web UI that it is on and that the daemon runs."
        )
    if any(state.status.value != "STOPPED" for state in states):
        return None
    names = ", ".join(sorted({state.name for state in states}))
    return (
        f"The job sensor ({names}) is off: nobody records the outcome until it is switched on. "
        "Switch it on under Automation in Dagster's web UI."
    )


def _account_in(cursor: str | None) -> object:
    """The account in the cursor of a job sensor; None in any other."""
    try:
        content: object = json.loads(cursor or "")
    except (ValueError, RecursionError):
        return None
    entries = cast("dict[str, Any]", content) if isinstance(content, dict) else {}
    status = entries.get("status")
    if entries.get("kind") != CURSOR_KIND or not isinstance(status, dict):
        return None
    return cast("dict[str, Any]", status).get("base_url")
