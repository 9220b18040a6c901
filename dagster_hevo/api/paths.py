"""The paths of Hevo's endpoints, made of ids that are checked and quoted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import quote

from dagster_hevo.api.errors import HevoConfigurationError


def pipeline_path(pipeline_id: int) -> str:
    """The path of a pipeline.

    Raises:
        HevoConfigurationError: It is no pipeline's number.
    """
    if isinstance(pipeline_id, bool) or not isinstance(pipeline_id, int) or pipeline_id < 1:  # pyright: ignore[reportUnnecessaryIsInstance] (callers without a type checker)
        raise HevoConfigurationError(
            f"pipeline_id is {pipeline_id!r}: it must be the number that Hevo shows for the "
            "pipeline, e.g. 123."
        )
    return f"/api/v1/pipelines/{pipeline_id}"


def job_path(pipeline_id: int, job_id: str) -> str:
    """The path of a job."""
    return f"{pipeline_path(pipeline_id)}/jobs/{segment('job_id', job_id)}"


def segment(name: str, value: str) -> str:
    """An id as a part of a path.

    Raises:
        HevoConfigurationError: It cannot be one.
    """
    text = str(value)
    if not text.strip() or text in {".", ".."}:
        raise HevoConfigurationError(f"{name} is {value!r}: it must be an id as Hevo lists it.")
    return quote(text, safe="", errors="replace")


def require_some(name: str, value: Sequence[object] | Mapping[str, object]) -> None:
    """Refuse an empty list or mapping.

    Raises:
        HevoConfigurationError: It is empty, or a single text.
    """
    if isinstance(value, str) or not value:
        raise HevoConfigurationError(f"{name} is {value!r}: it must name at least one.")
