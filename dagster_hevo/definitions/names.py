"""Names that Dagster needs and nobody has to read: of a step, its inputs, outputs and checks.

Dagster takes letters, digits and underscores only, and would derive these names from asset keys:
two tables that differ in punctuation alone, or one with a blank in its name, would keep the whole
code location from loading. A digest of the key makes each name unique and the same in every
process; the key itself stays as it is.
"""

from __future__ import annotations

import hashlib
import re

import dagster as dg

from dagster_hevo.api.errors import HevoConfigurationError
from dagster_hevo.api.models import Pipeline
from dagster_hevo.translator import group_name_of

DEFAULT_RESOURCE_KEY = "hevo"
READABLE = 40
"""How much of a table's name a derived name begins with, for those who read logs."""
LONGEST_USUAL = 120
# Parts without underscores at their ends, so that it is seen where one part ends.
_USUAL = re.compile(r"[A-Za-z0-9]+(_{1,2}[A-Za-z0-9]+)*")
LONGEST_STEP_NAME = 120
"""Step names become names of files, which systems limit to 255 characters."""


def output_name(key: dg.AssetKey) -> str:
    """The name of the output that stands for an asset.

    Of a usual key it is the name that Dagster would give it, which such keys never share.
    """
    name = "__".join(key.path)
    usual = len(key.path) > 1 and len(name) <= LONGEST_USUAL and _USUAL.fullmatch(name) is not None
    return name if usual and name.count("__") == len(key.path) - 1 else _derived(key)


def check_name(key: dg.AssetKey, check: str) -> str:
    """The name of the output that stands for a check of an asset."""
    return f"{_derived(key)}_{check}"


def input_name(key: dg.AssetKey) -> str:
    """The name of the input that stands for an asset upstream."""
    return f"in_{_derived(key)}"


def _derived(key: dg.AssetKey) -> str:
    return f"{_readable(key)}_{_digest(key)}"


def step_name(pipeline: Pipeline, resource_key: str = DEFAULT_RESOURCE_KEY) -> str:
    """The name of a pipeline's step: readable, and unique by the resource and the pipeline's id."""
    # Two underscores: neither part has them, so that no two accounts make one name.
    between = "_" if resource_key == DEFAULT_RESOURCE_KEY else "__"
    name = f"{resource_key}{between}{group_name_of(pipeline.name)}"[:LONGEST_STEP_NAME]
    return f"{name}_{pipeline.id}"


def sensor_name(resource_key: str = DEFAULT_RESOURCE_KEY) -> str:
    """The name of an account's job sensor."""
    return f"{resource_key}_job_sensor"


def check_resource_key(resource_key: str) -> str:
    """The same, where Dagster can take it.

    Raises:
        HevoConfigurationError: It has other characters than letters, digits and underscores.
    """
    is_name = re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", resource_key)
    if not is_name or "__" in resource_key or resource_key.endswith("_"):
        raise HevoConfigurationError(
            f"resource_key is {resource_key!r}: it must be a name of letters, digits and "
            "single underscores between them, such as hevo_finance; it is the key of the account "
            "in resources=...."
        )
    return resource_key


def _readable(key: dg.AssetKey) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "_", key.path[-1][:READABLE]).strip("_") or "asset"


def _digest(key: dg.AssetKey) -> str:
    # "surrogatepass": a translator may make a key of text that is no valid Unicode.
    text = "\0".join(key.path).encode("utf-8", "surrogatepass")
    return hashlib.sha256(text).hexdigest()[:16]
