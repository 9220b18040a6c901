"""Keeping literal secrets out of what Dagster shows and stores.

Dagster writes a resource's values into its snapshots, its database and its pages. A secret given
as `dg.EnvVar` shows there as the variable's name; one given as a literal would be readable. So a
literal is kept in this process and a handle stands in its place.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping
from typing import Any, cast

import dagster as dg

from dagster_hevo.variables import is_variable, text_of_variable

_PREFIX = "given-in-code-"
_VARIABLE = "environment-variable-"
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


def concealed_within(value: object, *, but: Collection[str] = ()) -> object:
    """The same with each text in it concealed.

    Args:
        value: A mapping, a list or a single value.
        but: Names in the mapping whose values are no secrets.
    """
    if isinstance(value, Mapping):
        entries = cast("Mapping[str, object]", value)
        return {
            name: each if name in but and not is_variable(each) else concealed_within(each)
            for name, each in entries.items()
        }
    return _changed(value, _concealed_or_named)


def _concealed_or_named(value: object) -> object:
    """A handle for a secret; a variable's name as text, since Dagster would lose the variable."""
    if is_variable(value):
        return f"{_VARIABLE}{value.env_var_name}"
    is_name = isinstance(value, str) and value.startswith(_VARIABLE)
    return value if is_name else concealed(value)


def revealed_within(name: str, value: Any) -> Any:
    """The same with each handle in it revealed, and each environment variable read.

    Args:
        name: The setting, for the error.
        value: Its value: a mapping, a list or a single value.

    Raises:
        HevoConfigurationError: An environment variable is not set.
    """

    def read(each: object) -> object:
        if is_variable(each):
            return text_of_variable(name, each.env_var_name)
        if isinstance(each, str) and each.startswith(_VARIABLE):
            return text_of_variable(name, each.removeprefix(_VARIABLE))
        return revealed(each) if isinstance(each, str) else each

    return _changed(value, read)


def _changed(value: object, change: Callable[[object], object]) -> object:
    """The same with each single value in it changed."""
    if isinstance(value, Mapping):
        entries = cast("Mapping[str, object]", value)
        return {name: _changed(each, change) for name, each in entries.items()}
    if isinstance(value, list | tuple):
        listed = [_changed(each, change) for each in cast("list[object]", value)]
        return tuple(listed) if isinstance(value, tuple) else listed
    return change(value)
