"""A catalog file becomes a `Catalog`, or an error that says which key of which file to mend.

What the keys mean is in `models.py`; which files there are is `registry.py`'s business.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

from pydantic import ValidationError

from dagster_hevo.api.errors import HevoConfigurationError
from dagster_hevo.catalog.models import Catalog

if TYPE_CHECKING:
    from collections.abc import Mapping
    from os import PathLike

    from pydantic_core import ErrorDetails

_MOST_PROBLEMS = 5
_WAY_OUT = "docs/catalog.md lists the keys and what they take."


class CatalogError(HevoConfigurationError, ValueError):
    """A catalog that cannot be read or used; the message names the file, the key and a way out."""


def load_catalog(path: str | PathLike[str]) -> Catalog:
    """Read one catalog file.

    Args:
        path: A YAML file.

    Returns:
        The catalog.

    Raises:
        CatalogError: The file is not there, is not YAML, or a key of it is wrong.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CatalogError(
            f"The catalog {path} cannot be read: {error}. "
            f"Check the path, and that it is a YAML file in UTF-8."
        ) from error
    return read_catalog(text, origin=str(path))


def read_catalog(text: str, *, origin: str) -> Catalog:
    """Read a catalog from the text of a file.

    Args:
        text: YAML.
        origin: Where it comes from, for messages.

    Returns:
        The catalog.

    Raises:
        CatalogError: It is not YAML, or a key of it is wrong.
    """
    import yaml  # Not needed by a code location that uses no catalog.

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        content = yaml.load(text, Loader=loader)
    except (yaml.YAMLError, ValueError, LookupError, AttributeError) as error:
        # The last three: what PyYAML lets through of values like 2024-13-45 or !!bool maybe.
        raise CatalogError(f"The catalog {origin} is not YAML: {error}. {_WAY_OUT}") from error
    if not isinstance(content, dict):
        raise CatalogError(
            f"The catalog {origin} is not a mapping with the keys 'source' and 'objects'. "
            f"{_WAY_OUT}"
        )
    catalog_keys = cast("Mapping[object, object]", content)
    try:
        return Catalog.model_validate(catalog_keys)
    except ValidationError as error:
        raise CatalogError(_describe(error, catalog_keys, origin)) from error


def _describe(error: ValidationError, content: Mapping[object, object], origin: str) -> str:
    problems = error.errors(include_url=False, include_context=False)
    lines = [f"  {_key(each, content)}: {_complaint(each)}" for each in problems[:_MOST_PROBLEMS]]
    if len(problems) > _MOST_PROBLEMS:
        lines.append(f"  and {len(problems) - _MOST_PROBLEMS} more")
    return "\n".join((f"The catalog {origin} cannot be used:", *lines, _WAY_OUT))


def _complaint(problem: ErrorDetails) -> str:
    if problem["type"] == "extra_forbidden":
        return "no such key; remove it or mend its spelling"
    if problem["type"] == "missing":
        return "this key is missing; add it"
    return problem["msg"].removeprefix("Value error, ")


def _key(problem: ErrorDetails, content: Mapping[object, object]) -> str:
    """The key as somebody finds it in the file: ``objects[3] (Deals).mode``."""
    steps = problem["loc"]
    key = ""
    for depth, step in enumerate(steps):
        if isinstance(step, str):
            key += f".{step}" if depth else step
        else:
            is_object = depth == 1 and steps[0] == "objects"
            key += f"[{step}]{_name_in_brackets(content, step) if is_object else ''}"
    # Without a key it is about the objects among themselves: names there twice, parents not there.
    return key or "objects"


def _name_in_brackets(content: Mapping[object, object], position: int) -> str:
    objects = content["objects"]
    one = cast("list[object]", objects)[position] if isinstance(objects, list) else None
    name = cast("Mapping[object, object]", one).get("name") if isinstance(one, dict) else None
    return f" ({name})" if isinstance(name, str) else ""
