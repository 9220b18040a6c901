"""Secrets in every setting, given in every way: nowhere in what is shown, logged or stored.

And who may launch runs cannot turn what is shown in their place back into them.
"""

from __future__ import annotations

import json
import logging
import os
import tempfile
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from canaries import assert_unseen, everything_in
from dagster._core.errors import DagsterResourceFunctionError
from dagster._core.remote_representation.external_data import RepositorySnap
from dagster._serdes import serialize_value
from raw_server import http

from dagster_hevo import HevoResource, build_hevo_assets_definitions
from dagster_hevo.api import AsyncHevoClient, HevoClient
from dagster_hevo.api.errors import HevoConfigurationError
from dagster_hevo.sandbox import HevoSandbox, Scenario

KEY, SECRET = "canary-key-4d1f07", "canary-secret-8c2be1"
HEADER, TOKEN_HEADER = "canary-of-a-header-77aa", "canary-of-a-token-12cd"
PROXY, CERTIFICATE = "canary-of-a-proxy-99bb", "canary-certificate-31ee"
STORE = "canary-of-a-store-55dd"
ALL = (KEY, SECRET, HEADER, TOKEN_HEADER, PROXY, CERTIFICATE, STORE)
QUICK: dict[str, Any] = {
    "job_appears_after": (0.05, 0.1),
    "restarting_seconds": 0.1,
    "transition_seconds": 0.05,
    "seconds_per_object": 0.05,
    "requests_per_minute": 0,
}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[HevoSandbox]:
    with HevoSandbox(Scenario.simple(objects=2, **QUICK), api_key=KEY, api_secret=SECRET) as made:
        yield made


@pytest.fixture(params=["literal", "EnvVar"])
def give(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch):
    """Gives a secret as a literal, or as a variable of the environment."""
    if request.param == "literal":
        return lambda secret: secret

    def variable(secret: str) -> dg.EnvVar:
        name = f"VARIABLE_{abs(hash(secret))}"
        monkeypatch.setenv(name, secret)
        return dg.EnvVar(name)

    return variable


def settings(give, url: str) -> dict[str, Any]:
    certificate = str(Path(tempfile.mkdtemp()) / f"{CERTIFICATE}.pem")
    Path(certificate).touch()
    proxy = f"http://me:{PROXY}@proxy.invalid"
    return {
        "api_key": give(KEY),
        "api_secret": give(SECRET),
        "base_url": url,
        "extra_headers": {"X-Gateway-Key": give(HEADER), "X-Token": give(TOKEN_HEADER)},
        "extra_kwargs": {
            "proxies": {"ftp": give(proxy), "no_proxy": "x"},
            "cert": [give(certificate), give(certificate)],
        },
        "rate_limit_store": give(f"redis://:{STORE}@127.0.0.1:1/0"),
        "requests_per_minute": 100,
        "poll_interval": 0.05,
        "retry_delay": 0.01,
        "job_discovery_timeout": 5.0,
        "job_objects_timeout": 5.0,
        "definitions_max_age": 0.0,
    }


def files_in(folder: Path) -> str:
    return "\n".join(
        f"{path}\n{path.read_bytes().decode('latin-1')}"
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    )


def test_no_secret_is_anywhere_after_a_run(sandbox, give, tmp_path, monkeypatch, caplog):
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    hevo = HevoResource(**settings(give, sandbox.url))
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        definitions = dg.Definitions(
            assets=build_hevo_assets_definitions(workspace=hevo),
            resources={"hevo": hevo},
            jobs=[dg.define_asset_job("all", selection="*")],
        )
        job = definitions.resolve_job_def("all")
        result = job.execute_in_process(instance=instance, raise_on_error=False)
        assert result.success
        snapshot = serialize_value(RepositorySnap.from_def(definitions.get_repository_def()))
        shown = [
            repr(hevo),
            str(hevo),
            hevo.model_dump_json(),
            repr(vars(hevo)),
            snapshot,
            serialize_value(job.get_job_snapshot()),
            *(repr(event) for event in instance.all_logs(result.run_id)),
            caplog.text,
            *(repr(record.__dict__) for record in caplog.records),
        ]
    assert_unseen("\n".join(shown) + files_in(tmp_path), *ALL)
    assert "given-in-code-" in snapshot or "environment-variable-" in snapshot


def test_every_secret_arrives_where_it_is_used(give):
    hevo = HevoResource(**settings(give, "https://hevo.invalid"))
    with hevo.make_client(budget=None) as client:
        headers = client._exchange._session.headers
        assert (headers["X-Gateway-Key"], headers["X-Token"]) == (HEADER, TOKEN_HEADER)
        kwargs = client._exchange._extra_kwargs.value
        assert kwargs["proxies"] == {"ftp": f"http://me:{PROXY}@proxy.invalid", "no_proxy": "x"}
        assert [Path(each).stem for each in kwargs["cert"]] == [CERTIFICATE, CERTIFICATE]
        assert isinstance(kwargs["cert"], tuple)
        assert_unseen(repr(vars(client)) + repr(vars(client._exchange)), *ALL)


def test_graphql_shows_no_secret(sandbox, give, tmp_path, monkeypatch):
    from dagster._core.test_utils import instance_for_test
    from dagster._core.workspace.context import WorkspaceProcessContext
    from dagster._core.workspace.load_target import PythonFileTarget
    from dagster_graphql.client.query import LAUNCH_PIPELINE_EXECUTION_MUTATION  # noqa: F401
    from dagster_graphql.schema import create_schema

    location = tmp_path / "location.py"
    location.write_text(
        "import json, os, sys\n"
        "import dagster as dg\n"
        "from dagster_hevo import HevoResource\n"
        "def read(value):\n"
        "    if isinstance(value, dict):\n"
        "        return dg.EnvVar(value['env']) if set(value) == {'env'} else "
        "{name: read(each) for name, each in value.items()}\n"
        "    return [read(each) for each in value] if isinstance(value, list) else value\n"
        "hevo = HevoResource(**read(json.loads(os.environ['THE_SETTINGS'])))\n"
        "@dg.asset\n"
        "def one(hevo: HevoResource): ...\n"
        "defs = dg.Definitions(assets=[one], resources={'hevo': hevo})\n"
    )

    def plain(value: Any) -> Any:
        if isinstance(value, dg.EnvVar):
            return {"env": value.env_var_name}
        if isinstance(value, dict):
            return {name: plain(each) for name, each in value.items()}
        return [plain(each) for each in value] if isinstance(value, list) else value

    monkeypatch.setenv("THE_SETTINGS", json.dumps(plain(settings(give, sandbox.url))))
    query = """{ repositoriesOrError { ... on RepositoryConnection { nodes {
        allTopLevelResourceDetails { name configuredValues { key value type }
            configFields { name defaultValueAsJson description } }
        } } ... on PythonError { message } } }"""
    target = PythonFileTarget(
        python_file=str(location), attribute=None, working_directory=None, location_name="x"
    )
    with instance_for_test() as instance, WorkspaceProcessContext(instance, target) as process:
        found = create_schema().execute(query, context_value=process.create_request_context())
    told = json.dumps(found.data)
    assert "extra_headers" in told
    assert_unseen(told, *ALL)


BAD: list[tuple[str, dict[str, Any]]] = [
    ("timeout", {"timeout": -1}),
    ("retry_limit", {"retry_limit": 0}),
    ("base_url", {"base_url": "ftp://x"}),
    ("base_url", {"base_url": "http://elsewhere.invalid"}),
    ("extra_kwargs", {"extra_kwargs": {"auth": SECRET, "nonsense": SECRET}}),
    ("extra_headers", {"extra_headers": {"X": f"{HEADER}\n"}}),
    ("api_secret", {"api_secret": [SECRET]}),
    ("api_key", {"api_key": " ", "api_secret": SECRET}),
]


@pytest.mark.parametrize(("name", "wrong"), BAD)
@pytest.mark.parametrize("kind", [HevoClient, AsyncHevoClient, HevoResource])
def test_what_fails_to_be_made_shows_no_secret(name, wrong, kind):
    given = {
        "api_key": KEY,
        "api_secret": SECRET,
        "extra_headers": {"X-Token": TOKEN_HEADER},
        "extra_kwargs": {"cert": CERTIFICATE},
        **wrong,
    }
    caught: BaseException | None = None
    try:
        made = kind(**given)
        if isinstance(made, HevoResource):
            made.make_client()
    except Exception as error:  # noqa: BLE001 (whatever it is)
        caught = error
    assert caught is not None, name
    assert_unseen(everything_in(caught), *ALL)
    assert_unseen("".join(traceback.format_exception_only(caught)), *ALL)


def test_an_environment_variable_that_is_not_set_is_named(monkeypatch):
    monkeypatch.delenv("NOT_SET", raising=False)
    hevo = HevoResource(
        api_key="k", api_secret="s", extra_headers={"X": dg.EnvVar("NOT_SET")}, base_url="https://x"
    )
    with pytest.raises(HevoConfigurationError, match=r"extra_headers\.X.*NOT_SET"):
        hevo.make_client()


# Handles, and whoever may launch runs.


def handles_of(hevo: HevoResource) -> dict[str, str]:
    return {"api_key": hevo.api_key, "api_secret": hevo.api_secret, **hevo.extra_headers}


@pytest.fixture
def given() -> HevoResource:
    return HevoResource(
        api_key=KEY,
        api_secret=SECRET,
        base_url="https://eu.hevodata.com",
        extra_headers={"X-Gateway-Key": HEADER},
        rate_limit_store="memory",
    )


@pytest.mark.parametrize("changed", [{"base_url": None, "region": "us"}, {"region": "in"}])
def test_a_handle_is_no_secret_for_another_address(given, changed, raw):
    evil = raw(http({"id": 7, "name": "x"}))
    if "base_url" not in changed:
        changed = {**changed, "base_url": evil.url}
    launched = given._with_updated_values({**handles_of_config(given), **changed})
    assert isinstance(launched, HevoResource)
    with pytest.raises(HevoConfigurationError, match="given in code for another address"):
        launched.make_client().get_pipeline(7)
    assert evil.requests == []


def handles_of_config(hevo: HevoResource) -> dict[str, Any]:
    return {
        "api_key": hevo.api_key,
        "api_secret": hevo.api_secret,
        "extra_headers": dict(hevo.extra_headers),
    }


@pytest.mark.parametrize(
    "changed",
    [
        lambda handles: {"extra_headers": {"X-Stolen": handles["api_secret"]}},
        lambda handles: {"extra_headers": {"X-Gateway-Key": handles["api_secret"]}},
        lambda handles: {"extra_headers": {"X-Other": handles["X-Gateway-Key"]}},
        lambda handles: {"api_key": handles["api_secret"]},
        lambda handles: {"rate_limit_store": handles["api_secret"]},
        lambda handles: {"extra_kwargs": {"proxies": {"https": handles["api_secret"]}}},
    ],
)
def test_a_handle_is_no_secret_in_another_setting(given, changed):
    launched = given._with_updated_values(
        {**handles_of_config(given), **changed(handles_of(given))}
    )
    with pytest.raises(HevoConfigurationError, match="stands for nothing here"):
        launched.make_client()


@pytest.mark.parametrize("setting", ["ui_url_template", "snapshot_path", "region"])
def test_a_handle_in_a_plain_setting_stays_a_handle(given, setting):
    try:
        launched = given._with_updated_values(
            {**handles_of_config(given), "base_url": None, setting: given.api_secret}
        )
        shown = repr(launched) + str(launched.asset_facts())
    except HevoConfigurationError as refused:
        shown = everything_in(refused)
    assert SECRET not in shown


def test_a_handle_of_other_code_is_refused_and_not_sent(given):
    launched = given._with_updated_values(
        {**handles_of_config(given), "api_secret": "given-in-code-0123456789abcdef"}
    )
    with pytest.raises(HevoConfigurationError, match="has not loaded"):
        launched.make_client()


def test_a_handle_is_the_same_in_each_process_and_another_for_each_setting():
    def made(**changes: Any) -> HevoResource:
        plain = {"api_key": "same", "api_secret": "same", "base_url": "https://eu.hevodata.com"}
        return HevoResource(**{**plain, **changes})

    one, other = made(), made()
    assert one.api_secret == other.api_secret
    assert one.api_secret != one.api_key
    assert one.api_secret != made(base_url="https://us.hevodata.com").api_secret
    code = (
        "from dagster_hevo import HevoResource\n"
        "print(HevoResource(api_key='same', api_secret='same', "
        "base_url='https://eu.hevodata.com').api_secret)"
    )
    assert os.popen(f'{__import__("sys").executable} -c "{code}"').read().strip() == one.api_secret


@pytest.mark.parametrize("store", ["sqlite:////any/path", " SQLITE:///x", "sqlite:///x"])
def test_a_file_for_the_budget_is_not_taken_from_a_runs_configuration(given, store, tmp_path):
    @dg.asset
    def one(hevo: HevoResource) -> None:
        hevo.get_budget().acquire()

    config = {
        "resources": {"hevo": {"config": {**handles_of_config(given), "rate_limit_store": store}}}
    }
    with pytest.raises(DagsterResourceFunctionError) as raised:
        dg.materialize([one], resources={"hevo": given}, run_config=config)
    assert isinstance(raised.value.user_exception, HevoConfigurationError)
    assert "a run's configuration names" in str(raised.value.user_exception)


@pytest.mark.parametrize("how", ["literal", "EnvVar"])
def test_a_file_for_the_budget_is_taken_from_code_and_environment(how, tmp_path, monkeypatch):
    path = tmp_path / "budget.sqlite"
    monkeypatch.setenv("THE_STORE", f"sqlite:///{path}")
    store = f"sqlite:///{path}" if how == "literal" else dg.EnvVar("THE_STORE")
    hevo = HevoResource(
        api_key=KEY, api_secret=SECRET, base_url="https://x", rate_limit_store=store
    )

    @dg.asset
    def one(hevo: HevoResource) -> None:
        hevo.get_budget().acquire()

    assert dg.materialize([one], resources={"hevo": hevo}).success
    assert path.exists()
