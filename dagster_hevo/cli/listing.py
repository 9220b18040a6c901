"""The commands that list: `pipelines`, `objects` and `jobs`."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

import click

from dagster_hevo.cli.account import with_account
from dagster_hevo.cli.exits import ExitCode, HevoCommand
from dagster_hevo.cli.output import job_json, moment, tell, write_json, write_table

if TYPE_CHECKING:
    from dagster_hevo.api.client import HevoClient
    from dagster_hevo.api.models import Job, Pipeline, PipelineObject
    from dagster_hevo.catalog import Catalog, CatalogObject
    from dagster_hevo.resources import HevoResource


@dataclass(frozen=True)
class PipelineRow:
    """A pipeline with what its own lists say.

    Attributes:
        pipeline: The pipeline.
        objects: Its objects; None where they were not asked for, or could not be read.
        last_job: Its newest job, if it has one.
        problem: Why something could not be read.
    """

    pipeline: Pipeline
    objects: tuple[PipelineObject, ...] | None = None
    last_job: Job | None = None
    problem: str | None = None

    @property
    def active(self) -> int | None:
        """How many objects Hevo replicates."""
        if self.objects is None:
            return None
        return sum(item.is_replicated for item in self.objects)

    def to_json(self) -> dict[str, Any]:
        """The row for programs."""
        pipeline = self.pipeline
        return {
            "id": pipeline.id,
            "name": pipeline.name,
            "status": str(pipeline.status),
            "source_name": pipeline.source.name,
            "source_type": pipeline.source.source_type,
            "destination_name": pipeline.destination.name,
            "destination_type": pipeline.destination.destination_type,
            "objects": None if self.objects is None else len(self.objects),
            "active_objects": self.active,
            "last_job": None if self.last_job is None else job_json(pipeline.id, self.last_job),
            "problem": self.problem,
        }

    def cells(self) -> tuple[object, ...]:
        """The row for people."""
        pipeline, job = self.pipeline, self.last_job
        total = None if self.objects is None else len(self.objects)
        return (
            str(pipeline.id),
            pipeline.name,
            pipeline.status,
            pipeline.source.source_type or pipeline.source.name,
            pipeline.destination.name or pipeline.destination.destination_type,
            total if self.active == total else f"{self.active} of {total}",
            None if job is None else job.status,
            None if job is None else moment(job.created_ts),
        )


@click.command(cls=HevoCommand)
@click.option(
    "--quick",
    is_flag=True,
    help="Only what the list of pipelines says: no objects and jobs, which cost two requests each.",
)
@with_account
def pipelines(account: HevoResource, *, quick: bool, as_json: bool) -> None:
    """List the pipelines with their objects and last jobs."""
    client = account.get_client()
    listed = sorted(client.list_pipelines(), key=lambda pipeline: pipeline.id)
    rows = [PipelineRow(item) for item in listed] if quick else _with_details(client, listed)
    if as_json:
        write_json([row.to_json() for row in rows])
    else:
        columns = ["id", "name", "status", "source", "destination", "objects", "last job", "begun"]
        end = 5 if quick else None
        write_table(columns[:end], [row.cells()[:end] for row in rows])
    problems = [row for row in rows if row.problem is not None]
    for row in problems:
        tell(f"Pipeline {row.pipeline.id}: {row.problem}", err=True)
    if problems:
        raise click.exceptions.Exit(ExitCode.WRONG)


def _with_details(client: HevoClient, listed: list[Pipeline]) -> list[PipelineRow]:
    from dagster_hevo.api.errors import HevoApiError, HevoAuthenticationError, HevoResponseError
    from dagster_hevo.definitions.reading import CONNECTIONS
    from dagster_hevo.jobs.job_list import read_jobs

    def look(pipeline: Pipeline) -> PipelineRow:
        objects: tuple[PipelineObject, ...] | None = None
        try:
            objects = tuple(client.list_objects(pipeline.id))
            jobs = newest_first(read_jobs(client, pipeline.id).jobs)
        except HevoAuthenticationError:
            raise
        except (HevoApiError, HevoResponseError) as error:
            return PipelineRow(pipeline, objects, problem=str(error))
        return PipelineRow(pipeline, objects, jobs[0] if jobs else None)

    with ThreadPoolExecutor(max_workers=CONNECTIONS, thread_name_prefix="hevo-list") as pool:
        try:
            return list(pool.map(look, listed))
        except KeyboardInterrupt:
            # What is under way ends within its timeout; the rest is not begun.
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def newest_first(jobs: tuple[Job, ...]) -> list[Job]:
    """Jobs by the time they were made: Hevo promises no order."""
    return sorted(jobs, key=lambda job: job.created_ts or 0, reverse=True)


def _jobs_read(client: HevoClient, pipeline_id: int, limit: int) -> tuple[tuple[Job, ...], bool]:
    """At least so many of a pipeline's newest jobs, and whether these are all of them.

    Hevo promises no order: where its list shows none, every page is read.
    """
    from dagster_hevo.jobs.job_list import shows_newest_first

    found: dict[str, Job] = {}
    for page in client.job_pages(pipeline_id):
        found.update((job.job_id, job) for job in page.entries)
        if page.has_more and len(found) >= limit and shows_newest_first(found.values()):
            return tuple(found.values()), False
    return tuple(found.values()), True


@click.command(cls=HevoCommand)
@click.argument("pipeline_id", metavar="ID", type=int)
@click.option("--limit", default=20, show_default=True, type=click.IntRange(min=1))
@with_account
def jobs(account: HevoResource, *, pipeline_id: int, limit: int, as_json: bool) -> None:
    """List a pipeline's newest jobs."""
    from dagster_hevo.jobs.settings import as_text

    seen, are_all = _jobs_read(account.get_client(), pipeline_id, limit)
    newest = list(islice(newest_first(seen), limit))
    if not are_all or len(newest) < len(seen):
        click.echo(f"The newest {len(newest)} jobs; there are more: see --limit.", err=True)
    if as_json:
        write_json([job_json(pipeline_id, job) for job in newest])
        return
    write_table(
        ["job", "type", "status", "begun", "took", "objects", "loaded", "failed"],
        (
            (
                job.job_id,
                job.type,
                job.status,
                moment(job.created_ts),
                None if job.duration is None else as_text(job.duration / 1000),
                f"{job.objects_done} of {job.objects_total}",
                job.events_loaded,
                job.events_failed,
            )
            for job in newest
        ),
    )


@click.command(cls=HevoCommand)
@click.argument("pipeline_id", metavar="ID", type=int)
@click.option(
    "--catalog",
    "with_catalog",
    is_flag=True,
    help="Add what is documented of the source's objects, and compare.",
)
@with_account
def objects(account: HevoResource, *, pipeline_id: int, with_catalog: bool, as_json: bool) -> None:
    """List a pipeline's objects."""
    client = account.get_client()
    comparison = None
    if with_catalog:
        pipeline = client.get_pipeline(pipeline_id)
        comparison = _compare(pipeline, tuple(client.list_objects(pipeline_id)))
        known = comparison.objects
    else:
        known = tuple(client.list_objects(pipeline_id))
    if as_json:
        entries = [_object_json(item, comparison) for item in known]
        write_json(entries if comparison is None else comparison.to_json(entries))
        return
    columns = ["id", "name", "table", "status", "replication", "columns"]
    if comparison is not None and comparison.catalog is not None:
        columns += ["mode", "parent", "requires"]
    write_table(columns, [_object_cells(item, comparison) for item in known])
    if comparison is not None:
        for sentence in comparison.sentences():
            tell(sentence)


@dataclass(frozen=True)
class Comparison:
    """A pipeline's objects beside what is documented of its source.

    Attributes:
        source_type: What the pipeline says of its source.
        objects: The pipeline's objects.
        catalog: What is documented, if anything is.
        entries: For each object's id, what is documented of it.
    """

    source_type: str | None
    objects: tuple[PipelineObject, ...]
    catalog: Catalog | None
    entries: dict[str, CatalogObject]

    @property
    def missing(self) -> list[str]:
        """Objects that the source has by its documents, and the pipeline has not."""
        if self.catalog is None:
            return []
        found = {entry.name for entry in self.entries.values()}
        return [item.name for item in self.catalog.objects if item.name not in found]

    @property
    def undocumented(self) -> list[str]:
        """Objects that the pipeline has, and the source has not by its documents."""
        if self.catalog is None:
            return []
        return [item.name for item in self.objects if item.object_id not in self.entries]

    def to_json(self, entries: list[dict[str, Any]]) -> dict[str, Any]:
        """The comparison for programs."""
        return {
            "source_type": self.source_type,
            "catalog": None if self.catalog is None else self.catalog.source.name,
            "objects": entries,
            "only_in_catalog": self.missing,
            "only_in_pipeline": self.undocumented,
        }

    def sentences(self) -> Iterator[str]:
        """The comparison for people, below the table."""
        if self.catalog is None:
            yield f"No catalog knows the source type {self.source_type or '(not told)'}."
            return
        name = self.catalog.source.name
        missing, undocumented = ", ".join(self.missing), ", ".join(self.undocumented)
        yield f"In the catalog of {name} and not in the pipeline: {missing or 'none'}."
        yield f"In the pipeline and not in the catalog of {name}: {undocumented or 'none'}."


def _compare(pipeline: Pipeline, known: tuple[PipelineObject, ...]) -> Comparison:
    from dagster_hevo.catalog import CatalogError, find_catalog

    source_type = pipeline.source.source_type
    try:
        catalog = find_catalog(source_type)
    except CatalogError as error:
        raise click.ClickException(str(error)) from error
    entries: dict[str, CatalogObject] = {}
    if catalog is not None:
        for item in known:
            names = (item.name, item.source_namespace.k0, item.destination_namespace.k0)
            matches = (catalog.object_for(name) for name in names if name)
            entry = next((match for match in matches if match is not None), None)
            if entry is not None:
                entries[item.object_id] = entry
    return Comparison(source_type, known, catalog, entries)


def _object_json(item: PipelineObject, comparison: Comparison | None) -> dict[str, Any]:
    content = {"name": item.name, **item.model_dump(mode="json", exclude={"fields"})}
    if comparison is not None:
        entry = comparison.entries.get(item.object_id)
        content["catalog"] = None if entry is None else entry.model_dump(mode="json")
    return content


def _object_cells(item: PipelineObject, comparison: Comparison | None) -> tuple[object, ...]:
    cells: tuple[object, ...] = (
        item.object_id,
        item.name,
        ".".join(item.destination_namespace.path),
        item.status,
        item.replication_status,
        item.field_count,
    )
    if comparison is None or comparison.catalog is None:
        return cells
    entry = comparison.entries.get(item.object_id)
    if entry is None:
        return (*cells, None, None, None)
    return (*cells, entry.mode, entry.parent, entry.requires.kind if entry.requires else None)
