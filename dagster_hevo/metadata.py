"""The metadata under ``dagster-hevo/`` as a typed value, to read it back from assets and events.

What is written there is decided in `translator.py` (assets) and `execution/events.py`
(materializations).
"""

# Dagster before 1.13 reads the fields of a metadata set only where they are written Optional[...].
# ruff: noqa: UP045

from __future__ import annotations

from typing import Optional

import dagster as dg

from dagster_hevo.dagster_private import NamespacedMetadataSet


class HevoMetadataSet(NamespacedMetadataSet):
    """The metadata under ``dagster-hevo/`` on assets and on their materializations.

    Attributes:
        pipeline_id: The pipeline.
        pipeline_name: Its name.
        object_id: The object.
        object_name: Its name in the source.
        source_path: Its namespace in the source, from the outside in, joined by dots.
        destination_path: Its namespace in the destination, alike.
        account: What tells the Hevo account from others: its base URL and a digest of the API key.
        shares_name: True where another object of the pipeline has the same bare name.
        loaded_objects: How many objects of the pipeline Hevo loads.
        job_id: The job that loaded it.
        job_type: The job's type.
        job_status: How the job ended.
        events_ingested: Events that the job read from the source for the object.
        events_loaded: Events that reached the table.
        events_failed: Events that did not.
        duration_ms: How long the job took, in milliseconds.
        job_completed_at: When the job ended, by Hevo's clock.
    """

    pipeline_id: Optional[int] = None
    pipeline_name: Optional[str] = None
    object_id: Optional[str] = None
    object_name: Optional[str] = None
    source_path: Optional[str] = None
    destination_path: Optional[str] = None
    account: Optional[str] = None
    shares_name: Optional[bool] = None
    loaded_objects: Optional[int] = None
    job_id: Optional[str] = None
    job_type: Optional[str] = None
    job_status: Optional[str] = None
    events_ingested: Optional[int] = None
    events_loaded: Optional[int] = None
    events_failed: Optional[int] = None
    duration_ms: Optional[int] = None
    job_completed_at: Optional[dg.TimestampMetadataValue] = None

    @classmethod
    def namespace(cls) -> str:
        return "dagster-hevo"
