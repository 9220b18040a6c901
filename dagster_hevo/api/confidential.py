"""Masking what no message, log or repr may show, by its value and however it is spelled.

Whatever was configured as a secret is known here by its value, so it is masked wherever it turns
up: in a header that comes back, in a message, in the name of a host. Secrets that were not
configured here, such as a source's password, are left out by `foreign_text.py`.
"""

from __future__ import annotations

import html
import json
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import Any, Generic, TypeVar, cast
from urllib.parse import quote, quote_plus, unquote, urlsplit

from dagster_hevo.api.errors import HevoError
from dagster_hevo.api.foreign_text import MASK

V = TypeVar("V")

PIECE = 8
"""Characters in a row that two texts share only where one quotes the other."""
SHORT = 4
"""Shorter secrets are masked only where they stand alone: a letter is in every word."""
_PLAIN_HEADERS = frozenset(
    {"accept", "accept-encoding", "accept-language", "cache-control", "connection", "content-type"}
    | {"host", "user-agent"}
)


class Hidden(Generic[V]):
    """A value that neither `repr` nor a debugger's list of variables shows.

    Args:
        value: What to hide.
    """

    __slots__ = ("_reveal",)

    def __init__(self, value: V) -> None:
        self._reveal: Callable[[], V] = lambda: value

    @property
    def value(self) -> V:
        """The value itself. Use it where it is needed, and keep it in no variable."""
        return self._reveal()

    def __repr__(self) -> str:
        return MASK

    def __reduce__(self) -> str | tuple[Any, ...]:
        raise TypeError("what is hidden is not copied out of its process")


class Secrets:
    """Texts that are masked wherever they turn up, as a whole or in part.

    Args:
        texts: The secrets; empty ones count for nothing.
    """

    def __init__(self, texts: Iterable[str]) -> None:
        self._texts = Hidden(tuple(text for text in texts if text.strip()))

    def __repr__(self) -> str:
        return f"Secrets({MASK})"

    def masked(self, text: str, *, is_cut: bool = False) -> str:
        """The text with each secret masked, in whichever case or spelling, wrapped or in part.

        Args:
            text: The text.
            is_cut: Whether the text goes on: then its end may be the beginning of a secret.
        """
        known = self._spellings
        places = [place for place, each in enumerate(text) if not each.isspace()]
        letters = "".join(_in_lower_case(text[place]) for place in places)
        hidden = bytearray(len(letters))
        for at in range(len(letters) - PIECE + 1):
            if letters[at : at + PIECE] in known.pieces:
                hidden[at : at + PIECE] = b"\1" * PIECE
        for short in known.short:
            at = letters.find(short)
            while at >= 0:
                if len(short) >= SHORT or _stands_alone(text, places[at], places[at] + len(short)):
                    hidden[at : at + len(short)] = b"\1" * len(short)
                at = letters.find(short, at + 1)
        if is_cut:
            for length in range(min(PIECE, len(letters)), 0, -1):
                if letters[-length:] in known.beginnings:
                    hidden[-length:] = b"\1" * length
                    break
        return _with_masks(text, places, hidden)

    @cached_property
    def _spellings(self) -> _Spellings:
        return _Spellings(self._texts.value)


class _Spellings:
    """How secrets may be spelled: as JSON, in an address, on a page; and that once more."""

    def __init__(self, texts: Iterable[str]) -> None:
        self.pieces: set[str] = set()
        self.short: set[str] = set()
        self.beginnings: set[str] = set()
        once = {spelling for text in texts for spelling in _spelled(text)}
        for spelling in {again for each in once for again in _spelled(each)}:
            letters = _in_lower_case("".join(spelling.split()))
            self.beginnings |= {letters[:length] for length in range(1, PIECE + 1)}
            if len(letters) < PIECE:
                self.short.add(letters)
            self.pieces |= {
                letters[at : at + PIECE] for at in range(max(0, len(letters) - PIECE + 1))
            }
        self.short.discard("")

    def __repr__(self) -> str:
        return MASK


def _spelled(text: str) -> set[str]:
    found = {
        text,
        json.dumps(text)[1:-1],
        json.dumps(text, ensure_ascii=False)[1:-1],
        repr(text)[1:-1],
        quote(text, safe="", errors="replace"),
        quote(text, errors="replace"),
        quote_plus(text, errors="replace"),
        html.escape(text),
        html.escape(text, quote=False),
    }
    if len(text) >= PIECE:
        found.add(b64encode(text.encode("utf-8", "replace")).decode().rstrip("="))
    return found


def _in_lower_case(text: str) -> str:
    # Letter by letter: some letters have two in lower case, which would shift all places.
    lower = text.lower()
    if len(lower) == len(text):
        return lower
    return "".join(low if len(low := each.lower()) == 1 else each for each in text)


def _stands_alone(text: str, begin: int, end: int) -> bool:
    beside = (text[max(0, begin - 1) : begin], text[end : end + 1])
    return not any(each.isalnum() or each in {"_", "'"} for each in beside)


def _with_masks(text: str, places: list[int], hidden: bytearray) -> str:
    parts: list[str] = []
    copied = at = 0
    while (at := hidden.find(1, at)) >= 0:
        end = at
        while end < len(hidden) and hidden[end]:
            end += 1
        parts += [text[copied : places[at]], MASK]
        copied = places[end - 1] + 1
        at = end
    return "".join((*parts, text[copied:]))


def masked_error(error: HevoError, secrets: Secrets) -> None:
    """Mask the whole message of an error, and what led to it is forgotten.

    The last of all steps: whatever the message was put together from, it is masked once.
    """
    error.args = tuple(
        secrets.masked(each) if isinstance(each, str) else each for each in error.args
    )
    for name, value in vars(error).items():
        if isinstance(value, str):
            setattr(error, name, secrets.masked(value))
    # An original holds the body of an answer, or the header with the keys.
    error.__cause__ = error.__context__ = None


def secrets_in(extra_headers: Mapping[str, str], extra_kwargs: Mapping[str, Any]) -> Iterable[str]:
    """What is secret in the settings: values of headers, and of whatever `requests` is given.

    Of an address only the user's name and password are: its host is in every message.
    """
    yield from (
        value for name, value in extra_headers.items() if name.lower() not in _PLAIN_HEADERS
    )
    for text in texts_in({name: each for name, each in extra_kwargs.items() if name != "verify"}):
        try:
            parts = urlsplit(text)
            user, password = parts.username, parts.password
        except ValueError:
            yield text
            continue
        if "://" not in text or "@" in parts.path + parts.query + parts.fragment:
            yield text
        else:
            for known in (user, password):
                yield from (known, unquote(known)) if known else ()


def texts_in(value: object) -> Iterable[str]:
    """All texts in a value, without the names of its properties."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for each in cast("Mapping[str, object]", value).values():
            yield from texts_in(each)
    elif isinstance(value, list | tuple):
        for each in cast("Iterable[object]", value):
            yield from texts_in(each)
