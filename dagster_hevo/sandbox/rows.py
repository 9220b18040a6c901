"""Fake rows as SQL: every value follows from the row's number, the column and the seed.

The expressions here read the row's number from a column ``i``. They are run by `warehouse.py`.
A person's number decides name, e-mail address and phone, so that tables of different sources are
about the same people.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from zlib import crc32

from dagster_hevo.sandbox.scenario import FieldScenario, FieldType, ObjectScenario

_PRIME = 2147483647
_FIRST_NAMES = (
    *("Ada", "Ben", "Chloe", "Dev", "Elif", "Finn", "Grace", "Hugo", "Ines", "Jonas", "Kira"),
    *("Liam", "Mira", "Noor", "Omar", "Pia", "Quentin", "Rosa", "Sven", "Tara", "Umar", "Vera"),
)
_LAST_NAMES = (
    *("Abbott", "Berger", "Costa", "Dubois", "Eriksen", "Fischer", "Garcia", "Haddad", "Ivanov"),
    *("Jansen", "Khan", "Lopez", "Meyer", "Novak", "Okafor", "Petit", "Quinn", "Rossi", "Silva"),
)
_CITIES = ("Berlin", "Lisbon", "Pune", "Austin", "Toronto", "Nairobi", "Osaka", "Lyon", "Leeds")
_COUNTRIES = ("DE", "PT", "IN", "US", "CA", "KE", "JP", "FR", "GB", "AU")
_EPOCH = "TIMESTAMP '2025-01-01 00:00:00'"
_YEAR_SECONDS = 365 * 86400

_CHOICES: dict[str, Sequence[str]] = {
    "status": ("active", "inactive"),
    "state": ("open", "closed"),
    "currency": ("EUR", "USD", "INR"),
    "city": _CITIES,
    "country": _COUNTRIES,
    "locale": ("en", "de", "fr"),
    "timezone": ("UTC", "Europe/Berlin", "America/New_York"),
    "color": ("#d33f49", "#2e86ab", "#f6ae2d"),
}
_WHOLE_NUMBERS = ("count", "total", "number", "position", "order", "score", "quantity", "size")
_AMOUNTS = ("amount", "price", "value", "revenue", "rate")


def literal(value: object) -> str:
    """A value as SQL."""
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, int | float):
        return repr(value)
    return "'" + str(value).replace("'", "''") + "'"


def quoted(name: str) -> str:
    """A name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def type_of(field: FieldScenario) -> FieldType:
    """The field's type, guessed from its name where the scenario does not say."""
    if field.type is not None:
        return field.type
    if field.values is not None:
        return _type_of_values(field.values)
    name = field.name
    if field.prefix is not None or field.references is not None:
        return "VARCHAR" if field.prefix is not None else "INTEGER"
    if name.endswith(("_at", "_time", "timestamp")):
        return "TIMESTAMP"
    if name.endswith("date"):
        return "DATE"
    if name.startswith(("is_", "has_")):
        return "BOOLEAN"
    if name == "id" or name.endswith(("_id", *_WHOLE_NUMBERS)):
        return "INTEGER"
    return "DECIMAL" if name.endswith(_AMOUNTS) else "VARCHAR"


def warehouse_type(field_type: FieldType) -> str:
    """The column type in the warehouse."""
    return {
        "INTEGER": "BIGINT",
        "DECIMAL": "DECIMAL(18, 2)",
        "DOUBLE": "DOUBLE",
        "BOOLEAN": "BOOLEAN",
        "VARCHAR": "VARCHAR",
        "TIMESTAMP": "TIMESTAMP",
        "DATE": "DATE",
        "JSON": "VARCHAR",
    }[field_type]


@dataclass(frozen=True)
class RowMaker:
    """Makes the rows of one object.

    Args:
        entry: The object.
        siblings: The objects of its pipeline by table, for references.
        seed: The scenario's seed.
        version: Changes the values that may change from load to load.
    """

    entry: ObjectScenario
    siblings: Mapping[str, ObjectScenario]
    seed: int = 0
    version: int = 0

    def columns(self) -> dict[str, str]:
        """The object's columns and their types in the warehouse."""
        return {field.name: warehouse_type(self.type_of(field)) for field in self.entry.fields}

    def type_of(self, field: FieldScenario) -> FieldType:
        """The field's type; a reference has the type of the key that it holds."""
        if field.type is None and field.references is not None:
            return type_of(self.siblings[field.references].key_fields[0])
        return type_of(field)

    def expression(self, field: FieldScenario) -> str:
        """The SQL of a field's value in row ``i``."""
        kind = warehouse_type(self.type_of(field))
        value = f"CAST({self._value(field)} AS {kind})"
        if field.nulls and not field.primary_key:
            limit = round(field.nulls * 1000)
            value = (
                f"CASE WHEN {self._dice(field, 'null')} % 1000 < {limit} THEN NULL ELSE {value} END"
            )
        return value

    def _value(self, field: FieldScenario) -> str:
        if field.references is not None:
            return self._reference(field, self.siblings[field.references])
        if field.values is not None:
            return self._choice(field, field.values)
        if field in self.entry.key_fields:
            return _key(field, "i")
        kind = self.type_of(field)
        if kind == "VARCHAR":
            return self._text(field)
        dice = self._dice(field)
        if kind in ("TIMESTAMP", "DATE"):
            later = self.version * 86400 if field.name.startswith("updated") else 0
            seconds = f"CAST({dice} % {_YEAR_SECONDS} + {later} AS BIGINT)"
            return f"{_EPOCH} + to_seconds({seconds})"
        if kind == "BOOLEAN":
            return f"{dice} % 2 = 0"
        if kind == "JSON":
            return "'{\"row\": ' || i || '}'"
        low = 1 if field.minimum is None else field.minimum
        high = max(low, 1000 if field.maximum is None else field.maximum)
        whole = f"{low} + {dice} % {high - low + 1}"
        return whole if kind == "INTEGER" else f"({whole}) - ({dice} % 100) / 100.0"

    def _text(self, field: FieldScenario) -> str:
        name = field.name
        person = f"(i + {self.entry.person_offset})"
        if name in ("email", "email_address", "handle"):
            first, last = _name_part(person, _FIRST_NAMES), _name_part(person, _LAST_NAMES)
            return f"lower({first} || '.' || {last}) || {person} || '@example.com'"
        if name == "first_name":
            return _name_part(person, _FIRST_NAMES)
        if name == "last_name":
            return _name_part(person, _LAST_NAMES)
        if name == "full_name":
            first, last = _name_part(person, _FIRST_NAMES), _name_part(person, _LAST_NAMES)
            return f"{first} || ' ' || {last}"
        if name.startswith("phone"):
            return f"'+1555' || lpad(CAST({person} AS VARCHAR), 7, '0')"
        if name in _CHOICES:
            return self._choice(field, _CHOICES[name])
        if name.endswith(("url", "link")):
            return f"'https://example.com/{self.entry.table_name}/' || i"
        if field.prefix is not None:
            return f"{literal(field.prefix)} || (1 + {self._dice(field)} % 100)"
        return f"{literal(name.replace('_', ' ').capitalize() + ' ')} || i"

    def _reference(self, field: FieldScenario, target: ObjectScenario) -> str:
        rows = max(1, target.rows)
        pick = f"(i - 1) % {rows}" if field.sequential else f"{self._dice(field)} % {rows}"
        return _key(target.key_fields[0], f"(1 + {pick})")

    def _choice(self, field: FieldScenario, values: Sequence[object]) -> str:
        pick = "(i - 1)" if field.sequential else self._dice(field)
        return f"[{', '.join(map(literal, values))}][CAST(1 + {pick} % {len(values)} AS BIGINT)]"

    def _dice(self, field: FieldScenario, purpose: str = "") -> str:
        salt = crc32(f"{self.seed}/{self.entry.table_name}/{field.name}/{purpose}".encode())
        if field.changes:
            salt += self.version * 7919
        # Two linear steps with a fold between them: without the fold, neighbouring rows and
        # columns of the same seed come out in step with each other.
        step = f"((i * {1 + salt % 69989} + {salt % _PRIME}) * 48271 % {_PRIME})"
        return f"(xor({step}, {step} >> 11) * 16807 % {_PRIME})"


def _type_of_values(values: Sequence[object]) -> FieldType:
    if all(isinstance(value, bool) for value in values):
        return "BOOLEAN"
    if all(isinstance(value, int) for value in values):
        return "INTEGER"
    return "DOUBLE" if all(isinstance(value, int | float) for value in values) else "VARCHAR"


def _key(field: FieldScenario, number: str) -> str:
    if field.prefix is not None:
        return f"{literal(field.prefix)} || {number}"
    return f"'' || {number}" if type_of(field) == "VARCHAR" else number


def _name_part(person: str, names: Sequence[str]) -> str:
    return f"[{', '.join(map(literal, names))}][CAST(1 + {person} * 7 % {len(names)} AS BIGINT)]"
