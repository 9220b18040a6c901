"""Who has recorded a job, for which assets: marks in the ledger, one list per job.

The ledger's other lists (`jobs/ledger.py`) say which request owns a job. These say what has been
written into the event log, by the assets: two code locations may follow one pipeline with different
asset keys, and each records for its own. What counts is the set of assets, and not the name of a
sensor or code location: under another name, it goes on where it was.

    recorded/<base_url>/<pipeline>/<job id>   begun.<assets>.<seconds>.<sensor>,
                                             storing.<assets>.<events>.<seconds>, then
                                             done.<assets>; left.<assets>: nothing is to be recorded
    assets/<base_url>/<pipeline>/<assets>     the keys that <assets> stands for
    followed/<base_url>/<pipeline>            per set of assets, up to when all jobs are recorded,
                                             written now and then
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

from dagster_hevo.jobs.ledger_store import LedgerStore

_BEGUN = "begun."
_STORING = "storing."
_DONE = "done."
_LEFT = "left."
_KEYS_PER_ENTRY = 40
# A pipeline's assets change now and then; of sets of long ago nothing is needed.
_MOST_SETS = 20
_SECONDS = re.compile(r"[0-9]{1,11}")


class HasKey(Protocol):
    """An asset key of Dagster's."""

    def to_user_string(self) -> str: ...


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


@dataclass(frozen=True)
class AssetSet:
    """The assets that somebody records a pipeline's jobs for.

    Attributes:
        name: A short name for exactly these keys.
        keys: A short name for each.
    """

    name: str
    keys: frozenset[str]

    @classmethod
    def of(cls, keys: Collection[HasKey]) -> AssetSet:
        texts = sorted(key.to_user_string() for key in keys)
        return cls(_short("\n".join(texts)), frozenset(map(_short, texts)))

    @staticmethod
    def name_of(key: HasKey) -> str:
        """The short name of one key."""
        return _short(key.to_user_string())


@dataclass(frozen=True)
class Begun:
    """That a sensor began to record a job.

    Attributes:
        assets: The short name of the set of assets that it records for.
        sensor: The sensor.
        at: When, in seconds since the epoch by its clock.
    """

    assets: str
    sensor: str
    at: float


@dataclass(frozen=True)
class JobMarks:
    """What the marks of one job say.

    Attributes:
        ours: The short name of our set of assets.
        begun: Who began to record it, for any set of assets, in this order.
        done: The sets of assets for which everything is recorded.
        is_left: Whether nothing is to be recorded for our assets: the job was over before the
            pipeline was followed, or was given up.
        storings: How many ticks that recorded it, or a part of it, have returned their events.
        events: How many events the last of these had to be stored.
    """

    ours: str
    begun: tuple[Begun, ...] = ()
    done: frozenset[str] = frozenset()
    is_left: bool = False
    storings: int = 0
    events: int = 0

    @property
    def is_done(self) -> bool:
        """Whether everything is recorded for our assets."""
        return self.ours in self.done

    @property
    def is_settled(self) -> bool:
        """Whether nothing is left to do for our assets."""
        return self.is_done or self.is_left

    @property
    def begun_by(self) -> str | None:
        """The sensor that first began to record it for our assets; None where none has."""
        return next((each.sensor for each in self.begun if each.assets == self.ours), None)

    @property
    def others(self) -> frozenset[str]:
        """Other sets of assets that it was recorded for, or is being recorded for."""
        return (self.done | {each.assets for each in self.begun}) - {self.ours}


class RecordMarks:
    """The marks of one pipeline's jobs.

    Args:
        store: Where the ledger's lists are kept.
        base_url: Hevo's base URL.
        pipeline_id: The pipeline.
        assets: The assets that we record for.
        sensor_id: The sensor; empty where a run writes the marks.
    """

    def __init__(
        self,
        store: LedgerStore,
        base_url: str,
        pipeline_id: int,
        assets: AssetSet,
        sensor_id: str = "",
    ) -> None:
        self._store = store
        self._place = f"{base_url}/{pipeline_id}"
        self._assets = assets
        self._sensor_id = sensor_id
        self._has_told_keys = False
        self._known: dict[str, frozenset[str]] = {}

    def of(self, job_id: str) -> JobMarks:
        """What the marks of a job say now."""
        entries = self._store.read(self._list(job_id))
        stored = [entry.split(".") for entry in entries if entry.startswith(_STORING)]
        counts = [int(parts[2]) for parts in stored if parts[2:] and _SECONDS.fullmatch(parts[2])]
        return JobMarks(
            self._assets.name,
            tuple(_begun(entry) for entry in entries if entry.startswith(_BEGUN)),
            frozenset(entry.removeprefix(_DONE) for entry in entries if entry.startswith(_DONE)),
            f"{_LEFT}{self._assets.name}" in entries,
            len(counts),
            counts[-1] if counts else 0,
        )

    def unfinished(self, marks: JobMarks) -> tuple[Begun, ...]:
        """Who began to record a job for some of our assets, and has not finished."""
        return tuple(
            each
            for each in marks.begun
            if each.assets not in marks.done and self._has_our_keys(each.assets)
        )

    def ahead(self, marks: JobMarks) -> Begun | None:
        """Another sensor that began before us to record a job for some of our assets."""
        for each in self.unfinished(marks):
            if each.sensor != self._sensor_id:
                return each
            if each.assets == self._assets.name:
                return None
        return None

    def begin(self, job_id: str, now: float) -> Begun | None:
        """Write down that this sensor records a job.

        What it reports now may be stored or not when it dies: a job with this mark and without
        ``done`` is looked up, asset by asset.

        Returns:
            None to go on; otherwise who was first.
        """
        self._tell_keys()
        mine = (self._assets.name, self._sensor_id)
        marks = self.of(job_id)
        if not any((each.assets, each.sensor) == mine for each in marks.begun):
            entry = f"{_BEGUN}{self._assets.name}.{round(now)}.{self._sensor_id}"
            self._store.append(self._list(job_id), [entry])
            marks = self.of(job_id)
        return self.ahead(marks)

    def tell_storing(self, job_id: str, events: int, now: float) -> None:
        """Write down that a tick returns its events, some of them of a job, to be stored.

        Args:
            job_id: The job.
            events: How many events the tick returns.
            now: The time, in seconds since the epoch.
        """
        entry = f"{_STORING}{self._assets.name}.{events}.{round(now)}"
        self._store.append(self._list(job_id), [entry])

    def finish(self, job_id: str) -> None:
        """Write down that everything of a job is recorded for the assets that we began it for."""
        self._tell_keys()
        # A code location that was loaded again in between may have other assets by now.
        begun = {
            each.assets
            for each in self.of(job_id).begun
            if self._sensor_id and each.sensor == self._sensor_id
        }
        names = sorted(begun or {self._assets.name})
        self._store.append(self._list(job_id), [f"{_DONE}{name}" for name in names])

    def leave(self, job_id: str) -> None:
        """Write down that nothing of a job is to be recorded for our assets."""
        self._store.append(self._list(job_id), [f"{_LEFT}{self._assets.name}"])

    def shared_with(self, others: Collection[str]) -> frozenset[str] | None:
        """The short names of our keys that other sets have too; None where that is not known."""
        found: set[str] = set()
        for name in others:
            keys = self._keys_of(name)
            if not keys:
                return None
            found |= keys & self._assets.keys
        return frozenset(found)

    def _has_our_keys(self, name: str) -> bool:
        """Whether a set may have some of our assets."""
        if name == self._assets.name:
            return True
        keys = self._keys_of(name)
        return not keys or bool(keys & self._assets.keys)

    def _keys_of(self, name: str) -> frozenset[str]:
        """The short names of a set's keys; empty where they are not known."""
        if name not in self._known:
            entries = self._store.read(f"assets/{self._place}/{name}")
            self._known[name] = frozenset(key for entry in entries for key in entry.split())
        return self._known[name]

    def followed_until(self) -> tuple[float, int] | None:
        """Since when the pipeline is followed, and up to which time of Hevo's all is recorded.

        Where our set of assets is new, what was written last for one that shares some of them.
        """
        entries = list(reversed(self._followed_entries()))
        ours = [each for each in entries if each[0] == self._assets.name]
        alike = (each for each in entries if self._keys_of(each[0]) & self._assets.keys)
        found = next(iter(ours), None) or next(alike, None)
        return None if found is None else (found[1], found[2])

    def follow_until(self, since: float, until_ms: int) -> None:
        """Write that down, in the place of what was written before."""
        self._tell_keys()
        before = self._followed_entries()
        entry = json.dumps([self._assets.name, round(since), until_ms])
        self._store.append(self._followed, [entry])
        ours = [each for each in before if each[0] == self._assets.name and each[3] != entry]
        others = [each for each in before if each[0] != self._assets.name]
        for each in (*ours, *others[:-_MOST_SETS]):
            self._store.remove(self._followed, each[3])

    def _followed_entries(self) -> list[tuple[str, float, int, str]]:
        """The readable entries: the set, since when, until when, and the entry itself."""
        found: list[tuple[str, float, int, str]] = []
        for entry in self._store.read(self._followed):
            try:
                name, since, until_ms = json.loads(entry)
                found.append((str(name), float(since), int(until_ms), entry))
            except (TypeError, ValueError):
                continue
        return found

    @property
    def _followed(self) -> str:
        return f"followed/{self._place}"

    def _list(self, job_id: str) -> str:
        return f"recorded/{self._place}/{job_id}"

    def _tell_keys(self) -> None:
        if self._has_told_keys:
            return
        self._has_told_keys = True
        name = f"assets/{self._place}/{self._assets.name}"
        if self._store.read(name):
            return
        keys = sorted(self._assets.keys)
        parts = range(0, len(keys), _KEYS_PER_ENTRY)
        self._store.append(name, [" ".join(keys[at : at + _KEYS_PER_ENTRY]) for at in parts])


def _begun(entry: str) -> Begun:
    name, _, rest = entry.removeprefix(_BEGUN).partition(".")
    seconds, _, sensor = rest.partition(".")
    return Begun(name, sensor, float(seconds) if _SECONDS.fullmatch(seconds) else 0.0)
