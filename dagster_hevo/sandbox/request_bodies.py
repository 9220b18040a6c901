"""The JSON bodies that the local Hevo's endpoints accept.

Like Hevo, it ignores properties that it does not know, and refuses values that no enumeration has.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from dagster_hevo.api.enums import ResyncMode
from dagster_hevo.sandbox.scenario import PipelineScenario


class Body(BaseModel):
    """A request's body."""

    model_config = ConfigDict(extra="ignore")


class ResyncBody(Body):
    """The body of a pipeline resync."""

    resync_mode: ResyncMode = ResyncMode.EVOLVE_AND_MERGE
    drop_and_load: bool | None = None

    @property
    def drops(self) -> bool:
        """Whether tables are dropped; the older form wins, since only old clients send it."""
        if self.drop_and_load is not None:
            return self.drop_and_load
        return self.resync_mode is ResyncMode.DROP_AND_LOAD


class ResyncObjectsBody(Body):
    """The body of an object resync."""

    object_ids: tuple[str, ...] = ()
    drop_and_load: bool = False


class DisableBody(Body):
    """The body of `disable`."""

    cancel_active_jobs: bool = False


class SourceBody(Body):
    """The body of a PATCH of a pipeline's source."""

    config: dict[str, Any]


class ScheduleChanges(Body):
    """What a PATCH says of the schedule; what it leaves out stays."""

    sync_type: Literal["ON_DEMAND", "SCHEDULED"] | None = None
    frequency_minutes: float | None = Field(default=None, gt=0)


class FailurePolicyChanges(Body):
    """What a PATCH says of the failure policy."""

    object_failure_level: str | None = None
    object_failure_threshold: int | None = Field(default=None, ge=0)


class LatencyAlertChanges(Body):
    """What a PATCH says of the latency alert."""

    enabled: bool | None = None
    threshold_minutes: int | None = Field(default=None, gt=0)


class PipelineChanges(Body):
    """The body of a PATCH of a pipeline: the properties to change, the others staying."""

    name: str | None = None
    destination_prefix: str | None = None
    replication_type: Literal["HISTORICAL_AND_INCREMENTAL", "INCREMENTAL_ONLY"] | None = None
    load_mode: Literal["APPEND", "MERGE"] | None = None
    schema_evolution: Literal["ALLOW_ALL", "BLOCK_ALL", "ALLOW_COLUMN_LEVEL"] | None = None
    schedule: ScheduleChanges | None = None
    failure_handling_policy: FailurePolicyChanges | None = None
    latency_alert: LatencyAlertChanges | None = None

    def applied_to(self, scenario: PipelineScenario) -> PipelineScenario:
        """A pipeline with these changes, but for its schedule, which also has a next run."""
        changes = self.model_dump(
            exclude_none=True, exclude={"schedule", "failure_handling_policy", "latency_alert"}
        )
        if self.failure_handling_policy is not None:
            changes["failure_policy"] = scenario.failure_policy.model_copy(
                update=self.failure_handling_policy.model_dump(exclude_none=True)
            )
        alert = self.latency_alert
        if alert is not None and alert.enabled is False:
            changes["latency_alert_minutes"] = None
        elif alert is not None:
            changes["latency_alert_minutes"] = (
                alert.threshold_minutes or scenario.latency_alert_minutes or 60
            )
        return scenario.model_copy(update=changes)
