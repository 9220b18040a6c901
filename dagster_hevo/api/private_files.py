"""Files that only their owner may read and write, in folders where others may write too.

Whoever lays out such a file, its folder or a link in its place first would read along, or be
obeyed. So both are looked at each time before they are opened, and neither is a link.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

SIDE_FILES = ("-wal", "-shm", "-journal")
"""What SQLite puts beside a database, and opens without a look at whose it is."""


def make_private_file(path: Path, *, in_own_folder: bool) -> None:
    """Make an empty file that only its owner can read, in a folder likewise, if it is not there.

    Args:
        path: The file.
        in_own_folder: Whether the folder is ours alone: then it must belong to us, and nobody else
            may write into it.

    Raises:
        OSError: It cannot be made; or it, a file beside it or the folder is refused.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not hasattr(os, "geteuid"):  # Windows: who may write is said in another way there
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        return
    if in_own_folder:
        _check_folder(path.parent)
    # Never open a file that is there: closing it again would drop the locks that this process
    # holds on it through SQLite.
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600))
    for each in (path, *(path.with_name(path.name + end) for end in SIDE_FILES)):
        with suppress(FileNotFoundError):
            _check_file(each)


def _check_folder(folder: Path) -> None:
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise PermissionError(f"{folder} belongs to another user, or is a link")
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        folder.chmod(0o700)


def _check_file(file: Path) -> None:
    found = file.lstat()
    if not stat.S_ISREG(found.st_mode):
        raise PermissionError(f"{file} is a link, or no file")
    if found.st_uid != os.geteuid():
        raise PermissionError(f"{file} belongs to another user")
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise PermissionError(f"{file} can be written by others: chmod 600 it, or delete it")
