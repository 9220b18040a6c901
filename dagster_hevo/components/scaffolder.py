"""What `dg scaffold defs dagster_hevo.HevoAccountComponent NAME` writes.

The keys never stand in the file: it names the environment variables that hold them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dagster as dg
from dagster.components.component_scaffolding import scaffold_component
from pydantic import BaseModel, Field


class HevoAccountScaffoldParams(BaseModel):
    """What may be asked for on the command line, as ``--api-key-env`` and so on."""

    api_key_env: str = Field(
        default="HEVO_API_KEY", description="Environment variable that holds the API key."
    )
    api_secret_env: str = Field(
        default="HEVO_API_SECRET", description="Environment variable that holds the API secret."
    )
    region: str = Field(default="us", description="Region of the account.")
    base_url_env: str | None = Field(
        default=None,
        description="Environment variable that holds the address of Hevo, instead of a region.",
    )
    pipeline: str | None = Field(
        default=None, description="Name (or shell pattern) of the pipelines to take; default all."
    )


class HevoAccountScaffolder(dg.Scaffolder[HevoAccountScaffoldParams]):
    """Writes a component that takes an account and records the jobs that Hevo runs by itself."""

    @classmethod
    def get_scaffold_params(cls) -> type[HevoAccountScaffoldParams]:
        return HevoAccountScaffoldParams

    def scaffold(self, request: dg.ScaffoldRequest[HevoAccountScaffoldParams]) -> None:
        """Write ``defs.yaml``, or ``component.py`` with ``--format python``."""
        params = request.params
        workspace: dict[str, Any] = {
            "api_key": f"{{{{ env.{params.api_key_env} }}}}",
            "api_secret": f"{{{{ env.{params.api_secret_env} }}}}",
        }
        if params.base_url_env is None:
            workspace["region"] = params.region
        else:
            workspace["base_url"] = f"{{{{ env.{params.base_url_env} }}}}"
        attributes: dict[str, Any] = {"workspace": workspace}
        if params.pipeline is not None:
            attributes["pipeline_selector"] = {"by_name": [params.pipeline]}
        attributes["job_sensor"] = True
        scaffold_component(request, attributes)
        if request.scaffold_format == "yaml":
            place = request.target_path
            variables = [params.api_key_env, params.api_secret_env, params.base_url_env]
            _require(place if request.append else place / "defs.yaml", variables)


def _require(path: Path, variables: list[str | None]) -> None:
    """Name the variables that the component reads, for `dg check yaml --validate-requirements`."""
    with path.open("a", encoding="utf-8") as file:
        file.write("\nrequirements:\n  env:\n")
        file.writelines(f"    - {name}\n" for name in variables if name is not None)
