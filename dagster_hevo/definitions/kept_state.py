"""The snapshot of an account kept between loads of a code location.

Dagster loads a location again on every reload, and a daemon with its own code servers does so every
minute: reading Hevo each time would use up everybody's request budget. So what was read is kept for
a while, under DAGSTER_HOME or, for several machines, in Dagster's own storage for such states; and
it is used although old where Hevo cannot be read.
"""

from __future__ import annotations

import hashlib
import logging
import os
import tempfile
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from dagster_hevo.api.errors import HevoConfigurationError
from dagster_hevo.dagster_private import StateStorage, current_state_storage
from dagster_hevo.definitions.snapshot import AccountSnapshot

FOLDER = "dagster-hevo"
PLACES = ("dagster_home", "defs_state_storage")


class NamedAccount(Protocol):
    """An account with a name for files."""

    @property
    def account_name(self) -> str:
        """What names the account and its user in file names, free of secrets."""
        ...


class KeptState(Protocol):
    """Where a snapshot outlives the process that read it."""

    @property
    def place(self) -> str:
        """What to call it in a message."""
        ...

    def read(self) -> AccountSnapshot | None:
        """The snapshot; None where there is none, or none that can be read."""
        ...

    def write(self, state: AccountSnapshot) -> None:
        """Keep a snapshot, whole or not at all; where that cannot be done, it is no error."""
        ...


@dataclass(frozen=True)
class StateFile:
    """A snapshot kept in a file.

    Attributes:
        path: The file.
    """

    path: Path

    @property
    def place(self) -> str:
        return str(self.path)

    def read(self) -> AccountSnapshot | None:
        try:
            text = self.path.read_text(encoding="utf-8")
            return AccountSnapshot.from_json(text, origin=str(self.path))
        except (OSError, UnicodeDecodeError, HevoConfigurationError):
            return None

    def write(self, state: AccountSnapshot) -> None:
        with suppress(OSError):
            write_snapshot(self.path, state)


@dataclass(frozen=True)
class StoredState:
    """A snapshot kept in Dagster's storage for states of definitions, which machines share.

    Attributes:
        storage: The storage of the Dagster instance.
        key: What names the snapshot in it.
    """

    storage: StateStorage
    key: str

    @property
    def place(self) -> str:
        return f"Dagster's state storage under {self.key}"

    def read(self) -> AccountSnapshot | None:
        def download() -> AccountSnapshot | None:
            version = self.storage.get_latest_version(self.key)
            if version is None:
                return None
            with tempfile.TemporaryDirectory(prefix=FOLDER) as folder:
                path = Path(folder) / "state"
                self.storage.download_state_to_path(self.key, version, path)
                return StateFile(path).read()

        return self._attempt(download, "read")

    def write(self, state: AccountSnapshot) -> None:
        def upload() -> None:
            # Named by its content but for its time, so that a refresh that found nothing new
            # leaves no further copy in the storage.
            same = state.model_copy(update={"fetched_at": 0.0}).to_json()
            version = hashlib.sha256(same.encode()).hexdigest()[:32]
            with tempfile.TemporaryDirectory(prefix=FOLDER) as folder:
                path = Path(folder) / "state"
                write_snapshot(path, state)
                self.storage.upload_state_from_path(self.key, version, path)

        self._attempt(upload, "written")

    def _attempt(
        self, action: Callable[[], AccountSnapshot | None], word: str
    ) -> AccountSnapshot | None:
        try:
            return action()
        except Exception as error:  # noqa: BLE001 (any store of the user's: not worth a location)
            logging.getLogger("dagster_hevo").warning(
                f"{self.place} could not be {word} ({type(error).__name__}: {error}); going on "
                "without. Check defs_state_storage in dagster.yaml."
            )
            return None


def check_place(place: str) -> None:
    """Refuse a place that there is not.

    Raises:
        HevoConfigurationError: It is neither ``dagster_home`` nor ``defs_state_storage``.
    """
    if place not in PLACES:
        raise HevoConfigurationError(
            f"definitions_kept_in is {place!r}: it must be one of {', '.join(PLACES)}."
        )


def kept_state_of(place: str, account: NamedAccount) -> KeptState | None:
    """Where an account's snapshot is kept; None where there is no such place here.

    Args:
        place: ``dagster_home`` or ``defs_state_storage``.
        account: The account.
    """
    if place == "defs_state_storage":
        storage = current_state_storage()
        if storage is None:
            logging.getLogger("dagster_hevo").warning(
                "definitions_kept_in is defs_state_storage, and no Dagster instance is at hand "
                "that has such a storage: Hevo is read at every load."
            )
            return None
        return StoredState(storage, f"{FOLDER}/{account.account_name}")
    home = os.environ.get("DAGSTER_HOME")
    if not home:
        return None
    return StateFile(Path(home).expanduser() / FOLDER / f"state-{account.account_name}.json")


def read_snapshot(path: str) -> AccountSnapshot:
    """The snapshot in a file that the user named.

    Raises:
        HevoConfigurationError: It is not there, or not a snapshot.
    """
    try:
        text = Path(path).expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise HevoConfigurationError(
            f"snapshot_path {path} cannot be read ({type(error).__name__}). Write it with "
            "`dagster-hevo snapshot --output FILE`, or correct the path."
        ) from None
    return AccountSnapshot.from_json(text, origin=f"snapshot_path {path}")


def write_snapshot(path: Path, state: AccountSnapshot) -> None:
    """Write a snapshot into a file, replacing it whole. Who may read it is as the umask says.

    Raises:
        OSError: It cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Not a name of the tempfile module: those files are readable by their owner alone, and an image
    # that was built by one user is run by another.
    new = path.parent / f".{uuid.uuid4().hex}.new"
    try:
        with new.open("x", encoding="utf-8") as file:
            file.write(state.to_json())
        new.replace(path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise
