"""What a message repeats of an answer: sentences, and no secret, whoever put it there.

"Hostile" is Hevo, or any gateway, proxy or login page that answers in its place.
"""

from __future__ import annotations

import json
import logging

import pytest
from canaries import HEADER, KEY, SECRET, TOKEN, assert_unseen, everything_in, spellings
from raw_server import http

from dagster_hevo.api.errors import HevoError

SETTINGS = {
    "private_key": "planted-1-of-a-source",
    "passphrase": "planted-2-of-a-source",
    "pwd": "planted-3-of-a-source",
    "connection_string": "postgres://me:planted-4-of-a-source@db/x",
    "sasl.jaas.config": "planted-5-of-a-source",
    "options": {"deep": ["planted-6-of-a-source"]},
}


def error_of(call) -> HevoError:
    with pytest.raises(HevoError) as raised:
        call()
    return raised.value


def told_by(call) -> str:
    try:
        return repr(call())
    except HevoError as error:
        return everything_in(error)


def echoes(text: str) -> dict[str, bytes]:
    """Answers that repeat a text in every place that a message could take it from."""
    return {
        "message": http({"message": f"no such user {text}"}, 401),
        "header in a message": http({"message": f"Authorization: Basic {text} is wrong"}, 400),
        "content type": http(b"<p>x</p>", 200, {"Content-Type": f"text/html; charset={text}"}),
        "odd content type": http(b"<p>x</p>", 200, {"Content-Type": f"{text}/{text}"}),
        "reason phrase": http(b"", 500, line=text),
        "retry-after": http(b"", 429, {"Retry-After": text}),
        "location": http(b"", 302, {"Location": f"https://{text}.invalid/{text}?{text}#{text}"}),
        "page": http(f"<html><!-- {text} --><input value='{text}'>you sent {text}</html>".encode()),
        "upper case": http({"message": f"you sent {text.upper()}"}, 400),
        "wrapped": http({"message": f"you sent {text[:9]}\n  {text[9:]}"}, 400),
        "JSON in JSON": http({"message": json.dumps(json.dumps({"seen": text}))}, 400),
        "repr": http({"error": {"message": repr({"seen": text})}}, 400),
        "unknown property": http({"request": {"headers": {"x": text}}}, 400),
        "property": http({text: text}, 400),
        "detail": http({"detail": [{"loc": [text], "msg": "bad", "input": text}]}, 422),
        "first half": http({"message": f"token {text[: len(text) // 2 + 4]}"}, 400),
        "at the end of what is shown": http({"message": "x " * 247 + text}, 400),
        "at the end of what is read": http({"message": "x " * 1998 + text}, 400),
        "cut JSON": http(json.dumps({"seen": text}).encode()[:-1]),
    }


PLACES = list(echoes(""))


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("secret", [KEY, SECRET, TOKEN, HEADER])
def test_what_was_configured_as_secret_is_masked_wherever_it_comes_back(
    raw, connect, place, secret, caplog
):
    caplog.set_level(logging.DEBUG)
    for spelling in sorted(spellings(secret)):
        hevo = connect(raw(echoes(spelling)[place]), retry_limit=2)
        told = told_by(lambda hevo=hevo: hevo.get_pipeline(7))
        assert_unseen(told + caplog.text, secret)


@pytest.mark.parametrize(
    "body",
    [
        {"message": "bad settings", "source": {"config": SETTINGS}},
        {"message": f"bad settings {SETTINGS}"},
        {"message": f"bad settings {json.dumps(SETTINGS)}"},
        {"message": f"bad settings {json.dumps(json.dumps(SETTINGS))}"},
        {"message": "bad " + ", ".join(f"{name}={value}" for name, value in SETTINGS.items())},
        {"message": "bad " + "; ".join(f"{name}: {value}" for name, value in SETTINGS.items())},
        {"message": f"cannot reach {SETTINGS['connection_string']} today"},
        {"message": "the password 'planted-7-of-a-source' is too short"},
        {"message": "-----BEGIN PRIVATE KEY-----\nplanted8planted8\n-----END PRIVATE KEY-----"},
        {"detail": [{"loc": ["body", "config"], "msg": "field required", "input": SETTINGS}]},
        {"errors": [SETTINGS]},
        {"error": SETTINGS},
        [SETTINGS],
        {"errors": [[[[SETTINGS]]]]},
    ],
    ids=lambda body: json.dumps(body)[:60],
)
@pytest.mark.parametrize("status", [400, 500])
def test_a_sources_settings_are_not_told_whatever_they_are_called(raw, connect, body, status):
    hevo = connect(raw(http(body, status)), retry_limit=1)
    told = told_by(lambda: hevo.get_pipeline(7))
    assert "planted" not in told


def test_a_plain_sentence_is_shown_as_it_is(raw, connect):
    said = (
        "Table shop.orders of pipeline 12 is missing; job 5fd1b2c3-1111-2222-3333-444455556666 "
        "ended. See https://docs.hevodata.com"
    )
    hevo = connect(raw(http({"message": said}, 400)))
    assert error_of(lambda: hevo.get_pipeline(7)).message == said


@pytest.mark.parametrize(
    "fields",
    [
        {"destination": {"config": {"pass": "planted-9"}}},
        {"source": {"config": {"pass": "planted-9"}}},
        {"name": "Shop", "newer_field": "planted-9"},
    ],
)
@pytest.mark.parametrize(
    "answer",
    [
        http({"message": "the value planted-9 is odd"}, 400),
        http(b"the value planted-9 is odd", 500),
        http(b"the value planted-9 is odd", 200),
        http(b"", 302, {"Location": "https://planted-9.invalid"}),
    ],
)
def test_after_a_confidential_request_no_free_text_is_shown(raw, connect, fields, answer):
    hevo = connect(raw(answer), retry_limit=1)
    told = [
        error_of(lambda: hevo.update_pipeline(7, fields)),
        error_of(lambda: hevo.update_pipeline_sources(7, {"pass": "planted-9"})),
    ]
    for error in told:
        shown = "\n".join([str(error), repr(error), repr(vars(error))])
        assert "planted-9" not in shown
        assert "odd" not in shown


def test_what_was_changed_without_secrets_is_answered_in_words(raw, connect):
    hevo = connect(raw(http({"message": "the name is taken"}, 400)))
    assert "the name is taken" in str(error_of(lambda: hevo.update_pipeline(7, {"name": "Shop"})))


def test_a_broken_header_that_echoes_a_secret_is_not_logged(raw, connect, caplog):
    caplog.set_level(logging.DEBUG)
    answer = f"HTTP/1.1 200 OK\r\nX-Seen {TOKEN}\r\nY: {HEADER}\r\n\r\n{{}}".encode()
    hevo = connect(raw(answer), retry_limit=1)
    told = told_by(lambda: hevo.get_pipeline(7))
    shown = told + caplog.text + "".join(repr(record.__dict__) for record in caplog.records)
    assert_unseen(shown, TOKEN, HEADER)
