"""`pipelines`, `objects`, `jobs` and `snapshot` tell what Hevo says, for people and programs."""

from __future__ import annotations

import pytest

from dagster_hevo import HevoResource, load_hevo_asset_specs
from dagster_hevo.sandbox import (
    Fault,
    FaultKind,
    HistoryScenario,
    ObjectScenario,
    PipelineScenario,
    Scenario,
)


def test_pipelines_are_listed_with_objects_and_last_job(at):
    line = at(pipelines=3, objects=4)
    job = line.sandbox.start_scheduled_job(102)
    ended = line.run("pipelines")
    assert ended.code == 0
    header, _, *rows = ended.out.splitlines()
    assert header.split()[:3] == ["id", "name", "status"]
    assert [row.split()[0] for row in rows] == ["101", "102", "103"]
    assert "IN_PROGRESS" in rows[1]
    assert "POSTGRES" in rows[0]
    by_id = {row["id"]: row for row in line.run("pipelines", "--json").json}
    assert by_id[102]["last_job"]["job_id"] == job.job_id
    assert by_id[101]["last_job"] is None
    assert {row["objects"] for row in by_id.values()} == {4}


def test_pipelines_cost_two_requests_each_and_one_for_the_list(at):
    line = at(pipelines=5)
    line.run("pipelines")
    assert len(line.sandbox.requests) == 11


def test_quick_pipelines_cost_one_request(at):
    line = at(pipelines=5)
    assert len(line.run("pipelines", "--quick", "--json").json) == 5
    assert len(line.sandbox.requests) == 1


def test_a_pipeline_that_cannot_be_read_is_named_and_the_others_are_listed(at):
    line = at(pipelines=2)
    line.sandbox.faults.add(Fault(FaultKind.STATUS_BEFORE, path="*/102/objects", status=404))
    ended = line.run("pipelines", "--json")
    assert ended.code == 1
    good, bad = ended.json
    assert good["objects"] == 3
    assert bad["objects"] is None
    assert "404" in bad["problem"]
    assert "Pipeline 102" in ended.err


def test_jobs_are_listed_newest_first(at):
    line = at(job_order="shuffled")
    for _ in range(3):
        line.sandbox.start_scheduled_job(101)
        line.sandbox.finish_jobs()
        line.sandbox.advance(60)
    made = [job.job_id for job in line.sandbox.jobs(101)]
    ended = line.run("jobs", 101, "--limit", 2, "--json")
    assert [job["job_id"] for job in ended.json] == made[::-1][:2]
    assert {job["completion"] for job in ended.json} == {"COMPLETED"}
    assert made[-1] in line.run("jobs", 101).out


def test_as_many_jobs_are_listed_as_were_wanted_and_more_are_told_of(at):
    past = HistoryScenario(count=250, every_minutes=60)
    table = ObjectScenario(name="orders")
    line = at(
        Scenario(
            pipelines=(PipelineScenario(name="Shop", id=101, history=(past,), objects=(table,)),)
        )
    )
    ended = line.run("jobs", 101, "--limit", 240, "--json")
    assert len({job["job_id"] for job in ended.json}) == 240
    assert "there are more" in ended.err
    everything = line.run("jobs", 101, "--limit", 1000, "--json")
    assert len(everything.json) == 250
    assert not everything.err


def test_objects_are_listed(at):
    line = at(objects=2)
    assert [item["object_id"] for item in line.run("objects", 101, "--json").json] == [
        "obj-101-1",
        "obj-101-2",
    ]
    assert "shop_1.table_02" in line.run("objects", 101).out


@pytest.fixture
def klaviyo(at):
    objects = (ObjectScenario(name="campaigns"), ObjectScenario(name="my_own_thing"))
    pipeline = PipelineScenario(name="Mail", source={"source_type": "KLAVIYO_V2"}, objects=objects)
    return at(Scenario(pipelines=(pipeline,)))


def test_objects_are_compared_with_the_catalog(klaviyo):
    found = klaviyo.run("objects", 101, "--catalog", "--json").json
    by_name = {item["name"]: item for item in found["objects"]}
    assert by_name["campaigns"]["catalog"]["mode"] in {"incremental", "full_load"}
    assert by_name["my_own_thing"]["catalog"] is None
    assert found["only_in_pipeline"] == ["my_own_thing"]
    assert "Campaigns" not in found["only_in_catalog"]
    assert len(found["only_in_catalog"]) > 3
    shown = klaviyo.run("objects", 101, "--catalog").out
    assert "mode" in shown
    assert "not in the catalog of" in shown


def test_a_source_without_a_catalog_is_no_error(at):
    ended = at().run("objects", 101, "--catalog")
    assert ended.code == 0
    assert "No catalog knows the source type POSTGRES." in ended.out


def test_a_name_from_the_source_is_shown_as_it_is_and_cannot_write_to_the_terminal(at):
    name = "[red]sneaky[/red]\x1b[2J"
    pipeline = PipelineScenario(name=name, schema_name="shop", objects=("orders",))
    ended = at(Scenario(pipelines=(pipeline,))).run("pipelines")
    assert "[red]sneaky[/red]" in ended.out
    assert "\x1b" not in ended.out


def test_a_snapshot_loads_without_asking_hevo(at, tmp_path):
    line = at(pipelines=2, objects=3)
    path = tmp_path / "snapshot.json"
    ended = line.run("snapshot", "--output", path, "--json")
    assert (ended.code, ended.json["pipelines"], ended.json["objects"]) == (0, 2, 6)
    asked = len(line.sandbox.requests)
    assert asked == ended.json["requests"] == 3
    hevo = HevoResource(api_key="none", api_secret="none", snapshot_path=str(path))
    assert len(load_hevo_asset_specs(hevo)) == 6
    assert len(line.sandbox.requests) == asked
    assert "sandbox-password" not in path.read_text()


def test_a_snapshot_with_columns_has_them(at, tmp_path):
    line = at(objects=2)
    path = tmp_path / "snapshot.json"
    assert line.run("snapshot", "--output", path, "--columns").code == 0
    hevo = HevoResource(api_key="none", api_secret="none", snapshot_path=str(path))
    account = hevo.load_workspace()
    assert all(known.fields for item in account.pipelines for known in item.objects or ())


def test_a_snapshot_that_cannot_be_complete_is_not_written(at, tmp_path):
    line = at(pipelines=2)
    line.sandbox.faults.add(Fault(FaultKind.STATUS_BEFORE, path="*/102/objects", status=403))
    ended = line.run("snapshot", "--output", tmp_path / "snapshot.json")
    assert ended.code == 3
    assert not (tmp_path / "snapshot.json").exists()


def test_a_snapshot_that_cannot_be_written_is_told_in_a_line(at, tmp_path):
    (tmp_path / "file").touch()
    ended = at().run("snapshot", "--output", tmp_path / "file" / "snapshot.json")
    assert ended.code == 1
    assert "cannot be written" in ended.err
