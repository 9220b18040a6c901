"""What became of each object in a job, and what proves it.

Pure: takes the job, what the job lists of its objects, and the objects we know. Silence proves
nothing: an object that a job does not list is fresh only where the job's own counts leave no other
possibility. Dagster's events are made from the outcome in `dagster_hevo.execution.events`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum

from dagster_hevo.api.enums import JobCompletionStatus, JobObjectStatus
from dagster_hevo.api.models import Job, JobObject
from dagster_hevo.jobs.objects import ObjectIndex


class ObjectResult(str, Enum):
    """What a job did with one object.

    ``LOADED``, ``LOADED_WITH_FAILURES``: listed so. ``LOADED_BY_COUNT``: not listed, and the job's
    counts prove it. ``FAILED``, ``SKIPPED``: listed so. ``NOT_INCLUDED``: the complete list does
    not have it. ``NOT_LOADED``: the job ended without loading it. ``NOT_PROVEN``: none of these.
    """

    LOADED = "LOADED"
    LOADED_WITH_FAILURES = "LOADED_WITH_FAILURES"
    LOADED_BY_COUNT = "LOADED_BY_COUNT"
    FAILED = "FAILED"
    SKIPPED = "SKIPPED"
    NOT_INCLUDED = "NOT_INCLUDED"
    NOT_LOADED = "NOT_LOADED"
    NOT_PROVEN = "NOT_PROVEN"

    def __str__(self) -> str:
        return str(self.value)

    @property
    def is_fresh(self) -> bool:
        """Whether it is proven that the object's table holds what the job loaded."""
        return self in _FRESH

    @property
    def is_good(self) -> bool:
        """Whether there is nothing to look into."""
        return self in _GOOD

    @property
    def is_error(self) -> bool:
        """Whether the object itself failed; the others lost some events or are merely unproven."""
        return self in {ObjectResult.FAILED, ObjectResult.NOT_LOADED}


_FRESH = {
    ObjectResult.LOADED,
    ObjectResult.LOADED_WITH_FAILURES,
    ObjectResult.LOADED_BY_COUNT,
}
_GOOD = {ObjectResult.LOADED, ObjectResult.LOADED_BY_COUNT, ObjectResult.SKIPPED}

# An object that is listed twice counts as the worse of the two.
_SEVERITY = (
    ObjectResult.LOADED,
    ObjectResult.LOADED_WITH_FAILURES,
    ObjectResult.SKIPPED,
    ObjectResult.NOT_PROVEN,
    ObjectResult.NOT_LOADED,
    ObjectResult.FAILED,
)

_COMPLETED = {JobObjectStatus.COMPLETED, JobObjectStatus.COMPLETED_WITH_FAILURES}
_FAILED = {
    JobObjectStatus.FAILED,
    JobObjectStatus.BLOCKED,
    JobObjectStatus.INACCESSIBLE,
    JobObjectStatus.INCONSISTENT,
}
_UNFINISHED = {
    JobObjectStatus.CANCELLED,
    JobObjectStatus.QUEUED,
    JobObjectStatus.PENDING,
    JobObjectStatus.IN_PROGRESS,
    JobObjectStatus.DEFERRED,
}


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
        has_unexplained_failures: Whether the job counts failed events that no listed object
            accounts for, and the job does not say how many this object has: they may be its own.
        remark: A sentence where there is something to say.
    """

    object_id: str
    name: str
    result: ObjectResult
    status: str | None = None
    events_ingested: int | None = None
    events_loaded: int | None = None
    events_failed: int = 0
    has_unexplained_failures: bool = False
    remark: str | None = None

    @property
    def is_good(self) -> bool:
        """Whether there is nothing to look into."""
        return self.result.is_good and not self.has_unexplained_failures


@dataclass(frozen=True)
class JobOutcome:
    """What became of a job and of each object that was requested or is in it.

    Attributes:
        pipeline_id: The pipeline.
        job: The job as it ended.
        objects: The outcome of each object, by its id.
        is_adopted: Whether it is a foreign job that the request adopted.
        recorded_by: The run that recorded this outcome before, or None.
    """

    pipeline_id: int
    job: Job
    objects: Mapping[str, ObjectOutcome]
    is_adopted: bool = False
    recorded_by: str | None = None

    @property
    def completion(self) -> JobCompletionStatus:
        """How the job as a whole ended."""
        return self.job.status.completion

    @property
    def problem_objects(self) -> tuple[ObjectOutcome, ...]:
        """The objects that there is something to look into, the gravest first."""
        bad = [item for item in self.objects.values() if not item.is_good]
        return tuple(sorted(bad, key=lambda item: (not item.result.is_error, item.name)))


def list_agrees(
    job: Job, listed: Collection[JobObject], *, not_listed: Collection[str] = ()
) -> bool:
    """Whether the list of a finished job's objects says the same as the job's own counts.

    Hevo may list objects, and what became of them, some time after the job's end.

    Args:
        job: The job.
        listed: What it lists of its objects.
        not_listed: The requested objects that it does not list. They count where the job has no
            counts, which alone tell that a list is complete.
    """
    has_unfinished = lists_unfinished(listed)
    if has_unfinished and job.status.completion.has_loaded:
        return False
    if any(item.status is None for item in listed) and not _all_succeeded(job):
        return False
    if not job.objects_total:
        return bool(listed) and not not_listed
    if len(listed) < job.objects_total:
        return False
    counted = Counter(_kind(item.status) for item in listed)
    if counted["unknown"]:
        return not has_unfinished or counted["completed"] >= job.objects_success
    agrees = counted["skipped"] >= job.objects_skipped and counted["failed"] >= job.objects_failed
    return agrees and counted["completed"] >= job.objects_success


def lists_unfinished(listed: Iterable[JobObject]) -> bool:
    """Whether some of a job's objects are listed as not yet loaded."""
    return any(item.status in _UNFINISHED - {JobObjectStatus.CANCELLED} for item in listed)


def _kind(status: JobObjectStatus | None) -> str:
    if status in _COMPLETED:
        return "completed"
    if status in _FAILED:
        return "failed"
    if status is JobObjectStatus.SKIPPED:
        return "skipped"
    return "unfinished" if status in _UNFINISHED else "unknown"


def outcome_of_job(
    pipeline_id: int,
    job: Job,
    listed: Iterable[JobObject],
    index: ObjectIndex,
    *,
    requested: Collection[str],
    possible: Collection[str] = (),
    is_adopted: bool = False,
) -> JobOutcome:
    """Decide what became of each object.

    Args:
        pipeline_id: The pipeline.
        job: The job, which has ended.
        listed: What the job lists of its objects.
        index: The objects we know.
        requested: Ids of the objects that the caller wants an answer for, listed or not.
        possible: Ids of all objects that a job of this kind can include; empty where that is not
            known. Where the counts leave just these, they prove what is not listed.
        is_adopted: Whether it is a foreign job that the request adopted.

    Returns:
        An outcome for every object listed, and for every one requested.
    """
    items = tuple(listed)
    unexplained = job.events_failed > sum(item.failed_events for item in items)
    by_id = index.lists_by_id(items)
    outcomes: dict[str, ObjectOutcome] = {}
    for item in items:
        object_id = index.identify(item, by_id=by_id)
        if object_id is not None:
            known = index.objects.get(object_id)
            name = known.name if known is not None else item.object_name or object_id
            found = _outcome_of_listed(
                object_id,
                name,
                item,
                job,
                unexplained=unexplained,
                all_succeeded=_all_succeeded(job) and job.objects_success >= len(items),
            )
            other = outcomes.get(object_id)
            if other is None or _SEVERITY.index(found.result) >= _SEVERITY.index(other.result):
                outcomes[object_id] = found
    unlisted = sorted(object_id for object_id in requested if object_id not in outcomes)
    if unlisted:
        result, remark = _result_of_unlisted(job, items, outcomes, frozenset(possible), unlisted)
        if unexplained:
            remark += f" The job counts {job.events_failed:,} failed events; some may be of it."
        for object_id in unlisted:
            known = index.objects.get(object_id)
            outcomes[object_id] = ObjectOutcome(
                object_id,
                known.name if known is not None else object_id,
                result,
                has_unexplained_failures=unexplained,
                remark=remark,
            )
    return JobOutcome(pipeline_id, job, outcomes, is_adopted)


def _outcome_of_listed(
    object_id: str,
    name: str,
    item: JobObject,
    job: Job,
    *,
    unexplained: bool,
    all_succeeded: bool,
) -> ObjectOutcome:
    failed = item.failed_events
    result, remark = _result_of_listed(item.status, failed, job, all_succeeded=all_succeeded)
    is_silent = item.events_failed is None and item.rows_failed is None
    may_have_failures = unexplained and is_silent and result is ObjectResult.LOADED
    if may_have_failures:
        remark = f"The job counts {job.events_failed:,} failed events; some may be of it."
    return ObjectOutcome(
        object_id=object_id,
        name=name,
        result=result,
        status=None if item.status is None else str(item.status),
        events_ingested=item.events_ingested,
        events_loaded=item.loaded_events,
        events_failed=failed,
        has_unexplained_failures=may_have_failures,
        remark=remark,
    )


def _result_of_listed(
    status: JobObjectStatus | None, failed: int, job: Job, *, all_succeeded: bool
) -> tuple[ObjectResult, str | None]:
    if status in _FAILED:
        return ObjectResult.FAILED, f"Hevo could not load it: {status}."
    if status is JobObjectStatus.SKIPPED:
        return ObjectResult.SKIPPED, "Hevo skipped it: the table holds what it held before."
    if status in _UNFINISHED:
        if job.status.completion.has_loaded and status is not JobObjectStatus.CANCELLED:
            return ObjectResult.NOT_PROVEN, f"The job ended, and still lists it as {status}."
        return ObjectResult.NOT_LOADED, f"It was {status} when the job ended."
    if status not in _COMPLETED and not all_succeeded:
        said = "no status" if status is None else f"the status {status}"
        if job.status.completion.has_loaded:
            return ObjectResult.NOT_PROVEN, f"The job lists it with {said}, which proves nothing."
        return ObjectResult.NOT_LOADED, f"The job ended {job.status} and lists it with {said}."
    if failed > 0:
        return ObjectResult.LOADED_WITH_FAILURES, f"{failed:,} events did not reach the table."
    if status is JobObjectStatus.COMPLETED_WITH_FAILURES:
        return ObjectResult.LOADED_WITH_FAILURES, "Some events did not reach the table."
    return ObjectResult.LOADED, None


def _all_succeeded(job: Job) -> bool:
    """Whether the job's counts say that every object in it succeeded."""
    others = job.objects_failed + job.objects_skipped + job.objects_queued
    return job.status.completion.has_loaded and job.objects_success > 0 and not others


def _result_of_unlisted(
    job: Job,
    listed: tuple[JobObject, ...],
    outcomes: Mapping[str, ObjectOutcome],
    possible: frozenset[str],
    unlisted: Collection[str],
) -> tuple[ObjectResult, str]:
    """The result of requested objects that the job does not list."""
    if not job.status.completion.has_loaded:
        return ObjectResult.NOT_LOADED, f"The job ended {job.status} without loading it."
    if job.objects_total and len(listed) >= job.objects_total and len(outcomes) == len(listed):
        return ObjectResult.NOT_INCLUDED, "This job did not include the object."
    # Objects of the job that are not listed, against the objects that they can be: where there are
    # as many, they are the same. Where all objects succeeded, each listed one is among them, also
    # one that is still listed as running.
    missing_successes = job.objects_success - len(listed)
    unlisted_possible = possible - outcomes.keys()
    is_identified = len(outcomes) == len(listed)
    if (
        _all_succeeded(job)
        and is_identified
        and possible >= outcomes.keys()
        and unlisted_possible >= frozenset(unlisted)
        and 0 < len(unlisted_possible) <= missing_successes
    ):
        return (
            ObjectResult.LOADED_BY_COUNT,
            f"The job does not list it; its counts ({job.objects_success} of "
            f"{job.objects_total} objects succeeded) prove that it was loaded.",
        )
    return (
        ObjectResult.NOT_PROVEN,
        "The job does not list the object, and its counts do not prove that it was loaded.",
    )
