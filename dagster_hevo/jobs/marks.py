"""Which sensor has recorded a job, for which assets: marks in the ledger, one list per job.

The ledger's other lists (`jobs/ledger.py`) say which request owns a job. These say what has been
written into the event log, by the assets: two code locations may follow one pipeline with different
asset keys, and each records for its own.

    recorded/<base_url>/<pipeline>/<job id>   begun.<assets>.<seconds>.<sensor>, then done.<assets>;
                                             left.<sensor>: nothing is to be recorded
    assets/<base_url>/<pipeline>/<assets>     the keys that <assets> stands for
    followed/<base_url>/<pipeline>/<sensor>   up to when all jobs are recorded, written now and then
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
_DONE = "done."
_LEFT = "left."
_KEYS_PER_ENTRY = 40
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
class JobMarks:
    """What the marks of one job say.

    Attributes:
        is_done: Whether everything is recorded for our assets.
        begun_by: The sensor that first began to record it for our assets; None where none has.
        begun_at: When, in seconds since the epoch by that sensor's clock.
        others: Other sets of assets that it was recorded for, or is being recorded for.
        is_left: Whether our sensor has nothing to record of it: it was over before the sensor
            followed the pipeline, or was given up.
    """

    is_done: bool
    begun_by: str | None
    others: frozenset[str]
    is_left: bool = False
    begun_at: float = 0.0

    @property
    def is_settled(self) -> bool:
        """Whether nothing is left to do for our sensor."""
        return self.is_done or self.is_left


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
        ours = f"{_BEGUN}{self._assets.name}."
        begun = [entry.removeprefix(ours) for entry in entries if entry.startswith(ours)]
        seconds, _, sensor = begun[0].partition(".") if begun else ("", "", "")
        names = {entry.split(".")[1] for entry in entries if entry.startswith((_BEGUN, _DONE))}
        return JobMarks(
            f"{_DONE}{self._assets.name}" in entries,
            sensor if begun else None,
            frozenset(names - {self._assets.name}),
            f"{_LEFT}{self._sensor_id}" in entries,
            float(seconds) if _SECONDS.fullmatch(seconds) else 0.0,
        )

    def begin(self, job_id: str, now: float) -> str:
        """Write down that this sensor records a job; return the sensor that was first.

        What it reports now may be stored or not when it dies: a job with this mark and without
        ``done`` is looked up, asset by asset.
        """
        self._tell_keys()
        ours, me = f"{_BEGUN}{self._assets.name}.", f".{self._sensor_id}"
        entries = self._store.read(self._list(job_id))
        if not any(entry.startswith(ours) and entry.endswith(me) for entry in entries):
            self._store.append(self._list(job_id), [f"{ours}{round(now)}{me}"])
        return self.of(job_id).begun_by or self._sensor_id

    def finish(self, job_id: str) -> None:
        """Write down that everything of a job is recorded for our assets."""
        self._tell_keys()
        self._store.append(self._list(job_id), [f"{_DONE}{self._assets.name}"])

    def leave(self, job_id: str) -> None:
        """Write down that our sensor has nothing to record of a job."""
        self._store.append(self._list(job_id), [f"{_LEFT}{self._sensor_id}"])

    def shared_with(self, others: Collection[str]) -> frozenset[str] | None:
        """The short names of our keys that other sets have too; None where that is not known."""
        found: set[str] = set()
        for name in others:
            if name not in self._known:
                entries = self._store.read(f"assets/{self._place}/{name}")
                self._known[name] = frozenset(key for entry in entries for key in entry.split())
            if not self._known[name]:
                return None
            found |= self._known[name] & self._assets.keys
        return frozenset(found)

    def followed_until(self) -> tuple[float, int] | None:
        """Since when the pipeline is followed, and up to which time of Hevo's all is recorded."""
        for entry in reversed(self._store.read(self._followed)):
            try:
                since, until_ms = json.loads(entry)
                return float(since), int(until_ms)
            except (TypeError, ValueError):
                continue
        return None

    def follow_until(self, since: float, until_ms: int) -> None:
        """Write that down, in the place of what was written before."""
        before = list(self._store.read(self._followed))
        entry = json.dumps([round(since), until_ms])
        self._store.append(self._followed, [entry])
        for other in before:
            if other != entry:
                self._store.remove(self._followed, other)

    @property
    def _followed(self) -> str:
        return f"followed/{self._place}/{self._sensor_id}"

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
