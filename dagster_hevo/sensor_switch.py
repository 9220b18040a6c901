"""Whether a job sensor is on: a step that does not wait says where nobody records its outcome."""

from __future__ import annotations

from collections.abc import Mapping

import dagster as dg

# The job sensors of the code location that this process has loaded, and whether each runs unless
# it was switched off.
JOB_SENSORS: dict[str, dg.DefaultSensorStatus] = {}


def warning_without_sensor(
    instance: dg.DagsterInstance, sensors: Mapping[str, dg.DefaultSensorStatus]
) -> str | None:
    """What to tell where no job sensor is on, so that nobody records a job that is not waited for.

    Args:
        instance: The Dagster instance, which knows which sensors were switched on or off.
        sensors: The job sensors of the code location, and whether each runs by default.

    Returns:
        The sentence; None where a sensor is on, or the instance does not tell.
    """
    if not sensors:
        return (
            "No job sensor was built in this code location: nobody records the outcome. Add "
            "build_hevo_job_sensor to its definitions."
        )
    try:
        states = {state.name: state.status.value for state in instance.all_instigator_state()}
    except Exception as error:  # noqa: BLE001 (not worth a run that has done its work)
        return f"Whether the job sensor is on could not be found out: {error}"
    for name, default in sensors.items():
        # A sensor that nobody has switched yet, or that follows the code, is on by its default.
        by_default = default is dg.DefaultSensorStatus.RUNNING
        state = states.get(name)
        if state == "RUNNING" or (by_default and state != "STOPPED"):
            return None
    names = ", ".join(sorted(sensors))
    return (
        f"The job sensor ({names}) is off: nobody records the outcome until it is switched on. "
        "Switch it on under Automation in Dagster's web UI."
    )
