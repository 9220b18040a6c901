"""The command `resync`: some objects of a pipeline, or all, loaded again.

The request is carried out as in a step (`jobs/runner.py`), remembered while the command runs.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from dagster_hevo.cli.account import with_account
from dagster_hevo.cli.exits import CommandError, ExitCode, HevoCommand, exit_code_of_job
from dagster_hevo.cli.output import job_json, tell, write_json, write_table
from dagster_hevo.cli.progress import JobDisplay
from dagster_hevo.cli.watching import interruptible, patience_options, patient_settings

if TYPE_CHECKING:
    from dagster_hevo.api.models import Job
    from dagster_hevo.jobs.outcome import JobOutcome
    from dagster_hevo.jobs.request import SyncRequest
    from dagster_hevo.resources import HevoResource


@click.command(cls=HevoCommand)
@click.argument("pipeline_id", metavar="ID", type=int)
@click.argument("wanted", metavar="[OBJECT]...", nargs=-1)
@click.option(
    "--drop-and-load",
    is_flag=True,
    help="Drop the tables and load them afresh, instead of merging. Asks first on a terminal.",
)
@click.option("--yes", is_flag=True, help="Do not ask before tables are dropped.")
@click.option(
    "--wait/--no-wait",
    default=True,
    show_default=True,
    help="Whether to wait for the job's end, or only until there is a job.",
)
@click.option(
    "--if-job-running",
    default="wait",
    show_default=True,
    type=click.Choice(["wait", "adopt", "fail"]),
    help="When the pipeline is busy: let that job end first, take its end for ours, or fail.",
)
@patience_options
@with_account
def resync(
    account: HevoResource,
    *,
    pipeline_id: int,
    wanted: tuple[str, ...],
    drop_and_load: bool,
    yes: bool,
    wait: bool,
    if_job_running: str,
    poll_interval: float,
    timeout: float | None,
    strict: bool,
    as_json: bool,
) -> None:
    """Load objects of a pipeline again, or all of it where no OBJECT is named.

    An OBJECT is an id, or a name that only one object has. Ctrl-C ends the waiting, not the job.
    """
    from dagster_hevo.api.enums import ResyncMode
    from dagster_hevo.jobs.ledger import Ledger
    from dagster_hevo.jobs.ledger_store import MemoryStore
    from dagster_hevo.jobs.objects import KnownObject, ObjectIndex
    from dagster_hevo.jobs.request import IfJobRunning, make_request
    from dagster_hevo.jobs.runner import JobRunner
    from dagster_hevo.object_choice import choose_objects

    client = account.get_client()
    known = tuple(client.list_objects(pipeline_id))
    active = [item for item in known if item.is_replicated]
    chosen = choose_objects(pipeline_id, known, wanted) if wanted else active
    if not chosen:
        raise CommandError(
            f"Pipeline {pipeline_id} has no object that Hevo replicates: nothing to load.",
            ExitCode.NOT_FOUND,
        )
    request = make_request(
        pipeline_id,
        (item.object_id for item in chosen),
        (item.object_id for item in active),
        resync_mode=ResyncMode.DROP_AND_LOAD if drop_and_load else ResyncMode.EVOLVE_AND_MERGE,
    )
    if drop_and_load and not yes and sys.stdin.isatty():
        click.confirm(f"Drop the tables of {len(chosen)} objects?", abort=True, err=True)
    found: list[Job] = []
    with interruptible(lambda: _farewell(request, found)), JobDisplay(quiet=as_json) as display:

        def show(job: Job) -> None:
            found.append(job)
            display.show(job)

        runner = JobRunner(
            hevo=client,
            request=request,
            ledger=Ledger(MemoryStore()),
            index=ObjectIndex(KnownObject.all_of(known)),
            settings=replace(
                patient_settings(account, poll_interval, timeout),
                if_job_running=IfJobRunning(if_job_running.upper()),
            ),
            log=display.log,
            budget=account.get_budget(),
            records_outcome=False,
            on_job=show,
        )
        started = None if wait else runner.start()
        outcome = runner.run() if wait else None
    if started is not None:
        _tell_started(pipeline_id, started, as_json=as_json)
    if outcome is not None:
        _tell_outcome(outcome, as_json=as_json)
        raise click.exceptions.Exit(exit_code_of_job(outcome.completion, strict=strict))


def _farewell(request: SyncRequest, found: list[Job]) -> str:
    if found:
        return f"Job {found[-1].job_id} goes on."
    return (
        f"No job was seen yet, and one may still come of this request ({request}): "
        f"dagster-hevo jobs {request.pipeline_id} shows it."
    )


def _outcome_json(outcome: JobOutcome) -> dict[str, Any]:
    return {
        **job_json(outcome.pipeline_id, outcome.job),
        "is_adopted": outcome.is_adopted,
        "objects": [
            {
                "object_id": item.object_id,
                "name": item.name,
                "result": str(item.result),
                "status": item.status,
                "events_ingested": item.events_ingested,
                "events_loaded": item.events_loaded,
                "events_failed": item.events_failed,
                "remark": item.remark,
            }
            for item in sorted(outcome.objects.values(), key=lambda item: item.name)
        ],
    }


def _tell_started(pipeline_id: int, job: Job, *, as_json: bool) -> None:
    if as_json:
        write_json(job_json(pipeline_id, job))
        return
    how = f" To see it end: dagster-hevo watch {pipeline_id} {job.job_id}"
    tell(f"Job {job.job_id} is {job.status}.{'' if job.is_terminal else how}")


def _tell_outcome(outcome: JobOutcome, *, as_json: bool) -> None:
    from dagster_hevo.execution.events import summary

    if as_json:
        write_json(_outcome_json(outcome))
        return
    items = sorted(outcome.objects.values(), key=lambda item: (item.is_good, item.name))
    write_table(
        ["object", "result", "loaded", "failed", "remark"],
        (
            (item.name, item.result, item.events_loaded, item.events_failed, item.remark)
            for item in items
        ),
    )
    tell(summary(outcome))
