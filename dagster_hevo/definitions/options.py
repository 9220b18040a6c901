"""What can be said of the definitions of an account: one value for factories and component."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, TypedDict, cast

import dagster as dg

from dagster_hevo.definitions.names import DEFAULT_RESOURCE_KEY, check_resource_key
from dagster_hevo.definitions.reading import Wanted
from dagster_hevo.definitions.snapshot import PipelineSelector
from dagster_hevo.sync_config import HevoSyncConfig
from dagster_hevo.translator import DagsterHevoTranslator


@dataclass(frozen=True)
class HevoDefinitionsOptions:
    """How the definitions of an account are made.

    Each field is also a keyword argument of the functions that it matters to; an argument wins over
    the field of ``options=``.

    Attributes:
        translator: Makes the specs; default ``DagsterHevoTranslator``.
        pipeline_selector_fn: Which pipelines to take; default all.
        resource_key: The key of the account among the resources. Where it is not ``hevo``, steps
            and sensors are named after it, so that one code location can have several accounts.
        config: What a materialization requests unless the launchpad says otherwise.
        op_tags: Tags of the steps.
        pool: The concurrency pool that each step takes a slot of.
        retry_policy: When Dagster runs a step again. A retry resumes the job that is there.
        include_checks: Whether each asset has the check ``hevo_job``.
        include_latency_check: Whether each asset has the check ``hevo_latency`` too: a warning
            where a job's latency exceeds the threshold of the pipeline's latency alert in Hevo.
        include_column_metadata: Whether to read each object's columns (types, primary keys), a
            request per object; remembered until the source's schema changes.
        freshness_from_schedule: Whether each asset has a freshness policy made of its pipeline's
            frequency: a warning after 1.5 periods without news, a failure after 3.
        include_source_lineage: Whether the tables in the source are assets upstream, with column
            lineage where the columns are known.
        strict: Whether one pipeline that cannot be read fails all; else its objects stay as they
            were read earlier, or it is left out, with a warning.
    """

    translator: DagsterHevoTranslator | None = None
    pipeline_selector_fn: PipelineSelector | None = None
    resource_key: str = DEFAULT_RESOURCE_KEY
    config: HevoSyncConfig | None = None
    op_tags: Mapping[str, Any] | None = None
    pool: str | None = None
    retry_policy: dg.RetryPolicy | None = None
    include_checks: bool = True
    include_latency_check: bool = False
    include_column_metadata: bool = False
    freshness_from_schedule: bool = False
    include_source_lineage: bool = False
    strict: bool = False

    def __post_init__(self) -> None:
        check_resource_key(self.resource_key)

    def wanted(self, pipeline_id: int | None = None) -> Wanted:
        """What these options want of the account.

        Args:
            pipeline_id: Only this pipeline.
        """
        return Wanted(
            None if pipeline_id is not None else self.pipeline_selector_fn,
            pipeline_id,
            strict=self.strict,
            include_columns=self.include_column_metadata,
        )


class SpecArguments(TypedDict, total=False):
    """The options that say which specs there are; see `HevoDefinitionsOptions`."""

    include_column_metadata: bool
    freshness_from_schedule: bool
    include_source_lineage: bool
    strict: bool


class StepArguments(SpecArguments, total=False):
    """The options that say what steps are like, too."""

    translator: DagsterHevoTranslator | None
    resource_key: str
    op_tags: Mapping[str, Any] | None
    pool: str | None
    retry_policy: dg.RetryPolicy | None
    include_checks: bool
    include_latency_check: bool


class FactoryArguments(StepArguments, total=False):
    """All options."""

    pipeline_selector_fn: PipelineSelector | None
    config: HevoSyncConfig | None


def options_of(
    options: HevoDefinitionsOptions | None,
    arguments: SpecArguments | StepArguments | FactoryArguments,
    kind: type[Any],
    function: str,
) -> HevoDefinitionsOptions:
    """The options with the keyword arguments of a call over them.

    Args:
        options: The value of ``options=``.
        arguments: The keyword arguments.
        kind: Those that the function takes.
        function: Its name, for the error.

    Raises:
        TypeError: The function takes no such argument.
    """
    given = cast("dict[str, Any]", dict(arguments))
    for name in given:
        if name not in kind.__annotations__:
            raise TypeError(f"{function}() got an unexpected keyword argument '{name}'")
    return replace(options or HevoDefinitionsOptions(), **given)
