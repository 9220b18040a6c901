"""What is remembered of a wish while it is carried out, so that a death on the way repeats nothing.

The protocol, the notes and what they mean together. Where the notes are kept is not decided here:
in a Dagster run it is the run's event log (`dagster_hevo.run_ledger`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any, Protocol, cast

from dagster_hevo.api.models import Job
from dagster_hevo.jobs.plan import SyncPlan

FORMAT_VERSION = 1


class NoteKind(str, Enum):
    """The stations of a wish that are written down."""

    MARKED = "marked"
    REFUSED = "refused"
    CLAIMED = "claimed"
    RELEASED = "released"
    CLOSED = "closed"


@dataclass(frozen=True)
class Mark:
    """The jobs a pipeline already had before we asked for one: whatever is not in it is new.

    Attributes:
        job_ids: The jobs that were seen.
        newest_created_ts: When the newest of them was made, by Hevo's clock, in epoch milliseconds.
        is_complete: Whether these are all jobs of the pipeline, and not only the newest ones.
    """

    job_ids: frozenset[str]
    newest_created_ts: int | None = None
    is_complete: bool = True

    @classmethod
    def of(cls, jobs: Iterable[Job], *, is_complete: bool = True) -> Mark:
        """The mark that these jobs make."""
        seen = tuple(jobs)
        times = [job.created_ts for job in seen if job.created_ts is not None]
        return cls(frozenset(job.job_id for job in seen), max(times, default=None), is_complete)

    def is_new(self, job: Job) -> bool:
        """Whether the job came after the mark.

        Where only the newest jobs were seen, an older one may turn up later without being new. Its
        own time tells, held against times of the same clock: Hevo's, never this machine's.
        """
        if job.job_id in self.job_ids:
            return False
        if self.is_complete or self.newest_created_ts is None or job.created_ts is None:
            return True
        return job.created_ts >= self.newest_created_ts

    def new_among(self, jobs: Iterable[Job]) -> tuple[Job, ...]:
        """The jobs that came after the mark, the oldest first."""
        new = {job.job_id: job for job in jobs if self.is_new(job)}
        return tuple(sorted(new.values(), key=lambda job: (job.created_ts or 0, job.job_id)))


@dataclass(frozen=True)
class Note:
    """One line of the ledger.

    Attributes:
        kind: The station.
        wish: The plan's key.
        pipeline_id: The pipeline.
        mark: For MARKED: the jobs that were there.
        job_id: For CLAIMED and RELEASED: the job.
        is_adopted: For CLAIMED: whether somebody else had started the job.
        written_at: When it was written, in seconds since the epoch by the ledger's clock.
        run_id: The run that wrote it.
    """

    kind: NoteKind
    wish: str
    pipeline_id: int
    mark: Mark | None = None
    job_id: str | None = None
    is_adopted: bool = False
    written_at: float = field(default=0.0, compare=False)
    run_id: str = field(default="", compare=False)

    def to_json(self) -> dict[str, Any]:
        """The note as JSON, without when and by whom: the ledger adds these."""
        content: dict[str, Any] = {
            "version": FORMAT_VERSION,
            "kind": self.kind.value,
            "wish": self.wish,
            "pipeline_id": self.pipeline_id,
        }
        if self.mark is not None:
            content["mark"] = {
                "job_ids": sorted(self.mark.job_ids),
                "newest_created_ts": self.mark.newest_created_ts,
                "is_complete": self.mark.is_complete,
            }
        if self.job_id is not None:
            content |= {"job_id": self.job_id, "is_adopted": self.is_adopted}
        return content

    @classmethod
    def from_json(
        cls, content: object, *, written_at: float = 0.0, run_id: str = ""
    ) -> Note | None:
        """Read a note back, or None where it is not one that this version understands."""
        if isinstance(content, str):
            try:
                content = json.loads(content)
            except ValueError:
                return None
        if not isinstance(content, Mapping):
            return None
        entries = cast("Mapping[str, Any]", content)
        try:
            mark: Mapping[str, Any] | None = entries.get("mark")
            return cls(
                kind=NoteKind(entries["kind"]),
                wish=str(entries["wish"]),
                pipeline_id=int(entries["pipeline_id"]),
                mark=None
                if mark is None
                else Mark(
                    frozenset(mark["job_ids"]),
                    mark.get("newest_created_ts"),
                    bool(mark.get("is_complete", True)),
                ),
                job_id=entries.get("job_id"),
                is_adopted=bool(entries.get("is_adopted", False)),
                written_at=written_at,
                run_id=run_id,
            )
        except (AttributeError, KeyError, TypeError, ValueError):
            return None


@dataclass(frozen=True)
class Entry:
    """What the notes of one wish say together.

    Attributes:
        mark: The jobs that were there before Hevo was asked, if that came to be written.
        job_id: The job that was found and called ours, if it came so far.
        is_adopted: Whether somebody else had started that job.
        is_open: Whether the wish was not carried to its end.
        opened_at: When the mark was written, in seconds since the epoch.
        not_ours: Jobs that came since the mark and turned out to be somebody else's.
    """

    mark: Mark | None = None
    job_id: str | None = None
    is_adopted: bool = False
    is_open: bool = False
    opened_at: float = 0.0
    not_ours: frozenset[str] = frozenset()

    @classmethod
    def of(cls, notes: Iterable[Note]) -> Entry:
        """Read the notes of one wish, the oldest first."""
        entry = cls()
        for note in notes:
            if note.kind is NoteKind.MARKED:
                entry = cls(mark=note.mark, is_open=True, opened_at=note.written_at)
            elif note.kind is NoteKind.CLAIMED:
                entry = replace(
                    entry,
                    job_id=note.job_id,
                    is_adopted=note.is_adopted,
                    is_open=True,
                    opened_at=entry.opened_at or note.written_at,
                )
            elif note.kind is NoteKind.RELEASED and note.job_id is not None:
                entry = replace(entry, not_ours=entry.not_ours | {note.job_id})
                if note.job_id == entry.job_id:
                    entry = replace(entry, job_id=None, is_adopted=False)
            elif note.kind is NoteKind.RELEASED:
                entry = replace(entry, job_id=None, is_adopted=False)
            else:
                entry = cls()
        return entry


@dataclass(frozen=True)
class Claim:
    """A job that a run calls its own.

    Attributes:
        job_id: The job.
        run_id: The run.
        written_at: When the claim was written, in seconds since the epoch.
    """

    job_id: str
    run_id: str
    written_at: float

    def stands_before(self, other: Claim) -> bool:
        """Whether this one was there first; every process decides it alike."""
        return (self.written_at, self.run_id) < (other.written_at, other.run_id)


class Ledger(Protocol):
    """Where the notes of a wish are kept. Each call is carried out before it returns."""

    def open_entry(self, plan: SyncPlan) -> Entry | None:
        """The entry that this wish, or the one it retries, left open; None where there is none."""
        ...

    def write(self, note: Note, sentence: str) -> Claim | None:
        """Write a note with a sentence for people; for CLAIMED, return the claim as written."""
        ...

    def claims_of_others(self, pipeline_id: int) -> tuple[Claim, ...]:
        """The jobs of the pipeline that other runs, still in progress, call their own."""
        ...


class MemoryLedger:
    """A ledger for one process: for scripts and the command line, which retry nothing."""

    def __init__(self) -> None:
        self.notes: list[Note] = []

    def open_entry(self, plan: SyncPlan) -> Entry | None:
        entry = Entry.of(note for note in self.notes if note.wish == plan.key)
        return entry if entry.is_open else None

    def write(self, note: Note, sentence: str) -> Claim | None:
        self.notes.append(note)
        return Claim(note.job_id, "", 0.0) if note.job_id is not None else None

    def claims_of_others(self, pipeline_id: int) -> tuple[Claim, ...]:
        return ()
