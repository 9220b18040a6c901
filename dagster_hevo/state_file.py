"""The state of an account kept on disk between loads of a code location.

Dagster loads a location again on every reload, and a daemon with its own code servers does so every
minute: asking Hevo each time would use up the request budget of everybody. So what was read is kept
under DAGSTER_HOME for a while, and is used although old where Hevo cannot be reached.
"""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path

from dagster_hevo.api.errors import HevoConfigurationError
from dagster_hevo.workspace import HevoWorkspaceData

FOLDER = "dagster-hevo"


def kept_state_path(account_name: str) -> Path | None:
    """Where an account's state is kept; None where there is no DAGSTER_HOME to keep it in.

    Args:
        account_name: What names the account and its user, free of secrets.
    """
    home = os.environ.get("DAGSTER_HOME")
    return Path(home).expanduser() / FOLDER / f"state-{account_name}.json" if home else None


def read_state(path: Path) -> HevoWorkspaceData | None:
    """The state in a file of ours; None where there is none, or none that can be read."""
    try:
        return HevoWorkspaceData.from_json(path.read_text(encoding="utf-8"), origin=str(path))
    except (OSError, UnicodeDecodeError, HevoConfigurationError):
        return None


def write_state(path: Path, state: HevoWorkspaceData) -> None:
    """Keep a state, whole or not at all; a folder that cannot be written is no error."""
    with suppress(OSError):
        write_snapshot(path, state)


def read_snapshot(path: str) -> HevoWorkspaceData:
    """The state in a file that the user named.

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
    return HevoWorkspaceData.from_json(text, origin=f"snapshot_path {path}")


def write_snapshot(path: Path, state: HevoWorkspaceData) -> None:
    """Write a state into a file, replacing it whole.

    Raises:
        OSError: It cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".new")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(state.to_json())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
