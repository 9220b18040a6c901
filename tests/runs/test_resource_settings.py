"""The resource's settings: what cannot work is refused, what is secret is not shown or stored."""

from __future__ import annotations

import math

import dagster as dg
import pytest
from dagster._core.remote_representation.external_data import RepositorySnap
from dagster._serdes import serialize_value
from shop_runs import Open, logged

from dagster_hevo import HevoResource
from dagster_hevo.api.errors import HevoConfigurationError

HEADER, PASSWORD = "the-key-of-a-gateway", "the-password-of-a-proxy"
SETTINGS = {
    "extra_headers": {"X-Gateway-Key": HEADER},
    "extra_kwargs": {
        "verify": "/etc/ssl/certs/ca-certificates.crt",
        "proxies": {"ftp": f"http://me:{PASSWORD}@proxy.invalid"},
    },
}


def test_headers_and_proxies_are_not_in_what_dagster_stores_and_shows(shop: Open):
    open_shop = shop(settings=SETTINGS)
    definitions = dg.Definitions(
        assets=open_shop.assets(),
        resources={"hevo": open_shop.hevo},
        jobs=[dg.define_asset_job("all", selection="*")],
    )
    job = definitions.resolve_job_def("all")
    result = job.execute_in_process(instance=open_shop.instance)
    assert result.success
    shown = "\n".join(
        [
            repr(open_shop.hevo),
            str(open_shop.hevo),
            serialize_value(RepositorySnap.from_def(definitions.get_repository_def())),
            serialize_value(job.get_job_snapshot()),
            logged(open_shop.instance, result.run_id),
        ]
    )
    assert HEADER not in shown
    assert PASSWORD not in shown
    assert "ca-certificates.crt" not in shown


def test_concealed_headers_are_sent_as_they_were_given(shop: Open, monkeypatch):
    monkeypatch.setenv("THE_HEADER", HEADER)
    for given in (HEADER, dg.EnvVar("THE_HEADER")):
        open_shop = shop(settings={"extra_headers": {"X-Gateway-Key": given}})
        client = open_shop.hevo.get_client()
        assert client._exchange._session.headers["X-Gateway-Key"] == HEADER
        assert client.get_pipeline(open_shop.pipeline_id).id == open_shop.pipeline_id


@pytest.mark.parametrize("name", ["timeout", "poll_interval", "poll_timeout", "deferred_timeout"])
@pytest.mark.parametrize("value", [math.nan, math.inf, -1.0, 1e12])
def test_a_number_that_cannot_work_is_refused_by_name(name, value):
    with pytest.raises(HevoConfigurationError, match=f"{name} is "):
        HevoResource(api_key="k", api_secret="s", **{name: value})
