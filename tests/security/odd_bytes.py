"""Answers that nobody should send, made by chance: for the fuzz of the transport.

A seed makes the same answer again, so that a finding can be looked at.
"""

from __future__ import annotations

import gzip
import json
import random
import zlib

STATUSES = (*(200,) * 6, 201, 204, 206, 301, 302, 304, 400, 401, 403, 404, 409, 413, 422, 429, 431)
STATUSES = (*STATUSES, 500, 502, 503, 599, 600, 999, 100, 101, 103, 0, -1, 99999)
VALUES = (
    *(None, True, False, 0, -1, 1.5, 10**30, 1e308, "", " ", "x", "\x1b[31m", "\u202e", "\ud800"),
    *("COMPLETED", "1" * 5000, "é" * 300, "NaN", "2025-01-01T00:00:00Z", "{", "[", "%s", "\x00"),
)
NAMES = (
    *("id", "name", "data", "has_more", "next_cursor", "message", "error", "errors", "detail"),
    *("job_id", "status", "created_ts", "object_id", "source_namespace", "fields", "source"),
    *("config", "k0", "type", "events_loaded", "duration", "schedule", "", "\x1b", "__class__"),
)
HEADERS = (
    *("Content-Type", "Content-Length", "Transfer-Encoding", "Content-Encoding", "Location"),
    *(
        "Retry-After",
        "Date",
        "Connection",
        "Set-Cookie",
        "WWW-Authenticate",
        "X-Odd",
        "",
        "Upgrade",
    ),
)
HEADER_VALUES = (
    *("", "x", "0", "-1", "9" * 400, "chunked", "gzip", "deflate", "br", "zstd", "gzip, gzip"),
    *("identity", "close", "text/html; charset=idna", "application/json; charset=punycode"),
    *("Wed, 21 Oct 99999999999 07:28:00 GMT", "Wed, 21 Oct 2015 07:28:00 GMT", "1e999", "nan"),
    *(
        "/elsewhere",
        "//x.invalid",
        "http://[",
        "https://u:p@x.invalid/",
        "a=b; Domain=x",
        "\x80\xff",
    ),
)


def odd_json(chance: random.Random, levels: int = 4) -> object:
    """A value that JSON can write, of names and values that Hevo's answers have, and others."""
    kind = chance.random()
    if levels == 0 or kind < 0.35:
        return chance.choice(VALUES)
    if kind < 0.5:
        return [odd_json(chance, levels - 1) for _ in range(chance.randrange(4))]
    names = chance.choices(NAMES, k=chance.randrange(5))
    return {name: odd_json(chance, levels - 1) for name in names}


def odd_body(chance: random.Random) -> bytes:
    """A body: JSON, JSON that is broken, deep, packed, or any bytes."""
    kind = chance.randrange(9)
    if kind == 0:
        return chance.randbytes(chance.randrange(200))
    if kind == 1:
        depth = chance.choice((10, 70, 500, 990, 5000))
        return chance.choice((b"[", b'{"a":')) * depth + chance.choice((b"", b"]" * depth))
    text = json.dumps(odd_json(chance), ensure_ascii=chance.random() < 0.5)
    body = text.encode("utf-8", "surrogatepass")
    if kind == 2:
        return body[: chance.randrange(len(body) + 1)]
    if kind == 3:
        at = chance.randrange(len(body) + 1)
        return body[:at] + chance.randbytes(3) + body[at:]
    if kind == 4:
        return gzip.compress(body * chance.choice((1, 1, 300)))[: chance.choice((5, 10**6))]
    if kind == 5:
        return zlib.compress(body) + b"trailing"
    if kind == 6:
        return text.encode(chance.choice(("utf-16", "utf-32", "utf-8-sig")), "replace")
    return body


def odd_answer(chance: random.Random) -> bytes:
    """All bytes of an answer."""
    if chance.random() < 0.05:
        return chance.randbytes(chance.randrange(300))
    body = odd_body(chance)
    version = "HTTP/1.1" if chance.random() < 0.95 else chance.choice(("HTTP/9", "ICY", "", "\x00"))
    lines = [
        f"{version} {chance.choice(STATUSES)} {chance.choice(('OK', '', chr(27), 'x' * 70_000))}"
    ]
    if chance.random() < 0.75:
        lines.append(f"Content-Length: {len(body)}")
    lines += [
        f"{chance.choice(HEADERS)}: {chance.choice(HEADER_VALUES)}"
        for _ in range(chance.choice((0, 0, 1, 1, 2, 3, 150)))
    ]
    if body[:2] == b"\x1f\x8b" and chance.random() < 0.8:
        lines.append("Content-Encoding: gzip")
    end = chance.choice((b"\r\n\r\n",) * 9 + (b"\n\n",))
    return "\r\n".join(lines).encode("latin-1", "replace") + end + body
