"""Pages of lists and the cursors between them, as every list of the local Hevo is read.

What is in a list is decided in `app.py` and, for jobs, in `job_list.py`.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T")
LARGEST_PAGE = 100


class BadPageError(Exception):
    """A `limit` or `cursor` that the list does not accept."""


@dataclass(frozen=True)
class Cursor:
    """Where a page ended. It names an entry, so that new entries before it shift nothing.

    Attributes:
        after: The last entry of the page before.
        without: An entry that this read of the list leaves out on all its pages.
    """

    after: str
    without: str | None = None

    def __str__(self) -> str:
        content = {"after": self.after, "without": self.without}
        return base64.urlsafe_b64encode(json.dumps(content).encode()).decode()

    @classmethod
    def read(cls, text: str) -> Cursor:
        """The cursor that a client sent back.

        Raises:
            BadPageError: No list wrote it.
        """
        try:
            content: Any = json.loads(base64.urlsafe_b64decode(text.encode()))
            return cls(str(content["after"]), content["without"])
        except (binascii.Error, ValueError, KeyError, TypeError) as unreadable:
            raise BadPageError(f"cursor is not valid: {text!r}") from unreadable


@dataclass(frozen=True)
class PageQuery:
    """What a request says of the page that it wants: `?limit=&cursor=`."""

    limit: str | None = None
    cursor: str | None = None

    def entries(self, default: int, most: int = LARGEST_PAGE) -> int:
        """How many entries the page holds at most; a larger limit is cut.

        Raises:
            BadPageError: The limit is not a number from 1 on.
        """
        wanted = default
        if self.limit is not None:
            if not self.limit.isdecimal() or int(self.limit) < 1:
                raise BadPageError(
                    f"limit must be a number from 1 to {LARGEST_PAGE}: {self.limit!r}"
                )
            wanted = int(self.limit)
        return min(wanted, most, LARGEST_PAGE)

    @property
    def begins_after(self) -> Cursor | None:
        """Where the page begins; none: at the list's first entry.

        Raises:
            BadPageError: No list wrote the cursor.
        """
        return Cursor.read(self.cursor) if self.cursor else None


@dataclass(frozen=True)
class Page:
    """Some entries as JSON, and where the next page begins; none: this is the last."""

    entries: Sequence[dict[str, Any]]
    next_cursor: Cursor | None

    @property
    def body(self) -> dict[str, Any]:
        """The page as JSON."""
        return {
            "data": list(self.entries),
            "has_more": self.next_cursor is not None,
            "next_cursor": None if self.next_cursor is None else str(self.next_cursor),
        }


def page_of(
    entries: Sequence[T],
    identity: Callable[[T], str],
    as_json: Callable[[T], dict[str, Any]],
    *,
    size: int,
    begins_after: Cursor | None,
    repeats_last: bool = False,
    without: str | None = None,
) -> Page:
    """A page of a list.

    Args:
        entries: The whole list.
        identity: The id of an entry, for cursors.
        as_json: How an entry looks.
        size: The most entries in the page.
        begins_after: The cursor of the request.
        repeats_last: Whether the page begins with the last entry of the one before.
        without: What the next cursor remembers as left out.

    Raises:
        BadPageError: The cursor names no entry of this list.
    """
    start = 0
    if begins_after is not None:
        places = (
            place for place, entry in enumerate(entries) if identity(entry) == begins_after.after
        )
        last = next(places, None)
        if last is None:
            raise BadPageError(f"cursor is not valid: {str(begins_after)!r}")
        # A page of one entry that repeats it would never get any further.
        start = last if repeats_last and size > 1 else last + 1
    shown = entries[start : start + size]
    has_more = start + size < len(entries)
    return Page(
        [as_json(entry) for entry in shown],
        Cursor(identity(shown[-1]), without) if has_more else None,
    )
