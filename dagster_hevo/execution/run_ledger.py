"""The ledger in a Dagster instance: named lists that every process on the instance shares.

The lists are kept as dynamic partitions. Of all that an instance stores, these alone are public,
written at once, ordered by the storage's own ids, and read by name on every storage: the default
SQLite storage keeps the events of each run in a file of its own, so that events cannot be read over
all runs. No partitions definition has these names, so that no page shows them. What a person should
see is written beside it, as engine events of the run.

The records themselves are `jobs/records.py`.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import dagster as dg

from dagster_hevo.dagster_private import has_step_succeeded, report_engine_event
from dagster_hevo.execution.events import ObjectAsset
from dagster_hevo.jobs.ledger import Ledger
from dagster_hevo.jobs.marks import AssetSet, RecordMarks
from dagster_hevo.jobs.outcome import JobOutcome

RECORD_KEY = "dagster-hevo/ledger"
# How long a run waits for a sensor that shows no progress: two ticks, and a bit.
SENSOR_PATIENCE = 150.0
# The daemon stores the events of a tick one by one: 34 ms each were measured on a small machine.
SECONDS_PER_EVENT = 0.1
# How long a run waits for a sensor, whatever progress that makes.
LONGEST_SENSOR_PATIENCE = 30 * 60.0
SENSOR_PAUSE = 2.0
# A sensor that has claimed the job says a moment later for which assets it records it.
SENSOR_BEGINS_WITHIN = 6.0
RETRY_TAG = "dagster/retry_number"
RUNS_IN_PROGRESS = frozenset(
    {
        dg.DagsterRunStatus.STARTING,
        dg.DagsterRunStatus.STARTED,
        dg.DagsterRunStatus.CANCELING,
    }
)


def list_name(name: str) -> str:
    """The name under which a list is stored: short, because storages index 64 characters."""
    kind = name.partition("/")[0]
    return f"dagster-hevo/{kind}/{hashlib.sha256(name.encode()).hexdigest()[:32]}"


class InstanceStore:
    """Keeps the ledger's lists in a Dagster instance.

    Args:
        instance: The Dagster instance.
        run: The run whose page shows what is written; None shows it nowhere.
    """

    def __init__(self, instance: dg.DagsterInstance, run: dg.DagsterRun | None = None) -> None:
        self._instance = instance
        self._run = run

    def append(self, name: str, entries: Sequence[str]) -> None:
        self._instance.add_dynamic_partitions(list_name(name), list(entries))

    def read(self, name: str) -> Sequence[str]:
        return self._instance.get_dynamic_partitions(list_name(name))

    def remove(self, name: str, entry: str) -> None:
        self._instance.delete_dynamic_partition(list_name(name), entry)

    def pause(self, seconds: float) -> None:
        if seconds:
            time.sleep(seconds)

    def is_running(self, run_id: str) -> bool:
        run = self._instance.get_run_by_id(run_id)
        return run is not None and run.status in RUNS_IN_PROGRESS

    def has_ended(self, run_id: str) -> bool:
        run = self._instance.get_run_by_id(run_id)
        return run is not None and run.is_finished

    def has_succeeded(self, run_id: str, step_key: str) -> bool:
        return has_step_succeeded(self._instance, run_id, step_key)

    def tell(self, step_key: str, sentence: str, content: Mapping[str, Any]) -> None:
        if self._run is not None:
            metadata = {RECORD_KEY: dg.MetadataValue.json(dict(content))}
            report_engine_event(self._instance, self._run, step_key, sentence, metadata)


def mark_recorded(
    instance: dg.DagsterInstance, base_url: str, outcome: JobOutcome, assets: Iterable[ObjectAsset]
) -> None:
    """Write down, for the job sensors, that a run has recorded a job for these assets."""
    keys = AssetSet.of([asset.key for asset in assets])
    marks = RecordMarks(InstanceStore(instance), base_url, outcome.pipeline_id, keys)
    marks.finish(outcome.job.job_id)


def wait_for_sensor(
    instance: dg.DagsterInstance,
    base_url: str,
    outcome: JobOutcome,
    assets: Iterable[ObjectAsset],
    *,
    pause: Callable[[float], None] = time.sleep,
) -> bool:
    """Wait until the job sensors that record a job for some of these assets have finished.

    A sensor records for the assets of its code location; these may be others, of which only some
    are ours. What it reports is stored when its tick ends, and marked as done by its next one. It
    makes progress where its marks of the job change. Without any for 150 seconds, plus a tenth of a
    second for each event that its last tick returned, it is gone; half an hour is the most.

    Args:
        instance: The Dagster instance.
        base_url: Hevo's base URL.
        outcome: The outcome of the job.
        assets: The assets of the run's step.
        pause: Waits for so many seconds.

    Returns:
        Whether they have; False where none records the job for these assets, one is gone, or it
        takes too long.
    """
    keys = AssetSet.of([asset.key for asset in assets])
    marks = RecordMarks(InstanceStore(instance), base_url, outcome.pipeline_id, keys)
    before, waited, silent = None, 0.0, 0.0
    while True:
        found = marks.of(outcome.job.job_id)
        may_begin = not found.begun and not found.done and waited < SENSOR_BEGINS_WITHIN
        if not marks.unfinished(found) and not may_begin:
            return found.is_done or bool(marks.shared_with(found.others))
        if found != before:
            before, silent = found, 0.0
        patience = SENSOR_PATIENCE + found.events * SECONDS_PER_EVENT
        if silent >= patience or waited >= LONGEST_SENSOR_PATIENCE:
            return False
        pause(SENSOR_PAUSE)
        waited, silent = waited + SENSOR_PAUSE, silent + SENSOR_PAUSE


def ledger_of_step(
    instance: dg.DagsterInstance, run: dg.DagsterRun, step_key: str, *, base_url: str, attempt: int
) -> Ledger:
    """The ledger of one attempt of a step.

    Args:
        instance: The Dagster instance.
        run: The run that the step belongs to.
        step_key: The step, the same in a run that re-executes this one.
        base_url: Hevo's base URL.
        attempt: Which attempt of the step in this run, from 0.
    """
    return Ledger(
        InstanceStore(instance, run),
        base_url=base_url,
        run_id=run.run_id,
        root_run_id=run.root_run_id or run.run_id,
        step_key=step_key,
        attempt=attempt,
        is_retry=RETRY_TAG in run.tags,
    )
