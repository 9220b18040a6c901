"""Reading an error answer: which error it is, what it says, and how long it asks to wait.

What an answer says is cleaned of properties that may hold secrets before anybody sees it.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, cast

from dagster_hevo.api.errors import (
    HevoApiError,
    HevoAuthenticationError,
    HevoConflictError,
    HevoNotFoundError,
    HevoPermissionError,
    HevoRateLimitError,
    HevoServerError,
)

if TYPE_CHECKING:
    import requests

LONGEST_RETRY_AFTER = 300.0
_PRIVATE_PROPERTIES = ("config", "password", "secret", "token", "credential", "api_key")
_JSON_PROPERTY = re.compile(r'[\w\]}]\\?"\s*:')


def error_kind(status: int, message: str) -> type[HevoApiError]:
    """The error for a status code; a refusal because of a running job is told by its message."""
    words = message.lower()
    if status == 409 or "job is in progress" in words or "cancel the current job" in words:
        return HevoConflictError
    if status >= 500:
        return HevoServerError
    return {
        401: HevoAuthenticationError,
        403: HevoPermissionError,
        404: HevoNotFoundError,
        429: HevoRateLimitError,
    }.get(status, HevoApiError)


def message_in(response: requests.Response) -> str:
    """What an error's body says, without the properties that may hold secrets."""
    try:
        answer: object = json.loads(response.content)
    except (ValueError, RecursionError):
        return shown_text(response)
    found = _find_message(answer)
    return found if found is not None else json.dumps(_without_private_properties(answer))


def shown_text(response: requests.Response) -> str:
    """What a body that is no JSON says, unless it looks like a piece of JSON.

    That may be a pipeline with its source's settings, in which nothing can be left out by name.
    """
    text = " ".join(response.text.split())
    if text.startswith(("{", "[")) or _JSON_PROPERTY.search(text):
        return f"JSON that is cut short or broken ({len(response.content)} bytes)."
    return text


def _find_message(answer: object) -> str | None:
    if isinstance(answer, str):
        return answer
    if not isinstance(answer, Mapping):
        return None
    properties = cast("Mapping[str, object]", answer)
    for name in ("message", "error_message", "error", "detail", "errors"):
        found: object = properties.get(name)
        if isinstance(found, list):
            found = next(iter(cast("list[object]", found)), None)
        message = _find_message(found)
        if message:
            return message
    return None


def _without_private_properties(answer: object) -> object:
    if isinstance(answer, Mapping):
        properties = cast("Mapping[str, object]", answer)
        return {
            name: _without_private_properties(value)
            for name, value in properties.items()
            if not any(word in name.lower() for word in _PRIVATE_PROPERTIES)
        }
    if isinstance(answer, list):
        return [_without_private_properties(item) for item in cast("list[object]", answer)]
    return answer


def retry_after_of(response: requests.Response) -> float | None:
    """Seconds that the answer asks to wait, by the server's own clock where it names a date."""
    asked = response.headers.get("Retry-After")
    if asked is None:
        return None
    try:
        seconds = float(asked)
    except ValueError:
        pass
    else:
        return None if math.isnan(seconds) else _within_reason(seconds)
    try:
        until = parsedate_to_datetime(asked)
        now = parsedate_to_datetime(response.headers["Date"])
        return _within_reason((until - now).total_seconds())
    except (KeyError, TypeError, ValueError):
        return None


def _within_reason(seconds: float) -> float:
    """Hevo counts by the minute: a longer wait than some minutes is somebody's mistake."""
    return min(max(seconds, 0.0), LONGEST_RETRY_AFTER)
