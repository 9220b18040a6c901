"""The check `hevo_job` run without its asset, after a run that recorded it."""

from __future__ import annotations

import dagster as dg
from shop_runs import Open, checked, failure_of


def checks_alone(place, *tables: int, raise_on_error: bool = True):
    chosen = dg.AssetSelection.checks(
        *(dg.AssetCheckKey(place.key(table), "hevo_job") for table in tables)
    )
    return place.run(selection=chosen, raise_on_error=raise_on_error)


def test_right_after_a_run_the_check_is_answered_where_hevo_lists_no_job_objects(shop: Open):
    place = shop(job_objects="never")
    assert place.run().success
    answers = checked(checks_alone(place, 1, 3))
    assert {name: answer.passed for name, answer in answers.items()} == {
        "table_01": True,
        "table_03": True,
    }
    assert len(place.jobs) == 1


def test_the_answer_is_that_of_the_newest_job(shop: Open):
    place = shop(job_objects="never")
    assert place.run().success
    assert place.run().success
    answer = checked(checks_alone(place, 1))["table_01"]
    assert answer.metadata["dagster-hevo/job_id"].value == place.jobs[-1].job_id


def test_what_this_dagster_has_not_recorded_is_still_to_be_materialized(shop: Open):
    place = shop(job_objects="never")
    assert place.run().success
    place.instance = dg.DagsterInstance.ephemeral()
    result = checks_alone(place, 2, raise_on_error=False)
    assert not result.success
    assert "materialize the assets first" in failure_of(result).description
