"""The named cases: what nobody can tell apart from outside.

- ``case: twin``: a foreign job, of the kind and objects requested, made between our baseline
  (within the tolerance between two clocks) and the end of the time in which our job may appear,
  while no job came of our trigger, which Hevo accepted or whose answer was lost.
- ``case: twin beside ours``: the same, where Hevo started our job too.
- ``case: the own job of a request with a twin``: that request does not claim it, the next one may.
- ``case: twin cancelled``: the request was terminated, and its twin cancelled: by Hevo's clock it
  was made after our baseline.
- ``case: loaded twice, after a twin``: the twin did not load, so that a retry started over, and our
  own job loaded all the same; or our own job was another request's twin.
- ``case: twin by a clock that is far off``: the Date header and the jobs' times differ by more than
  a minute, so that Hevo's own answers put a foreign job into the time of our trigger.
- ``case: loaded twice, the first job vanished``: Hevo knows nothing any more of the first job.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from dagster_hevo.jobs.records import RecordedRequest
from simulation.model import ModelJob, Trigger

if TYPE_CHECKING:
    from simulation.play import Game

_OTHER_MODE = {True: "RESYNC_WITH_EVOLVE", False: "RESYNC_WITH_DROP_AND_LOAD"}
TOLERANCE = 62.0
PRECISION = 4.0
CLOCK_TOLERANCE = 60.0


class Twins:
    """The foreign jobs that requests claimed, because nothing tells them apart from their own.

    Args:
        game: The world at the end of its history.

    Attributes:
        misled: The requests that claimed such a job.
        taken: The jobs that they claimed.
        cancellable: Those of them that Hevo's clock puts after the request's baseline.
    """

    def __init__(self, game: Game) -> None:
        self._game = game
        self.misled: set[str] = set()
        self.taken: set[str] = set()
        self.cancellable: set[str] = set()

    def case_of(
        self, job: ModelJob, request: RecordedRequest, triggers: Iterable[Trigger]
    ) -> str | None:
        """The named case in which a request claims a foreign job; None where there is none.

        Remembers the job and the request: the case explains what follows from them.
        """
        unsent = self._unsent(request)
        sent = [*triggers, *([unsent] if unsent is not None else [])]
        case = self._case(job, sent)
        if case is not None:
            if any(self._seems_certain(job, trigger) for trigger in sent):
                self.cancellable.add(job.job_id)
            self.misled.add(request.request_id)
            self.taken.add(job.job_id)
        return case

    def _unsent(self, request: RecordedRequest) -> Trigger | None:
        """The trigger that a process was about to send when it died, as a re-execution sees it."""
        moment = self._game.instance.baselines.get(request.request_id)
        if moment is None:
            return None
        drops = request.resync_mode == "DROP_AND_LOAD"
        kind = "sync" if request.action == "SYNC_NOW" else "objects"
        if request.object_ids is None and kind == "objects":
            kind = "pipeline"
        return Trigger(
            number=-1,
            root="",
            run_id="",
            request_id=request.request_id,
            object_ids=request.object_ids,
            kind=kind,
            baseline_at=moment,
            sent_at=moment,
            drops=drops,
            said="unsent",
        )

    def _case(self, job: ModelJob, sent: Iterable[Trigger]) -> str | None:
        """The named case of a job, by the first of the request's triggers that explains it."""
        for trigger in sent:
            is_near = (
                trigger.baseline_at - self._before(job)
                <= job.created
                <= self._ready_at(trigger.sent_at) + self._after()
            )
            wanted = trigger.object_ids or self._game.objects.active
            covers = job.parts.keys() >= wanted or "RESYNC" in (job.type or "")
            if trigger.kind == "pipeline" and job.type == _OTHER_MODE[trigger.drops]:
                covers = False
            if trigger.kind == "sync":
                covers = job.type != "HISTORICAL" and "RESYNC" not in (job.type or "")
            is_left_over = job.trigger is not None and job.trigger.request_id in self.misled
            if is_left_over and is_near and covers:
                return "case: the own job of a request with a twin"
            if self._is_clock_far_off and covers:
                return "case: twin by a clock that is far off"
            if job.trigger is None and is_near and covers:
                return "case: twin beside ours" if trigger.had_effect else "case: twin"
        return None

    @property
    def _is_clock_far_off(self) -> bool:
        """Whether Hevo's Date header and its jobs' times differ by more than the tolerance."""
        return self._game.skew is not None and abs(self._game.skew) >= CLOCK_TOLERANCE

    def _seems_certain(self, job: ModelJob, trigger: Trigger) -> bool:
        """Whether a foreign job seems to come after our baseline, by the clocks alone."""
        if self._game.skew is None or not job.is_timed or "unknown words" in trigger.said:
            return False
        return job.created >= trigger.baseline_at + self._game.skew - PRECISION

    def _ready_at(self, sent_at: float) -> float:
        """When the pipeline was ready after a trigger: it may have restarted, more than once."""
        moment = sent_at
        for began, ended in self._game.server.restarts:
            if began <= moment + 2.5 * self._game.discovery:
                moment = max(moment, ended)
        return moment

    def _after(self) -> float:
        """How long after its trigger a job can be made and still seem to come of it."""
        ahead = max(self._game.skew or 0.0, 0.0)
        return 2 * self._game.discovery + TOLERANCE + ahead

    def _before(self, job: ModelJob) -> float:
        """How long before our baseline a job can be made and still seem to come after it."""
        if self._game.skew is None or not job.is_timed:
            return 2 * self._game.discovery  # No clock: it is new when it was not listed before.
        return TOLERANCE - min(self._game.skew, 0.0)


def job_text(job: ModelJob) -> str:
    """A job in a few words."""
    timed = "" if job.is_timed else ", untimed"
    parts = " ".join(sorted(job.parts))
    return f"{job.type} of {parts}, made at {job.created:.1f}, shown at {job.listed_at:.1f}{timed}"


def trigger_text(trigger: Trigger) -> str:
    """A trigger in a few words."""
    wanted = "all" if trigger.object_ids is None else " ".join(sorted(trigger.object_ids))
    return (
        f"{trigger.kind} of {wanted}, baseline at {trigger.baseline_at:.1f}, sent at "
        f"{trigger.sent_at:.1f}, {trigger.said}, {'a job' if trigger.had_effect else 'no job'}"
    )
