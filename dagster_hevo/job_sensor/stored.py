"""Reading and writing the values of the sensor's cursor: what is not understood is left out.

What they mean is `cursor.py`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, cast

LAST_MOMENT = 1e11
LONGEST_ID = 200
LONGEST_TEXT = 4096
MOST_ENTRIES = 5000
MOST_TIMES = 500


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


def is_id(value: object) -> bool:
    """Whether it can be the id of a job: a short text that every storage takes."""
    return isinstance(value, str) and 0 < len(value) <= LONGEST_ID and _is_clean(value)


def _is_clean(value: str) -> bool:
    """Whether every storage and Hevo's API take it: no half characters, and no NUL."""
    try:
        return b"\0" not in value.encode()
    except UnicodeEncodeError:
        return False


def text(value: object) -> str | None:
    """The cursor of a page."""
    if not isinstance(value, str) or len(value) > LONGEST_TEXT or not _is_clean(value):
        return None
    return value


def ids(value: object) -> frozenset[str] | None:
    if not isinstance(value, list):
        return None
    found = [item for item in cast("list[object]", value) if is_id(item)]
    return frozenset(cast("list[str]", found[:MOST_ENTRIES]))


def times(value: object) -> dict[str, int] | None:
    if not isinstance(value, Mapping):
        return None
    entries = cast("Mapping[str, object]", value)
    known = [(job_id, count(made) or 0) for job_id, made in entries.items() if is_id(job_id)]
    return dict(known[-MOST_TIMES:])


def texts(value: object) -> tuple[str, ...] | None:
    if not isinstance(value, list):
        return None
    found = [item for item in cast("list[object]", value) if item == "" or text(item) is not None]
    return tuple(cast("list[str]", found[-MOST_ENTRIES:]))


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
