"""An object of the local Hevo while it runs: its outcome in the next job, and its source's growth.

What it starts as is in `scenario.py`; the rows themselves are made in `rows.py`.
"""

from __future__ import annotations

from typing import Any, Literal

from dagster_hevo.sandbox.jobs import LoadKind
from dagster_hevo.sandbox.scenario import ObjectScenario


class ObjectState:
    """An object while the sandbox runs: its scenario, and how many rows its source has by now."""

    def __init__(self, object_id: str, scenario: ObjectScenario) -> None:
        self.object_id = object_id
        self.scenario = scenario
        self.source_rows = scenario.rows
        self.jobs_seen = 0
        self.hidden = scenario.hidden_until_refresh
        self.replicated = scenario.replication_status

    @property
    def is_active(self) -> bool:
        """Whether jobs load it."""
        return self.scenario.status == "ACTIVE" and not self.hidden

    def change(self, **changes: Any) -> None:
        """Change its scenario from now on, checked like a scenario file."""
        stated = {name: getattr(self.scenario, name) for name in self.scenario.model_fields_set}
        self.scenario = ObjectScenario.model_validate({**stated, **changes})
        if "rows" in changes:
            self.source_rows = self.scenario.rows
        if "outcome" in changes:
            self.jobs_seen = 0

    def next_outcome(self) -> Literal[False] | ObjectScenario:
        """Its scenario if its outcome strikes in the job that starts now, else False."""
        self.jobs_seen += 1
        entry = self.scenario
        if self.jobs_seen % entry.outcome_every:
            return False
        strikes = self.jobs_seen // entry.outcome_every
        if entry.outcome_times is not None and strikes > entry.outcome_times:
            return False
        return entry

    def rows_for(self, load: LoadKind, number: int) -> tuple[tuple[int, int], ...]:
        """The row numbers that a job brings; an incremental job lets the source grow."""
        changed, new = self.scenario.rows_changed, self.scenario.new_rows
        if load == "replace":
            self.source_rows += new
        if load != "changes":
            return ((1, self.source_rows),) if self.source_rows else ()
        ranges: list[tuple[int, int]] = []
        if changed:
            first = 1 + (number * changed) % max(1, self.scenario.rows - changed + 1)
            ranges.append((first, first + changed - 1))
        if new:
            ranges.append((self.source_rows + 1, self.source_rows + new))
            self.source_rows += new
        return tuple(ranges)
