"""Reading what an account holds: what is known already is not asked for.

Where it is kept is `state_file.py`; asking Hevo, `workspace.py` and `columns.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dagster_hevo.columns import LEFT_TO_OTHERS, with_columns
from dagster_hevo.workspace import (
    HevoWorkspaceData,
    PipelineSelector,
    PipelineWithObjects,
    fetch_workspace,
    only,
)

if TYPE_CHECKING:
    from dagster_hevo.api.client import HevoClient
    from dagster_hevo.api.rate_limit import RequestBudget


@dataclass(frozen=True)
class Wanted:
    """What is wanted of an account.

    Attributes:
        selector: The pipelines whose objects are wanted; all where there is none.
        pipeline_id: Only this pipeline.
        strict: Whether one pipeline that fails to load fails all.
        include_columns: Whether the columns of the wanted pipelines are wanted too.
        on_loaded: Called with each pipeline that Hevo was asked for, while others still load.
    """

    selector: PipelineSelector | None = None
    pipeline_id: int | None = None
    strict: bool = False
    include_columns: bool = False
    on_loaded: Callable[[PipelineWithObjects], object] | None = None

    @property
    def chosen(self) -> PipelineSelector | None:
        """Which pipelines to take of what is known; all where there is none."""
        return self.selector if self.pipeline_id is None else only(self.pipeline_id)

    def is_in(self, state: HevoWorkspaceData) -> bool:
        """Whether a state can stand in while Hevo cannot be asked."""
        return self.pipeline_id is None or state.pipeline(self.pipeline_id) is not None


def read_wanted(
    client: HevoClient,
    wanted: Wanted,
    *,
    known: HevoWorkspaceData | None,
    kept: HevoWorkspaceData | None,
    budget: RequestBudget | None,
) -> HevoWorkspaceData:
    """Ask Hevo for what is not known yet.

    Args:
        client: Asks Hevo.
        wanted: What is wanted.
        known: What was read before, and is recent enough.
        kept: What was read at any time before: columns may still be good.
        budget: Bounds how many columns are read now; None for no bound.

    Raises:
        HevoError: Hevo could not be asked.
    """
    found = fetch_workspace(
        client,
        selector=wanted.selector,
        pipeline_id=wanted.pipeline_id,
        known=known,
        strict=wanted.strict,
        on_loaded=None if wanted.include_columns else wanted.on_loaded,
    )
    if not wanted.include_columns:
        return found
    return with_columns(
        client,
        found,
        selector=wanted.chosen,
        kept=kept,
        most_requests=None if budget is None else budget.remaining() - LEFT_TO_OTHERS,
    )
