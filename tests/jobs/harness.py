"""Lives of jobs over real HTTP, in a time that moves only while somebody sleeps.

`World` is a sandbox, its time, and a ledger book that several runs write to; `Reaper` kills a
life at any of its stations. The tests that use them are the `test_life_*.py` beside this file.
"""

from __future__ import annotations

import heapq
import itertools
import logging
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from dagster_hevo.api.client import HevoClient
from dagster_hevo.api.enums import ResyncMode
from dagster_hevo.jobs.ledger import Claim, Entry, Note, NoteKind
from dagster_hevo.jobs.life import JobLife
from dagster_hevo.jobs.outcome import KnownObject, ObjectIndex
from dagster_hevo.jobs.plan import SyncAction, SyncPlan, plan_sync
from dagster_hevo.jobs.settings import JobSettings
from dagster_hevo.sandbox import Fault, FaultKind, HevoSandbox, Scenario, SeenJob

PIPELINE = 101


class Killed(BaseException):
    """The process is gone: nothing after this runs in it."""


class Interrupted(BaseException):
    """The run was terminated, as Dagster or the keyboard does it."""


class SandboxTime:
    """The sandbox's time as a job's life sees it: sleeping moves it, and nothing else does.

    What is due at a moment is done when sleeping reaches it; it may raise, as a signal does.
    """

    def __init__(self, sandbox: HevoSandbox) -> None:
        self._sandbox = sandbox
        self._began = sandbox.now()
        self._count = itertools.count()
        self._due: list[tuple[float, int, Callable[[], object]]] = []

    def monotonic(self) -> float:
        return self._sandbox.now() - self._began

    def sleep(self, seconds: float) -> None:
        wake = self.monotonic() + seconds
        while self._due and self._due[0][0] <= wake:
            moment, _, action = heapq.heappop(self._due)
            self._sandbox.advance(max(moment - self.monotonic(), 0.0))
            action()
        self._sandbox.advance(max(wake - self.monotonic(), 0.0))

    def at(self, moment: float, action: Callable[[], object]) -> None:
        """Do something when sleeping reaches this moment, in seconds since the beginning."""
        heapq.heappush(self._due, (moment, next(self._count), action))

    def interrupt_at(self, moment: float) -> None:
        """Terminate the run at this moment."""

        def interrupt() -> None:
            raise Interrupted

        self.at(moment, interrupt)


class Reaper:
    """Kills a life at the n-th of its stations: before a request, around a note, at a sleep."""

    def __init__(self, fatal: int | None = None) -> None:
        self.passed: list[str] = []
        self._fatal = fatal

    def pass_by(self, station: str) -> None:
        if len(self.passed) == self._fatal:
            raise Killed(station)
        self.passed.append(station)


class ReapedBudget:
    """A request budget without a limit, in which every request is a station of the reaper's."""

    def __init__(self, reaper: Reaper) -> None:
        self._reaper = reaper

    def acquire(self, urgent: bool = False) -> None:
        self._reaper.pass_by("request")

    def exhaust(self, retry_after: float) -> None:
        pass


class ReapedTime:
    """A clock whose every sleep is a station of the reaper's."""

    def __init__(self, time: SandboxTime, reaper: Reaper) -> None:
        self._time, self._reaper = time, reaper

    def monotonic(self) -> float:
        return self._time.monotonic()

    def sleep(self, seconds: float) -> None:
        self._reaper.pass_by("sleep")
        self._time.sleep(seconds)


class LedgerBook:
    """What all runs wrote, in the order of writing, and which of them are still in progress."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.notes: list[Note] = []
        self.in_progress: set[str] = set()
        self.now = now
        self.when_marked: list[Callable[[], object]] = []

    def of_run(self, run_id: str) -> list[Note]:
        return [note for note in self.notes if note.run_id == run_id]

    def kinds(self, run_id: str = "run") -> list[str]:
        return [note.kind.value for note in self.of_run(run_id)]


class BookLedger:
    """A run's ledger in the book: what it does, a run's event log does for Dagster."""

    def __init__(
        self, book: LedgerBook, run_id: str, retries: tuple[str, ...] = (), *, reaper: Reaper
    ) -> None:
        self._book = book
        self._run_id = run_id
        self._retries = retries
        self._reaper = reaper
        book.in_progress.add(run_id)
        book.in_progress -= set(retries)

    def open_entry(self, plan: SyncPlan) -> Entry | None:
        for run_id in (self._run_id, *self._retries):
            notes = [note for note in self._book.of_run(run_id) if note.wish == plan.key]
            if notes:
                entry = Entry.of(notes)
                return entry if entry.is_open else None
        return None

    def write(self, note: Note, sentence: str) -> Claim | None:
        assert sentence
        self._reaper.pass_by(f"before {note.kind.value}")
        stored = Note.from_json(note.to_json(), written_at=self._book.now(), run_id=self._run_id)
        assert stored == note
        assert stored is not None
        self._book.notes.append(stored)
        if note.kind is NoteKind.MARKED and self._book.when_marked:
            self._book.when_marked.pop(0)()
        self._reaper.pass_by(f"after {note.kind.value}")
        if note.kind is not NoteKind.CLAIMED or note.job_id is None:
            return None
        return Claim(note.job_id, self._run_id, stored.written_at)

    def claims_of_others(self, pipeline_id: int) -> tuple[Claim, ...]:
        claims: dict[tuple[str, str], Claim] = {}
        for note in self._book.notes:
            mine = note.run_id == self._run_id or note.run_id in self._retries
            if mine or note.run_id not in self._book.in_progress or note.job_id is None:
                continue
            if note.kind is NoteKind.CLAIMED and note.pipeline_id == pipeline_id:
                claims[note.run_id, note.job_id] = Claim(note.job_id, note.run_id, note.written_at)
            elif note.kind is NoteKind.RELEASED:
                claims.pop((note.run_id, note.job_id), None)
        return tuple(claims.values())


class Told(logging.Handler):
    """Keeps what was told to people."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)

    def lines(self, text: str = "", level: int = logging.DEBUG) -> list[str]:
        """The lines from this level on that hold a text."""
        found = [record.getMessage() for record in self.records if record.levelno >= level]
        return [line for line in found if text in line]

    def warnings(self, text: str = "") -> list[str]:
        return self.lines(text, logging.WARNING)


class World:
    """A sandbox whose time moves by sleeping, and the runs that ask it for jobs."""

    def __init__(self, sandbox: HevoSandbox) -> None:
        self.sandbox = sandbox
        self.time = SandboxTime(sandbox)
        self.book = LedgerBook(self.time.monotonic)
        self.told = Told()
        self.log = logging.Logger("life")
        self.log.addHandler(self.told)
        self.clients: list[HevoClient] = []

    def client(self, *, reaper: Reaper | None = None, **settings: Any) -> HevoClient:
        made = HevoClient(
            api_key=self.sandbox.api_key,
            api_secret=self.sandbox.api_secret,
            base_url=self.sandbox.url,
            **{"retry_limit": 1, "sleep": lambda _: None, **settings},
            budget=None if reaper is None else ReapedBudget(reaper),
        )
        self.clients.append(made)
        return made

    def index(self, pipeline_id: int = PIPELINE) -> ObjectIndex:
        entry = self.sandbox.scenario.pipelines[pipeline_id - PIPELINE]
        ids = self.sandbox.object_ids(pipeline_id)
        return ObjectIndex(
            KnownObject(object_id, item.name, f"{entry.schema_in_warehouse}.{item.name}")
            for object_id, item in zip(ids, entry.objects, strict=True)
        )

    def plan(
        self,
        *names: str,
        pipeline_id: int = PIPELINE,
        action: SyncAction = SyncAction.RESYNC,
        resync_mode: ResyncMode = ResyncMode.EVOLVE_AND_MERGE,
    ) -> SyncPlan:
        """The wish for some objects by name, or for all."""
        return plan_sync(
            pipeline_id,
            self.sandbox.object_ids(pipeline_id, *names),
            self.index(pipeline_id).objects,
            action=action,
            resync_mode=resync_mode,
        )

    def life(
        self,
        *names: str,
        pipeline_id: int = PIPELINE,
        action: SyncAction = SyncAction.RESYNC,
        resync_mode: ResyncMode = ResyncMode.EVOLVE_AND_MERGE,
        run: str = "run",
        retries: tuple[str, ...] = (),
        reaper: Reaper | None = None,
        client: HevoClient | None = None,
        clock: Any = None,
        **settings: Any,
    ) -> JobLife:
        """The life of the job for some objects by name, or for all."""
        stations = reaper or Reaper()
        return JobLife(
            client=client or self.client(reaper=stations),
            plan=self.plan(*names, pipeline_id=pipeline_id, action=action, resync_mode=resync_mode),
            ledger=BookLedger(self.book, run, retries, reaper=stations),
            index=self.index(pipeline_id),
            settings=replace(JobSettings(), **settings),
            log=self.log,
            clock=clock or ReapedTime(self.time, stations),
        )

    def fault(self, kind: FaultKind | str, path: str = "*", method: str = "*", **more: Any) -> None:
        self.sandbox.faults.add(
            Fault(FaultKind(kind), method=method, path=path, **{"times": 1, **more})
        )

    def fault_on_trigger(self, kind: FaultKind | str, **more: Any) -> None:
        self.fault(kind, "*/actions/*", "POST", **more)

    def when_marked(self, action: Callable[[], object]) -> None:
        """Do something once, between a run's look at the list of jobs and its asking."""
        self.book.when_marked.append(action)

    def outage(self, begins: float, ends: float) -> None:
        """Let every request fail between two moments."""
        self.time.at(begins, lambda: self.fault(FaultKind.STATUS_BEFORE, times=None))
        self.time.at(ends, self.sandbox.faults.clear)

    def jobs(self, requested_by: str | None = None, pipeline_id: int = PIPELINE) -> list[SeenJob]:
        found = self.sandbox.jobs(pipeline_id)
        return [job for job in found if requested_by in (None, job.requested_by)]

    def asked_jobs(self, pipeline_id: int = PIPELINE) -> list[SeenJob]:
        """The jobs that came of asking over the API."""
        return self.jobs("api", pipeline_id)

    def triggers(self, pipeline_id: int = PIPELINE) -> list[str]:
        """What came of each asking that reached the pipeline."""
        return [trigger.result for trigger in self.sandbox.triggers(pipeline_id)]

    def requests(self, method: str, path: str) -> int:
        return len(self.sandbox.requests_to(path, method))

    def close(self) -> None:
        for client in self.clients:
            client.close()


def scenario(
    objects: int | Iterable[Any] = 3,
    *,
    pipelines: int = 1,
    seconds: float = 20.0,
    history: Iterable[Any] = (),
    schedule: Any = None,
    status: str = "INITIALIZED",
    policy: Any = None,
    **behaviour: Any,
) -> Scenario:
    """Pipelines of objects named a, b, c...; each takes a job so many seconds."""
    listed = (
        [chr(ord("a") + place) for place in range(objects)]
        if isinstance(objects, int)
        else list(objects)
    )
    entry: dict[str, Any] = {
        "schema": "shop",
        "status": status,
        "seconds_per_object": seconds,
        "objects": listed,
        "history": list(history),
    }
    if schedule is not None:
        entry["schedule"] = schedule
    if policy is not None:
        entry["failure_policy"] = policy
    return Scenario.model_validate(
        {
            "account": {"requests_per_minute": 0},
            "behaviour": {
                "duration_jitter": 0,
                "job_appears_after": (8, 8),
                "restarting_seconds": 0,
                **behaviour,
            },
            "pipelines": [{"name": f"p{number}", **entry} for number in range(pipelines)],
        }
    )
