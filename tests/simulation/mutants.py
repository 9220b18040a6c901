"""Single rules of `matching.py` and `outcome.py`, undone: the simulation must notice each.

A rule is undone by putting another function or value in its place, for as long as a block runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any
from unittest import mock

from dagster_hevo.jobs import (
    examining,
    following,
    matching,
    newness,
    objects,
    outcome,
    pipeline_ledger,
    runner,
)
from dagster_hevo.jobs.matching import Evidence, Fit
from dagster_hevo.jobs.newness import Newness
from dagster_hevo.jobs.outcome import ObjectResult
from dagster_hevo.jobs.state import Phase, State
from dagster_hevo.jobs.steps import Finish

Patch = tuple[object, str, Any]


def _old_jobs_are_new() -> list[Patch]:
    real = newness.newness_of

    def newness_of(*args: Any, **kwargs: Any) -> Newness:
        found = real(*args, **kwargs)
        return Newness.NEAR if found is Newness.OLD else found

    return [(examining, "newness_of", newness_of)]


def _late_jobs_are_ours() -> list[Patch]:
    real = newness.newness_of

    def newness_of(*args: Any, **kwargs: Any) -> Newness:
        found = real(*args, **kwargs)
        return Newness.AFTER if found is Newness.LATE else found

    return [(examining, "newness_of", newness_of)]


def _any_type_fits() -> list[Patch]:
    def fit_by_type(*_: Any) -> Fit:
        return Fit.EXACT

    return [(examining, "fit_by_type", fit_by_type)]


def _any_objects_fit() -> list[Patch]:
    def fit_by_objects(*_: Any, **__: Any) -> Fit:
        return Fit.EXACT

    return [(examining, "fit_by_objects", fit_by_objects)]


def _only_exact_objects_fit() -> list[Patch]:
    real = matching.fit_by_objects

    def fit_by_objects(*args: Any, **kwargs: Any) -> Fit:
        found = real(*args, **kwargs)
        return Fit.NO if found is Fit.SUPERSET else found

    return [(examining, "fit_by_objects", fit_by_objects)]


def _part_is_foreign() -> list[Patch]:
    real = matching.fit_by_objects

    def fit_by_objects(*args: Any, **kwargs: Any) -> Fit:
        found = real(*args, **kwargs)
        return Fit.NO if found is Fit.OPEN and kwargs["is_final"] else found

    return [(examining, "fit_by_objects", fit_by_objects)]


def _claimed_jobs_are_free() -> list[Patch]:
    def is_foreign(self: Evidence) -> bool:
        return self.newness in {Newness.OLD, Newness.LATE} or self.fit is Fit.NO

    def claim(*_: Any) -> bool:
        return True

    return [
        (Evidence, "is_foreign", property(is_foreign)),
        (pipeline_ledger.PipelineLedger, "claim", claim),
    ]


def _unclear_evidence_counts() -> list[Patch]:
    real = Evidence.is_ours.fget  # type: ignore[attr-defined]

    def is_ours(self: Evidence) -> bool:
        return real(replace(self, answer_is_unclear=False, is_timely=True, waited=True))

    return [(Evidence, "is_ours", property(is_ours))]


def _a_job_that_is_there_at_once_counts() -> list[Patch]:
    real = Evidence.is_ours.fget  # type: ignore[attr-defined]

    def is_ours(self: Evidence) -> bool:
        return real(replace(self, waited=True, waited_long=True, lists_without=1))

    return [(Evidence, "is_ours", property(is_ours))]


def _rivals_do_not_count() -> list[Patch]:
    real = Evidence.is_ours.fget  # type: ignore[attr-defined]

    def is_ours(self: Evidence) -> bool:
        return real(replace(self, may_be_anothers=False))

    return [(Evidence, "is_ours", property(is_ours))]


def _weak_evidence_cancels() -> list[Patch]:
    def may_be_cancelled(_: Evidence) -> bool:
        return True

    return [(Evidence, "may_be_cancelled", property(may_be_cancelled))]


def _unlisted_is_loaded() -> list[Patch]:
    def result(*_: Any, **__: Any) -> tuple[ObjectResult, str]:
        return ObjectResult.LOADED_BY_COUNT, "undone"

    return [(outcome, "_result_of_unlisted", result)]


def _counts_need_no_objects() -> list[Patch]:
    def finish(state: State) -> tuple[State, Finish]:
        return state.but(phase=Phase.ENDED), Finish(outcome=following._outcome(state))

    return [(following, "_finish", finish)]


def _failed_objects_are_loaded() -> list[Patch]:
    return [
        (outcome, "_FAILED", set()),
        (outcome, "_COMPLETED", outcome._COMPLETED | outcome._FAILED),
    ]


def _skipped_is_loaded() -> list[Patch]:
    real = outcome._result_of_listed

    def result(*args: Any, **kwargs: Any) -> tuple[ObjectResult, str | None]:
        found, remark = real(*args, **kwargs)
        return (ObjectResult.LOADED if found is ObjectResult.SKIPPED else found), remark

    return [(outcome, "_result_of_listed", result)]


def _unfinished_is_loaded() -> list[Patch]:
    real = outcome._COMPLETED
    return [(outcome, "_UNFINISHED", set()), (outcome, "_COMPLETED", real | outcome._UNFINISHED)]


def _any_list_agrees() -> list[Patch]:
    def list_agrees(*_: Any, **__: Any) -> bool:
        return True

    return [(following, "list_agrees", list_agrees)]


def _equal_names_are_equal_objects() -> list[Patch]:
    real = objects.ObjectIndex.identify

    def identify(self: objects.ObjectIndex, listed: Any, *, by_id: bool = False) -> str | None:
        found = real(self, listed, by_id=by_id)
        if found in self.objects:
            return found
        name = listed.object_name
        same = (item.object_id for item in self.objects.values() if item.name == name)
        return next(same, found)

    return [(objects.ObjectIndex, "identify", identify)]


def _two_runs_trigger_at_once() -> list[Patch]:
    def starting(*_: Any, **__: Any) -> None:
        return None

    return [(runner.JobRunner, "_another_starting", starting)]


MUTANTS: dict[str, Callable[[], list[Patch]]] = {
    "old jobs are new": _old_jobs_are_new,
    "jobs made too late are ours": _late_jobs_are_ours,
    "any type fits": _any_type_fits,
    "any objects fit": _any_objects_fit,
    "a superset does not cover": _only_exact_objects_fit,
    "a job with some of the objects is foreign": _part_is_foreign,
    "a claimed job is free": _claimed_jobs_are_free,
    "unclear and untimely evidence counts": _unclear_evidence_counts,
    "a job that was there at once is ours": _a_job_that_is_there_at_once_counts,
    "a job that may be of a later trigger is ours": _rivals_do_not_count,
    "any job that is ours may be cancelled": _weak_evidence_cancels,
    "an object that is not listed is loaded": _unlisted_is_loaded,
    "counts prove, whatever is replicated now": _counts_need_no_objects,
    "a failed object is loaded": _failed_objects_are_loaded,
    "a skipped object is loaded": _skipped_is_loaded,
    "an unfinished object is loaded": _unfinished_is_loaded,
    "any list of objects agrees with the counts": _any_list_agrees,
    "equal names are equal objects": _equal_names_are_equal_objects,
    "two runs trigger at once": _two_runs_trigger_at_once,
}


@contextmanager
def undone(name: str) -> Iterator[None]:
    """Undo one rule for a while."""
    with ExitStack() as stack:
        for target, attribute, value in MUTANTS[name]():
            stack.enter_context(mock.patch.object(target, attribute, value))
        yield
