"""The second code location: what the folder `defs/` says, and nothing in Python.

Its component is written in `defs/hevo/defs.yaml`; `docs/component.md` explains each key.
"""

from __future__ import annotations

from pathlib import Path

import dagster as dg


@dg.definitions
def defs() -> dg.Definitions:
    """Load the components under `defs/`."""
    return dg.load_from_defs_folder(path_within_project=Path(__file__).parent)
