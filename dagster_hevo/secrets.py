"""Keeping literal secrets out of what Dagster shows and stores.

Dagster writes a resource's values into its snapshots, its database and its pages. A secret given
as `dg.EnvVar` shows there as the variable's name; one given as a literal would be readable. So a
literal is kept in this process and a handle stands in its place.
"""

from __future__ import annotations

import hashlib

import dagster as dg

_PREFIX = "given-in-code-"
_KEPT: dict[str, str] = {}


def concealed(value: object) -> object:
    """A handle for a literal secret; anything else (an environment variable) as it is.

    The same literal has the same handle in every process, so that a step's process, which loads
    the same code, finds its own.
    """
    if not isinstance(value, str) or isinstance(value, dg.EnvVar) or value in _KEPT or not value:
        return value
    handle = _PREFIX + hashlib.sha256(f"dagster-hevo:{value}".encode()).hexdigest()[:12]
    _KEPT[handle] = value
    return handle


def revealed(value: str) -> str:
    """The secret that a handle stands for; anything else as it is."""
    return _KEPT.get(value, value)
