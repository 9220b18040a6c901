"""The ledger of a Dagster run: notes written to the run's own event log, readable on its page.

What the notes mean is `jobs/ledger.py`. Engine events are written at once, only ever appended, and
read back by their type; run tags lose notes when several steps write at the same time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import dagster as dg

from dagster_hevo.api.models import Job
from dagster_hevo.dagster_private import engine_event_metadata, report_engine_event
from dagster_hevo.jobs.ledger import Claim, Entry, Note, NoteKind
from dagster_hevo.jobs.plan import SyncPlan

NOTE_KEY = "dagster-hevo/ledger"
RUNS_IN_PROGRESS = (
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
)
STEP_ENDS = {
    dg.DagsterEventType.STEP_SUCCESS,
    dg.DagsterEventType.STEP_FAILURE,
    dg.DagsterEventType.STEP_UP_FOR_RETRY,
}
MOST_ANCESTORS = 50


class RunLedger:
    """Remembers the wishes of one step in its run's event log.

    Args:
        instance: The Dagster instance.
        run: The run that the step belongs to.
        step_key: The step, the same in a run that retries this one.
        oldest: Seconds after which an entry that was left open is not taken up any more.
        now: Tells the time in seconds since the epoch.
    """

    def __init__(
        self,
        instance: dg.DagsterInstance,
        run: dg.DagsterRun,
        step_key: str,
        *,
        oldest: float | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._instance = instance
        self._run = run
        self._step_key = step_key
        self._oldest = oldest
        self._now = now

    def open_entry(self, plan: SyncPlan) -> Entry | None:
        """The entry that this step left open, in this run or in one that this run retries.

        The last note of a wish that went well is written just before Dagster notes the step's end:
        it counts only together with that end. A death between the two would cost a second job.
        """
        for run_id in (self._run.run_id, *self._ancestors()):
            notes = [
                note
                for step_key, note in notes_of_run(self._instance, run_id)
                if step_key == self._step_key and note.wish == plan.key
            ]
            if notes:
                return self._left_open(run_id, notes)
        return None

    def _left_open(self, run_id: str, notes: list[Note]) -> Entry | None:
        last = notes[-1]
        if last.kind is NoteKind.CLOSED and not self._has_come(STEP_ENDS, run_id, last.written_at):
            notes = notes[:-1]
        entry = Entry.of(notes)
        if not entry.is_open or self._is_too_old(entry):
            return None
        # A step that did not wait for its job ends well and leaves the rest to the job sensor.
        has_ended_well = self._has_come({dg.DagsterEventType.STEP_SUCCESS}, run_id, last.written_at)
        return None if has_ended_well else entry

    def _has_come(self, kinds: set[dg.DagsterEventType], run_id: str, since: float) -> bool:
        return any(
            record.step_key == self._step_key and record.timestamp >= since
            for kind in kinds
            for record in self._instance.all_logs(run_id, of_type=kind)
        )

    def write(self, note: Note, sentence: str) -> Claim | None:
        written_at = self._now()
        content = note.to_json() | {"written_at": written_at}
        report_engine_event(
            self._instance,
            self._run,
            self._step_key,
            sentence,
            {NOTE_KEY: dg.MetadataValue.json(content)},
        )
        if note.kind is not NoteKind.CLAIMED or note.job_id is None:
            return None
        return Claim(note.job_id, self._run.run_id, written_at)

    def claims_of_others(self, pipeline_id: int) -> tuple[Claim, ...]:
        mine = {self._run.run_id, *self._ancestors()}
        return claims_in_progress(self._instance, pipeline_id, but_not=mine)

    def _ancestors(self) -> Iterator[str]:
        """The runs that this one retries, the latest first."""
        parent_id, seen = self._run.parent_run_id, 0
        while parent_id is not None and seen < MOST_ANCESTORS:
            yield parent_id
            parent = self._instance.get_run_by_id(parent_id)
            parent_id, seen = (parent.parent_run_id if parent is not None else None), seen + 1

    def _is_too_old(self, entry: Entry) -> bool:
        return self._oldest is not None and self._now() - entry.opened_at > self._oldest


def notes_of_run(instance: dg.DagsterInstance, run_id: str) -> Iterator[tuple[str | None, Note]]:
    """The notes in a run's event log with the step that wrote each, the oldest first."""
    for record in instance.all_logs(run_id, of_type=dg.DagsterEventType.ENGINE_EVENT):
        event = record.dagster_event
        if event is None:
            continue
        value = engine_event_metadata(event).get(NOTE_KEY)
        if not isinstance(value, dg.JsonMetadataValue):
            continue
        if not isinstance(value.value, Mapping):
            continue
        content = value.value
        written_at = float(content.get("written_at") or record.timestamp)
        note = Note.from_json(content, written_at=written_at, run_id=run_id)
        if note is not None:
            yield event.step_key, note


@dataclass(frozen=True)
class OpenWish:
    """A wish that a run began and did not write down as carried out.

    Attributes:
        run_id: The run.
        step_key: The step.
        wish: The plan's key.
        pipeline_id: The pipeline.
        entry: What its notes say.
    """

    run_id: str
    step_key: str
    wish: str
    pipeline_id: int
    entry: Entry

    def may_own(self, job: Job) -> bool:
        """Whether the job is the one of this wish, or may turn out to be."""
        if self.entry.job_id is not None:
            return self.entry.job_id == job.job_id
        if self.entry.mark is None or job.job_id in self.entry.not_ours:
            return False
        return self.entry.mark.is_new(job)


def open_wishes(instance: dg.DagsterInstance, run_id: str) -> list[OpenWish]:
    """The wishes that a run left open, or is still at."""
    by_wish: dict[tuple[str, str], list[Note]] = {}
    for step_key, note in notes_of_run(instance, run_id):
        by_wish.setdefault((step_key or "", note.wish), []).append(note)
    found: list[OpenWish] = []
    for (step_key, wish), notes in by_wish.items():
        entry = Entry.of(notes)
        if entry.is_open:
            found.append(OpenWish(run_id, step_key, wish, notes[0].pipeline_id, entry))
    return found


def close_wish(instance: dg.DagsterInstance, wish: OpenWish, sentence: str) -> None:
    """Write into a run's log that one of its wishes was carried out after all."""
    run = instance.get_run_by_id(wish.run_id)
    if run is not None:
        note = Note(NoteKind.CLOSED, wish.wish, wish.pipeline_id)
        RunLedger(instance, run, wish.step_key).write(note, sentence)


def claims_in_progress(
    instance: dg.DagsterInstance, pipeline_id: int, *, but_not: set[str] | None = None
) -> tuple[Claim, ...]:
    """The jobs of a pipeline that runs in progress call their own."""
    left_out = but_not or set()
    claims: list[Claim] = []
    for run in instance.get_runs(dg.RunsFilter(statuses=list(RUNS_IN_PROGRESS))):
        if run.run_id not in left_out:
            claims += claims_among(notes_of_run(instance, run.run_id), pipeline_id, run.run_id)
    return tuple(claims)


def claims_among(
    notes: Iterator[tuple[str | None, Note]], pipeline_id: int | None, run_id: str
) -> list[Claim]:
    """The jobs that a run's notes call its own, those of wishes carried out included."""
    claimed: dict[str, Claim] = {}
    for _, note in notes:
        if note.job_id is None or pipeline_id not in {None, note.pipeline_id}:
            continue
        if note.kind is NoteKind.CLAIMED:
            claimed[note.job_id] = Claim(note.job_id, run_id, note.written_at)
        elif note.kind is NoteKind.RELEASED:
            claimed.pop(note.job_id, None)
    return list(claimed.values())
