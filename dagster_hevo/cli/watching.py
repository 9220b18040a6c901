"""The command `watch`: a running job until it ends, polled as a waiting step would."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from dagster_hevo.cli.account import with_account
from dagster_hevo.cli.exits import CommandError, ExitCode, HevoCommand, exit_code_of_job
from dagster_hevo.cli.output import job_json, tell, write_json
from dagster_hevo.cli.progress import JobDisplay

if TYPE_CHECKING:
    from dagster_hevo.api.models import Job
    from dagster_hevo.jobs.settings import JobSettings
    from dagster_hevo.resources import HevoResource


def patience_options(callback: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options on how often and how long to poll."""
    for option in (
        click.option(
            "--strict",
            is_flag=True,
            help="A job that ends COMPLETED_WITH_FAILURES counts as failed.",
        ),
        click.option(
            "--timeout",
            type=click.FloatRange(min=0, min_open=True),
            metavar="SECONDS",
            help="Give up after so long; the job goes on.  [default: never]",
        ),
        click.option(
            "--poll-interval",
            default=10.0,
            show_default=True,
            type=click.FloatRange(min=0, min_open=True),
            metavar="SECONDS",
            help="The shortest time between two polls of the job.",
        ),
    ):
        callback = option(callback)
    return callback


def patient_settings(
    account: HevoResource, poll_interval: float, timeout: float | None
) -> JobSettings:
    """The bounds of a job's life at a terminal, where whoever leaves does not stop the job."""
    return replace(
        account.job_settings(),
        poll_interval=poll_interval,
        poll_timeout=timeout,
        cancel_on_termination=False,
    )


@click.command(cls=HevoCommand)
@click.argument("pipeline_id", metavar="ID", type=int)
@click.argument("job_id", metavar="[JOB]", required=False)
@patience_options
@with_account
def watch(
    account: HevoResource,
    *,
    pipeline_id: int,
    job_id: str | None,
    poll_interval: float,
    timeout: float | None,
    strict: bool,
    as_json: bool,
) -> None:
    """Watch a job until it ends: JOB, else the one that is running, else the last one.

    Ctrl-C ends the watching, not the job. The exit code tells how the job ended.
    """
    from dagster_hevo.jobs.job_list import read_jobs, running_job
    from dagster_hevo.jobs.ledger import Ledger
    from dagster_hevo.jobs.ledger_store import MemoryStore
    from dagster_hevo.jobs.objects import ObjectIndex
    from dagster_hevo.jobs.polling import age_of, progress_line
    from dagster_hevo.jobs.request import SyncAction, make_request
    from dagster_hevo.jobs.runner import JobRunner

    client = account.get_client()
    jobs = read_jobs(client, pipeline_id).jobs
    if job_id is None:
        newest = max(jobs, key=lambda job: job.created_ts or 0, default=None)
        job = running_job(jobs, also_unknown=True) or newest
    else:
        job = client.get_job(pipeline_id, job_id)
    if job is None:
        raise CommandError(f"Pipeline {pipeline_id} has had no job yet.", ExitCode.NOT_FOUND)
    with interruptible(lambda: f"Job {job.job_id} goes on."), JobDisplay(quiet=as_json) as display:
        display.show(job)
        runner = JobRunner(
            hevo=client,
            request=make_request(pipeline_id, [job.job_id], [], action=SyncAction.SYNC_NOW),
            ledger=Ledger(MemoryStore()),
            index=ObjectIndex(()),
            settings=patient_settings(account, poll_interval, timeout),
            log=display.log,
            budget=account.get_budget(),
            on_job=display.show,
        )
        ended = runner.follow(job, jobs)
    if as_json:
        write_json(job_json(pipeline_id, ended))
    else:
        tell(progress_line(pipeline_id, ended, age_of(ended)))
    leave(ended, strict=strict)


def leave(job: Job, *, strict: bool) -> None:
    """End the command as the job ended."""
    raise click.exceptions.Exit(exit_code_of_job(job.status.completion, strict=strict))


@contextmanager
def interruptible(farewell: Callable[[], str]) -> Generator[None]:
    """Let Ctrl-C end the waiting with a sentence and an exit code of its own."""
    try:
        yield
    except KeyboardInterrupt:
        raise CommandError(f"interrupted. {farewell()}", ExitCode.INTERRUPTED) from None
