"""Values on their way to the server and back, both as JSON.

Everything comes back as the text of jsonb, because drivers would read its
numbers as float.  Amounts become Decimal, whatever the resource's type;
dimensions and attributes become what their type is in Python.  A value that
Python's type cannot hold, such as the date infinity, stays text.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from functools import cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Any
from uuid import UUID

from .register import Column, Ledger, Register

Row = dict[str, Any]
Movement = Mapping[str, Any]
Decoder = Callable[[Any], Any]

_DECODERS: dict[type, Decoder] = {
    date: date.fromisoformat,
    datetime: datetime.fromisoformat,
    time: time.fromisoformat,
    Decimal: Decimal,
    float: float,
    UUID: UUID,
}
_SUMS = ("opening", "receipt", "expense", "turnover", "closing")
_SUMS_OF_LEDGERS = (
    *("dr", "cr", "balance"),
    *("opening_dr", "opening_cr", "turnover_dr", "turnover_cr", "closing_dr", "closing_cr"),
)


def encode(data: object) -> str:
    """The text of JSON.  Numbers that JSON would round travel as strings."""
    return json.dumps(data, default=_encode_value, allow_nan=False)


def encode_exactly(data: object) -> str:
    """The text of JSON in which a Decimal is a number: in a subconto a string is something else."""
    if isinstance(data, Mapping):
        members = (f"{encode(str(key))}: {encode_exactly(one)}" for key, one in data.items())
        return "{" + ", ".join(members) + "}"
    if isinstance(data, (list, tuple)):
        return "[" + ", ".join(map(encode_exactly, data)) + "]"
    if isinstance(data, Decimal) and data.is_finite():
        return str(data)
    return encode(data)


def encode_for(register: Register, data: object) -> str:
    """The text of JSON that says something of a register's cells."""
    return encode_exactly(data) if isinstance(register, Ledger) else encode(data)


def encode_movements(register: Register, data: Movement | Iterable[Movement]) -> str:
    """One movement, or many, for register_post() and its kind."""
    if isinstance(data, Mapping):
        return encode_for(register, dict(data))
    return encode_for(register, [dict(movement) for movement in data])


def _encode_value(value: object) -> Any:
    if isinstance(value, (date, datetime, time)):
        return value.isoformat()
    if isinstance(value, (Decimal, UUID, IPv4Address, IPv6Address, IPv4Network, IPv6Network)):
        return str(value)
    if isinstance(value, Enum):
        return value.value
    raise TypeError(f"a value of type {type(value).__name__} cannot be sent to a register")


def decode(register: Register, text: str) -> Row:
    """A row of a register from the text of a jsonb object."""
    decoders = _decoders(register)
    return {
        key: decoders[key](value) if value is not None and key in decoders else value
        for key, value in json.loads(text, parse_float=Decimal).items()
    }


def decode_amounts(register: Register, text: str) -> dict[str, Decimal]:
    """What a balance consists of, in the order of the register's definition."""
    amounts = decode(register, text)
    return {column.name: amounts[column.name] for column in register.balance_columns}


@cache
def _decoders(register: Register) -> dict[str, Decoder]:
    decoders: dict[str, Decoder] = {
        "id": UUID,
        "recorded_at": datetime.fromisoformat,
        "period": datetime.fromisoformat,
        "unit_start": date.fromisoformat,
        "reverses": UUID,
        "reverses_period": datetime.fromisoformat,
    }
    typed = (Column("recorder", register.recorder_type), *register.dimensions, *register.attributes)
    for column in typed:
        try:
            decoder = _DECODERS.get(column.sql_type.python_type)
        except NotImplementedError:
            continue
        if decoder is not None:
            decoders[column.name] = _or_as_it_is(decoder)
    for resource in register.resources:
        decoders[resource.name] = Decimal
        for sum_ in _SUMS_OF_LEDGERS if isinstance(register, Ledger) else _SUMS:
            # The server cuts names to its 63 bytes.
            decoders[f"{resource.name}_{sum_}"[:63]] = Decimal
    return decoders


def _or_as_it_is(decoder: Decoder) -> Decoder:
    def decode_value(value: Any) -> Any:
        try:
            return decoder(value)
        except (TypeError, ValueError, ArithmeticError):
            return value

    return decode_value
