"""The words Hevo uses for states and kinds, each able to answer what it means.

A word this version does not know stays the string it is: it becomes a member of its own, which
compares equal to that string and answers every question with the careful answer. The models that
carry these words are in `models.py`.
"""

from __future__ import annotations

from enum import Enum
from typing import TypeVar

from dagster_hevo.api.foreign_text import escaped

_E = TypeVar("_E", bound="OpenEnum")


class OpenEnum(str, Enum):
    """An enumeration that Hevo may extend at any time: an unknown value is kept, never refused.

    Why: a status added by Hevo must not break a run that is waiting for a job.
    """

    def __str__(self) -> str:
        return str(self.value)

    @classmethod
    def _missing_(cls: type[_E], value: object) -> _E | None:
        if not isinstance(value, str):
            return None
        spelling = cls._spellings().get(value.upper(), value.upper())
        known = cls.__members__.get(spelling)
        if known is not None:
            return known
        value = escaped(value)
        unknown = str.__new__(cls, value)
        unknown._name_ = value
        unknown._value_ = value
        return unknown

    @classmethod
    def _spellings(cls) -> dict[str, str]:
        """Other spellings seen for a member, as ``{spelling: member name}``."""
        return {}

    @property
    def is_known(self) -> bool:
        """Whether this version of the package knows the word."""
        return self._name_ in type(self).__members__


class PipelineStatus(OpenEnum):
    """The state of a pipeline; ``INITIALIZED`` is the running, syncable one."""

    INITIALIZING = "INITIALIZING"
    INITIALIZED = "INITIALIZED"
    INITIALIZE_FAILED = "INITIALIZE_FAILED"
    ENABLING = "ENABLING"
    ENABLED = "ENABLED"
    ENABLE_FAILED = "ENABLE_FAILED"
    DISABLING = "DISABLING"
    DISABLED = "DISABLED"
    DISABLE_FAILED = "DISABLE_FAILED"
    DELETING = "DELETING"
    DELETED = "DELETED"
    DELETE_FAILED = "DELETE_FAILED"
    RESTARTING = "RESTARTING"
    RESTART_FAILED = "RESTART_FAILED"

    @property
    def accepts_triggers(self) -> bool:
        """Whether a job may be asked for now; for an unknown status Hevo itself is left to say."""
        return self in _TRIGGERABLE or not self.is_known

    @property
    def becomes_triggerable(self) -> bool:
        """Whether Hevo goes on to ``INITIALIZED`` by itself, so that waiting is the way out."""
        return self is PipelineStatus.RESTARTING


_TRIGGERABLE = frozenset({PipelineStatus.INITIALIZED, PipelineStatus.ENABLED})


class JobCompletionStatus(str, Enum):
    """What a job's status means to somebody waiting for it, as Hevo's own hook defines it."""

    COMPLETED = "COMPLETED"
    COMPLETED_WITH_FAILURES = "COMPLETED_WITH_FAILURES"
    FAILED = "FAILED"
    PENDING = "PENDING"

    def __str__(self) -> str:
        return str(self.value)

    @property
    def has_loaded(self) -> bool:
        """Whether the job got to its end and loaded what it could."""
        return self in {self.COMPLETED, self.COMPLETED_WITH_FAILURES}


class JobStatus(OpenEnum):
    """The state of a job. ``CANCELED`` and ``DEFERRED_WITH_FAILURE`` are read as their twins."""

    IN_PROGRESS = "IN_PROGRESS"
    CANCELLING = "CANCELLING"
    COMPLETED = "COMPLETED"
    COMPLETED_WITH_FAILURES = "COMPLETED_WITH_FAILURES"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    SKIPPED = "SKIPPED"
    DEFERRED = "DEFERRED"
    DEFERRED_WITH_FAILURES = "DEFERRED_WITH_FAILURES"

    @classmethod
    def _spellings(cls) -> dict[str, str]:
        return {
            "CANCELED": "CANCELLED",
            "CANCELING": "CANCELLING",
            "DEFERRED_WITH_FAILURE": "DEFERRED_WITH_FAILURES",
        }

    @property
    def completion(self) -> JobCompletionStatus:
        """What this means to somebody waiting: an unknown status is pending, like ``DEFERRED``."""
        return _COMPLETION.get(self, JobCompletionStatus.PENDING)

    @property
    def is_terminal(self) -> bool:
        """Whether the job is over and will not change any more."""
        return self.completion is not JobCompletionStatus.PENDING

    @property
    def was_cancelled(self) -> bool:
        """Whether somebody stopped the job."""
        return self is JobStatus.CANCELLED


_COMPLETION = {
    JobStatus.COMPLETED: JobCompletionStatus.COMPLETED,
    JobStatus.COMPLETED_WITH_FAILURES: JobCompletionStatus.COMPLETED_WITH_FAILURES,
    JobStatus.FAILED: JobCompletionStatus.FAILED,
    JobStatus.CANCELLED: JobCompletionStatus.FAILED,
    JobStatus.SKIPPED: JobCompletionStatus.FAILED,
    JobStatus.DEFERRED_WITH_FAILURES: JobCompletionStatus.FAILED,
}


class JobType(OpenEnum):
    """What kind of work a job does. ``RESYNC_WITH_EVOLVE``, ``TRUNCATE_AND_LOAD``: older names."""

    INCREMENTAL = "INCREMENTAL"
    HISTORICAL = "HISTORICAL"
    RESYNC = "RESYNC"
    RESYNC_WITH_DROP_AND_LOAD = "RESYNC_WITH_DROP_AND_LOAD"
    REFRESHER = "REFRESHER"
    RESYNC_WITH_EVOLVE = "RESYNC_WITH_EVOLVE"
    TRUNCATE_AND_LOAD = "TRUNCATE_AND_LOAD"

    @property
    def is_resync(self) -> bool:
        """Whether it reloads a whole pipeline because somebody asked for it."""
        return self in _RESYNCS

    @property
    def is_routine(self) -> bool:
        """Whether Hevo starts jobs of this kind by itself, on the pipeline's schedule."""
        return self in {JobType.INCREMENTAL, JobType.REFRESHER}


_RESYNCS = frozenset(
    {
        JobType.RESYNC,
        JobType.RESYNC_WITH_DROP_AND_LOAD,
        JobType.RESYNC_WITH_EVOLVE,
        JobType.TRUNCATE_AND_LOAD,
    }
)


class ResyncMode(str, Enum):
    """How a resync treats the destination's tables.

    ``EVOLVE_AND_MERGE`` evolves their schema and merges rows; ``DROP_AND_LOAD`` drops and reloads.
    """

    EVOLVE_AND_MERGE = "EVOLVE_AND_MERGE"
    DROP_AND_LOAD = "DROP_AND_LOAD"

    def __str__(self) -> str:
        return str(self.value)


class ObjectStatus(OpenEnum):
    """Whether Hevo replicates an object (a table, collection or report) of a pipeline."""

    ACTIVE = "ACTIVE"
    INACTIVE = "INACTIVE"
    DISABLED = "DISABLED"
    BLOCKED = "BLOCKED"
    INACCESSIBLE = "INACCESSIBLE"
    INCONSISTENT = "INCONSISTENT"
    RESETTING = "RESETTING"
    DELETED = "DELETED"


class ReplicationStatus(OpenEnum):
    """How far the replication of an object is."""

    PENDING = "PENDING"
    REPLICATED = "REPLICATED"
    CANCELLED = "CANCELLED"
    BLOCKED = "BLOCKED"
    FAILED = "FAILED"
    INCONSISTENT = "INCONSISTENT"


class JobObjectStatus(OpenEnum):
    """What a job says of one of its objects.

    Hevo does not document these words; the known ones are those of jobs, objects and replication.
    """

    COMPLETED = "COMPLETED"
    COMPLETED_WITH_FAILURES = "COMPLETED_WITH_FAILURES"
    FAILED = "FAILED"
    SKIPPED = "SKIPPED"
    CANCELLED = "CANCELLED"
    BLOCKED = "BLOCKED"
    INACCESSIBLE = "INACCESSIBLE"
    INCONSISTENT = "INCONSISTENT"
    QUEUED = "QUEUED"
    PENDING = "PENDING"
    IN_PROGRESS = "IN_PROGRESS"
    DEFERRED = "DEFERRED"
    ACTIVE = "ACTIVE"
    REPLICATED = "REPLICATED"

    @classmethod
    def _spellings(cls) -> dict[str, str]:
        return {
            "CANCELED": "CANCELLED",
            "SUCCESS": "COMPLETED",
            "SUCCEEDED": "COMPLETED",
            "COMPLETED_WITH_FAILURE": "COMPLETED_WITH_FAILURES",
            "FAILURE": "FAILED",
        }


class LoadMode(OpenEnum):
    """How rows reach the destination's table."""

    APPEND = "APPEND"
    MERGE = "MERGE"


class ReplicationType(OpenEnum):
    """Whether a pipeline loads what was there before it was made."""

    HISTORICAL_AND_INCREMENTAL = "HISTORICAL_AND_INCREMENTAL"
    INCREMENTAL_ONLY = "INCREMENTAL_ONLY"


class SchemaEvolution(OpenEnum):
    """What happens when the source's schema changes."""

    ALLOW_ALL = "ALLOW_ALL"
    BLOCK_ALL = "BLOCK_ALL"
    ALLOW_COLUMN_LEVEL = "ALLOW_COLUMN_LEVEL"


class SyncType(OpenEnum):
    """Whether Hevo runs the pipeline by itself."""

    ON_DEMAND = "ON_DEMAND"
    SCHEDULED = "SCHEDULED"
