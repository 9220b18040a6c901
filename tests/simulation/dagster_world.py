"""What of Dagster matters: runs and their ends, the ledger's store, and the event log's records."""

from __future__ import annotations

import json
from bisect import insort
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dagster_hevo.jobs.pipeline_ledger import RequestPointer
from simulation.world import Process, World


@dataclass
class Run:
    """A run of Dagster.

    Attributes:
        run_id: The run.
        root: The first of the runs that re-execute each other.
        ended_at: When Dagster wrote that it ended; None while it is said to be in progress.
        succeeded_at: When its step ended well; None where it has not.
    """

    run_id: str
    root: str
    ended_at: float | None = None
    succeeded_at: float | None = None

    @property
    def has_succeeded(self) -> bool:
        """Whether its step ended well."""
        return self.succeeded_at is not None


@dataclass(frozen=True)
class Load:
    """An object recorded as materialized.

    Attributes:
        job_id: The job that loaded it.
        object_id: The object.
        by: The run or sensor that recorded it.
        at: When.
    """

    job_id: str
    object_id: str
    by: str
    at: float


@dataclass
class Instance:
    """A Dagster instance.

    Attributes:
        runs: Its runs.
        lists: The ledger.
        places: In which order entries are in their lists.
        loads: The materializations in the event log.
        recorded_jobs: The jobs whose outcome somebody began to record.
        baselines: When each request last wrote its baseline.
        adopted: The requests that claimed a foreign job, and the job.
        begun: The run that first sent a trigger for each request, and when.
        fully_recorded: The jobs whose outcome somebody recorded to its end: who, and when.
    """

    runs: dict[str, Run] = field(default_factory=dict[str, Run])
    lists: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    places: dict[tuple[str, str], int] = field(default_factory=dict[tuple[str, str], int])
    loads: list[Load] = field(default_factory=list[Load])
    adopted: set[tuple[str, str | None]] = field(default_factory=set[tuple[str, "str | None"]])
    baselines: dict[str, float] = field(default_factory=dict[str, float])
    begun: dict[str, tuple[str, float]] = field(default_factory=dict[str, tuple[str, float]])
    recorded_jobs: set[str] = field(default_factory=set[str])
    fully_recorded: dict[str, list[tuple[str, float]]] = field(
        default_factory=dict[str, list[tuple[str, float]]]
    )

    def loads_of(self, job_id: str) -> frozenset[str]:
        """The objects whose load by a job is in the event log."""
        return frozenset(load.object_id for load in self.loads if load.job_id == job_id)

    def ended_at(self, run_id: str) -> float | None:
        """When a run ended, by Dagster's clock."""
        run = self.runs.get(run_id)
        return None if run is None else run.ended_at


class StoreView:
    """The ledger's store, as one process uses it: each call takes a moment."""

    def __init__(self, world: World, instance: Instance, process: Process, slow: float) -> None:
        self._world = world
        self._instance = instance
        self._process = process
        self._slow = slow

    def append(self, name: str, entries: Sequence[str]) -> None:
        # An entry has its place when it is written, and is seen when it is committed.
        places = self._instance.places
        for entry in entries:
            places.setdefault((name, entry), len(places))
        self._pass()
        known = self._instance.lists.setdefault(name, [])
        for entry in entries:
            if entry in known:
                continue
            place = places.setdefault((name, entry), len(places))
            if known and place < places[name, known[-1]]:
                self._world.count("world: entries seen out of order")
            insort(known, entry, key=lambda item: places[name, item])
        if name.startswith("claimed/"):
            pointer = RequestPointer.from_text(entries[0])
            if pointer is not None and pointer.is_adopted:
                self._instance.adopted.add((pointer.request_id, pointer.job_id))
        if '"kind":"baseline"' in entries[0]:
            record = json.loads("".join(entry.partition("|")[2] for entry in entries))
            self._instance.baselines[record["request"]] = self._world.now
            begun = (self._process.name, self._world.now)
            self._instance.begun.setdefault(record["request"], begun)

    def read(self, name: str) -> Sequence[str]:
        self._pass()
        return tuple(self._instance.lists.get(name, ()))

    def remove(self, name: str, entry: str) -> None:
        self._pass()
        if entry in self._instance.lists.get(name, ()):
            self._instance.lists[name].remove(entry)
            del self._instance.places[name, entry]

    def pause(self, seconds: float) -> None:
        if seconds:
            self._world.pause(self._process, seconds)

    def is_running(self, run_id: str) -> bool:
        self._pass()
        run = self._instance.runs.get(run_id)
        return run is not None and run.ended_at is None

    def has_ended(self, run_id: str) -> bool:
        self._pass()
        return self._instance.ended_at(run_id) is not None

    def has_succeeded(self, run_id: str, step_key: str) -> bool:
        self._pass()
        run = self._instance.runs.get(run_id)
        return run is not None and run.has_succeeded

    def tell(self, step_key: str, sentence: str, content: Mapping[str, Any]) -> None:
        self._world.tell(self._process.name, f"LEDGER {sentence} {dict(content)}")

    def _pass(self) -> None:
        seconds = self._world.rng.random() * 0.02
        if self._slow and self._world.rng.random() < self._slow:
            self._world.count("world: slow process")
            seconds += self._world.rng.choice((0.5, 3.0, 20.0))
        self._world.pause(self._process, seconds)
