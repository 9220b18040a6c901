"""The records of the ledger: what is written down of a request, and what they mean together.

Pure: the protocol of writing and reading them is `ledger.py`; where they are kept is decided there
too. A record is written before the effect that it protects.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import lru_cache
from typing import Any, cast

from dagster_hevo.jobs.newness import Baseline
from dagster_hevo.jobs.request import SyncRequest

FORMAT_VERSION = 2


MOST_ATTEMPTS = 1_000_000


class RecordKind(str, Enum):
    """The steps of a request that are written down.

    ``BASELINE``: the jobs before the trigger, which is sent next. ``ANSWERED``: what Hevo said to
    it. ``CLAIMED``: the job that is the result. ``RESUMED``: another attempt goes on with the
    request. ``SETTLED``: it is carried out, or has failed for good.
    """

    BASELINE = "baseline"
    ANSWERED = "answered"
    CLAIMED = "claimed"
    RESUMED = "resumed"
    SETTLED = "settled"


class Answer(str, Enum):
    """What is known of a trigger.

    ``ACCEPTED``: a 2xx. ``REFUSED``: it certainly had no effect. ``UNCLEAR``: an error in words
    that may be a refusal. ``LOST``: no answer, or one that is not Hevo's; also where the process
    died before it was written down.
    """

    ACCEPTED = "accepted"
    REFUSED = "refused"
    UNCLEAR = "unclear"
    LOST = "lost"

    @property
    def may_have_started_a_job(self) -> bool:
        """Whether a job may come of the trigger."""
        return self is not Answer.REFUSED


class Settlement(str, Enum):
    """How a request ended.

    ``RECORDED``: its job's outcome was recorded by a run. ``OBSERVED``: by the job sensor.
    ``FAILED``: its job ended without loading; a retry starts over.
    """

    RECORDED = "recorded"
    OBSERVED = "observed"
    FAILED = "failed"


@dataclass(frozen=True)
class Record:
    """One line of the ledger.

    Attributes:
        kind: The step.
        request_id: The request.
        run_id: The run that wrote it.
        attempt: Which attempt of its step, from 0.
        content: What belongs to the kind.
    """

    kind: RecordKind
    request_id: str
    run_id: str = ""
    attempt: int = 0
    content: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def to_text(self) -> str:
        """The record as JSON."""
        return json.dumps(
            {
                "version": FORMAT_VERSION,
                "kind": self.kind.value,
                "request": self.request_id,
                "run": self.run_id,
                "attempt": self.attempt,
                **self.content,
            },
            separators=(",", ":"),
        )

    @classmethod
    @lru_cache(maxsize=2048)
    def from_text(cls, text: str) -> Record | None:
        """Read a record, or None where it is not one that this version understands."""
        try:
            entries: object = json.loads(text)
            found = dict(cast("dict[str, Any]", entries)) if isinstance(entries, dict) else {}
            if found.pop("version", None) != FORMAT_VERSION:
                return None
            kind = RecordKind(found.pop("kind"))
            request_id, run_id = found.pop("request"), found.pop("run")
            attempt = found.pop("attempt")
        except (KeyError, TypeError, ValueError, RecursionError):
            return None
        # Other code on the instance may write into the list too: nothing is made to fit.
        if not isinstance(request_id, str) or not isinstance(run_id, str):
            return None
        if type(attempt) is not int or not 0 <= attempt <= MOST_ATTEMPTS:
            return None
        return cls(kind, request_id, run_id, attempt, found)

    @property
    def makes_sense(self) -> bool:
        """Whether what it says has the types that such a record has."""
        wanted = _TYPES.get(self.kind, {})
        return all(
            isinstance(self.content.get(name), kinds)
            # In Python, true is a number.
            and (bool in kinds or not isinstance(self.content.get(name), bool))
            for name, kinds in wanted.items()
        )


_NONE = type(None)
_TYPES_OF_REQUEST: dict[str, tuple[type, ...]] = {
    "step": (str,),
    "pipeline": (int,),
    "action": (str,),
    "mode": (str,),
    "objects": (list, _NONE),
}
_TYPES: dict[RecordKind, dict[str, tuple[type, ...]]] = {
    RecordKind.BASELINE: {
        **_TYPES_OF_REQUEST,
        "jobs": (list,),
        "not_before_ms": (int, _NONE),
        "hevo_ms": (int, _NONE),
        "complete": (bool,),
        "reads": (int,),
        "triggers": (int,),
    },
    RecordKind.ANSWERED: {"answer": (str,), "may_have_started_a_job": (bool,)},
    RecordKind.CLAIMED: {
        **_TYPES_OF_REQUEST,
        "job": (str,),
        "adopted": (bool,),
        "cancellable": (bool,),
        "detached": (bool,),
    },
    RecordKind.SETTLED: {"how": (str,)},
}


def request_content(request: SyncRequest, *, step_key: str) -> dict[str, Any]:
    """What a record says of the request itself."""
    return {
        "step": step_key,
        "pipeline": request.pipeline_id,
        "action": request.action.value,
        "mode": request.resync_mode.value,
        "objects": None if request.object_ids is None else sorted(request.object_ids),
    }


def baseline_content(
    request: SyncRequest, baseline: Baseline, *, step_key: str, triggers: int
) -> dict[str, Any]:
    """What a BASELINE record says: the request, and the jobs before its trigger."""
    return {
        **request_content(request, step_key=step_key),
        "jobs": sorted(baseline.job_ids),
        "not_before_ms": baseline.not_before_ms,
        "hevo_ms": baseline.hevo_ms,
        "complete": baseline.is_complete,
        "reads": baseline.reads,
        "triggers": triggers,
    }


@dataclass(frozen=True)
class RecordedRequest:
    """What the records of one request say together.

    Attributes:
        request_id: The request.
        pipeline_id: Its pipeline.
        step_key: The step that made it.
        action: What it triggered, as ``SyncAction`` spells it.
        resync_mode: As ``ResyncMode`` spells it.
        object_ids: The objects requested; None for the whole pipeline.
        baseline: The jobs before its trigger.
        triggers: How many triggers were sent.
        answer: What is known of the last one; LOST where nothing was written after the baseline.
        answered_ms: Hevo's time at the answer.
        may_have_started_a_job: Whether any of its triggers may have.
        job_id: The job that was claimed.
        is_adopted: Whether that is a foreign job.
        may_be_cancelled: Whether the evidence is so good that the job may be cancelled.
        is_detached: Whether its run does not wait for the job's end.
        run_id: The run that holds it: the one that began it, or the last one that resumed it.
        attempt: The attempt of that run's step.
        settlement: How it ended, or None while it is open.
        settled_by: The process that wrote so.
    """

    request_id: str
    pipeline_id: int = 0
    step_key: str = ""
    action: str = ""
    resync_mode: str = ""
    object_ids: frozenset[str] | None = None
    baseline: Baseline | None = None
    triggers: int = 0
    answer: Answer = Answer.LOST
    answered_ms: int | None = None
    may_have_started_a_job: bool = False
    job_id: str | None = None
    is_adopted: bool = False
    may_be_cancelled: bool = False
    is_detached: bool = False
    run_id: str = ""
    attempt: int = 0
    settlement: Settlement | None = None
    settled_by: str = ""

    @property
    def is_starting(self) -> bool:
        """Whether a job may come of it, and none is known yet."""
        return self.may_have_started_a_job and self.job_id is None and self.settlement is None

    @property
    def triggered_ms(self) -> int | None:
        """Hevo's time of the last trigger: at its answer, else at its baseline."""
        if self.answered_ms is not None or self.baseline is None:
            return self.answered_ms
        return self.baseline.hevo_ms

    def covers(self, request: SyncRequest) -> bool:
        """Whether a job for this request is a job for the other one too."""
        return request.is_covered_by(
            self.pipeline_id, self.action, self.resync_mode, self.object_ids
        )

    def after(self, record: Record) -> RecordedRequest:
        """The same after one more record; one that makes no sense changes nothing."""
        content = record.content
        if not record.makes_sense:
            return self
        try:
            return self._after(record.kind, record, content)
        except (KeyError, TypeError, ValueError, OverflowError):
            return self

    def _after(
        self, kind: RecordKind, record: Record, content: Mapping[str, Any]
    ) -> RecordedRequest:
        if kind is RecordKind.SETTLED:
            settlement = Settlement(content["how"])
            if settlement is Settlement.OBSERVED:
                return replace(self, settlement=settlement)
            settled_by = str(content.get("process", ""))
            return self._held_by(record, settlement=settlement, settled_by=settled_by)
        if kind is RecordKind.BASELINE:
            return self._for(content)._held_by(
                record,
                baseline=Baseline(
                    frozenset(map(str, content["jobs"])),
                    _moment(content["not_before_ms"]),
                    _moment(content["hevo_ms"]),
                    bool(content["complete"]),
                    int(content["reads"]),
                ),
                triggers=int(content["triggers"]),
                answer=Answer.LOST,
                answered_ms=None,
                may_have_started_a_job=True,
            )
        if kind is RecordKind.ANSWERED:
            answer = Answer(content["answer"])
            return self._held_by(
                record,
                answer=answer,
                answered_ms=_moment(content.get("hevo_ms")),
                may_have_started_a_job=bool(content["may_have_started_a_job"]),
            )
        if kind is RecordKind.CLAIMED:
            # A re-execution that wants less claims the job of what was triggered.
            known = self._for(content) if self.baseline is None else self
            return known._held_by(
                record,
                job_id=str(content["job"]),
                is_adopted=bool(content["adopted"]),
                may_be_cancelled=bool(content["cancellable"]),
                is_detached=bool(content["detached"]),
            )
        return self._held_by(record)

    def _for(self, content: Mapping[str, Any]) -> RecordedRequest:
        """The same with what a record says of the request itself."""
        objects = content["objects"]
        return replace(
            self,
            pipeline_id=int(content["pipeline"]),
            step_key=str(content["step"]),
            action=str(content["action"]),
            resync_mode=str(content["mode"]),
            object_ids=None if objects is None else frozenset(map(str, objects)),
        )

    def _held_by(self, record: Record, **changes: Any) -> RecordedRequest:
        # A request is handed on by RESUMED alone: who writes later does not take it back.
        if self.run_id and record.kind is not RecordKind.RESUMED:
            return replace(self, **changes)
        return replace(self, run_id=record.run_id, attempt=record.attempt, **changes)


def _moment(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def requests_in(records: Iterable[Record]) -> tuple[RecordedRequest, ...]:
    """The requests that these records tell of, in the order in which they began."""
    found: dict[str, RecordedRequest] = {}
    for record in records:
        known = found.get(record.request_id, RecordedRequest(record.request_id))
        found[record.request_id] = known.after(record)
    return tuple(item for item in found.values() if item.pipeline_id)
