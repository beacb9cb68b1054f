"""Definitions and values, without a server."""

from __future__ import annotations

import enum
import json
import uuid
from datetime import UTC, date, datetime
from decimal import Decimal
from ipaddress import ip_address

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import NullType

from sqlalchemy_accumulator import Column, Dimension, Register, define_register
from sqlalchemy_accumulator.values import decode, encode, encode_for, encode_movements

POSTGRESQL = postgresql.dialect()  # type: ignore[no-untyped-call]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("text", "TEXT"),
        ("numeric(14,2)", "NUMERIC(14, 2)"),
        ("numeric( 14 , 2 )", "NUMERIC(14, 2)"),
        ("decimal", "NUMERIC"),
        ("varchar(10)", "VARCHAR(10)"),
        ("character varying(10)", "VARCHAR(10)"),
        ("int", "INTEGER"),
        ("int8", "BIGINT"),
        ("bigint", "BIGINT"),
        ("double precision", "DOUBLE PRECISION"),
        ("timestamptz", "TIMESTAMP WITH TIME ZONE"),
        ("timestamp with time zone", "TIMESTAMP WITH TIME ZONE"),
        ("UUID", "UUID"),
    ],
)
def test_types_by_name(name: str, expected: str) -> None:
    assert Column("x", name).sql_type.compile(POSTGRESQL) == expected


@pytest.mark.parametrize("name", ["colour", "public.colour", "int[]", "numeric(a)"])
def test_unknown_types(name: str) -> None:
    assert isinstance(Column("x", name).sql_type, NullType)


def test_definition() -> None:
    metadata = sa.MetaData()
    register = define_register(
        name="sales",
        dimensions={"shop": sa.Integer, "day": Dimension(sa.Date(), required=True)},
        resources={"amount": sa.Numeric(12, 2)},
        metadata=metadata,
    )
    assert register.dimensions == (Column("shop", "integer"), Column("day", "date", True))
    assert register.resources == (Column("amount", "numeric(12, 2)"),)
    assert metadata.info["accumulator_registers"] == {"sales": register}


@pytest.mark.parametrize("name", ["", "Sales", "1st", "sales; DROP TABLE x", "a.b", "a\n"])
def test_names_need_no_quotes(name: str) -> None:
    with pytest.raises(ValueError, match="is no name"):
        Register(name, (), (Column("amount", "numeric"),))
    with pytest.raises(ValueError, match="is no name"):
        Register("sales", (Column(name, "text"),), (Column("amount", "numeric"),))


class Colour(enum.Enum):
    RED = "red"


def test_values_that_json_lacks() -> None:
    identifier = uuid.UUID(int=1)
    data = {
        "amount": Decimal("0.10"),
        "day": date(2026, 3, 1),
        "period": datetime(2026, 3, 1, 12, tzinfo=UTC),
        "id": identifier,
        "colour": Colour.RED,
        "address": ip_address("10.0.0.1"),
        "nothing": None,
    }
    assert json.loads(encode(data)) == {
        "amount": "0.10",
        "day": "2026-03-01",
        "period": "2026-03-01T12:00:00+00:00",
        "id": str(identifier),
        "colour": "red",
        "address": "10.0.0.1",
        "nothing": None,
    }


@pytest.mark.parametrize("value", [b"bytes", object(), {1, 2}])
def test_values_that_cannot_be_sent(value: object) -> None:
    with pytest.raises(TypeError, match="cannot be sent"):
        encode({"value": value})


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_floats_that_are_no_numbers(value: float) -> None:
    with pytest.raises(ValueError):
        encode({"value": value})


def test_one_movement_or_many() -> None:
    sales = define_register(name="sales", dimensions={}, resources={"amount": "numeric"})
    books = define_register(
        name="books", kind="ledger", dimensions={}, resources={"amount": "numeric"}
    )
    for register in (sales, books):
        assert encode_movements(register, {"recorder": "a"}) == '{"recorder": "a"}'
        assert encode_movements(register, ({"recorder": name} for name in "ab")) == (
            '[{"recorder": "a"}, {"recorder": "b"}]'
        )
        assert encode_movements(register, []) == "[]"


def test_numbers_of_a_subconto_stay_numbers() -> None:
    books = define_register(
        name="books", kind="ledger", dimensions={}, resources={"amount": "numeric"}
    )
    subconto = {'a "key"': Decimal("1.50"), "day": date(2026, 3, 1), "many": [1, None, True]}
    assert encode_for(books, {"subconto_dr": subconto, "amount": Decimal("0.10")}) == (
        '{"subconto_dr": {"a \\"key\\"": 1.50, "day": "2026-03-01", "many": [1, null, true]},'
        ' "amount": 0.10}'
    )
    assert encode_for(books, {"amount": Decimal("1E+3")}) == '{"amount": 1E+3}'
    assert encode_for(books, {"amount": Decimal("NaN")}) == '{"amount": "NaN"}'


def test_values_come_back_as_they_were() -> None:
    register = define_register(
        name="r",
        dimensions={
            "day": "date",
            "at": "timestamptz",
            "id": "uuid",
            "rate": "numeric",
            "size": "float8",
            "flag": "boolean",
            "number": "integer",
            "address": "inet",
        },
        resources={"amount": "numeric(30,2)", "weight": "float8"},
    )
    row = decode(
        register,
        '{"day": "2026-03-01", "at": "2026-03-01T12:00:00.5+13:00", "rate": 1.10, "size": 1,'
        ' "flag": true, "number": 7, "address": "10.0.0.1",'
        ' "id": "00000000-0000-0000-0000-000000000001",'
        ' "amount": 12345678901234567890123456.78, "weight": 0.1, "amount_opening": 0}',
    )
    assert row == {
        "day": date(2026, 3, 1),
        "at": datetime.fromisoformat("2026-03-01T12:00:00.5+13:00"),
        "rate": Decimal("1.10"),
        "size": 1.0,
        "flag": True,
        "number": 7,
        "address": "10.0.0.1",
        "id": uuid.UUID(int=1),
        "amount": Decimal("12345678901234567890123456.78"),
        "weight": Decimal("0.1"),
        "amount_opening": Decimal(0),
    }
    assert str(row["rate"]) == "1.10" and isinstance(row["size"], float)
    assert decode(register, '{"day": "infinity", "at": null}') == {"day": "infinity", "at": None}
