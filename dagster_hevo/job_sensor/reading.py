"""Reading what a job lists of its objects, and counting a pipeline's, a page at a time.

A tick may end between two pages: what was read is kept. Of a job's list it is recorded as a part,
once its entries have had the time to become final; the next tick goes on with the page after it. Of
a pipeline's objects, a sum is kept (`open_job.py`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from hashlib import sha256

from dagster_hevo.api.errors import HevoNotFoundError
from dagster_hevo.api.models import Job, JobObject
from dagster_hevo.job_sensor.followed import TickTools
from dagster_hevo.job_sensor.open_job import Census, OpenJob
from dagster_hevo.job_sensor.stored import LONGEST_TEXT
from dagster_hevo.jobs.objects import ObjectIndex, distinct
from dagster_hevo.jobs.outcome import list_agrees, lists_unfinished

# Hevo may list what became of a job's objects some time after the job's end.
OBJECTS_PATIENCE = 120.0
# A list of objects that is longer is recorded in parts.
MOST_OBJECT_PAGES = 25
# A job of whose objects Hevo knows nothing so many times in a row has none. And after so many a
# page that cannot be read is left, and the list begun again.
FAILURES_UNTIL_EMPTY = 3
# A list whose pages never end, ends here.
MOST_PAGES = 2000
_TOTALS = 2**46


@dataclass
class ObjectReading:
    """Reads what a job lists of its objects.

    Args:
        tools: What the visits of a tick share.
        pipeline_id: The pipeline.
        job: The job, which has ended.
        entry: What is kept of it, with the page to begin at.

    Attributes:
        entries: What was read, as it was listed.
        next_cursor: The page that follows.
        pages: How many pages were read.
        is_over: Whether the list was read to its end.
        is_too_early: Whether the job still lists objects as not yet loaded, although it has loaded.
    """

    tools: TickTools
    pipeline_id: int
    job: Job
    entry: OpenJob
    entries: list[JobObject] = field(default_factory=list[JobObject])
    next_cursor: str | None = None
    pages: int = 0
    is_over: bool = False
    is_too_early: bool = False

    @property
    def is_final(self) -> bool:
        """Whether the entries have had the time to become final."""
        return self.tools.now() - self.entry.since >= OBJECTS_PATIENCE

    @property
    def is_part(self) -> bool:
        """Whether it is a part of the list: what is not in it may be in the others."""
        return self.entry.objects_cursor is not None or not self.is_over

    @property
    def listed(self) -> tuple[JobObject, ...]:
        """What was read, each object once."""
        return distinct(self.entries)

    @property
    def agrees(self) -> bool:
        """Whether what was read says the same as the job's own counts."""
        return self.is_part or list_agrees(self.job, self.listed)

    def steps(self) -> Iterator[None]:
        """Read page after page, as many as one part may have; yields between two of them.

        Raises:
            TickSpent: The tick may send no more requests.
            HevoError: A page could not be read. What was read before stays.
        """
        self.next_cursor = self.entry.objects_cursor
        while True:
            self._read_page()
            if self.is_over or self._is_enough():
                return
            yield

    def _read_page(self) -> None:
        before, hevo = self.next_cursor, self.tools.hevo
        try:
            page = next(iter(hevo.job_object_pages(self.pipeline_id, self.job.job_id, before)))
        except HevoNotFoundError:
            # One 404 may be a gateway's. A page after the first is never the end of the list.
            if before is not None or self.entry.failures < FAILURES_UNTIL_EMPTY:
                raise
            self.is_over = True
            return
        self.entries += page.entries
        self.pages += 1
        following = page.next_cursor if page.has_more else None
        self.is_over = _is_last(following, before, self.entry.objects_pages + self.pages)
        self.next_cursor = None if self.is_over else following
        has_loaded = self.job.status.completion.has_loaded
        self.is_too_early = has_loaded and not self.is_final and lists_unfinished(page.entries)

    def _is_enough(self) -> bool:
        return self.is_too_early or self.pages >= MOST_OBJECT_PAGES


def counted(
    tools: TickTools, pipeline_id: int, census: Census, index: ObjectIndex
) -> Iterator[Census]:
    """Count a pipeline's objects; yields how far that is after each page.

    Args:
        tools: What the visits of a tick share.
        pipeline_id: The pipeline.
        census: How far it was.
        index: The objects that are known.
    """
    while not census.is_over:
        page = next(iter(tools.hevo.object_pages(pipeline_id, census.cursor)))
        # Inactive ones too: a job may have loaded one that was active when it ran.
        ids = {item.object_id for item in page.entries}
        following = page.next_cursor if page.has_more else None
        is_over = _is_last(following, census.cursor, census.pages + 1)
        census = replace(
            census,
            cursor=None if is_over else following,
            objects=census.objects + len(ids),
            pages=census.pages + 1,
            total=(census.total + sum(map(_number, ids))) % _TOTALS,
            is_over=is_over,
            same_names=census.same_names | index.sharing_names(page.entries),
        )
        yield census


def has_just(census: Census, known: Collection[str]) -> bool:
    """Whether a census that is over has found just these objects, each once."""
    total = sum(map(_number, known)) % _TOTALS
    return census.is_over and (census.objects, census.total) == (len(known), total)


def _is_last(following: str | None, before: str | None, pages: int) -> bool:
    """Whether a list ends with a page. A cursor that is too long to be kept leads nowhere."""
    if following is None or following == before:
        return True
    return len(following) > LONGEST_TEXT or pages >= MOST_PAGES


def _number(object_id: str) -> int:
    return int.from_bytes(sha256(object_id.encode(errors="replace")).digest()[:5], "big")
