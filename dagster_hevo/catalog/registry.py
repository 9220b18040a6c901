"""Which catalogs there are, and which of them a pipeline's source has.

Three ranks, the first that knows the source wins: catalogs handed in, catalogs of installed
packages (entry points ``dagster_hevo.catalogs``), catalogs of this package. Reading: `files.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from importlib import resources
from importlib.metadata import EntryPoint, entry_points
from os import PathLike
from typing import cast

from dagster_hevo.catalog.files import CatalogError, load_catalog, read_catalog
from dagster_hevo.catalog.models import Catalog
from dagster_hevo.catalog.names import plain_form

ENTRY_POINT_GROUP = "dagster_hevo.catalogs"


def find_catalog(source_type: str | None, extra: Iterable[Catalog] = ()) -> Catalog | None:
    """The catalog of a source, looked for in ``extra``, installed packages, then this package.

    Case, spaces, underscores and hyphens do not matter. A version does: ``KLAVIYO`` is not
    ``KLAVIYO_V2``.

    Args:
        source_type: What the pipeline's source says of its type; None finds nothing.
        extra: Catalogs of the caller's own, which win over all others.

    Returns:
        The catalog, or None where no catalog knows the source.

    Raises:
        CatalogError: Two different catalogs of one rank claim the source, or one that an installed
            package offers cannot be used.
    """
    form = plain_form(source_type or "")
    if not form:
        return None
    return (
        _only_one(form, extra, "extra")
        or _only_one(form, _installed_by_type().get(form, ()), "installed")
        or _only_one(form, _built_in_by_type().get(form, ()), "built-in")
    )


@cache
def built_in_catalogs() -> tuple[Catalog, ...]:
    """The catalogs that come with this package, by the names of their files; read once."""
    folder = resources.files(__package__ or "dagster_hevo.catalog")
    files = sorted(
        (file for file in folder.iterdir() if file.name.endswith(".yaml")),
        key=lambda file: file.name,
    )
    return tuple(read_catalog(file.read_text(encoding="utf-8"), origin=file.name) for file in files)


@cache
def installed_catalogs() -> tuple[Catalog, ...]:
    """The catalogs that installed packages offer by entry point; read once.

    Raises:
        CatalogError: One of them cannot be loaded, or is no catalog.
    """
    return tuple(catalog_of(each) for each in entry_points(group=ENTRY_POINT_GROUP))


def catalog_of(entry_point: EntryPoint) -> Catalog:
    """The catalog that an entry point stands for.

    Args:
        entry_point: It names a `Catalog`, the path of a file, or a function that returns either.

    Raises:
        CatalogError: It cannot be loaded, or names something else.
    """
    try:
        named: object = entry_point.load()
    except (ImportError, AttributeError) as error:
        raise CatalogError(
            f"The entry point {entry_point.name!r} of {ENTRY_POINT_GROUP} names "
            f"{entry_point.value!r}, which cannot be imported: {error}. "
            f"Mend or uninstall the package that offers it."
        ) from error
    offered = cast("Callable[[], object]", named)() if callable(named) else named
    if isinstance(offered, Catalog):
        return offered
    if isinstance(offered, (str, PathLike)):
        return load_catalog(cast("str | PathLike[str]", offered))
    raise CatalogError(
        f"The entry point {entry_point.name!r} of {ENTRY_POINT_GROUP} names "
        f"{entry_point.value!r}, which is of type {type(offered).__name__}. "
        f"It has to be a Catalog, the path of a YAML file, or a function that returns either."
    )


def _only_one(form: str, catalogs: Iterable[Catalog], rank: str) -> Catalog | None:
    claimants: list[Catalog] = []
    for catalog in catalogs:
        if form in catalog.source.type_forms and catalog not in claimants:
            claimants.append(catalog)
    if len(claimants) > 1:
        names = " and ".join(repr(each.source.name) for each in claimants)
        raise CatalogError(
            f"Two {rank} catalogs claim the source type {form!r}: {names}. "
            f"Leave one out, or change its source.source_types."
        )
    return claimants[0] if claimants else None


# Cached without arguments: hashing a catalog costs more than looking one up.
@cache
def _installed_by_type() -> dict[str, list[Catalog]]:
    return _by_type(installed_catalogs())


@cache
def _built_in_by_type() -> dict[str, list[Catalog]]:
    return _by_type(built_in_catalogs())


def _by_type(catalogs: Iterable[Catalog]) -> dict[str, list[Catalog]]:
    by_type: dict[str, list[Catalog]] = {}
    for catalog in catalogs:
        for form in catalog.source.type_forms:
            by_type.setdefault(form, []).append(catalog)
    return by_type
