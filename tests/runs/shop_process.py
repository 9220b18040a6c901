"""What a process of its own does to run a job of `shop_location.py`."""

from __future__ import annotations

import importlib
import os
import sys
from multiprocessing.synchronize import Event

import dagster as dg


def run_job(
    job: str, environment: dict[str, str], output: str, again: str | None, begin: Event | None
) -> None:
    """Run a job as a run worker does, with exit code 0 for success.

    Args:
        job: Its name.
        environment: What to add to the environment.
        output: The file that takes what the process prints.
        again: The run to re-execute from its failure.
        begin: What to wait for once everything is loaded.
    """
    os.environ.update(environment)
    target = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(target, 1)
    os.dup2(target, 2)
    # Dagster imports a location from the working directory, for itself and for processes of steps.
    os.chdir(os.path.dirname(os.path.abspath(__file__)))
    # Only now: the location is made when its module is imported, from the settings above.
    location = importlib.import_module("shop_location")
    with dg.DagsterInstance.get() as instance:
        options = dg.ReexecutionOptions.from_failure(again, instance) if again else None
        recipe = dg.reconstructable(getattr(location, job))
        if begin is not None:
            begin.wait()
        result = dg.execute_job(recipe, instance=instance, reexecution_options=options)
    sys.exit(0 if result.success else 1)
