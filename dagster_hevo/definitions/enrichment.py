"""What can be told of an asset beyond its spec: freshness, where rows come from, a link to Hevo.

All of it is asked for by parameter and added after the translator, so that a translator stays small
and the usual load costs nothing. The spec itself is `translator.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import quote, urlsplit

import dagster as dg

from dagster_hevo.api.enums import SyncType
from dagster_hevo.api.errors import HevoConfigurationError
from dagster_hevo.api.models import Pipeline
from dagster_hevo.translator import DagsterHevoTranslator, HevoObjectProps

WARN_AFTER_PERIODS = 1.5
FAIL_AFTER_PERIODS = 3
LONGEST_PERIOD = 366 * 24 * 60
"""Minutes: no pipeline runs more seldom than once per year; Python's dates end far beyond."""
_ODD_IN_ADDRESS = re.compile(r"[{}\s\x00-\x20\x7f<>\"`\\^|]|[^\x00-\x7f]")


@dataclass(frozen=True)
class AssetFacts:
    """Which facts to add to the specs of an account.

    Attributes:
        freshness_from_schedule: Whether a pipeline's own schedule makes a freshness policy.
        include_source_lineage: Whether the tables in the source become assets upstream.
        ui_url_template: The address of a pipeline's page, with ``{region}`` and ``{pipeline_id}``.
        region: The account's region, for that address.
    """

    freshness_from_schedule: bool = False
    include_source_lineage: bool = False
    ui_url_template: str | None = None
    region: str = ""

    @property
    def are_wanted(self) -> bool:
        """Whether there is anything to add."""
        return (
            self.freshness_from_schedule
            or self.include_source_lineage
            or self.ui_url_template is not None
        )

    def added_to(
        self, spec: dg.AssetSpec, props: HevoObjectProps, translator: DagsterHevoTranslator
    ) -> dg.AssetSpec:
        """The spec with the facts that are wanted; what a translator has set stays as it is."""
        changes: dict[str, Any] = {}
        metadata: dict[str, Any] = {}
        if self.freshness_from_schedule and spec.freshness_policy is None:
            policy = freshness_policy_of(props.pipeline)
            if policy is not None:
                changes["freshness_policy"] = policy
        if self.ui_url_template is not None:
            metadata["dagster-hevo/pipeline_url"] = dg.MetadataValue.url(
                pipeline_url(self.ui_url_template, self.region, props.pipeline.id)
            )
        if self.include_source_lineage:
            source = translator.get_source_asset_spec(props)
            if source is not None:
                changes["deps"] = [*spec.deps, source.key]
                lineage = column_lineage(props, source.key)
                if lineage is not None:
                    metadata["dagster/column_lineage"] = lineage
        if metadata:
            changes["metadata"] = {**metadata, **spec.metadata}
        if not changes:
            return spec
        return spec.replace_attributes(**changes)  # pyright: ignore[reportUnknownMemberType] (Dagster's own signature is partly untyped)


def freshness_policy_of(pipeline: Pipeline) -> dg.FreshnessPolicy | None:
    """A warning when a pipeline is half a period late, a failure when it is two periods late.

    Args:
        pipeline: The pipeline; one that runs on demand only has no period, hence no policy.
    """
    schedule = pipeline.schedule
    if schedule is None or schedule.sync_type is SyncType.ON_DEMAND:
        return None
    if schedule.frequency_minutes is None or not 0 < schedule.frequency_minutes <= LONGEST_PERIOD:
        return None
    period = timedelta(minutes=schedule.frequency_minutes)
    return dg.FreshnessPolicy.time_window(
        fail_window=period * FAIL_AFTER_PERIODS, warn_window=period * WARN_AFTER_PERIODS
    )


def column_lineage(props: HevoObjectProps, source: dg.AssetKey) -> dg.TableColumnLineage | None:
    """Which column of the source each column comes from; None while the columns are not known."""
    pairs = {
        field.destination_name: field.source_name
        for field in props.pipeline_object.fields or ()
        if field.destination_name and field.source_name
    }
    if not pairs:
        return None
    return dg.TableColumnLineage(
        deps_by_column={
            column: [dg.TableColumnDep(asset_key=source, column_name=origin)]
            for column, origin in pairs.items()
        }
    )


def source_specs(
    objects: Iterable[HevoObjectProps],
    translator: DagsterHevoTranslator,
    loaded: frozenset[dg.AssetKey],
) -> list[dg.AssetSpec]:
    """The assets of the tables in the sources, once each: several pipelines may copy one table.

    Args:
        objects: The objects whose sources are wanted.
        translator: Names them.
        loaded: The keys of the assets that Hevo loads, which cannot be sources too.

    Raises:
        HevoConfigurationError: A source has the key of an asset that Hevo loads.
    """
    found: dict[dg.AssetKey, dg.AssetSpec] = {}
    for props in objects:
        spec = translator.get_source_asset_spec(props)
        if spec is None:
            continue
        if spec.key in loaded:
            pipeline = props.pipeline
            raise HevoConfigurationError(
                f"The source of {props.pipeline_object.name} of pipeline {pipeline.id} "
                f"({pipeline.name}) has the asset key {spec.key.to_user_string()}, which is that "
                "of an asset that Hevo loads. Give it another in the translator's "
                "get_source_asset_spec."
            )
        found.setdefault(spec.key, spec)
    return list(found.values())


def pipeline_url(template: str, region: str, pipeline_id: int) -> str:
    """The address of a pipeline's page in Hevo."""
    return template.replace("{region}", quote(region, safe="")).replace(
        "{pipeline_id}", str(int(pipeline_id))
    )


def check_url_template(template: str) -> None:
    """Refuse a template that cannot be filled in, or is no link that a page should show.

    Raises:
        HevoConfigurationError: It has other fields than ``{region}`` and ``{pipeline_id}``, or is
            no https address with a host.
    """
    filled = pipeline_url(template, "us", 1)
    try:
        parts = urlsplit(filled)
        is_link = parts.scheme == "https" and bool(parts.hostname) and parts.username is None
        _ = parts.port
    except ValueError:
        is_link = False
    if not is_link or _ODD_IN_ADDRESS.search(filled):
        raise HevoConfigurationError(
            f"ui_url_template is {template!r:.200}: it must be an https address with no other "
            "fields than {region} and {pipeline_id}, without a format, e.g. "
            "https://{region}.hevodata.com/pipeline/{pipeline_id}."
        )
