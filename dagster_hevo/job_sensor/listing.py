"""The pages of a pipeline's list of jobs that were read in one tick, and where the list ends."""

from __future__ import annotations

from dagster_hevo.api.models import Job, Page
from dagster_hevo.job_sensor.followed import TickTools
from dagster_hevo.job_sensor.stored import LONGEST_TEXT, is_id
from dagster_hevo.job_sensor.walk import Walk, made_ms
from dagster_hevo.jobs.job_list import JOBS_THAT_SHOW_AN_ORDER

# A list whose pages never end, or bring nothing new for so long, ends here.
MOST_PAGES = 2000
MOST_PAGES_WITHOUT_NEWS = 20
# How far a list may be out of order and still run from the newest to the oldest job.
DISORDER_MS = 60_000


class JobListing:
    """Reads a pipeline's list of jobs page by page, and remembers it for one tick.

    Args:
        pipeline_id: The pipeline.
        tools: What the visits of a tick share.
        is_newest_first: Whether this account's lists were seen to run from the newest job on.

    Attributes:
        is_newest_first: The same as of now.
        pages: The jobs of each page that was read, by the page's cursor; "" is the first one.
        seen: All jobs that were read, by their ids.
    """

    def __init__(self, pipeline_id: int, tools: TickTools, is_newest_first: bool | None) -> None:
        self.is_newest_first = is_newest_first
        self.pages: dict[str, tuple[Job, ...]] = {}
        self.seen: dict[str, Job] = {}
        self._pipeline_id = pipeline_id
        self._tools = tools
        self._without_news = 0

    def read(self, key: str) -> Page[Job]:
        """Read a page; "" is the first one.

        Raises:
            TickSpent: The tick may send no more requests.
            HevoError: It could not be read.
        """
        pages = self._tools.hevo.job_pages(self._pipeline_id, key or None)
        page = next(iter(pages))
        jobs = tuple(job for job in page.entries if is_id(job.job_id))
        if len(jobs) < len(page.entries):
            self._tools.warn(
                f"Pipeline {self._pipeline_id}: {len(page.entries) - len(jobs)} entries of its "
                "list of jobs have ids that cannot be kept; they are skipped."
            )
        news = {job.job_id for job in jobs} - self.seen.keys()
        self._without_news = 0 if news else self._without_news + 1
        self.seen.update((job.job_id, job) for job in jobs)
        self.pages[key] = jobs
        return Page(jobs, page.has_more, page.next_cursor)

    def ends_with(
        self, page: Page[Job], walk: Walk, latest_ms: int | None, old_before_ms: float | None
    ) -> bool:
        """Whether nothing that follows a page is worth reading.

        Args:
            page: The page that was read last.
            walk: How far the walk is with it.
            latest_ms: Hevo's time, with a tolerance.
            old_before_ms: Jobs made before are settled; None: all that are older than this page.
        """
        if not page.has_more or page.next_cursor in {None, walk.cursor}:
            return True
        if len(page.next_cursor or "") > LONGEST_TEXT:
            self._tell_endless(walk, "the cursor of its next page is too long to be kept")
            return True
        if walk.pages >= MOST_PAGES or self._without_news >= MOST_PAGES_WITHOUT_NEWS:
            self._tell_endless(walk, "it does not end")
            return True
        return self._is_older_from_here(page, walk, latest_ms, old_before_ms)

    def _tell_endless(self, walk: Walk, why: str) -> None:
        self._tools.warn(
            f"Pipeline {self._pipeline_id}: its list of jobs is read for {walk.pages} pages; "
            f"{why}. What follows is not read."
        )

    def _is_older_from_here(
        self, page: Page[Job], walk: Walk, latest_ms: int | None, old_before_ms: float | None
    ) -> bool:
        """Whether all that follows is older than what is settled.

        Hevo promises no order. The list is trusted to run from the newest to the oldest job where
        it was seen to do so over more than one page, and still does.
        """
        times = [made_ms(job, latest_ms) for jobs in self.pages.values() for job in jobs]
        known = [made for made in times if made is not None]
        if len(known) < len(times) or len(known) < JOBS_THAT_SHOW_AN_ORDER:
            return False
        newest_so_far = known[0]
        for made in known:
            if made > newest_so_far + DISORDER_MS:
                self.is_newest_first = False
                return False
            newest_so_far = min(newest_so_far, made)
        if known[-1] >= known[0]:
            return False
        if len(self.pages) > 1 and len(self.pages) == walk.pages:
            self.is_newest_first = True
        if old_before_ms is None:
            return True
        is_old = min(known[-len(page.entries) :]) < old_before_ms - DISORDER_MS
        return is_old and self.is_newest_first is True
