"""How a component's attributes are written in YAML, and how they become values.

A form has the fields of the value it stands for, so the two cannot drift apart; it refuses unknown
keys, and takes a template wherever the value is no text. The values are in `resources.py`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from types import UnionType
from typing import Annotated, Any, Literal, Union, cast, get_args, get_origin

import dagster as dg
from pydantic import BaseModel, Field, StringConstraints, create_model

from dagster_hevo.account_settings import TEXTS
from dagster_hevo.api.errors import HevoConfigurationError
from dagster_hevo.resources import HevoResource
from dagster_hevo.sensors import PipelineKey
from dagster_hevo.sync_config import HevoSyncConfig

Template = Annotated[str, StringConstraints(pattern=r"\{\{.*\}\}")]

# `{{ env.NAME }}` and `{{ env('NAME') }}`, with nothing around.
_ENV = re.compile(r"\{\{\s*env(?:\.(\w+)|\(\s*['\"](\w+)['\"]\s*\))\s*\}\}")

# Settings that may come from the environment as late as they are used.
LATE_SETTINGS = frozenset(HevoResource.model_fields)


class JobSensorSettings(dg.Model):
    """How the job sensor of a component is set up.

    Attributes:
        name: The sensor's name; default ``hevo_job_sensor`` for a component in a folder ``hevo``.
        minimum_interval_seconds: Seconds between two ticks, at least.
        default_status: Whether it runs without being switched on.
        request_jobs_on_completion: The jobs to run when a pipeline's job has loaded.
        request_jobs_on_failure: The same for jobs that failed, were cancelled or skipped.
    """

    name: str | None = Field(
        default=None, description="The sensor's name; default: the component's and job_sensor."
    )
    minimum_interval_seconds: int = Field(
        default=60, description="Seconds between two ticks, at least."
    )
    default_status: dg.DefaultSensorStatus = Field(
        default=dg.DefaultSensorStatus.RUNNING,
        description="Whether the sensor runs without being switched on: RUNNING or STOPPED.",
    )
    request_jobs_on_completion: dict[int | str, str] | None = Field(
        default=None,
        description="Names of Dagster jobs to run when a pipeline's job has loaded, by the "
        "pipeline's id or name.",
    )
    request_jobs_on_failure: dict[int | str, str] | None = Field(
        default=None,
        description="The same for pipelines' jobs that failed, were cancelled or skipped.",
    )

    @property
    def requests_on_completion(self) -> dict[PipelineKey, str]:
        """``request_jobs_on_completion`` as the sensor takes it."""
        return dict((self.request_jobs_on_completion or {}).items())

    @property
    def requests_on_failure(self) -> dict[PipelineKey, str]:
        """``request_jobs_on_failure`` as the sensor takes it."""
        return dict((self.request_jobs_on_failure or {}).items())


class RetrySettings(dg.Model):
    """When Dagster runs a step again, as ``dagster.RetryPolicy`` has it."""

    max_retries: int = Field(default=1, ge=0, description="How often a step is run again.")
    delay: float | None = Field(default=None, ge=0, description="Seconds before that.")
    backoff: Literal["LINEAR", "EXPONENTIAL"] | None = Field(
        default=None, description="How the delay grows from one retry to the next."
    )
    jitter: Literal["FULL", "PLUS_MINUS"] | None = Field(
        default=None, description="How the delay is varied, so that steps do not retry in step."
    )


class CriteriaForm(dg.Model):
    """The keys of a selection of pipelines; of several, all must hold."""

    by_id: list[int | Template] | Template | None = Field(
        default=None, description="Ids of pipelines."
    )
    by_name: list[str] | Template | None = Field(
        default=None, description="Names of pipelines, or shell patterns such as 'Shop *'."
    )
    by_source_type: list[str] | Template | None = Field(
        default=None, description="Types of sources, such as POSTGRES."
    )
    by_destination: list[str | int] | Template | None = Field(
        default=None, description="Names (or shell patterns), types or ids of destinations."
    )


class SelectionForm(CriteriaForm):
    """A selection of pipelines, and which of them to leave out."""

    exclude: CriteriaForm | Template | None = Field(
        default=None, description="Pipelines to leave out, by the same keys; all given must hold."
    )


def form_of(kind: type[BaseModel], name: str) -> type[BaseModel]:
    """A form with the fields of a model, each of which also takes a template.

    Args:
        kind: The model.
        name: The form's name, as error messages have it.
    """
    fields: dict[str, Any] = {
        field_name: (_or_template(field.annotation), field)
        for field_name, field in kind.model_fields.items()
    }
    return create_model(name, __base__=dg.Model, **fields)


def _or_template(annotation: Any) -> Any:
    is_text = annotation is str or (
        get_origin(annotation) in (Union, UnionType) and str in get_args(annotation)
    )
    return annotation if is_text else annotation | Template


AccountForm = form_of(HevoResource, "HevoAccount")
SyncForm = form_of(HevoSyncConfig, "HevoSync")
JobSensorForm = form_of(JobSensorSettings, "HevoJobSensor")
RetryForm = form_of(RetrySettings, "RetryPolicy")


def reading(
    build: Callable[..., Any], *, late: Iterable[str] = ()
) -> Callable[[dg.ResolutionContext, Any], Any]:
    """How Dagster gets a value of what stands in YAML: a form, or a template of the value itself.

    Args:
        build: Makes the value of the form's fields.
        late: The fields whose ``{{ env.NAME }}`` stays a ``dg.EnvVar``, to be read when it is used.
    """
    late_fields = frozenset(late)

    def read(context: dg.ResolutionContext, written: Any) -> Any:
        if isinstance(written, BaseModel):
            return build(**_filled_in(context, written, late_fields))
        value = _without_templates(context, written)
        return build(**value) if isinstance(value, Mapping) else value

    return read


def _filled_in(
    context: dg.ResolutionContext, form: BaseModel, late: frozenset[str]
) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, written in form.model_dump(exclude_unset=True).items():
        variable = env_variable(written) if name in late else None
        if variable is not None:
            values[name] = dg.EnvVar(variable)
            continue
        value = _without_templates(context.at_path(name), written)
        # A template gives a number where the text looks like one, as a key may.
        values[name] = (
            str(value) if name in late & TEXTS and isinstance(value, int | float) else value
        )
    return values


def _without_templates(context: dg.ResolutionContext, written: Any) -> Any:
    return cast("Any", context.resolve_value(written))  # pyright: ignore[reportUnknownMemberType] (partly untyped in Dagster)


def env_variable(written: object) -> str | None:
    """The variable that a template reads, if it does nothing else.

    Such a template is not filled in when the file is loaded: the variable's name, not the secret,
    is then what Dagster knows, and definitions load from their state where it is not set.
    """
    found = _ENV.fullmatch(written.strip()) if isinstance(written, str) else None
    return (found.group(1) or found.group(2)) if found else None


def retry_policy_of(**settings: Any) -> dg.RetryPolicy:
    """The retry policy of these settings."""
    checked = RetrySettings(**settings)
    return dg.RetryPolicy(
        max_retries=checked.max_retries,
        delay=checked.delay,
        backoff=None if checked.backoff is None else dg.Backoff[checked.backoff],
        jitter=None if checked.jitter is None else dg.Jitter[checked.jitter],
    )


def account_of(**settings: Any) -> HevoResource:
    """The account of these settings.

    Raises:
        HevoConfigurationError: A setting cannot work, or a key is missing.
    """
    for name in ("api_key", "api_secret"):
        if not settings.get(name):
            raise HevoConfigurationError(
                f"workspace.{name} is empty. Write '{{{{ env.HEVO_{name.upper()} }}}}' and set "
                "that variable where Dagster runs."
            )
    return HevoResource(**settings)
