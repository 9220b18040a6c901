"""Reads from Hevo as observations: what came, or why nothing usable came."""

from __future__ import annotations

from dagster_hevo.api.errors import HevoError, HevoNotFoundError
from dagster_hevo.api.models import JobObject
from dagster_hevo.jobs.hevo_api import HevoApi, is_no_route, is_transient
from dagster_hevo.jobs.job_list import read_jobs
from dagster_hevo.jobs.objects import distinct
from dagster_hevo.jobs.steps import (
    JobMissing,
    JobRead,
    JobsRead,
    ObjectsRead,
    Observation,
    PipelineObjectsRead,
    PipelineRead,
    Read,
    ReadFailed,
    ReadJob,
    ReadJobs,
    ReadPipeline,
    ReadPipelineObjects,
)


def read(hevo: HevoApi, pipeline_id: int, action: Read) -> Observation:
    """Carry out a read.

    Args:
        hevo: Hevo's API.
        pipeline_id: The pipeline.
        action: What to read.

    Returns:
        What was read; ``ReadFailed`` where Hevo gave no answer, or not one to this request.
    """
    try:
        if isinstance(action, ReadPipeline):
            return PipelineRead(hevo.get_pipeline(pipeline_id))
        if isinstance(action, ReadJobs):
            found = read_jobs(hevo, pipeline_id, all_pages=action.all_pages)
            return JobsRead(found.jobs, found.is_complete)
        if isinstance(action, ReadPipelineObjects):
            return PipelineObjectsRead(tuple(hevo.list_objects(pipeline_id)))
        if isinstance(action, ReadJob):
            return _read_job(hevo, pipeline_id, action.job_id)
        return ObjectsRead(action.job_id, read_objects(hevo, pipeline_id, action.job_id))
    except HevoError as error:
        return ReadFailed(error, is_transient(error))


def read_objects(hevo: HevoApi, pipeline_id: int, job_id: str) -> tuple[JobObject, ...]:
    """What a job lists of its objects, each once; nothing where Hevo answers 404."""
    try:
        return distinct(hevo.get_job_objects(pipeline_id, job_id))
    except HevoNotFoundError:
        return ()


def _read_job(hevo: HevoApi, pipeline_id: int, job_id: str) -> Observation:
    try:
        return JobRead(hevo.get_job(pipeline_id, job_id))
    except HevoNotFoundError as error:
        if is_no_route(error):
            raise  # It says nothing about the job.
        return JobMissing(job_id)
