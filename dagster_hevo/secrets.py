"""Keeping secrets out of what Dagster shows and stores.

Dagster writes a resource's values into its snapshots, its database and its pages. A secret given
as `dg.EnvVar` shows there as the variable's name; one given as a literal would be readable. So a
literal is kept in this process, and a handle stands in its place. Dagster does not know variables
within a mapping either: these too are kept here.

Whoever may launch runs sees the handles and may put them, or another address, into the run's
configuration. So a handle stands for its secret only in the setting, and only for the address,
that it was given for.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

import dagster as dg

from dagster_hevo.api.confidential import Hidden
from dagster_hevo.api.errors import HevoConfigurationError, HevoError
from dagster_hevo.api.settings import resolve_base_url
from dagster_hevo.variables import is_variable

_GIVEN = "given-in-code-"
_VARIABLE = "environment-variable-"
_ROUNDS = 10_000
"""Makes trying out a dictionary of passwords against a handle slow: some milliseconds for each."""


@dataclass(frozen=True)
class GivenFor:
    """The address that a resource's secrets are given for, which may be told by the environment.

    Attributes:
        base_url: As it was given.
        region: As it was given.
    """

    base_url: object
    region: object

    @classmethod
    def of(cls, settings: Mapping[str, object], defaults: Mapping[str, object]) -> GivenFor:
        """The address among a resource's settings.

        Args:
            settings: What was given.
            defaults: What counts where nothing was given.
        """
        variables = settings.get("from_environment")
        named = cast("Mapping[str, str]", variables or {})

        def found(name: str) -> object:
            return dg.EnvVar(named[name]) if name in named else settings.get(name, defaults[name])

        return cls(found("base_url"), found("region"))

    @property
    def name(self) -> str:
        """The same in each process that loads the same code."""
        return "\n".join(
            f"env:{each.env_var_name}" if is_variable(each) else f"text:{each}"
            for each in (self.base_url, self.region)
        )

    def address(self) -> str | None:
        """The address itself; None while it cannot be told."""
        base_url, region = (
            each.get_value() if is_variable(each) else each for each in (self.base_url, self.region)
        )
        try:
            return resolve_base_url(
                "us" if base_url else cast("str", region), cast("str | None", base_url or None)
            )
        except HevoError:
            return None


@dataclass(frozen=True)
class _Kept:
    value: Hidden[str]
    field: str
    given_for: GivenFor


_KEPT: dict[str, _Kept] = {}


def concealed(value: object, field: str, given_for: GivenFor) -> object:
    """A handle for a literal secret; anything else as it is.

    The same literal has the same handle in every process, so that a step's process, which loads
    the same code, finds its own.

    Args:
        value: What was given.
        field: The setting that it was given for.
        given_for: The address that it was given for.
    """
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")  # As pydantic would, when it is too late.
    if not isinstance(value, str) or is_variable(value) or not value:
        return value
    if value in _KEPT or value.startswith((_GIVEN, _VARIABLE)):
        return value
    return _keep(value, f"{_GIVEN}{_hash(value, field, given_for.name)}", field, given_for)


def concealed_within(value: object, field: str, given_for: GivenFor) -> object:
    """The same with each text in it concealed, and each environment variable."""
    if isinstance(value, Mapping):
        entries = cast("Mapping[str, object]", value)
        return {
            name: concealed_within(each, f"{field}.{name}", given_for)
            for name, each in entries.items()
        }
    if isinstance(value, list | tuple | set | frozenset):
        listed = enumerate(cast("list[object]", value))
        return [concealed_within(each, f"{field}.{place}", given_for) for place, each in listed]
    if is_variable(value):
        name = value.env_var_name
        handle = f"{_VARIABLE}{name}-{_hash(name, field, given_for.name)}"
        return _keep(value, handle, field, given_for)
    return concealed(value, field, given_for)


def _keep(value: str, handle: str, field: str, given_for: GivenFor) -> str:
    _KEPT[handle] = _Kept(Hidden(value), field, given_for)
    return handle


@lru_cache(maxsize=1024)
def _hash(value: str, field: str, place: str) -> str:
    salt = f"dagster-hevo\n{field}\n{place}".encode()
    return hashlib.pbkdf2_hmac("sha256", value.encode("utf-8", "replace"), salt, _ROUNDS).hex()[:16]


def check_run_config(config: Any) -> None:
    """Refuse a file for the request budget that a run's configuration names: it could be any.

    What code gave, or a variable that code names, is a handle there.

    Args:
        config: The resource's configuration, as Dagster has read it.

    Raises:
        HevoConfigurationError: It names a file.
    """
    given: Mapping[str, object] = config or {}
    store = given.get("rate_limit_store")
    if isinstance(store, str) and store.strip().lower().startswith("sqlite"):
        raise HevoConfigurationError(
            "rate_limit_store is a file that a run's configuration names: it could be any file of "
            "the machine. Name it in code, or by dg.EnvVar in code."
        )
    # What code gave is a handle. A proxy of the launcher's would be sent what handles stand for.
    chosen = [*_texts(given.get("extra_kwargs")), *_texts(given.get("extra_headers"))]
    is_given = any(_is_handle(text) for value in given.values() for text in _texts(value))
    if is_given and any(not _is_handle(text) for text in chosen):
        raise HevoConfigurationError(
            "extra_kwargs or extra_headers hold what the run's configuration names, beside secrets "
            "that were given in code. Name all of them in code, or choose the keys where the run "
            "is launched too, as environment variables."
        )


def _is_handle(text: str) -> bool:
    return text.startswith((_GIVEN, _VARIABLE))


def _texts(value: object) -> Iterator[str]:
    """The texts in a setting, at any depth."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for each in cast("Mapping[str, object]", value).values():
            yield from _texts(each)
    elif isinstance(value, list | tuple):
        for each in cast("list[object]", value):
            yield from _texts(each)


def revealed(value: str, field: str, address: str) -> str:
    """The secret that a handle stands for; anything else as it is.

    Args:
        value: A handle, or what was given plainly.
        field: The setting that it stands in.
        address: Hevo's base URL, to which it is about to be sent.

    Raises:
        HevoConfigurationError: It is a handle for another setting, for another address, or of
            other code; or its environment variable is not set.
    """
    kept = _KEPT.get(value)
    if kept is None:
        if value.startswith((_GIVEN, _VARIABLE)):
            raise HevoConfigurationError(
                f"{field} was given in code that this process has not loaded. Reload the code "
                "location, and launch the run again."
            )
        return value
    if kept.field != field:
        raise HevoConfigurationError(
            f"{field} holds what was given in code for {kept.field}, and stands for nothing here."
        )
    if kept.given_for.address() != address:
        raise HevoConfigurationError(
            f"{field} was given in code for another address than {address}, so it is not sent "
            "there. To choose the address where a run is launched, choose the keys there too, as "
            "environment variables."
        )
    found = kept.value.value
    if is_variable(found):
        told = found.get_value()
        if not told:
            raise HevoConfigurationError(
                f"{field} is to come from the environment variable {found.env_var_name}, which is "
                "not set. Set it in the place where this code runs."
            )
        return told
    return found


def revealed_within(value: object, field: str, address: str) -> Any:
    """The same with each handle in it revealed; errors as in `revealed`."""
    if isinstance(value, Mapping):
        entries = cast("Mapping[str, object]", value)
        return {
            name: revealed_within(each, f"{field}.{name}", address)
            for name, each in entries.items()
        }
    if isinstance(value, list | tuple):
        listed = enumerate(cast("list[object]", value))
        return [revealed_within(each, f"{field}.{place}", address) for place, each in listed]
    return revealed(value, field, address) if isinstance(value, str) else value
