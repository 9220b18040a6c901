"""Reading Hevo's answers as models: single values, and lists page by page, which always end.

A list is read entry by entry, so that one odd entry does not hide the others. It ends where Hevo
says so; a list that never says so ends with an error.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar, cast

from pydantic import ValidationError

from dagster_hevo.api.errors import HevoResponseError
from dagster_hevo.api.exchange import Request
from dagster_hevo.api.lenient import ANSWER
from dagster_hevo.api.models import HevoModel, Job, JobObject, Page, Pipeline, PipelineObject

M = TypeVar("M", bound=HevoModel)

MOST_PAGES = 10_000
MOST_PAGES_WITHOUT_NEWS = 20
_TRY_AGAIN = "Try again; if it stays, report it to Hevo."
_IS_IT_HEVO = (
    "What to do: check that base_url is Hevo's API, and whether a newer dagster-hevo is out."
)
_log = logging.getLogger("dagster_hevo")


def read_value(
    model: type[M], answer: object, request: Request, *, expected_id: object = None
) -> M:
    """Read an answer that is one value.

    Args:
        model: What the value is.
        answer: The answer's JSON.
        request: What was requested.
        expected_id: The id of the value that was requested; None where it has none.

    Raises:
        HevoResponseError: It has no id or another one, or is not an object. The message names the
            fields and quotes nothing, since the answer may hold secrets.
    """
    try:
        value = model.model_validate(answer, context=ANSWER)
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(str(part) for part in problem['loc']) or 'the answer'}: {problem['type']}"
            for problem in error.errors(
                include_url=False, include_context=False, include_input=False
            )
        )
    else:
        if expected_id is None or _id_of(value) == _same_id(expected_id):
            return value
        # A cache or a proxy in between: what is said of another job must not decide about ours.
        raise HevoResponseError(
            request.method,
            request.path,
            f"the answer is a {model.__name__} with another id than the one requested. {_TRY_AGAIN}"
            " Check that no proxy or cache between here and Hevo mixes up answers.",
        )
    raise HevoResponseError(
        request.method,
        request.path,
        f"the answer is not a {model.__name__} as this version knows it ({problems}). "
        + _IS_IT_HEVO,
    )


def read_pages(
    model: type[M],
    path: str,
    page_size: int,
    send: Callable[[Request], object],
    begin_at: str | None = None,
) -> Iterator[Page[M]]:
    """Read a list, one request per page, each when it is needed.

    Args:
        model: What the entries are.
        path: The list's path.
        page_size: How many entries to request per page.
        send: Sends a request and returns its answer's JSON.
        begin_at: The ``next_cursor`` of an earlier page; None begins with the first page.

    Raises:
        HevoResponseError: An answer is no list, or the list has no end: a cursor comes again,
            ``MOST_PAGES_WITHOUT_NEWS`` pages in a row bring no new entry, or there are more than
            ``MOST_PAGES`` pages.
    """
    cursors: set[str] = set()
    seen: set[object] = set()
    without_news = 0
    has_warned = False
    query = {"limit": str(page_size)}
    if begin_at is not None:
        cursors.add(begin_at)
        query["cursor"] = begin_at
    for _ in range(MOST_PAGES):
        entries, cursor = _parts_of(send(Request("GET", path, query=query)), path)
        found = [_read_entry(model, entry) for entry in entries]
        readable = tuple(value for value in found if value is not None)
        if len(readable) < len(found) and not has_warned:
            has_warned = True
            _warn_of_skipped(model, path, len(found) - len(readable), len(found))
        news = {
            _identity(value, entry)
            for value, entry in zip(found, entries, strict=True)
            if value is not None
        } - seen
        without_news = 0 if news else without_news + 1
        seen |= news
        yield Page(readable, has_more=cursor is not None, next_cursor=cursor)
        if cursor is None:
            return
        if cursor in cursors:
            raise HevoResponseError(
                "GET", path, f"the list's pages lead back to each other. {_TRY_AGAIN}"
            )
        if without_news >= MOST_PAGES_WITHOUT_NEWS:
            what = f"{without_news} pages in a row brought no new entry, and more are announced."
            raise HevoResponseError("GET", path, f"{what} {_TRY_AGAIN}")
        cursors.add(cursor)
        query = {**query, "cursor": cursor}
    what = f"the list has more than {MOST_PAGES} pages, which is the most that is read."
    raise HevoResponseError("GET", path, f"{what} Set a larger page_size. {_TRY_AGAIN}")


def each_once(pages: Iterable[Page[M]]) -> Iterator[M]:
    """The entries of a list of values with ids, without those that a later page repeats.

    Pages overlap where a list grows while it is read.
    """
    seen: set[str | None] = set()
    for page in pages:
        for value in page.entries:
            key = _id_of(value)
            if key not in seen:
                seen.add(key)
                yield value


def _parts_of(answer: object, path: str) -> tuple[list[Any], str | None]:
    """The entries of a page, and the cursor of the next one where there is one."""
    entries, cursor = answer, None
    if isinstance(answer, Mapping):
        page = cast("Mapping[str, object]", answer)
        entries = page.get("data")
        # Optional properties are left out where they do not apply: a cursor alone leads on.
        if _is_true(page.get("has_more", True)):
            cursor = _cursor(page.get("next_cursor"))
    if not isinstance(entries, list):
        raise HevoResponseError("GET", path, f"the answer has no list `data`. {_IS_IT_HEVO}")
    return cast("list[Any]", entries), cursor


def _is_true(value: object) -> bool:
    return value.lower() == "true" if isinstance(value, str) else value is True or value == 1


def _cursor(value: object) -> str | None:
    if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
        return None
    return str(value)


def _read_entry(model: type[M], entry: object) -> M | None:
    if not isinstance(entry, Mapping):
        return None
    try:
        return model.model_validate(entry, context=ANSWER)
    except ValidationError:
        return None


def _id_of(value: HevoModel) -> str | None:
    match value:
        case Pipeline(id=key) | Job(job_id=key) | PipelineObject(object_id=key):
            return _same_id(key)
        case _:
            return None


def _same_id(value: object) -> str:
    """An id in the one spelling in which ids are compared: Hevo's are UUIDs and numbers."""
    return str(value).strip().lower()


def _identity(value: HevoModel, entry: object) -> object:
    """What tells an entry of a list from the others, also after the entry has changed."""
    match value:
        case Pipeline(id=key):
            return key
        case Job(job_id=key) | PipelineObject(object_id=key):
            return key
        case JobObject() if value.object_id or value.object_name or value.source_namespace:
            return (value.object_id, value.object_name, value.source_namespace)
        case _:
            return repr(entry)  # an object whose name has a property that is not known


def _warn_of_skipped(model: type[HevoModel], path: str, skipped: int, entries: int) -> None:
    _log.warning(
        "GET %s: skipped %d of %d entries of a page, which are not a %s with an id. The other "
        "entries are used; further ones of this list are skipped without a warning.",
        path,
        skipped,
        entries,
        model.__name__,
    )
