"""A running job on the screen: a live bar on a terminal, lines of log elsewhere.

It shows the job as the runner sees it, and reads nothing itself. When a job is polled is decided in
`jobs/schedule.py`.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from dagster_hevo.cli.output import console, shown

if TYPE_CHECKING:
    from types import TracebackType

    from rich.progress import Progress, TaskID

    from dagster_hevo.api.models import Job


class JobDisplay:
    """Shows a job while the `with` block lasts.

    Args:
        quiet: Whether to show nothing but warnings, as for `--json`.

    Attributes:
        log: Where a runner tells its progress: quiet where the bar shows it.
    """

    def __init__(self, *, quiet: bool) -> None:
        self._console = console(stderr=True)
        self._has_bar = self._console.is_terminal and not quiet
        self._progress: Progress | None = None
        self._task: TaskID | None = None
        self._job_id: str | None = None
        self.log = logging.getLogger("dagster_hevo.cli.watch")
        self.log.setLevel(logging.WARNING if quiet or self._has_bar else logging.INFO)

    def __enter__(self) -> JobDisplay:
        if self._has_bar:
            self._progress = _bar(self._console)
            self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._progress is not None:
            self._progress.stop()

    def show(self, job: Job) -> None:
        """Show a job as it was just seen."""
        if self._progress is None:
            return
        fields: dict[str, Any] = {
            "description": shown(f"{job.type or 'job'} {job.job_id[:8]} {job.status}"),
            "total": job.objects_total or None,
            "completed": job.objects_done,
            "events": f"{job.events_loaded:,} loaded"
            + (f", {job.events_failed:,} failed" if job.events_failed else ""),
        }
        if self._task is None or job.job_id != self._job_id:
            self._job_id = job.job_id
            self._task = self._progress.add_task(**fields)
        self._progress.update(self._task, **fields)
        if job.is_terminal:
            self._progress.stop_task(self._task)


def _bar(screen: Any) -> Progress:
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        SpinnerColumn,
        TextColumn,
        TimeElapsedColumn,
    )

    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("objects, {task.fields[events]},", markup=False),
        TimeElapsedColumn(),
        console=screen,
    )
