"""Masking what no message may repeat, however an answer spells it.

Which texts are secret is known where a request is sent (`transport.py`); properties that are left
out by their name are in `answers.py`.
"""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Mapping
from typing import cast
from urllib.parse import quote, quote_plus, unquote, urlsplit

MASK = "***"


_PLAIN_HEADERS = frozenset(
    {"accept", "accept-encoding", "accept-language", "cache-control", "connection", "content-type"}
    | {"host", "user-agent"}
)


def secrets_in(extra_headers: Mapping[str, str], proxies: object) -> Iterable[str]:
    """What may be secret in the settings: the values of headers, and the passwords of proxies."""
    yield from (
        value for name, value in extra_headers.items() if name.lower() not in _PLAIN_HEADERS
    )
    for url in texts_in(proxies):
        try:
            password = urlsplit(url).password
        except ValueError:
            continue
        if password:
            yield from (password, unquote(password))


def texts_in(body: object) -> Iterable[str]:
    """The values in a request's body as text, without the names of its properties."""
    if isinstance(body, str):
        yield body
    elif isinstance(body, int | float) and not isinstance(body, bool):
        yield str(body)
    elif isinstance(body, Mapping):
        for value in cast("Mapping[str, object]", body).values():
            yield from texts_in(value)
    elif isinstance(body, list | tuple):
        for value in cast("Iterable[object]", body):
            yield from texts_in(value)


def spellings_of(secrets: Iterable[str]) -> set[str]:
    """Secrets as they are and as JSON, an address or a page would spell them."""
    found: set[str] = set()
    for secret in secrets:
        found |= {
            secret,
            " ".join(secret.split()),
            json.dumps(secret)[1:-1],
            json.dumps(secret, ensure_ascii=False)[1:-1],
            quote(secret, safe=""),
            quote(secret),
            quote_plus(secret),
            html.escape(secret),
            html.escape(secret, quote=False),
        }
    return {spelling for spelling in found if spelling}


def without_cut_secret(secrets: Iterable[str], text: str) -> str:
    """The text without the beginning of a secret at its end, where the text was cut."""
    for secret in sorted(secrets, key=len, reverse=True):
        for length in range(len(secret) - 1, 0, -1):
            if text.endswith(secret[:length]):
                return text[:-length] + MASK
    return text


def without(secrets: Iterable[str], text: str) -> str:
    """The text with each secret masked, the longest first, as one may be part of another."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, MASK)
    return text
