"""Answers that a careful client must survive: unknown words, unknown fields, missing fields.

Which answer is rewritten is decided in `faults.py` and done in `gate.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from dagster_hevo.sandbox.faults import FaultKind

_UNKNOWN_WORD = "SOMETHING_NEW"
_WORDS = frozenset({"status", "type", "replication_status", "load_mode", "sync_type"})
_NEEDED = frozenset({"id", "job_id", "object_id", "name", "status", "data", "has_more"})


def with_unknown_words(value: Any) -> Any:
    """The same JSON with a word in each enumeration that no version knows."""

    def renew(properties: dict[str, Any]) -> dict[str, Any]:
        return {
            name: _UNKNOWN_WORD if name in _WORDS and isinstance(inner, str) else inner
            for name, inner in properties.items()
        }

    return _in_every_object(value, renew)


def with_unknown_fields(value: Any) -> Any:
    """The same JSON with properties in each object that no version knows."""
    return _in_every_object(
        value,
        lambda known: {**known, "brand_new": {"nested": [1, None]}, "another_new": None},
    )


def without_optional_fields(value: Any) -> Any:
    """The same JSON with nothing but what identifies things."""
    return _in_every_object(
        value, lambda all_of: {name: all_of[name] for name in all_of.keys() & _NEEDED}
    )


def _in_every_object(value: Any, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Any:
    if isinstance(value, dict):
        properties = cast("dict[str, Any]", value)
        return change({name: _in_every_object(inner, change) for name, inner in properties.items()})
    if isinstance(value, list):
        return [_in_every_object(inner, change) for inner in cast("list[Any]", value)]
    return value


REWRITINGS: dict[FaultKind, Callable[[Any], Any]] = {
    FaultKind.UNKNOWN_VALUES: with_unknown_words,
    FaultKind.UNKNOWN_FIELDS: with_unknown_fields,
    FaultKind.MISSING_FIELDS: without_optional_fields,
}
