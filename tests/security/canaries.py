"""Secrets to look for, and everywhere that they could turn up."""

from __future__ import annotations

import base64
import html
import json
import traceback
from types import TracebackType
from urllib.parse import quote

KEY = "canary-key-4d1f07"
SECRET = 'canary/secret "é" & <8c2b> '.strip()
HEADER = "canary-of-a-header-77aa"
PROXY = "canary-of-a-proxy-99bb"
CERTIFICATE = "/etc/canary-certificate-31ee.pem"
TOKEN = base64.b64encode(f"{KEY}:{SECRET}".encode()).decode()


def spellings(secret: str) -> set[str]:
    """A secret as a page, an address, JSON or Python would spell it."""
    plain = {
        secret,
        json.dumps(secret)[1:-1],
        json.dumps(json.dumps(secret))[3:-3],
        repr(secret)[1:-1],
        quote(secret),
        quote(secret, safe=""),
        html.escape(secret),
        base64.b64encode(secret.encode()).decode(),
    }
    return plain | {each.upper() for each in plain}


def assert_unseen(text: str, *secrets: str) -> None:
    """No secret stands in the text, however it is spelled."""
    for secret in secrets or (KEY, SECRET, TOKEN):
        for spelling in spellings(secret):
            at = text.find(spelling)
            assert at < 0, f"{spelling!r} is shown: ...{text[max(0, at - 200) : at + 80]!r}"


def everything_in(error: BaseException, package: str = "dagster_hevo") -> str:
    """What an error, what led to it, and the variables of the package's frames can show."""
    told: list[str] = []
    at: BaseException | None = error
    while at is not None:
        told += [str(at), repr(at), repr(vars(at)), repr(at.args)]
        told += traceback.format_exception_only(type(at), at)
        told += _variables(at.__traceback__, package)
        at = at.__cause__ or at.__context__
    return "\n".join(told)


def _variables(trace: TracebackType | None, package: str) -> list[str]:
    told: list[str] = []
    while trace is not None:
        frame = trace.tb_frame
        if str(frame.f_globals.get("__name__", "")).startswith(package):
            for value in list(frame.f_locals.values()):
                told.append(repr(value))
                # A half-built object too: what it has so far.
                with_variables = getattr(value, "__dict__", None)
                if with_variables is not None and type(value).__module__.startswith(package):
                    told += [f"{name}={each!r}" for name, each in with_variables.items()]
        trace = trace.tb_next
    return told
