"""`python -m dagster_hevo.cli` is the command `dagster-hevo`."""

from __future__ import annotations

from dagster_hevo.cli import main

if __name__ == "__main__":
    main(prog_name="dagster-hevo")
