"""Requests carried out over real HTTP, in a time that moves only while somebody sleeps.

`World` is a sandbox, its time, and a ledger that several runs write to; `Reaper` kills a run at any
of its stations. The tests of this folder use them through the fixture `make_world`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sandbox_time import SandboxTime, Told

from dagster_hevo.api.client import HevoClient
from dagster_hevo.api.enums import ResyncMode
from dagster_hevo.jobs.ledger import Ledger
from dagster_hevo.jobs.ledger_store import MemoryStore, read_records
from dagster_hevo.jobs.objects import KnownObject, ObjectIndex
from dagster_hevo.jobs.outcome import JobOutcome
from dagster_hevo.jobs.records import Record, RecordKind
from dagster_hevo.jobs.request import SyncAction, SyncRequest, make_request
from dagster_hevo.jobs.runner import JobRunner
from dagster_hevo.jobs.settings import JobSettings
from dagster_hevo.sandbox import Fault, FaultKind, HevoSandbox, Scenario, SeenJob

PIPELINE = 101
STEP = "hevo"


class Killed(BaseException):
    """The process is gone: nothing after this runs in it."""


class Reaper:
    """Kills a run at the n-th of its stations: before a request, around a record, at a sleep."""

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
    """The lists that all runs write, and what Dagster knows of the runs."""

    def __init__(self) -> None:
        self.lists = MemoryStore()
        self.in_progress: set[str] = set()
        self.succeeded: set[str] = set()
        self.roots: dict[str, str] = {}
        self.before_trigger: list[Callable[[], object]] = []

    def begin(self, run_id: str, parent: str | None) -> str:
        """A run begins; a run that it re-executes has ended. Returns the root run."""
        self.in_progress.add(run_id)
        if parent is not None:
            self.in_progress.discard(parent)
        return self.roots.setdefault(run_id, self.roots.get(parent or "", parent or run_id))

    def end(self, run_id: str, *, has_succeeded: bool = True) -> None:
        """A run has ended."""
        self.in_progress.discard(run_id)
        if has_succeeded:
            self.succeeded.add(run_id)

    def records(self, run_id: str = "run") -> tuple[Record, ...]:
        """What a run has written, in the order of writing."""
        name = f"requests/{self.roots.get(run_id, run_id)}/{STEP}"
        found = read_records(self.lists, name)
        return tuple(record for record in found if record.run_id == run_id)

    def kinds(self, run_id: str = "run") -> list[str]:
        return [record.kind.value for record in self.records(run_id)]

    def claimed(self, run_id: str = "run") -> list[str]:
        """The jobs that a run has claimed."""
        found = [record.content.get("job") for record in self.records(run_id)]
        return [job_id for job_id in found if job_id is not None]


class BookStore:
    """A ledger store in the book, every change of which is two stations of the reaper's."""

    def __init__(self, book: LedgerBook, reaper: Reaper) -> None:
        self._book = book
        self._reaper = reaper

    def append(self, name: str, entries: Sequence[str]) -> None:
        self._reaper.pass_by(f"before {name}")
        self._book.lists.append(name, entries)
        if self._book.before_trigger and self._is_baseline(name):
            self._book.before_trigger.pop(0)()
        self._reaper.pass_by(f"after {name}")

    def _is_baseline(self, name: str) -> bool:
        """Whether the last record of a list is a baseline, so that its trigger comes next."""
        records = read_records(self._book.lists, name) if name.startswith("requests/") else ()
        return bool(records) and records[-1].kind is RecordKind.BASELINE

    def read(self, name: str) -> Sequence[str]:
        return self._book.lists.read(name)

    def remove(self, name: str, entry: str) -> None:
        self._reaper.pass_by(f"before removal from {name}")
        self._book.lists.remove(name, entry)
        self._reaper.pass_by(f"after removal from {name}")

    def pause(self, seconds: float) -> None:
        if seconds:
            self._reaper.pass_by("pause")

    def is_running(self, run_id: str) -> bool:
        return run_id in self._book.in_progress

    def has_ended(self, run_id: str) -> bool:
        return run_id not in self._book.in_progress

    def has_succeeded(self, run_id: str, step_key: str) -> bool:
        return run_id in self._book.succeeded

    def tell(self, step_key: str, sentence: str, content: Mapping[str, Any]) -> None:
        assert sentence


class World:
    """A sandbox whose time moves by sleeping, and the runs that request jobs of it."""

    def __init__(self, sandbox: HevoSandbox) -> None:
        self.sandbox = sandbox
        self.time = SandboxTime(sandbox)
        self.book = LedgerBook()
        self.told = Told()
        self.log = logging.Logger("jobs")
        self.log.addHandler(self.told)
        self.clients: list[HevoClient] = []
        reader = self.client()
        listed = {number: tuple(reader.list_objects(number)) for number in sandbox.pipeline_ids}
        self._active = {
            number: frozenset(item.object_id for item in items if item.is_replicated)
            for number, items in listed.items()
        }
        self._known = {number: KnownObject.all_of(items) for number, items in listed.items()}

    def client(self, *, reaper: Reaper | None = None, **settings: Any) -> HevoClient:
        made = HevoClient(
            api_key=self.sandbox.api_key,
            api_secret=self.sandbox.api_secret,
            base_url=self.sandbox.url,
            **{"retry_limit": 1, "sleep": self.time.sleep, **settings},
            budget=None if reaper is None else ReapedBudget(reaper),
            monotonic=self.time.monotonic,
        )
        self.clients.append(made)
        return made

    def ids(self, *names: str, pipeline_id: int = PIPELINE) -> frozenset[str]:
        """The ids of objects by name; without names, of all objects."""
        return frozenset(self.sandbox.object_ids(pipeline_id, *names))

    def request(
        self,
        *names: str,
        pipeline_id: int = PIPELINE,
        action: SyncAction = SyncAction.RESYNC,
        resync_mode: ResyncMode = ResyncMode.EVOLVE_AND_MERGE,
    ) -> SyncRequest:
        """The request for some objects by name, or for all active ones."""
        active = self._active[pipeline_id]
        return make_request(
            pipeline_id,
            self.ids(*names, pipeline_id=pipeline_id) if names else active,
            active,
            action=action,
            resync_mode=resync_mode,
        )

    def runner(
        self,
        *names: str,
        pipeline_id: int = PIPELINE,
        action: SyncAction = SyncAction.RESYNC,
        resync_mode: ResyncMode = ResyncMode.EVOLVE_AND_MERGE,
        run: str = "run",
        reexecutes: str | None = None,
        attempt: int = 0,
        reaper: Reaper | None = None,
        client: HevoClient | None = None,
        clock: Any = None,
        **settings: Any,
    ) -> JobRunner:
        """What carries out the request for some objects by name, or for all, in a run."""
        stations = reaper or Reaper()
        root = self.book.begin(run, reexecutes)
        ledger = Ledger(
            BookStore(self.book, stations),
            base_url=self.sandbox.url,
            run_id=run,
            root_run_id=root,
            step_key=STEP,
            attempt=attempt,
        )
        return JobRunner(
            hevo=client or self.client(reaper=stations),
            request=self.request(
                *names, pipeline_id=pipeline_id, action=action, resync_mode=resync_mode
            ),
            ledger=ledger,
            index=ObjectIndex(self._known[pipeline_id]),
            settings=replace(JobSettings(), **settings),
            log=self.log,
            clock=clock or ReapedTime(self.time, stations),
        )

    def materialize(self, *names: str, run: str = "run", **given: Any) -> JobOutcome:
        """A whole run that ends well: its outcome is recorded and its request is settled."""
        runner = self.runner(*names, run=run, **given)
        outcome = runner.run()
        runner.settle()
        self.book.end(run)
        return outcome

    def results(self, outcome: JobOutcome) -> dict[str, str]:
        """What became of each object, by its name."""
        return {item.name: str(item.result) for item in outcome.objects.values()}

    def fault(self, kind: FaultKind | str, path: str = "*", method: str = "*", **more: Any) -> None:
        self.sandbox.faults.add(
            Fault(FaultKind(kind), method=method, path=path, **{"times": 1, **more})
        )

    def fault_on_trigger(self, kind: FaultKind | str, **more: Any) -> None:
        self.fault(kind, "*/actions/*", "POST", **more)

    def before_trigger(self, action: Callable[[], object]) -> None:
        """Do something once, between a run's baseline and its trigger."""
        self.book.before_trigger.append(action)

    def job_between(self, *, has_ended: bool = False, **job: Any) -> None:
        """Let a foreign job start between a run's baseline and its trigger."""

        def start() -> None:
            self.sandbox.start_scheduled_job(PIPELINE, **job)
            if has_ended:
                self.sandbox.finish_jobs(PIPELINE)

        self.before_trigger(start)

    def outage(self, begins: float, ends: float) -> None:
        """Let every request fail between two moments."""
        self.time.at(begins, lambda: self.fault(FaultKind.STATUS_BEFORE, times=None))
        self.time.at(ends, self.sandbox.faults.clear)

    def jobs(self, requested_by: str | None = None, pipeline_id: int = PIPELINE) -> list[SeenJob]:
        found = self.sandbox.jobs(pipeline_id)
        return [job for job in found if requested_by in (None, job.requested_by)]

    def triggered_jobs(self, pipeline_id: int = PIPELINE) -> list[str]:
        """The ids of the jobs that came of triggers over the API."""
        return [job.job_id for job in self.jobs("api", pipeline_id)]

    def triggers(self, pipeline_id: int = PIPELINE) -> list[str]:
        """What came of each trigger that reached the pipeline."""
        return [trigger.result for trigger in self.sandbox.triggers(pipeline_id)]

    def requests(self, method: str, path: str) -> int:
        return len(self.sandbox.requests_to(path, method))

    @property
    def cancels(self) -> int:
        """How many requests to cancel a job were sent."""
        return self.requests("POST", "*/cancel")

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
