"""Settings that come from environment variables.

Dagster keeps a `dg.EnvVar` in a setting that is text, and reads it when a run begins. Everything
else is read here: in other settings, and while definitions load.
"""

from __future__ import annotations

import json
import os
from typing import Any, TypeGuard

import dagster as dg
from pydantic import TypeAdapter, ValidationError

from dagster_hevo.api.errors import HevoConfigurationError


def is_variable(value: object) -> TypeGuard[dg.EnvVar]:
    """Whether a value stands for an environment variable: `dg.EnvVar`, or its ``int``."""
    return isinstance(value, dg.EnvVar) or (
        isinstance(value, int) and hasattr(value, "env_var_name")
    )


def text_of_variable(name: str, variable: str) -> str:
    """The text in an environment variable.

    Args:
        name: The setting that comes from it, for the error.
        variable: The variable.

    Raises:
        HevoConfigurationError: It is not set.
    """
    found = os.environ.get(variable)
    if not found:
        raise HevoConfigurationError(
            f"{name} is to come from the environment variable {variable}, which is not set. Set "
            "it in the place where this code runs."
        )
    return found


def read_variable(name: str, variable: str, kind: Any) -> Any:
    """A setting that is no text, read from an environment variable.

    Args:
        name: The setting.
        variable: The variable. Lists and mappings are written as JSON, ``null`` stands for none.
        kind: The setting's type.

    Raises:
        HevoConfigurationError: The variable is not set, or holds nothing that the setting can be.
            Its value is not repeated: it may be a secret.
    """
    text = text_of_variable(name, variable)
    try:
        value: object = json.loads(text)
    except ValueError:
        value = text
    try:
        return TypeAdapter(kind).validate_python(value)
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False)[0]["msg"]
        raise HevoConfigurationError(
            f"{name} comes from the environment variable {variable}, whose value does not fit: "
            f"{problem}."
        ) from None
