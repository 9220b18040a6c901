"""What became of each object in a job: the truth that materializations and checks are made of.

Pure: it takes the job, what the job says of its objects, and the objects we know. Dagster's events
are made of it in `dagster_hevo.events`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum

from dagster_hevo.api.enums import JobCompletionStatus, JobObjectStatus
from dagster_hevo.api.models import Job, JobObject, Namespace, PipelineObject


class ObjectResult(str, Enum):
    """What a job did with one object."""

    LOADED = "LOADED"
    LOADED_WITH_FAILURES = "LOADED_WITH_FAILURES"
    FAILED = "FAILED"
    SKIPPED = "SKIPPED"
    NOT_MENTIONED = "NOT_MENTIONED"
    NOT_LOADED = "NOT_LOADED"

    def __str__(self) -> str:
        return str(self.value)

    @property
    def is_fresh(self) -> bool:
        """Whether the object's table holds what the job loaded, so that the asset is fresh."""
        return self in _FRESH

    @property
    def is_good(self) -> bool:
        """Whether there is nothing to look into."""
        return self in _GOOD

    @property
    def is_grave(self) -> bool:
        """Whether the object itself failed, and did not merely lose some events."""
        return self is ObjectResult.FAILED


_FRESH = {ObjectResult.LOADED, ObjectResult.LOADED_WITH_FAILURES, ObjectResult.NOT_MENTIONED}
_GOOD = {ObjectResult.LOADED, ObjectResult.NOT_MENTIONED, ObjectResult.SKIPPED}

_BADNESS = (
    ObjectResult.NOT_MENTIONED,
    ObjectResult.LOADED,
    ObjectResult.LOADED_WITH_FAILURES,
    ObjectResult.SKIPPED,
    ObjectResult.NOT_LOADED,
    ObjectResult.FAILED,
)

_COMPLETED = {JobObjectStatus.COMPLETED, JobObjectStatus.COMPLETED_WITH_FAILURES}
# Words for an object's state in general: they tell of this job only where it got to its end.
_AS_THE_JOB_ENDED = {JobObjectStatus.ACTIVE, JobObjectStatus.REPLICATED}
_FAILED = {
    JobObjectStatus.FAILED,
    JobObjectStatus.BLOCKED,
    JobObjectStatus.INACCESSIBLE,
    JobObjectStatus.INCONSISTENT,
}
_NOT_DONE = {
    JobObjectStatus.CANCELLED,
    JobObjectStatus.QUEUED,
    JobObjectStatus.PENDING,
    JobObjectStatus.IN_PROGRESS,
    JobObjectStatus.DEFERRED,
}


@dataclass(frozen=True)
class KnownObject:
    """An object as our definitions know it: enough to find it in what a job says."""

    object_id: str
    name: str
    source_path: str | None = None

    @classmethod
    def of(cls, known: PipelineObject) -> KnownObject:
        """The object as Hevo lists it."""
        return cls(known.object_id, known.name, path_text(known.source_namespace))


def path_text(namespace: Namespace | None) -> str | None:
    """A namespace from the outside in, joined by dots; None where it says nothing."""
    return ".".join(namespace.path) or None if namespace is not None else None


class ObjectIndex:
    """Finds the object that a job speaks of: by id, else by namespace, else by name.

    A namespace or a name that two objects share finds neither: no match is better than a wrong one.
    For the same reason a name counts only where no namespace was given that says otherwise.
    """

    def __init__(self, known: Iterable[KnownObject]) -> None:
        self.objects: Mapping[str, KnownObject] = {item.object_id: item for item in known}
        by_path: dict[str, set[str]] = {}
        by_name: dict[str, set[str]] = {}
        for item in self.objects.values():
            if item.source_path:
                by_path.setdefault(item.source_path, set()).add(item.object_id)
            by_name.setdefault(item.name, set()).add(item.object_id)
        self._by_path = {path: ids for path, ids in by_path.items() if len(ids) == 1}
        self._by_name = {name: ids for name, ids in by_name.items() if len(ids) == 1}

    def identify(self, mentioned: JobObject) -> str | None:
        """The id of the object that is meant, or None. An id that we do not know is still one.

        An unknown id is first held against what else is said: jobs may number objects in their own
        way, and an object that was removed and added again has a new id.
        """
        if mentioned.object_id in self.objects:
            return mentioned.object_id
        namespace = mentioned.source_namespace
        path = path_text(namespace)
        found = self._by_path.get(path or "")
        if found is None and (path is None or mentioned.object_id is None):
            name = mentioned.object_name or (namespace.k0 if namespace is not None else None)
            found = self._by_name.get(name) if name else None
        return next(iter(found)) if found is not None else mentioned.object_id or None

    def ids_in(self, mentioned: Iterable[JobObject]) -> frozenset[str]:
        """The ids of all objects that a job speaks of and that can be identified."""
        ids = (self.identify(item) for item in mentioned)
        return frozenset(object_id for object_id in ids if object_id is not None)


@dataclass(frozen=True)
class ObjectOutcome:
    """What became of one object.

    Attributes:
        object_id: The object.
        name: Its name for people.
        result: What the job did with it.
        status: The word that Hevo used, if it used one.
        events_ingested: Events read from the source, where Hevo says.
        events_loaded: Events that reached the table, where Hevo says.
        events_failed: Events that did not.
        remark: A sentence where there is something to say.
    """

    object_id: str
    name: str
    result: ObjectResult
    status: str | None = None
    events_ingested: int | None = None
    events_loaded: int | None = None
    events_failed: int = 0
    remark: str | None = None


@dataclass(frozen=True)
class JobOutcome:
    """What became of a job and of each object that was asked for or is in it.

    Attributes:
        pipeline_id: The pipeline.
        job: The job as it ended.
        objects: The outcome of each object, by its id.
        is_adopted: Whether somebody else had started the job.
    """

    pipeline_id: int
    job: Job
    objects: Mapping[str, ObjectOutcome]
    is_adopted: bool = False

    @property
    def completion(self) -> JobCompletionStatus:
        """How the job as a whole ended."""
        return self.job.status.completion

    @property
    def failed_objects(self) -> tuple[ObjectOutcome, ...]:
        """The objects that there is something to look into, the gravest first."""
        bad = [item for item in self.objects.values() if not item.result.is_good]
        return tuple(sorted(bad, key=lambda item: (not item.result.is_grave, item.name)))


def judge_job(
    pipeline_id: int,
    job: Job,
    mentioned: Iterable[JobObject],
    index: ObjectIndex,
    *,
    asked: Collection[str],
    is_adopted: bool = False,
) -> JobOutcome:
    """Decide what became of each object.

    Args:
        pipeline_id: The pipeline.
        job: The job, over or given up.
        mentioned: What the job says of its objects.
        index: The objects we know.
        asked: Ids of the objects that the job was asked to load: what it does not mention of them
            is judged by the job as a whole. A job of somebody else's was asked for nothing here.
        is_adopted: Whether somebody else had started the job.

    Returns:
        An outcome for every object mentioned, and for every one asked for.
    """
    outcomes: dict[str, ObjectOutcome] = {}
    for item in mentioned:
        object_id = index.identify(item)
        if object_id is not None:
            known = index.objects.get(object_id)
            name = known.name if known is not None else item.object_name or object_id
            judged = _judge_mentioned(object_id, name, item, job)
            told = outcomes.get(object_id)
            # An object that is listed twice is as bad as the worse of the two says.
            if told is None or _BADNESS.index(judged.result) >= _BADNESS.index(told.result):
                outcomes[object_id] = judged
    silent = [object_id for object_id in asked if object_id not in outcomes]
    if silent:
        missing = _judge_unmentioned(job, outcomes.values(), is_adopted=is_adopted)
        for object_id in silent:
            known = index.objects.get(object_id)
            result, remark = missing
            outcomes[object_id] = ObjectOutcome(
                object_id, known.name if known is not None else object_id, result, remark=remark
            )
    return JobOutcome(pipeline_id, job, outcomes, is_adopted)


def _judge_mentioned(object_id: str, name: str, item: JobObject, job: Job) -> ObjectOutcome:
    failed = item.failed_events
    result, remark = _result_of(item.status, failed, job)
    return ObjectOutcome(
        object_id=object_id,
        name=name,
        result=result,
        status=None if item.status is None else str(item.status),
        events_ingested=item.events_ingested,
        events_loaded=item.loaded_events,
        events_failed=failed,
        remark=remark,
    )


def _result_of(
    status: JobObjectStatus | None, failed: int, job: Job
) -> tuple[ObjectResult, str | None]:
    if status in _FAILED:
        return ObjectResult.FAILED, f"Hevo could not load it: {status}."
    if status is JobObjectStatus.SKIPPED:
        return ObjectResult.SKIPPED, "Hevo skipped it: the table holds what it held before."
    if status in _NOT_DONE:
        return ObjectResult.NOT_LOADED, f"It was still {status} when the job ended."
    as_job = status in _AS_THE_JOB_ENDED and job.status.completion.has_loaded
    if status not in _COMPLETED and not as_job:
        said = "no status" if status is None else f"the status {status}, which tells little"
        if job.status.completion is not JobCompletionStatus.COMPLETED:
            remark = f"The job gives it {said}, and did not complete: it may not be loaded."
            return ObjectResult.NOT_LOADED, remark
        if failed == 0:
            remark = f"The job gives it {said}; it counts as loaded, since the job completed."
            return ObjectResult.LOADED, remark
    if failed > 0:
        return ObjectResult.LOADED_WITH_FAILURES, f"{failed:,} events did not reach the table."
    if status is JobObjectStatus.COMPLETED_WITH_FAILURES:
        return ObjectResult.LOADED_WITH_FAILURES, "Some events did not reach the table."
    return ObjectResult.LOADED, None


def _judge_unmentioned(
    job: Job, mentioned: Iterable[ObjectOutcome], *, is_adopted: bool
) -> tuple[ObjectResult, str]:
    """The result of an object that was asked for and of which the job says nothing."""
    if is_adopted:
        return ObjectResult.NOT_LOADED, "It is not in the job, which was started by somebody else."
    if job.status.completion not in {
        JobCompletionStatus.COMPLETED,
        JobCompletionStatus.COMPLETED_WITH_FAILURES,
    }:
        return ObjectResult.NOT_LOADED, f"The job ended {job.status} without loading it."
    told = [item.result for item in mentioned]
    # Objects that merely lost events do not make up for a failed one that is not named.
    unnamed_failures = job.objects_failed - sum(result.is_grave for result in told)
    unnamed_skips = job.objects_skipped - told.count(ObjectResult.SKIPPED)
    if unnamed_failures > 0 or unnamed_skips > 0:
        what = f"{job.objects_failed} failed and {job.objects_skipped} skipped objects"
        remark = f"The job counts {what} without naming all of them: this may be one."
        return ObjectResult.NOT_LOADED, remark
    return (
        ObjectResult.NOT_MENTIONED,
        "The job does not mention it; it counts as loaded, since the job completed.",
    )
