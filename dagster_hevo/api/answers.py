"""An answer as it came, and reading an error answer: its kind, its message, how long to wait.

Of an error's body only known properties are read, and of these only what a sentence says
(`foreign_text.py`), before anybody sees it.
"""

from __future__ import annotations

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
from dagster_hevo.api.foreign_text import sentence_of, without_markup
from dagster_hevo.api.refusals import says_that_a_job_runs

LONGEST_RETRY_AFTER = 300.0
LONGEST_SHOWN_BODY = 64 * 1024
DEEPEST_MESSAGE = 4
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MESSAGES = ("message", "error_message", "error", "error_description", "title", "detail", "errors")
_MESSAGES_IN_A_LIST = (*_MESSAGES, "msg")
_JSON_PROPERTY = re.compile(r"[\w\]}]\\?\"\s?:")
_MEDIA_TYPE = re.compile(r"[a-z]{1,20}/[a-z0-9.+-]{1,40}")
_MAY_HOLD_HALVES = re.compile(r"\\u[dD][89a-fA-F]")
DEEPEST_JSON = 64
"""Levels of lists and objects within each other. Hevo's answers have five; Python takes 1,000,
and fewer where it has come far itself, so that the same answer would sometimes be read.
"""
_ALL_BUT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


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

    def __repr__(self) -> str:
        # Headers and body may repeat the keys, and the frames of an error show this.
        return f"Answer(status={self.status}, {len(self.body)} bytes)"

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
        """The beginning of the body as text.

        Always as UTF-8: an answer may name any of Python's encodings, of which some raise, some
        take minutes, and some put the whole body into what they raise.
        """
        return self.body[:LONGEST_SHOWN_BODY].decode("utf-8", "replace")

    @property
    def media_type(self) -> str:
        """What kind of content it says it has, without anything else that the header may hold."""
        stated = self.headers.get("Content-Type", "").lower().partition(";")[0].strip()
        if not stated:
            return "no content type"
        return stated if _MEDIA_TYPE.fullmatch(stated) else "an odd content type"


class ErrorText(NamedTuple):
    """What an error's body says.

    Attributes:
        message: What its known properties say, as a sentence without structure and values.
        sense: All that it says, to judge by; never shown.
        was_json: Whether the body was a JSON object: Hevo's own logic answered, and no gateway.
    """

    message: str
    sense: str
    was_json: bool


def json_of(body: bytes) -> object:
    """The JSON of a body, without halves of characters: no database or terminal takes these.

    Raises:
        ValueError: It is not JSON, or too deep.
        RecursionError: It is much too deep.
    """
    text = body.decode("utf-8-sig", "replace")
    content: object = json.loads(text)
    if _may_be_deep(body) and _is_deep(content):
        raise ValueError("too deep")
    return _without_halves(content) if _MAY_HOLD_HALVES.search(text) else content


def _may_be_deep(body: bytes) -> bool:
    """Quickly, and in doubt yes: brackets in texts confuse it."""
    brackets = body.translate(None, _ALL_BUT_BRACKETS)
    for _ in range(DEEPEST_JSON):
        if not brackets:
            return False
        before = len(brackets)
        brackets = brackets.replace(b"[]", b"").replace(b"{}", b"")
        if len(brackets) == before:
            return True
    return bool(brackets)


def _is_deep(content: object) -> bool:
    level = [content]
    for _ in range(DEEPEST_JSON + 1):
        level = [
            inner
            for each in level
            if isinstance(each, dict | list)
            for inner in (
                cast("dict[str, object]", each).values()
                if isinstance(each, dict)
                else cast("list[object]", each)
            )
        ]
        if not level:
            return False
    return True


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
    """What an error's body says in the properties that are known to hold messages."""
    try:
        content = json_of(answer.body)
    except (ValueError, RecursionError):
        return ErrorText(shown_text(answer), without_markup(answer.text), was_json=False)
    found = _find_message(content)
    sense = without_markup(found or answer.text)
    return ErrorText(sentence_of(found or ""), sense, was_json=isinstance(content, dict))


def shown_text(answer: Answer) -> str:
    """What a body that is no JSON says, unless it looks like a piece of JSON.

    That may be a pipeline with its source's settings, in which nothing can be left out by name.
    """
    text = " ".join(answer.text.split())
    if text.startswith(("{", "[")) or _JSON_PROPERTY.search(text):
        return f"JSON that is cut short or broken ({len(answer.body)} bytes)."
    return sentence_of(text)


def _find_message(
    content: object, known: tuple[str, ...] = _MESSAGES, levels: int = DEEPEST_MESSAGE
) -> str | None:
    if isinstance(content, str):
        return content
    if not isinstance(content, Mapping) or not levels:
        return None
    properties = cast("Mapping[str, object]", content)
    for name in known:
        found: object = properties.get(name)
        names = _MESSAGES
        if isinstance(found, list):
            found = next(iter(cast("list[object]", found)), None)
            names = _MESSAGES_IN_A_LIST
        message = _find_message(found, names, levels - 1)
        if message:
            return message
    return None


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
