"""A build hook: an sdist and a wheel hold what is under version control, and nothing else.

Without it, whatever lies in a folder of the project is packed: a note, a file with keys.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

_IN_PATTERNS = re.compile(r"([\[\]*?!# \\])")


class TrackedFilesOnly(BuildHookInterface):
    """Leaves untracked files out. An unpacked sdist has no repository, and is packed whole."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "editable":
            return
        untracked = untracked_files(Path(self.root))
        if untracked:
            patterns = self.build_config.target_config.setdefault("exclude", [])
            patterns += ["/" + _IN_PATTERNS.sub(r"\\\1", each) for each in untracked]
            self.build_config.__dict__.pop("exclude_spec", None)  # in case it was made before


def untracked_files(root: Path) -> list[str]:
    """The files below a repository's top that are not under version control; none elsewhere."""
    if not (root / ".git").exists():
        return []
    told = subprocess.run(
        ["git", "ls-files", "--others", "-z"], cwd=root, check=True, capture_output=True
    )
    return [name for name in told.stdout.decode("utf-8", "surrogateescape").split("\0") if name]
