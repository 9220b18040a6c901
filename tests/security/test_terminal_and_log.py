"""Foreign text in a terminal and in a log: shown as codes, so that it obeys nobody."""

from __future__ import annotations

import json
import logging

import pytest
from click.testing import CliRunner
from hostile import ALL, ESCAPES, assert_harmless
from raw_server import http

from dagster_hevo.api.enums import JobStatus
from dagster_hevo.api.errors import HevoError
from dagster_hevo.api.foreign_text import escaped
from dagster_hevo.api.models import Job, Pipeline, PipelineObject
from dagster_hevo.cli import main
from dagster_hevo.cli.exits import CommandError, log_on_stderr
from dagster_hevo.cli.output import escaped_json

each_escape = pytest.mark.parametrize("text", ESCAPES.values(), ids=ESCAPES)


@each_escape
def test_an_escaped_text_is_in_one_line_and_tells_what_was_there(text):
    shown = escaped(text)
    assert_harmless(shown)
    assert "\n" not in shown
    assert "\\" in shown
    assert escaped(shown) == shown


def test_what_people_write_stays_as_it_is():
    for text in (
        "Größe 日本 🙂",
        "می\u200cخواهم",
        "👩\u200d👧",
        "shop.orders_2024",
        "a\u00a0b\u3000c",
    ):
        assert escaped(text) == text
        assert Pipeline.model_validate({"id": 1, "name": text}).name == text


@each_escape
def test_no_name_and_no_word_of_hevos_reaches_anybody_as_it_came(text):
    space = {"k0": text, "k1": text, "k2": text}
    column = {"source_name": text, "destination_type": text}
    item = {"object_id": "o", "source_namespace": space, "status": text, "object_name": text}
    found = PipelineObject.model_validate({**item, "fields": [column]})
    source = {"name": text, "source_type": text, "connector_id": "c"}
    pipeline = Pipeline.model_validate(
        {"id": 1, "name": text, "status": text, "source": source, "destination": source}
    )
    job = Job.model_validate({"job_id": "j", "status": text, "type": text})
    shown = [found.name, *found.source_namespace.path, pipeline.name, pipeline.source.name]
    shown += map(str, (pipeline.status, job.status, job.type, found.status))
    shown += [found.model_dump_json(), pipeline.model_dump_json(), repr(job)]
    for each in shown:
        assert_harmless(str(each))
        assert "\n" not in str(each)


def test_words_that_are_known_stay_known():
    assert JobStatus("completed") is JobStatus.COMPLETED
    assert JobStatus("\x1b[31m").value == r"\x1b[31m"


@each_escape
def test_an_id_that_cannot_be_shown_is_none(text, raw, connect):
    jobs = {"data": [{"job_id": text}, {"job_id": "good"}]}
    assert [job.job_id for job in connect(raw(http(jobs))).list_jobs(7)] == ["good"]


@each_escape
@pytest.mark.parametrize("body", ["json", "text"])
def test_a_message_is_harmless(raw, connect, text, body, caplog):
    caplog.set_level(logging.DEBUG)
    content = {"message": f"so {text}"} if body == "json" else f"so {text}".encode()
    with pytest.raises(HevoError) as raised:
        connect(raw(http(content, 400))).get_pipeline(7)
    assert_harmless(str(raised.value) + repr(raised.value) + caplog.text)
    assert "\n" not in str(raised.value)


def run(url: str, *arguments: str):
    environment = {
        "HEVO_BASE_URL": url,
        "HEVO_API_KEY": "k-1234567",
        "HEVO_API_SECRET": "s-1234567",
        "HEVO_REQUESTS_PER_MINUTE": "0",
        "HEVO_REGION": None,
    }
    ended = CliRunner().invoke(main, list(arguments), env=environment)
    assert ended.exception is None or isinstance(ended.exception, SystemExit), ended.exception
    return ended


def answers_of(text: str):
    """A server of one pipeline whose every word is this text."""
    source = {"name": text, "source_type": text}
    pipeline = {"id": 7, "name": text, "status": text, "source": source, "destination": source}
    space = {"k0": text, "k1": text}
    item = {"object_id": "o", "source_namespace": space, "destination_namespace": space}
    job = {"job_id": "j", "status": text, "type": text, "created_ts": 10**30, "duration": 2**62}

    def answer(request: bytes) -> bytes:
        path = request.split()[1].partition(b"?")[0]
        if path.endswith(b"/jobs"):
            return http({"data": [job]})
        if path.endswith(b"/objects"):
            return http({"data": [{**item, "status": text}]})
        return http({"data": [pipeline]}) if path.endswith(b"/pipelines") else http(pipeline)

    return answer


COMMANDS = [
    ("pipelines",),
    ("pipelines", "--quick"),
    ("jobs", "7"),
    ("objects", "7"),
    ("objects", "7", "--catalog"),
    ("doctor",),
]


@pytest.mark.parametrize("text", ALL.values(), ids=ALL)
def test_every_listing_of_a_hostile_account_is_harmless(raw, text):
    url = raw(answers_of(text)).url
    for command in COMMANDS:
        plain, as_json = run(url, *command), run(url, *command, "--json")
        for ended in (plain, as_json):
            assert_harmless(ended.stdout + ended.stderr)
            assert "Traceback" not in ended.output
        told = json.loads(as_json.stdout)
        if command[0] == "pipelines":
            assert told[0]["name"] == escaped(text)


@each_escape
def test_a_refusal_is_told_harmlessly(raw, text):
    url = raw(http({"message": f"so {text}"}, 400)).url
    for command in COMMANDS:
        ended = run(url, *command)
        assert ended.exit_code != 0
        assert_harmless(ended.stdout + ended.stderr)


def test_the_log_of_commands_and_their_errors_are_harmless(capsys):
    with log_on_stderr():
        logging.getLogger("dagster_hevo").warning("of %s", "a\x1b[31m\nb")
    CommandError("first\nsecond \x1b[31m").show()
    shown = capsys.readouterr().err
    assert_harmless(shown)
    assert r"of a\x1b[31m\x0ab" in shown
    assert "first\nsecond" in shown


@pytest.mark.parametrize("text", ALL.values(), ids=ALL)
def test_json_keeps_its_values(text):
    document = json.dumps({"a": text, text: [1]}, indent=2, ensure_ascii=False)
    shown = escaped_json(document)
    assert_harmless(shown)
    assert json.loads(shown) == {"a": text, text: [1]}
