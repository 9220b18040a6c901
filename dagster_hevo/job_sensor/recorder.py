"""From a job that no run recorded to its events, each of them once.

Which jobs are recorded is decided in `settling.py`; how an outcome becomes metadata is
`execution/events.py`. What may be in the event log already is looked up for all assets at once.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone

import dagster as dg

from dagster_hevo.api.models import Job, JobObject
from dagster_hevo.execution.events import (
    CHECK_NAME,
    ObjectAsset,
    check_metadata,
    event_metadata,
    severity_of,
)
from dagster_hevo.execution.latency import (
    LATENCY_CHECK_NAME,
    latencies,
    latency_evaluation,
    threshold_minutes,
)
from dagster_hevo.job_sensor.event_log import EventLog
from dagster_hevo.job_sensor.followed import FollowedPipeline, SensorHevo
from dagster_hevo.jobs.marks import AssetSet
from dagster_hevo.jobs.objects import ObjectIndex
from dagster_hevo.jobs.outcome import JobOutcome, ObjectOutcome, ObjectResult, outcome_of_job
from dagster_hevo.markdown import as_markdown

# The daemon stores the events of a tick one by one, after the tick.
MOST_EVENTS = 5000
ASSETS_WARNED = 10

ObservedEvent = dg.AssetMaterialization | dg.AssetCheckEvaluation | dg.AssetObservation


@dataclass
class JobRecorder:
    """Makes the events of jobs, but for those that are there already.

    Args:
        hevo: Hevo's API.
        event_log: What was recorded before.
        now: Tells the time in seconds since the epoch.
        log_warning: Where warnings are written besides.

    Attributes:
        events: The events to report.
        objects: How many objects they record.
    """

    hevo: SensorHevo
    event_log: EventLog
    now: Callable[[], float]
    log_warning: Callable[[str], None]
    events: list[ObservedEvent] = field(default_factory=list[ObservedEvent])
    objects: int = 0

    @property
    def is_full(self) -> bool:
        """Whether the tick has as many events as may be reported at once."""
        return len(self.events) >= MOST_EVENTS

    def outcome_of(
        self,
        followed: FollowedPipeline,
        index: ObjectIndex,
        job: Job,
        listed: Iterable[JobObject],
        *,
        is_part: bool = False,
        has_other_objects: bool = False,
    ) -> JobOutcome:
        """What became of the objects.

        Nobody here requested the job. One of a kind that loads every object is held against all
        that are known, where its counts say that it had just as many. Whether the pipeline has
        just these objects is then still to be found out (`needs_census`).

        Args:
            followed: The pipeline.
            index: The objects that are known, by the names that mean them.
            job: The job.
            listed: What it lists of its objects.
            is_part: Whether that is a part of its list, so that its counts say nothing of it.
            has_other_objects: Whether the pipeline has other objects by now than those that are
                known: counts do not tell which were loaded.
        """
        pipeline_id = followed.pipeline.id
        items = tuple(listed)
        if is_part:
            failed = min(job.events_failed, sum(item.failed_events for item in items))
            explained = job.model_copy(update={"events_failed": failed})
            found = outcome_of_job(pipeline_id, explained, items, index, requested=())
            return JobOutcome(pipeline_id, job, found.objects)
        is_whole = job.type is not None and (job.type.is_routine or job.type.is_resync)
        known = frozenset(index.objects)
        is_held = is_whole and not has_other_objects and job.objects_success == len(known)
        requested = known if is_held else frozenset[str]()
        return outcome_of_job(
            pipeline_id, job, items, index, requested=requested, possible=requested
        )

    def outcome_of_unreadable(self, followed: FollowedPipeline, job: Job) -> JobOutcome:
        """What is to be said of a job whose objects cannot be read: nothing is proven."""
        index = followed.index
        return outcome_of_job(
            followed.pipeline.id, job, (), index, requested=frozenset(index.objects)
        )

    def record(
        self,
        followed: FollowedPipeline,
        outcome: JobOutcome,
        *,
        look_up: frozenset[str] | None = frozenset(),
        runs: Collection[str] = (),
        newer: frozenset[str] = frozenset(),
    ) -> tuple[dg.AssetKey, ...]:
        """Add the events of a job that are not there yet.

        Args:
            followed: The pipeline.
            outcome: What became of the job.
            look_up: The short names of the assets that may be recorded already; None: any.
            runs: The runs that began to record it.
            newer: Jobs made later that are recorded: a check that one of them has answered is not
                answered by this one.

        Returns:
            The assets that are not recorded, because nothing tells which partition was loaded.
        """
        found = [
            (asset, item)
            for asset in followed.assets
            if (item := outcome.objects.get(asset.object_id)) is not None
        ]
        unsure = [
            asset.key
            for asset, _ in found
            if look_up is None or (look_up and AssetSet.name_of(asset.key) in look_up)
        ]
        keys = [asset.key for asset, _ in found]
        checks = self._checks_of(followed, keys)
        loaded: frozenset[dg.AssetKey] = frozenset()
        checked: frozenset[dg.AssetCheckKey] = frozenset()
        if unsure:
            loaded = self.event_log.loaded(outcome.job, unsure, runs)
            unsure_checks = self._checks_of(followed, unsure)
            checked = self.event_log.checked(outcome.job, unsure_checks, runs)
        if newer:
            checked |= self.event_log.answered_by(checks - checked, newer)
        checks -= checked
        self.objects += len(found)
        return tuple(
            asset.key
            for asset, item in found
            if not self._add(followed, outcome, asset, item, loaded=loaded, checks=checks)
        )

    def _checks_of(
        self, followed: FollowedPipeline, keys: Iterable[dg.AssetKey]
    ) -> frozenset[dg.AssetCheckKey]:
        found: set[dg.AssetCheckKey] = set()
        for key in keys:
            if key in followed.checks:
                found.add(dg.AssetCheckKey(key, CHECK_NAME))
            if key in followed.latency_checks:
                found.add(dg.AssetCheckKey(key, LATENCY_CHECK_NAME))
        return frozenset(found)

    def _add(
        self,
        followed: FollowedPipeline,
        outcome: JobOutcome,
        asset: ObjectAsset,
        item: ObjectOutcome,
        *,
        loaded: frozenset[dg.AssetKey],
        checks: frozenset[dg.AssetCheckKey],
    ) -> bool:
        """Add the events of one asset; say whether its partition is known."""
        key, job = asset.key, outcome.job
        is_placed = True
        if item.result.is_fresh and key not in loaded:
            partitions = followed.partitions.get(key)
            partition = None if partitions is None else partition_of(partitions, job)
            is_placed = partitions is None or partition is not None
            if is_placed:
                self.events.append(self._materialization(outcome, asset, item, partition))
        if dg.AssetCheckKey(key, CHECK_NAME) in checks:
            self.events.append(
                dg.AssetCheckEvaluation(
                    asset_key=key,
                    check_name=CHECK_NAME,
                    passed=item.is_good,
                    metadata=check_metadata(outcome, item),
                    severity=severity_of(item),
                    description=None if item.remark is None else as_markdown(item.remark),
                )
            )
        if item.result.is_fresh and dg.AssetCheckKey(key, LATENCY_CHECK_NAME) in checks:
            minutes = threshold_minutes(followed.pipeline.latency_alert)
            evaluation = latency_evaluation(key, followed.pipeline.id, job, minutes)
            if evaluation is not None:
                self.events.append(evaluation)
        return is_placed

    def _materialization(
        self,
        outcome: JobOutcome,
        asset: ObjectAsset,
        item: ObjectOutcome,
        partition: str | None,
    ) -> dg.AssetMaterialization:
        job = outcome.job
        metadata = {**event_metadata(outcome, item, asset), **latencies(job)}
        if job.updated_ts is not None:
            hevo_ms = self.hevo.hevo_now_ms() or self.now() * 1000
            late = max(hevo_ms - job.updated_ts, 0) / 1000
            metadata["dagster-hevo/recorded_after_seconds"] = round(late, 1)
        return dg.AssetMaterialization(
            asset_key=asset.key,
            description=f"Loaded by Hevo's job {as_markdown(job.job_id)}.",
            metadata=metadata,
            partition=partition,
        )

    def warn(self, followed: FollowedPipeline, text: str, *, job_id: str | None = None) -> None:
        """Write a warning into the log, and as an event of some of a pipeline's assets."""
        keys = [asset.key for asset in followed.assets]
        self.warn_of(keys, text, pipeline_id=followed.pipeline.id, job_id=job_id)

    def warn_of(
        self,
        keys: Sequence[dg.AssetKey],
        text: str,
        *,
        pipeline_id: int | None = None,
        job_id: str | None = None,
    ) -> None:
        """Write a warning into the log, and as an event of some assets."""
        self.log_warning(text)
        told = {
            "dagster-hevo/warning": text,
            "dagster-hevo/pipeline_id": pipeline_id,
            "dagster-hevo/job_id": job_id,
        }
        metadata = {name: value for name, value in told.items() if value is not None}
        self.events += [
            dg.AssetObservation(asset_key=key, description=as_markdown(text), metadata=metadata)
            for key in keys[:ASSETS_WARNED]
        ]


def needs_census(outcome: JobOutcome) -> bool:
    """Whether an outcome rests on the pipeline having just the objects that are known."""
    counted = ObjectResult.LOADED_BY_COUNT
    return any(item.result is counted for item in outcome.objects.values())


def partition_of(partitions: dg.PartitionsDefinition, job: Job) -> str | None:
    """The partition that a job loaded: the newest that there was when it began.

    None where the partitions are none of time, or the job does not say when it began.
    """
    if not isinstance(partitions, dg.TimeWindowPartitionsDefinition) or job.created_ts is None:
        return None
    made = datetime.fromtimestamp(job.created_ts / 1000, tz=timezone.utc)
    window = partitions.get_prev_partition_window(made)
    if window is None:
        return None
    keys = partitions.get_partition_keys_in_time_window(window)
    return keys[-1] if keys else None
