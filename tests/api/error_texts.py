"""The error of a call, and all that it tells."""

from __future__ import annotations

import traceback
from collections.abc import Callable

import pytest

from dagster_hevo.api.errors import HevoError


def error_of(call: Callable[[], object]) -> HevoError:
    with pytest.raises(HevoError) as raised:
        call()
    return raised.value


def everything_told_by(error: BaseException) -> str:
    """All text that an error and what led to it can put before anybody's eyes."""
    told: list[str] = []
    at: BaseException | None = error
    while at is not None:
        told += [str(at), repr(at), *traceback.format_exception(at)]
        told += [f"{name}={value!r}" for name, value in vars(at).items() if isinstance(value, str)]
        at = at.__cause__ or at.__context__
    return "\n".join(told)
