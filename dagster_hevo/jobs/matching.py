"""The evidence that a job is the result of a request.

Pure. A job is ours when the evidence is complete: it did not exist before the trigger, Hevo's clock
puts it after the trigger, its type fits, its objects cover what was requested, and no other request
has claimed it (`ledger.py`). With weaker evidence it is a candidate: polled and examined, never
cancelled, and never a reason to call an asset fresh.

Facts: jobs appear 5 to 15 seconds after the trigger; object resyncs make HISTORICAL jobs, pipeline
resyncs RESYNC jobs under several names; one job runs at a time for a pipeline. Source: Hevo's
documentation, and the payloads of its Airflow provider.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from dagster_hevo.api.enums import JobStatus, JobType, ResyncMode
from dagster_hevo.api.models import Job
from dagster_hevo.jobs.newness import READS_WITHOUT_UNTIMED, Newness
from dagster_hevo.jobs.request import SyncAction, SyncRequest


class Coverage(Enum):
    """How a job's objects compare with the requested ones.

    ``EXACT``: just those and known companions. ``SUPERSET``: those and others. ``PART``: only some
    of them. ``DIFFERENT``: others are listed and some requested ones are not. ``UNKNOWN``: the job
    lists nothing that can be identified.
    """

    EXACT = "exact"
    SUPERSET = "superset"
    PART = "part"
    DIFFERENT = "different"
    UNKNOWN = "unknown"

    @property
    def is_covering(self) -> bool:
        """Whether every requested object is in the job."""
        return self in {Coverage.EXACT, Coverage.SUPERSET}


def coverage_of(request: SyncRequest, object_ids: frozenset[str]) -> Coverage:
    """Compare the objects that a job lists with those requested."""
    if not object_ids:
        return Coverage.UNKNOWN
    required = request.required_ids
    others = object_ids - required - request.companion_ids
    if required and object_ids >= required:
        return Coverage.SUPERSET if others else Coverage.EXACT
    return Coverage.DIFFERENT if others else Coverage.PART


class Fit(Enum):
    """Whether a job is of the kind, and of the objects, that the request makes.

    ``EXACT`` and ``SUPERSET``: yes. ``NO``: certainly not. ``OPEN``: what it lists so far does not
    decide it.
    """

    EXACT = "exact"
    SUPERSET = "superset"
    OPEN = "open"
    NO = "no"


def fit_by_type(request: SyncRequest, job: Job) -> Fit:
    """What the type alone says; ``OPEN`` where the objects have to be read."""
    kind = job.type
    if kind is None or not kind.is_known or is_of_other_mode(request, job):
        return Fit.OPEN
    if request.action is SyncAction.SYNC_NOW:
        if kind is JobType.INCREMENTAL:
            return Fit.EXACT
        return Fit.NO if kind.is_resync else Fit.OPEN
    if kind.is_routine:
        return Fit.NO
    if request.is_whole and kind.is_resync:
        return Fit.EXACT
    return Fit.OPEN


_MODES = {
    JobType.RESYNC_WITH_DROP_AND_LOAD: ResyncMode.DROP_AND_LOAD,
    JobType.RESYNC_WITH_EVOLVE: ResyncMode.EVOLVE_AND_MERGE,
}


def is_of_other_mode(request: SyncRequest, job: Job) -> bool:
    """Whether a resync's type names another mode than the one requested.

    Such a job is not proven to be the result, and not proven to be foreign: which type Hevo gives
    to which mode is not documented.
    """
    mode = None if job.type is None else _MODES.get(job.type)
    is_resync = request.action is SyncAction.RESYNC
    return is_resync and mode is not None and mode is not request.resync_mode


def fit_by_objects(
    request: SyncRequest,
    job: Job,
    object_ids: frozenset[str],
    *,
    unclear_ids: frozenset[str] = frozenset(),
    has_unknown: bool = False,
    is_final: bool,
) -> Fit:
    """What the type and the listed objects say together.

    A job that lists none of the requested objects is not the result. One that lists some of them
    and others stays open: Hevo may have left out the rest, and added objects of its own accord.

    Args:
        request: What was requested.
        job: A job whose type leaves it open.
        object_ids: The objects that it lists.
        unclear_ids: Objects that it may list: it names them so that several may be meant.
        has_unknown: Whether it lists objects that we do not know. Any may be a requested one, in
            words that nobody knows.
        is_final: Whether the list cannot grow any more: the job has ended and its list is complete.
    """
    if request.action is SyncAction.SYNC_NOW and job.type is JobType.HISTORICAL:
        # Others resync objects; whether Hevo's own sync makes such a job too is not known.
        return Fit.OPEN
    if request.is_whole and is_of_other_mode(request, job):
        return Fit.OPEN
    coverage = coverage_of(request, object_ids)
    if coverage.is_covering:
        # A resync of the whole pipeline is a foreign job, not the result of resyncing objects.
        is_whole = job.type is not None and job.type.is_resync and not request.is_whole
        if is_whole and coverage is Coverage.SUPERSET:
            return Fit.NO if object_ids >= request.active_ids else Fit.OPEN
        if is_whole:
            return Fit.SUPERSET if is_final else Fit.OPEN
        return Fit.EXACT if coverage is Coverage.EXACT else Fit.SUPERSET
    is_unrelated = not request.required_ids & (object_ids | unclear_ids)
    if is_final and coverage is Coverage.DIFFERENT and is_unrelated and not has_unknown:
        return Fit.NO
    return Fit.OPEN


@dataclass(frozen=True)
class Evidence:
    """All that speaks for or against a job.

    Attributes:
        job: The job as last seen.
        newness: Whether it was made after the baseline.
        fit: Whether its kind and objects are the requested ones.
        lists_without: How many reads of the job list since the trigger did not show it, before the
            first that did. The baseline's reads are not counted.
        baseline_reads: How often the list was read for the baseline.
        is_resync: Whether the request is a resync. Hevo skips the jobs of its own schedule while
            another job runs, which may be ours; they are INCREMENTAL, like those of a sync.
        is_surely_after: Whether it was made after the baseline without any tolerance.
        is_examined: Whether nothing more can be learned: it has ended, and its objects were read
            as often as they are worth; or it has vanished.
        is_listed: Whether the last read of the list shows it. What another request may own is known
            of these only.
        is_claimed: Whether another request has claimed it.
        may_be_anothers: Whether it may have come of another trigger as well.
        answer_is_unclear: Whether the trigger was answered with an error that may be a refusal.
        is_timely: Whether it came in the time in which ours must come. An attempt that resumes
            another one long after may not know.
        waited: Whether so much time has passed since the trigger that our job is listed, as a rule.
        waited_long: Whether all the time has passed that it may take to be listed.
        was_listed_before: Whether it was listed before the trigger.
        was_unended_before: Whether its status did not tell then whether it had ended.
    """

    job: Job
    newness: Newness
    fit: Fit
    lists_without: int = 0
    baseline_reads: int = 1
    is_resync: bool = True
    is_surely_after: bool = False
    is_examined: bool = False
    is_listed: bool = True
    is_claimed: bool = False
    may_be_anothers: bool = False
    answer_is_unclear: bool = False
    waited: bool = False
    waited_long: bool = False
    is_timely: bool = True
    was_listed_before: bool = False
    was_unended_before: bool = False

    @property
    def is_foreign(self) -> bool:
        """Whether it is certainly not the result of this request.

        A job that came too late is not ours for certain: how late ours can come is a guess.
        """
        return self.newness.is_outside or self.is_claimed or self.fit is Fit.NO

    @property
    def is_late(self) -> bool:
        """Whether it came too late to be claimed, and may be ours all the same."""
        return not self.is_foreign and self.newness is Newness.LATE

    @property
    def is_candidate(self) -> bool:
        """Whether it may be ours, proven or not, and came in time."""
        return not self.is_foreign and not self.is_late

    @property
    def may_have_run_at_trigger(self) -> bool:
        """Whether it can be the foreign job because of which Hevo ignored the trigger.

        A job that was listed before the trigger ran if its status was not known then and is now:
        nothing is triggered while a job is known to run. Any other one must be foreign by its kind,
        its objects or its owner: its time alone does not prove it.
        """
        if self.was_listed_before:
            return self.was_unended_before and self.job.status.is_known
        return self.is_claimed or self.fit is Fit.NO

    @property
    def is_ours(self) -> bool:
        """Whether the evidence is complete."""
        if self.is_foreign or self.may_be_anothers or not self.is_listed:
            return False
        if self.job.status is JobStatus.SKIPPED and not (self.is_resync and self.waited_long):
            return False
        return self.fit is not Fit.OPEN and self._is_new

    @property
    def _is_new(self) -> bool:
        if self.newness is Newness.AFTER:
            return True
        if self.newness in {Newness.LATE, Newness.DISPUTED}:
            return False
        if self.answer_is_unclear or not self.is_timely:
            return False
        # An older job may be listed late, and any job left out of one read. So our job is given the
        # time to be listed too.
        reads = self.lists_without + self.baseline_reads
        is_enough = self.newness is Newness.NEAR or reads >= READS_WITHOUT_UNTIMED
        if self.lists_without >= 1 and is_enough:
            return self.waited
        return self.waited_long and self.newness is Newness.NEAR

    @property
    def may_be_cancelled(self) -> bool:
        """Whether nobody else can have started it, as far as Hevo's answers tell."""
        return (
            self.is_ours
            and self.fit is Fit.EXACT
            and self.newness is Newness.AFTER
            and self.is_surely_after
            and not self.answer_is_unclear
        )


def best_match(found: Iterable[Evidence], triggered_ms: int | None = None) -> Evidence | None:
    """The job that is ours, if one is: an exact one first, then the likeliest by its time.

    Hevo makes a job within seconds of its trigger, so the one made nearest to it is the likeliest.
    Without Hevo's time it is the newest: a foreign job that is listed late is older.

    Args:
        found: The jobs that are listed.
        triggered_ms: When the trigger was answered, by Hevo's clock.
    """

    def distance(item: Evidence) -> int:
        made = item.job.created_ts or 0
        return -made if triggered_ms is None else abs(made - triggered_ms)

    ours = [item for item in found if item.is_ours]
    return min(
        ours,
        key=lambda item: (
            item.fit is not Fit.EXACT,
            item.newness is Newness.UNTIMED,
            distance(item),
            item.job.job_id,
        ),
        default=None,
    )
