"""Reading properties leniently: what cannot be read counts as left out, and never fails an answer.

Each type here has two ways in. What Hevo normally sends is checked by pydantic's compiled code
alone, because lists of 10,000 objects are read often. Only what that refuses reaches a Python
function, which reads it another way or returns the property's default. The models that use these
types are in `models.py`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Annotated, Any, TypeAlias, cast

from pydantic import (
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
)
from pydantic_core import CoreSchema, core_schema

from dagster_hevo.api.foreign_text import FIT_TO_SHOW, escaped

LARGEST_COUNT = 2**63 - 1
LONGEST_NUMBER = 40
EARLIEST_MS = 946_684_800_000
"""The year 2000: Hevo is younger, so an earlier time is a mistake."""
LATEST_MS = 253_402_300_799_999
"""The end of the year 9999, the last that Python's dates know."""
ANSWER: Mapping[str, object] = {"is_answer": True}
"""The validation context of what Hevo answered: times before the year 2000 count as left out."""

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_ISO_8601 = TypeAdapter(datetime)


class _Otherwise:
    """Annotates a type: an input that the type refuses goes to a Python function."""

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        plain = handler(source)
        # Strict mode is never used: it is named because values are serialised by its schema.
        return core_schema.lax_or_strict_schema(
            lax_schema=self._first_of(plain), strict_schema=plain
        )

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return handler(cast("Any", schema)["strict_schema"])

    def _first_of(self, plain: CoreSchema) -> CoreSchema:
        raise NotImplementedError


@dataclass(frozen=True)
class ReadOtherwise(_Otherwise):
    """Reads what the annotated type refuses.

    Attributes:
        read: Returns the value for such an input. It must not raise.
    """

    read: Callable[[object], object]

    def _first_of(self, plain: CoreSchema) -> CoreSchema:
        otherwise = core_schema.no_info_plain_validator_function(self.read)
        return core_schema.union_schema([plain, otherwise], mode="left_to_right")


class _ReadTimeOtherwise(_Otherwise):
    """Reads a time that is not a plausible number of milliseconds."""

    def _first_of(self, plain: CoreSchema) -> CoreSchema:
        otherwise = core_schema.with_info_plain_validator_function(_time)
        return core_schema.union_schema([plain, otherwise], mode="left_to_right")


@dataclass(frozen=True)
class _ReadNeededOtherwise(_Otherwise):
    """Reads what a value cannot do without; the function raises where there is no reading it."""

    read: Callable[[object], object]

    def _first_of(self, plain: CoreSchema) -> CoreSchema:
        return core_schema.union_schema(
            [plain, core_schema.no_info_plain_validator_function(self.read)],
            mode="left_to_right",
            custom_error_type="unreadable",
            custom_error_message="This is needed and cannot be read",
        )


def constant(value: object) -> ReadOtherwise:
    """What the annotated type refuses counts as ``value``."""
    return ReadOtherwise(lambda _: value)


def _number(value: object) -> float | int | None:
    """A finite number that is not negative, however it is written."""
    if isinstance(value, str):
        if len(value) > LONGEST_NUMBER:
            return None
        try:
            value = int(value)
        except ValueError:
            try:
                value = float(value)
            except ValueError:
                return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if 0 <= value < math.inf else None


def _count(value: object) -> int | None:
    number = _number(value)
    return None if number is None or number > LARGEST_COUNT else int(number)


def _measure(value: object) -> float | None:
    number = _number(value)
    try:
        return None if number is None else float(number)
    except OverflowError:
        return None


def _text(value: object) -> str | None:
    if isinstance(value, str):
        return escaped(value)
    return _text_of_number(value)


def _text_of_number(value: object) -> str | None:
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return str(value) if abs(value) <= LARGEST_COUNT else None


def _time(value: object, info: ValidationInfo) -> int | None:
    milliseconds = _count(value)
    if milliseconds is None and isinstance(value, str):
        milliseconds = _iso_8601(value)
    is_answer = info.context is ANSWER
    earliest = EARLIEST_MS if is_answer else 0
    if milliseconds is None or not earliest <= milliseconds <= LATEST_MS:
        return None
    return milliseconds


def _iso_8601(text: str) -> int | None:
    try:
        moment = _ISO_8601.validate_python(text)
    except ValidationError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def _id(value: object) -> str:
    text = _text_of_number(value)
    if text is None:
        raise ValueError("no id")
    return text


def _name(value: object) -> str:
    text = _text(value)
    if text is None:
        raise ValueError("no name")
    return text


def _pipeline_id(value: object) -> int:
    number = int(value) if isinstance(value, str) and len(value) <= LONGEST_NUMBER else 0
    if number < 1:
        raise ValueError("no pipeline id")
    return number


_PlainCount: TypeAlias = Annotated[int, Field(strict=True, ge=0, le=LARGEST_COUNT)]
_PlainTime: TypeAlias = Annotated[int, Field(strict=True, ge=EARLIEST_MS, le=LATEST_MS)]
_PlainMeasure: TypeAlias = Annotated[float, Field(strict=True, ge=0, allow_inf_nan=False)]
_PlainText: TypeAlias = Annotated[str, Field(pattern=FIT_TO_SHOW)]
# Blanks and dots alone are no id, since a path cannot name them; nor is what cannot be shown,
# which, escaped, would be another.
_PlainId: TypeAlias = Annotated[
    str, Field(pattern=r"^[^\p{C}\p{Zl}\p{Zp}]*[^\s.\p{C}\p{Zl}\p{Zp}][^\p{C}\p{Zl}\p{Zp}]*$")
]

Count: TypeAlias = Annotated[_PlainCount, ReadOtherwise(lambda value: _count(value) or 0)]
"""How many: an integer, 0 where it cannot be read."""
MaybeCount: TypeAlias = Annotated[_PlainCount | None, ReadOtherwise(_count)]
"""How many or how long, as an integer."""
MaybeMeasure: TypeAlias = Annotated[_PlainMeasure | None, ReadOtherwise(_measure)]
"""A number that may have a fraction and is not negative."""
MaybeTime: TypeAlias = Annotated[_PlainTime | None, _ReadTimeOtherwise()]
"""Epoch milliseconds; ISO 8601 is read too, as UTC where it names no zone."""
MaybeText: TypeAlias = Annotated[_PlainText | None, ReadOtherwise(_text)]
"""Text, with the codes of characters that are not fit to be shown; an integer is read as text."""
MaybeId: TypeAlias = Annotated[_PlainId | None, ReadOtherwise(_text_of_number)]
"""An id; an integer is read as text, blank text is no id."""
MaybeFlag: TypeAlias = Annotated[bool | None, constant(None)]
"""Whether something holds."""
Id: TypeAlias = Annotated[_PlainId, _ReadNeededOtherwise(_id)]
"""An id without which the value has no use."""
Name: TypeAlias = Annotated[_PlainText, _ReadNeededOtherwise(_name)]
"""A name without which the value has no use."""
PipelineId: TypeAlias = Annotated[
    Annotated[int, Field(strict=True, ge=1)], _ReadNeededOtherwise(_pipeline_id)
]
"""A pipeline's number."""
