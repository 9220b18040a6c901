"""Where an account's snapshot is kept: readable as the umask says, or shared by machines."""

from __future__ import annotations

import logging
import os
import stat
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.storage.defs_state.base import set_defs_state_storage
from dagster._core.storage.defs_state.blob_storage_state_storage import UPathDefsStateStorage
from upath import UPath

from dagster_hevo import HevoConfigurationError, HevoResource, load_hevo_asset_specs
from dagster_hevo.definitions.kept_state import StateFile, write_snapshot
from dagster_hevo.definitions.snapshot import AccountSnapshot


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_a_state_file_is_readable_as_the_umask_says(tmp_path, umask, mode):
    path = tmp_path / "state.json"
    before = os.umask(umask)
    try:
        write_snapshot(path, AccountSnapshot())
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == mode
    assert [item.name for item in tmp_path.iterdir()] == ["state.json"]


def test_a_state_that_cannot_be_written_leaves_nothing_behind(tmp_path):
    class Unwritable(AccountSnapshot):
        def to_json(self) -> str:
            raise OSError("no space left")

    path = tmp_path / "state.json"
    write_snapshot(path, AccountSnapshot(fetched_at=1.0))
    StateFile(path).write(Unwritable())
    assert [item.name for item in tmp_path.iterdir()] == ["state.json"]
    assert StateFile(path).read() == AccountSnapshot(fetched_at=1.0)


@pytest.fixture
def shared_instance():
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture
def machine(tmp_path, monkeypatch, shared_instance):
    """Machines with a DAGSTER_HOME each, and one storage for states that they share."""
    shared = UPathDefsStateStorage(UPath(tmp_path / "shared"))
    shared.register_instance(shared_instance)

    def on(name: str, storage=shared):
        monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / name))
        return set_defs_state_storage(storage)

    return on


def loaded(hevo: HevoResource) -> int:
    return len(load_hevo_asset_specs(hevo))


def test_machines_share_what_one_has_read(account, machine, tmp_path):
    sandbox, resource = account()
    with machine("one"):
        assert loaded(resource(definitions_kept_in="defs_state_storage")) == 6
    counted = len(sandbox.requests)
    with machine("two"):
        assert loaded(resource(definitions_kept_in="defs_state_storage")) == 6
    assert len(sandbox.requests) == counted
    assert not (tmp_path / "one").exists()


def test_a_refresh_that_finds_nothing_new_leaves_no_copy(account, machine, tmp_path):
    _, resource = account()
    for _ in range(3):
        with machine("one"):
            loaded(resource(definitions_kept_in="defs_state_storage", definitions_max_age=0))
    copies = [path for path in Path(tmp_path / "shared").rglob("*") if path.is_file()]
    assert len(copies) == 1


def test_without_such_a_storage_the_location_loads_with_a_warning(account, caplog):
    _, resource = account()
    with caplog.at_level(logging.WARNING, "dagster_hevo"), set_defs_state_storage(None):
        assert loaded(resource(definitions_kept_in="defs_state_storage")) == 6
    assert "definitions_kept_in is defs_state_storage" in caplog.text


def test_a_storage_that_is_out_of_order_is_no_error(account, machine, shared_instance, caplog):
    class Broken(UPathDefsStateStorage):
        def upload_state_from_path(self, key, version, path):
            raise ConnectionError("the bucket is gone")

    storage = Broken(UPath("/nowhere"))
    storage.register_instance(shared_instance)
    _, resource = account()
    with (
        machine("one", storage),
        caplog.at_level(logging.WARNING, "dagster_hevo"),
    ):
        assert loaded(resource(definitions_kept_in="defs_state_storage")) == 6
    assert "could not be written (ConnectionError: the bucket is gone)" in caplog.text


def test_an_unknown_place_is_refused():
    with pytest.raises(HevoConfigurationError, match="dagster_home, defs_state_storage"):
        HevoResource(api_key="k", api_secret="s", definitions_kept_in="s3")
