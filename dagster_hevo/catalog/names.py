"""When two spellings are the same name: pure text, no catalog and no Hevo.

Used by `models.py` for objects and by `registry.py` for source types. A doubt is no match: a wrong
one would put another table's facts on an asset.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

_V = TypeVar("_V")

_SEPARATORS = re.compile(r"[\s_\-\u2010-\u2015]+")
_VERSION = re.compile(r"v\d+")
_SIBILANTS = ("ses", "xes", "zes", "ches", "shes")
# They end in "s" without being plurals, and what is left without it is a word of its own.
MOST_ANSWERS = 10_000
_UNINFLECTED = frozenset({"news", "series", "species"})


def plain_form(name: str) -> str:
    """The name without case and separators: ``Contact Tags`` and ``contact_tags`` are one."""
    return "".join(_words(name))


def loose_forms(name: str) -> frozenset[str]:
    """The plain form, and those with the last word or every word in the singular.

    English leaves open whether ``responses`` comes of ``respons`` or ``response``, so both count.
    """
    words = _words(name)
    version = words[-1] if len(words) > 1 and _VERSION.fullmatch(words[-1]) else ""
    stem = words[:-1] if version else words
    if not stem:
        return frozenset()
    spellings = {"".join(stem)}
    for singular in (_singular, _singular_of_sibilant):
        spellings.add("".join((*stem[:-1], singular(stem[-1]))))
        spellings.add("".join(singular(word) for word in stem))
    return frozenset(spelling + version for spelling in spellings)


def without_version(name: str) -> str | None:
    """The name without a last word like ``v2``, or None where it has none."""
    words = _words(name)
    if len(words) > 1 and _VERSION.fullmatch(words[-1]):
        return "_".join(words[:-1])
    return None


def _words(name: str) -> list[str]:
    folded = unicodedata.normalize("NFKC", name).casefold()
    return [word for word in _SEPARATORS.split(folded) if word]


def _singular(word: str) -> str:
    if len(word) < 4 or word in _UNINFLECTED or word.endswith(("ss", "us", "is")):
        return word
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    return word[:-1] if word.endswith("s") else word


def _singular_of_sibilant(word: str) -> str:
    return word[:-2] if len(word) > 4 and word.endswith(_SIBILANTS) else _singular(word)


@dataclass
class NameIndex(Generic[_V]):
    """Finds what a spelling stands for in constant time, or nothing where two things claim it.

    Three questions, strictest first: the very name; its plain form; a loose form. A version in the
    spelling asked for has to be the known one; a spelling without a version finds the only version.
    """

    _exact: dict[str, _V] = field(default_factory=dict[str, _V])
    _plain: dict[str, _V | None] = field(default_factory=dict[str, "_V | None"])
    _loose: dict[str, _V | None] = field(default_factory=dict[str, "_V | None"])
    _answers: dict[str, _V | None] = field(default_factory=dict[str, "_V | None"])

    @classmethod
    def of(cls, named: Iterable[tuple[str, _V]]) -> NameIndex[_V]:
        """Index every name of every value; one value may have several names.

        Args:
            named: Pairs of a name and what it stands for.
        """
        index = cls()
        for name, value in named:
            index._exact[name] = value
            _claim(index._plain, plain_form(name), value)
            unversioned = without_version(name)
            for spelling in (name, unversioned) if unversioned else (name,):
                for form in loose_forms(spelling):
                    _claim(index._loose, form, value)
        return index

    def find(self, name: str) -> _V | None:
        """What the spelling stands for, or None where that is unknown or not certain.

        Args:
            name: Any spelling; any text at all is allowed.
        """
        if name in self._exact:
            return self._exact[name]
        if name not in self._answers:
            # Many pipelines of one source have the same objects: each spelling is worked out once.
            if len(self._answers) >= MOST_ANSWERS:
                self._answers.clear()
            self._answers[name] = self._work_out(name)
        return self._answers[name]

    def _work_out(self, name: str) -> _V | None:
        plain = plain_form(name)
        if plain in self._plain:
            return self._plain[plain]
        found: _V | None = None
        for form in loose_forms(name):
            if form not in self._loose:
                continue
            candidate = self._loose[form]
            if candidate is None or (found is not None and candidate is not found):
                return None
            found = candidate
        return found


def _claim(claims: dict[str, _V | None], form: str, value: _V) -> None:
    """Note who claims a form; a second claimant leaves it with nobody, for good."""
    if form not in claims:
        claims[form] = value
    elif claims[form] is not value:
        claims[form] = None
