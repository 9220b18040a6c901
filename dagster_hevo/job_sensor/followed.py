"""A pipeline as the job sensor follows it, and what a tick hands to its parts.

Pure values and protocols; what is done with them is `tick.py`, `visit.py` and `recorder.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

from dagster_hevo.api.models import Job, JobObject, Page, Pipeline, PipelineObject
from dagster_hevo.jobs.marks import AssetSet
from dagster_hevo.jobs.objects import ObjectIndex

if TYPE_CHECKING:
    import dagster as dg

    from dagster_hevo.execution.events import ObjectAsset
    from dagster_hevo.job_sensor.budget import TickBudget
    from dagster_hevo.job_sensor.recorder import JobRecorder
    from dagster_hevo.jobs.ledger_store import LedgerStore
    from dagster_hevo.jobs.pipeline_ledger import RequestPointer
    from dagster_hevo.jobs.records import RecordedRequest

LONGEST_IDLE = 10 * 60.0


class SensorHevo(Protocol):
    """What the sensor reads of Hevo's API, with the names that ``HevoClient`` gives it."""

    def job_pages(self, pipeline_id: int, begin_at: str | None = None) -> Iterator[Page[Job]]: ...

    def get_job(self, pipeline_id: int, job_id: str) -> Job: ...

    def job_object_pages(
        self, pipeline_id: int, job_id: str, begin_at: str | None = None
    ) -> Iterator[Page[JobObject]]: ...

    def object_pages(
        self, pipeline_id: int, begin_at: str | None = None
    ) -> Iterator[Page[PipelineObject]]: ...

    def hevo_now_ms(self) -> int | None: ...


@dataclass(frozen=True)
class FollowedPipeline:
    """A pipeline whose jobs the sensor follows.

    Attributes:
        pipeline: The pipeline as it was when the code location loaded.
        assets: Its assets.
        checks: Those that have the check ``hevo_job``.
        latency_checks: Those that have the check ``hevo_latency``.
        partitions: How assets are partitioned, where they are.
    """

    pipeline: Pipeline
    assets: tuple[ObjectAsset, ...]
    checks: frozenset[dg.AssetKey] = frozenset()
    latency_checks: frozenset[dg.AssetKey] = frozenset()
    partitions: Mapping[dg.AssetKey, dg.PartitionsDefinition] = field(
        default_factory=dict["dg.AssetKey", "dg.PartitionsDefinition"]
    )

    @cached_property
    def index(self) -> ObjectIndex:
        """Its objects, to find those that a job speaks of."""
        return ObjectIndex(asset.known for asset in self.assets)

    @cached_property
    def asset_set(self) -> AssetSet:
        """Its assets, as the ledger's marks name them."""
        return AssetSet.of([asset.key for asset in self.assets])

    def longest_idle(self, interval: float) -> float:
        """Seconds that may pass between two polls while nothing is expected."""
        schedule = self.pipeline.schedule
        minutes = schedule.frequency_minutes if schedule is not None else None
        longest = LONGEST_IDLE if not minutes else min(LONGEST_IDLE, minutes * 60 / 8)
        return max(interval, longest)


@dataclass(frozen=True)
class SensorSettings:
    """The settings of a sensor.

    Attributes:
        interval: Seconds between two polls of one pipeline, at least.
        base_url: Hevo's base URL.
        sensor_id: What names the sensor on its instance.
        discovery_timeout: Seconds that a triggered job may take to appear.
        requests_per_minute: The sensor's share of the budget; 0 for no limit.
    """

    interval: float = 60.0
    base_url: str = ""
    sensor_id: str = "hevo_job_sensor"
    discovery_timeout: float = 60.0
    requests_per_minute: int = 50


@dataclass(frozen=True)
class TickTools:
    """What the visits of one tick share.

    Attributes:
        hevo: Hevo's API; each request is sent once: what fails is read again later.
        store: Where the ledger's lists are kept.
        budget: What the tick may spend; the client acquires from it.
        recorder: Makes events.
        settings: The sensor's settings.
        now: Tells the time in seconds since the epoch.
        began: When the tick began.
        log: Where the tick says what it does.
        warn: Where it says what a person should look into.
        is_retry_known: Whether Dagster knows of a retry of a request's run.
        new_id: Makes ids that no other process makes.
    """

    hevo: SensorHevo
    store: LedgerStore
    budget: TickBudget
    recorder: JobRecorder
    settings: SensorSettings
    now: Callable[[], float]
    began: float
    log: Callable[[str], None]
    warn: Callable[[str], None]
    is_retry_known: Callable[[RequestPointer, RecordedRequest], bool]
    new_id: Callable[[], str]
