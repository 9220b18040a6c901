"""What the example reads from the environment, for a local Hevo of a test."""

from __future__ import annotations

from pathlib import Path

from dagster_hevo.sandbox import HevoSandbox


def environment_of(sandbox: HevoSandbox, folder: Path, home: Path) -> dict[str, str]:
    """What the example reads from the environment."""
    return {
        "HEVO_BASE_URL": sandbox.url,
        "HEVO_API_KEY": sandbox.api_key,
        "HEVO_API_SECRET": sandbox.api_secret,
        "DAGSTER_HOME": str(home),
        "EXAMPLE_WAREHOUSE": str(folder / "warehouse.duckdb"),
        "EXAMPLE_MODELS": str(folder / "models.duckdb"),
        "EXAMPLE_POLL_INTERVAL": "0.2",
    }
