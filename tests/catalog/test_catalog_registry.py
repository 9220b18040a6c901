"""Which catalog a source gets, and from where."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dagster_hevo.catalog import Catalog, CatalogError, built_in_catalogs, find_catalog, registry
from dagster_hevo.catalog.files import read_catalog

PACKAGE = """
from pathlib import Path
from dagster_hevo.catalog import load_catalog

path = Path(__file__).parent / "shop.yaml"
text = str(path)
number = 7

def front():
    return load_catalog(path.with_name("front.yaml"))
"""


def catalog_named(name: str, *source_types: str) -> Catalog:
    text = (
        f"source: {{name: {name}, source_types: [{', '.join(source_types)}]}}\n"
        "objects: [{name: Orders, description: What was ordered.}]"
    )
    return read_catalog(text, origin="shop.yaml")


def name_of(catalog: Catalog | None) -> str | None:
    return catalog.source.name if catalog else None


def forget() -> None:
    registry.installed_catalogs.cache_clear()
    registry._installed_by_type.cache_clear()


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder on the path with a package that offers catalogs by entry point."""
    (tmp_path / "offering_catalogs.py").write_text(PACKAGE, encoding="utf-8")
    shop = "source: {name: Shop, source_types: [SHOP]}\nobjects: [{name: A, description: B.}]"
    (tmp_path / "shop.yaml").write_text(shop, encoding="utf-8")
    front = shop.replace("SHOP", "FRONT").replace("name: Shop", "name: Our Front")
    (tmp_path / "front.yaml").write_text(front, encoding="utf-8")
    (tmp_path / "offering-1.0.dist-info").mkdir()
    (tmp_path / "offering-1.0.dist-info" / "METADATA").write_text("Name: offering\nVersion: 1.0\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "offering_catalogs", raising=False)
    forget()
    yield tmp_path
    monkeypatch.delitem(sys.modules, "offering_catalogs", raising=False)
    forget()


def offer(folder: Path, *entry_points: str) -> None:
    lines = "\n".join(("[dagster_hevo.catalogs]", *entry_points))
    (folder / "offering-1.0.dist-info" / "entry_points.txt").write_text(lines, encoding="utf-8")


@pytest.mark.parametrize(
    ("source_type", "name"),
    [
        ("ACTIVECAMPAIGN", "ActiveCampaign"),
        ("active_campaign", "ActiveCampaign"),
        ("Active Campaign", "ActiveCampaign"),
        ("KLAVIYO_V2", "Klaviyo v2"),
        ("klaviyo-v2", "Klaviyo v2"),
        ("Front", "Front"),
        (" FRONT ", "Front"),
    ],
)
def test_a_source_type_is_found_however_it_is_spelt(source_type: str, name: str) -> None:
    assert name_of(find_catalog(source_type)) == name


@pytest.mark.parametrize(
    "source_type", [None, "", "_", "POSTGRES", "KLAVIYO", "KLAVIYO_V3", "FRONTS", "FRONT_V2"]
)
def test_a_source_that_is_not_certainly_known_has_no_catalog(source_type: str | None) -> None:
    assert find_catalog(source_type) is None


def test_files_are_read_once() -> None:
    assert find_catalog("FRONT") is find_catalog("front")
    assert len(built_in_catalogs()) == 3


def test_a_catalog_handed_in_wins_over_the_packages_own() -> None:
    ours = catalog_named("Our Front", "FRONT")
    assert find_catalog("front", extra=[ours]) is ours
    assert name_of(find_catalog("KLAVIYO_V2", extra=[ours])) == "Klaviyo v2"


def test_a_catalog_handed_in_twice_is_one() -> None:
    ours = catalog_named("Shop", "SHOP")
    same = catalog_named("Shop", "SHOP")
    assert find_catalog("shop", extra=iter([ours, same])) is ours


def test_two_catalogs_handed_in_for_one_source_are_an_error() -> None:
    both = [catalog_named("Shop", "SHOP", "STORE"), catalog_named("Store", "STORE")]
    assert find_catalog("SHOP", extra=both) is both[0]
    with pytest.raises(CatalogError, match=r"'Shop' and 'Store'.*Leave one out"):
        find_catalog("store", extra=both)


@pytest.mark.parametrize("name", ["path", "text"])
def test_an_installed_package_offers_a_file(installed: Path, name: str) -> None:
    offer(installed, f"shop = offering_catalogs:{name}")
    assert name_of(find_catalog("SHOP")) == "Shop"


def test_an_installed_package_wins_over_the_packages_own(installed: Path) -> None:
    offer(installed, "front = offering_catalogs:front")
    assert name_of(find_catalog("FRONT")) == "Our Front"
    assert name_of(find_catalog("KLAVIYO_V2")) == "Klaviyo v2"


def test_a_catalog_handed_in_wins_over_an_installed_one(installed: Path) -> None:
    offer(installed, "front = offering_catalogs:front")
    assert name_of(find_catalog("FRONT", extra=[catalog_named("Mine", "FRONT")])) == "Mine"


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        ("offering_catalogs:number", "which is of type int"),
        ("offering_catalogs:nothing", "cannot be imported"),
        ("no_such_module_anywhere:front", "cannot be imported"),
    ],
)
def test_a_broken_entry_point_is_named(installed: Path, value: str, complaint: str) -> None:
    offer(installed, f"broken = {value}")
    with pytest.raises(CatalogError, match=complaint) as raised:
        find_catalog("FRONT")
    assert "'broken'" in str(raised.value)
    assert value in str(raised.value)


def test_importing_the_package_reads_no_yaml() -> None:
    program = (
        "import sys, dagster_hevo.catalog\n"
        "assert 'yaml' not in sys.modules\n"
        "assert 'dagster' not in sys.modules\n"
        "dagster_hevo.catalog.find_catalog(None)\n"
        "assert 'yaml' not in sys.modules\n"
        "assert dagster_hevo.catalog.find_catalog('FRONT')\n"
        "assert 'yaml' in sys.modules\n"
        "assert 'dagster' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_every_public_name_is_there() -> None:
    import dagster_hevo.catalog as package

    for name in package.__all__:
        assert getattr(package, name) is not None
    with pytest.raises(AttributeError, match="no_such_name"):
        package.no_such_name  # noqa: B018 (looking it up is the test)
