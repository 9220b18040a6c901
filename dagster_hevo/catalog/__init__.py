"""What is known of a source before Hevo is asked: its objects, how they are read, and its limits.

One YAML file a source lies beside this module. The names here are loaded when they are first used,
so that importing this package reads no file and no YAML library. Start at `registry.py`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dagster_hevo.catalog.files import CatalogError, load_catalog
    from dagster_hevo.catalog.models import (
        Catalog,
        CatalogObject,
        CatalogSource,
        IngestionFrequency,
        IngestionMode,
        Requirement,
    )
    from dagster_hevo.catalog.registry import built_in_catalogs, find_catalog

__all__ = [
    "Catalog",
    "CatalogError",
    "CatalogObject",
    "CatalogSource",
    "IngestionFrequency",
    "IngestionMode",
    "Requirement",
    "built_in_catalogs",
    "find_catalog",
    "load_catalog",
]

_LOADED_LATER = {
    "Catalog": "models",
    "CatalogError": "files",
    "CatalogObject": "models",
    "CatalogSource": "models",
    "IngestionFrequency": "models",
    "IngestionMode": "models",
    "Requirement": "models",
    "built_in_catalogs": "registry",
    "find_catalog": "registry",
    "load_catalog": "files",
}


def __getattr__(name: str) -> object:
    if name in _LOADED_LATER:
        return getattr(import_module(f"{__name__}.{_LOADED_LATER[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
