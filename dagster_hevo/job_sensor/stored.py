"""Reading and writing the values of the sensor's cursor: what is not understood is left out.

What they mean is `cursor.py`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, cast

LAST_MOMENT = 1e11


def mapping(value: object) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else {}


def moment(value: object) -> float | None:
    """Seconds since the epoch; None where it is nothing that a clock may have told."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value) if math.isfinite(value) and 0 <= value < LAST_MOMENT else None
    except OverflowError:
        return None


def count(value: object) -> int | None:
    """A count, or a time in milliseconds."""
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 <= value < LAST_MOMENT * 1000 else None


def flag(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def ids(value: object) -> frozenset[str] | None:
    if not isinstance(value, list):
        return None
    return frozenset(item for item in cast("list[object]", value) if isinstance(item, str))


def times(value: object) -> dict[str, int] | None:
    if not isinstance(value, Mapping):
        return None
    entries = cast("Mapping[str, object]", value)
    return {job_id: count(made) or 0 for job_id, made in entries.items()}


def texts(value: object) -> tuple[str, ...] | None:
    if not isinstance(value, list):
        return None
    return tuple(item for item in cast("list[object]", value) if isinstance(item, str))


def written(value: object, fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that say something. Times are never rounded up: what is due now stays due."""
    content: dict[str, Any] = {}
    for name in fields:
        found = getattr(value, name)
        if not found:
            continue
        if isinstance(found, float):
            found = math.floor(found)
        elif isinstance(found, frozenset):
            found = sorted(cast("frozenset[str]", found))
        content[name] = list(cast("tuple[str, ...]", found)) if isinstance(found, tuple) else found
    return content


def read(entries: Mapping[str, Any], fields: Mapping[str, Any]) -> dict[str, Any]:
    found = {name: read(entries.get(name)) for name, read in fields.items()}
    return {name: value for name, value in found.items() if value is not None}
