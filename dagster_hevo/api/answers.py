"""An answer as it came, and reading an error answer: its kind, its message, how long to wait.

The message is cleaned of properties that may hold secrets before anybody sees it.
"""

from __future__ import annotations

import codecs
import json
import math
import re
from collections.abc import Mapping
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import NamedTuple, cast

from dagster_hevo.api.errors import (
    HevoApiError,
    HevoAuthenticationError,
    HevoConflictError,
    HevoNotFoundError,
    HevoPermissionError,
    HevoRateLimitError,
    HevoServerError,
)
from dagster_hevo.api.refusals import says_that_a_job_runs

LONGEST_RETRY_AFTER = 300.0
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
LONGEST_SHOWN_BODY = 64 * 1024
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_PRIVATE_PROPERTIES = ("config", "password", "secret", "token", "credential", "api_key")
_JSON_PROPERTY = re.compile(r'[\w\]}]\\?"\s*:')
# Escapes of them, or bytes that may spell one, in whichever encoding.
_MAY_HOLD_HALVES = re.compile(rb"\\u[dD][89a-fA-F]|\xed[\xa0-\xbf]|\x00")
_TEXT_ENCODINGS = frozenset(
    {"ascii", "utf-8", "utf-16", "utf-16-le", "utf-16-be", "iso8859-1", "cp1252"}
)


class Answer(NamedTuple):
    """An HTTP answer, its body read.

    Attributes:
        status: The status code.
        headers: The headers; names in any case.
        body: The body, unpacked.
        is_cut: Whether the body was longer than what is read of it.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    is_cut: bool = False

    @property
    def is_success(self) -> bool:
        """Whether Hevo accepted the request: 2xx and nothing else."""
        return 200 <= self.status < 300

    @property
    def is_redirect(self) -> bool:
        """Whether it says where to go instead."""
        return self.status in _REDIRECTS and "Location" in self.headers

    @property
    def is_error(self) -> bool:
        """Whether it is one of HTTP's errors."""
        return self.status >= 400

    @property
    def text(self) -> str:
        """The beginning of the body as text, in whichever encoding it is."""
        body = self.body[:LONGEST_SHOWN_BODY]
        _, _, charset = self.headers.get("Content-Type", "").lower().partition("charset=")
        name = _encoding(charset.partition(";")[0].strip(" \"'"))
        if name is not None:
            return body.decode(name, "replace")
        try:
            # As a beginning, which may end within a character.
            return codecs.getincrementaldecoder("utf-8")().decode(body)
        except UnicodeDecodeError:
            return body.decode("latin-1")


def _encoding(charset: str) -> str | None:
    """An encoding that decodes any text quickly; Python has others, which raise or take long."""
    try:
        name = codecs.lookup(charset).name
    except (LookupError, ValueError):
        return None
    return name if name in _TEXT_ENCODINGS else None


class ErrorText(NamedTuple):
    """What an error's body says.

    Attributes:
        message: The message, without properties that may hold secrets.
        was_json: Whether the body was a JSON object: Hevo's own logic answered, and no gateway.
    """

    message: str
    was_json: bool


def json_of(body: bytes) -> object:
    """The JSON of a body, without halves of characters: no database or terminal takes these.

    Raises:
        ValueError: It is not JSON.
        RecursionError: It is too deep.
    """
    content: object = json.loads(body)
    return _without_halves(content) if _MAY_HOLD_HALVES.search(body) else content


def _without_halves(content: object) -> object:
    if isinstance(content, str):
        return content.encode("utf-8", "replace").decode()
    if isinstance(content, list):
        return [_without_halves(each) for each in cast("list[object]", content)]
    if isinstance(content, dict):
        entries = cast("dict[str, object]", content)
        return {str(_without_halves(name)): _without_halves(each) for name, each in entries.items()}
    return content


def error_kind(status: int, message: str) -> type[HevoApiError]:
    """The error for a status code and a message; a running job is recognised by the message."""
    known = {
        401: HevoAuthenticationError,
        403: HevoPermissionError,
        404: HevoNotFoundError,
        409: HevoConflictError,
        429: HevoRateLimitError,
    }
    if status in known:
        return known[status]
    if says_that_a_job_runs(message):
        return HevoConflictError
    return HevoServerError if status >= 500 else HevoApiError


def error_text(answer: Answer) -> ErrorText:
    """What an error's body says, without the properties that may hold secrets."""
    try:
        content = json_of(answer.body)
        message = _find_message(content)
        if message is None:
            message = json.dumps(_without_private_properties(content))
    except (ValueError, RecursionError):
        return ErrorText(shown_text(answer), was_json=False)
    return ErrorText(message, was_json=isinstance(content, dict))


def in_one_line(text: str) -> str:
    """The text as a log can hold it: what moves the cursor, colours or is no character is left out.

    Otherwise an answer could write lines of its own into a log.
    """
    return "".join(each if each.isprintable() else " " if each.isspace() else "?" for each in text)


def shown_text(answer: Answer) -> str:
    """What a body that is no JSON says, unless it looks like a piece of JSON.

    That may be a pipeline with its source's settings, in which nothing can be left out by name.
    """
    text = " ".join(answer.text.split())
    if text.startswith(("{", "[")) or _JSON_PROPERTY.search(text):
        return f"JSON that is cut short or broken ({len(answer.body)} bytes)."
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


def retry_after_of(answer: Answer) -> float | None:
    """Seconds that the answer says to wait, by the server's own clock where it names a date."""
    stated = answer.headers.get("Retry-After")
    if stated is None:
        return None
    try:
        seconds = float(stated)
    except ValueError:
        pass
    else:
        return None if math.isnan(seconds) else _within_reason(seconds)
    try:
        until = parsedate_to_datetime(stated)
        now = parsedate_to_datetime(answer.headers["Date"])
        return _within_reason((until - now).total_seconds())
    except (KeyError, TypeError, ValueError, OverflowError):
        return None


def date_of(headers: Mapping[str, str]) -> int | None:
    """When the server wrote an answer, by its own clock, in epoch milliseconds."""
    try:
        date = parsedate_to_datetime(headers["Date"])
        if date.tzinfo is None:  # "-0000": a time in UTC from an unnamed zone
            date = date.replace(tzinfo=timezone.utc)
        milliseconds = (date - _EPOCH).total_seconds() * 1000
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
    return int(milliseconds) if date.year >= 2000 else None


def _within_reason(seconds: float) -> float:
    """Hevo counts by the minute: a longer wait than some minutes is somebody's mistake."""
    return min(max(seconds, 0.0), LONGEST_RETRY_AFTER)
