"""Text that others wrote, made fit to be shown: in a terminal, in a log, in an error.

A name is chosen by whoever may create a table that is synced, a message by whoever answers in
Hevo's place. Neither may move a cursor, forge a line, or carry a secret that nobody configured
here and that therefore cannot be masked by its value (`confidential.py`).
"""

from __future__ import annotations

import html
import re
import unicodedata

_JOINERS = "\u200c\u200d"
FIT_TO_SHOW = r"^[[^\p{C}\p{Zl}\p{Zp}]\x{200c}\x{200d}]*$"
"""What `escaped` leaves as it is, in the syntax of pydantic's regular expressions.

Two joiners that Persian and emoji need are no danger; every other invisible character is.
"""
MASK = "***"
_NOT_TO_SHOW = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})

MOST_READ = 4_000
"""Characters of a message that are looked at: its sense is in the first sentence."""
WORDS_BEFORE = 4
"""Words before a quotation that tell whether it quotes a secret."""

_PEM = re.compile(r"-----BEGIN.*?(?:-----END[^-]*-----|$)", re.DOTALL)
_SCRIPTS = re.compile(r"<(script|style)\b.*?(?:</\1\s*>|$)", re.DOTALL | re.IGNORECASE)
_TAGS = re.compile(r"<[a-zA-Z/!?][^<>]*(?:>|$)")
_BRACES = re.compile(r"\{.*(?:\}|$)", re.DOTALL)
_LISTS = re.compile(r"\[[^\[\]]*[\"'=:][^\[\]]*(?:\]|$)")
_PROPERTY = re.compile(r"[\w\]}]\\{0,8}[\"']\s?:.*", re.DOTALL)
_URL = re.compile(r"\b([A-Za-z][A-Za-z0-9+.-]{0,20}://)(\S*)")
_PLAIN_HOST = re.compile(r"([\w.-]+(?::\d{1,5})?)(?=$|[/?#,;)\"'.])")
_USER_AT_HOST = re.compile(r"(?<!\S)[^\s:]*:[^\s@]*@\S*")
_ASSIGNMENT = re.compile(r"(?<![\w.-])([\w.-]{1,60})\s?=\s?(?:\"[^\"]*\"?|'[^']*'?|[^\s,;)]+)")
_SECRET_WORD = re.compile(
    r"pass|pwd|secret|token|key|cred|auth|private|conn|dsn|cookie|session|signature|bearer|cert"
    r"|login|otp|\bpin\b",
    re.IGNORECASE,
)
_NAME_OF_A_SETTING = re.compile(r"\w+[_-][\w-]+|[a-z]+[A-Z]\w*")
_LABEL = re.compile(r"(?<![\w-])([\w-]{1,60}):")
_QUOTED = re.compile(r"(?<!\w)(?:\"[^\"]*(?:\"|$)|'[^']*(?:'|$)|`[^`]*(?:`|$))")
_SCHEME_AND_TOKEN = re.compile(r"\b(basic|bearer|digest|negotiate|apikey)\s+\S+", re.IGNORECASE)
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_LONG_TOKEN = re.compile(r"[\w+/=.~%-]{20,}", re.ASCII)


def escaped(text: str) -> str:
    """The text with each character that is not seen as one written as its code, such as ``\\x1b``.

    Controls of the terminal, line breaks, marks that turn the direction of writing, halves of
    characters. Tabs and line breaks count too: a name is no place for them, and a log has a line
    for each thing that happened.
    """
    if text.isprintable():
        return text
    return "".join(_code_of(each) if _is_hidden(each) else each for each in text)


def _is_hidden(character: str) -> bool:
    return unicodedata.category(character) in _NOT_TO_SHOW and character not in _JOINERS


def _code_of(character: str) -> str:
    code = ord(character)
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def escaped_lines(text: str) -> str:
    """The same for a text of several lines of our own making, whose line breaks stay."""
    return "\n".join(map(escaped, text.split("\n")))


def without_markup(text: str) -> str:
    """The words of a page, at most ``MOST_READ`` characters of them, in one line."""
    text = _TAGS.sub(" ", _SCRIPTS.sub(" ", text))
    text = html.unescape(html.unescape(text[: 4 * MOST_READ]))
    return " ".join(_TAGS.sub(" ", text).split())[:MOST_READ]


def sentence_of(text: str) -> str:
    """What a message says, without everything in it that is no plain words.

    Settings of a source have as many names as there are sources, so no list of names finds them
    all. What remains is what a sentence needs: words, numbers, ids, hosts. Values after an equals
    sign or a label, structures, addresses' users and queries, and long tokens are masked.
    """
    text = without_markup(_PEM.sub(MASK, text))
    text = _BRACES.sub("{***}", text)
    text = _LISTS.sub("[***]", text)
    text = _PROPERTY.sub(MASK, text)
    text = _URL.sub(_place_of, text)
    text = _USER_AT_HOST.sub(MASK, text)
    text = _ASSIGNMENT.sub(rf"\1={MASK}", text)
    text = _SCHEME_AND_TOKEN.sub(rf"\1 {MASK}", text)
    text = _without_quoted_secrets(_without_labelled_secret(text))
    return _LONG_TOKEN.sub(_token, text)


def _without_labelled_secret(text: str) -> str:
    """The text up to the first label that a secret may follow, such as ``X-Api-Key:``."""
    for found in _LABEL.finditer(text):
        word, behind = found[1], text[found.end() :]
        if behind and (_SECRET_WORD.search(word) or _NAME_OF_A_SETTING.fullmatch(word)):
            return f"{text[: found.end()]} {MASK}"
    return text


def _without_quoted_secrets(text: str) -> str:
    def masked(found: re.Match[str]) -> str:
        before = " ".join(text[max(0, found.start() - 80) : found.start()].split()[-WORDS_BEFORE:])
        return MASK if _SECRET_WORD.search(before) else found[0]

    return _QUOTED.sub(masked, text)


def _place_of(found: re.Match[str]) -> str:
    scheme, rest = found[1], found[2]
    host = _PLAIN_HOST.match(rest)
    if "@" in rest or host is None:
        return f"{scheme}{MASK}"
    tail = rest[host.end() :]
    return f"{scheme}{host[1]}" + (f"/{MASK}" if tail.strip("/.,;)\"'") else "")


def _token(found: re.Match[str]) -> str:
    text = found[0]
    has_both = any(map(str.isdigit, text)) and any(map(str.isalpha, text))
    return MASK if has_both and _UUID.fullmatch(text) is None else text
