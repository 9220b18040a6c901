"""What the tests of ops share: a local Hevo, and jobs of ops that are run beside it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

import dagster as dg
import pytest

from dagster_hevo import HevoResource
from dagster_hevo.sandbox import HevoSandbox, Scenario

QUICK: dict[str, Any] = {
    "job_appears_after": (0.05, 0.1),
    "restarting_seconds": 0.1,
    "cancelling_seconds": 0.1,
    "transition_seconds": 0.3,
    "requests_per_minute": 0,
}


class Account:
    """A local Hevo, the resource that asks it, and jobs of ops that use both."""

    def __init__(self, sandbox: HevoSandbox, settings: dict[str, Any]) -> None:
        self.sandbox = sandbox
        self.instance = dg.DagsterInstance.ephemeral()
        self.hevo = HevoResource(
            **{
                "api_key": sandbox.api_key,
                "api_secret": sandbox.api_secret,
                "base_url": sandbox.url,
                "retry_delay": 0.02,
                "poll_interval": 0.05,
                "job_discovery_timeout": 1.5,
                "job_objects_timeout": 1.5,
                "requests_per_minute": 0,
                "rate_limit_store": "memory",
                **settings,
            }
        )

    def run(self, op: Any, config: dg.Config, *, max_retries: int = 0) -> Any:
        """Run a job of one op."""

        @dg.job
        def one_op() -> None:
            op.with_retry_policy(dg.RetryPolicy(max_retries=max_retries))()

        return one_op.execute_in_process(
            run_config=dg.RunConfig(ops={op.name: config}),
            resources={"hevo": self.hevo},
            instance=self.instance,
            raise_on_error=False,
        )

    def output(self, op: Any, config: dg.Config) -> Any:
        """What an op returned."""
        result = self.run(op, config)
        assert result.success
        return result.output_for_node(op.name)

    def failure(self, op: Any, config: dg.Config) -> Any:
        """What an op failed with."""
        (event,) = [event for event in self.run(op, config).all_events if event.is_step_failure]
        return event.step_failure_data.user_failure_data


@pytest.fixture
def at() -> Iterator[Callable[..., Account]]:
    """Open an account: a sandbox with this scenario, or a plain one with options."""
    opened: list[HevoSandbox] = []

    def begin(
        scenario: Scenario | None = None,
        *,
        pipelines: int = 1,
        objects: int = 3,
        settings: dict[str, Any] | None = None,
        **options: Any,
    ) -> Account:
        chosen = scenario or Scenario.simple(
            pipelines, objects, **{**QUICK, "seconds_per_object": 0.3 / objects, **options}
        )
        running = HevoSandbox(chosen).start()
        opened.append(running)
        return Account(running, settings or {})

    yield begin
    for running in opened:
        running.stop()


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Dagster tells every event on stderr; the assertions read what it keeps."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(before)
