"""What has changed in Hevo since the code location was loaded, found before anything is triggered.

An asset stands for one table. Where its object has been switched off, removed, or is loaded into
another table by now, a job would say nothing about that table: the asset is left as it is, its
check says why, and nothing downstream runs on it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

import dagster as dg

from dagster_hevo.api.errors import HevoConfigurationError, HevoError
from dagster_hevo.api.models import PipelineObject
from dagster_hevo.definitions.checks import CHECK_NAME
from dagster_hevo.definitions.reading import may_pass
from dagster_hevo.jobs.objects import path_text

if TYPE_CHECKING:
    from dagster_hevo.api.client import HevoClient
    from dagster_hevo.execution.events import ObjectAsset

_GONE = "is not in the pipeline any more"
ADVICE = "Reload the code location, so that its assets are those that Hevo loads now."


def check_account(loaded_from: str | None, bound: str | None, *, is_proven: bool = False) -> None:
    """Refuse a resource of another account than the one that the assets were loaded from.

    Pipelines of two accounts may have one id: the wrong resource would load another table, and
    everything would seem well.

    Args:
        loaded_from: The account that the assets were loaded from, where that is known.
        bound: The account of the resource that the step was given.
        is_proven: Whether Hevo knows the pipeline and its objects by these keys too: another user
            of one account has other keys.

    Raises:
        HevoConfigurationError: They differ.
    """
    if loaded_from is None or bound is None or loaded_from == bound:
        return
    same_place = loaded_from.partition("#")[0] == bound.partition("#")[0]
    if same_place and (is_proven or "#" not in loaded_from or "#" not in bound):
        return
    raise HevoConfigurationError(
        f"These assets were loaded from the Hevo account {loaded_from}, and the resource that this "
        f"step was given is the account {bound}. Nothing was triggered. Give each account a "
        "resource_key of its own where its definitions are made, and bind its resource to that "
        "key: resources={'hevo_finance': HevoResource(...)}."
    )


def changes_since_loading(
    client: HevoClient,
    assets: Iterable[ObjectAsset],
    log: logging.Logger,
    *,
    must_know: bool = False,
) -> Mapping[dg.AssetKey, str] | None:
    """What became of each asset whose object is not what it was; sends a request per page.

    Args:
        client: Hevo's API.
        assets: The assets of one pipeline.
        log: Where it is told that Hevo's objects could not be read, which stops nothing.
        must_know: Whether that stops the step, which may be tried again.

    Returns:
        A sentence for each asset that must not be recorded; None where Hevo did not tell.

    Raises:
        HevoError: Hevo does not know the pipeline, or the keys may not read it.
    """
    known = list(assets)
    pipeline_id = known[0].pipeline_id
    try:
        current = {item.object_id: item for item in client.list_objects(pipeline_id)}
    except HevoError as error:
        if must_know or not may_pass(error):
            raise
        log.warning(
            f"Whether objects of pipeline {pipeline_id} have changed since the code location was "
            f"loaded could not be read; going on. {error}"
        )
        return None
    found: dict[dg.AssetKey, str] = {}
    for asset in known:
        sentence = change_of(asset, current.get(asset.object_id))
        if sentence is not None:
            found[asset.key] = f"{sentence} {ADVICE}"
    return found


def is_gone(sentence: str) -> bool:
    """Whether a sentence about a change says that the pipeline has the object no more."""
    return _GONE in sentence


def change_of(asset: ObjectAsset, current: PipelineObject | None) -> str | None:
    """How an object differs from what it was when it became an asset; None where it does not."""
    name = f"{asset.known.name} of pipeline {asset.pipeline_id}"
    if current is None:
        return f"{name} {_GONE}."
    if not current.is_replicated:
        return f"{name} is {current.status} in Hevo now, so it is not loaded."
    pairs = (
        ("loaded into", asset.destination_path, path_text(current.destination_namespace)),
        ("read from", asset.known.source_path, path_text(current.source_namespace)),
    )
    for what, before, now in pairs:
        if before is not None and now is not None and not _is_same(before, now):
            return f"{name} is {what} {now} now, and was {what} {before} when it became an asset."
    return None


def _is_same(one: str, other: str) -> bool:
    """Whether two namespaces are one: Hevo may tell the outer parts of it, or leave them out."""
    return one == other or one.endswith(f".{other}") or other.endswith(f".{one}")


def check_results_of_changes(
    changes: Mapping[dg.AssetKey, str],
    wanted: frozenset[dg.AssetKey],
    checks: frozenset[dg.AssetCheckKey],
) -> Iterator[dg.AssetCheckResult]:
    """The checks of the assets that are left as they are.

    Args:
        changes: What became of the assets.
        wanted: Those whose check is to be answered.
        checks: The checks of the step.
    """
    for key, sentence in changes.items():
        if key in wanted and dg.AssetCheckKey(key, CHECK_NAME) in checks:
            yield dg.AssetCheckResult(
                asset_key=key,
                check_name=CHECK_NAME,
                passed=False,
                severity=dg.AssetCheckSeverity.ERROR,
                description=sentence,
                metadata={"dagster-hevo/result": "CHANGED_IN_HEVO"},
            )
