"""Errors by SQLSTATE."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.orm import Session

import sqlalchemy_accumulator as sa_accumulator
from sqlalchemy_accumulator import (
    AccumulatorClient,
    AccumulatorError,
    ArchivedError,
    ClosedPeriodError,
    DuplicateRegisterError,
    InvalidArgumentError,
    InvalidValueError,
    LimitError,
    LockTimeoutError,
    NotAllowedError,
    OutOfRangeError,
    PermissionDeniedError,
    ReadOnlyError,
    Register,
    UndefinedRegisterError,
    WrongKindError,
    define_register,
    translated_errors,
)
from sqlalchemy_accumulator.errors import BY_CONSTRAINT, BY_SQLSTATE, BY_TABLE

GOOD: dict[str, Any] = {
    "recorder": "purchase:1",
    "period": date(2026, 3, 10),
    "warehouse": "north",
    "product": "bolt",
    "quantity": 5,
}


@pytest.mark.parametrize(
    ("change", "error", "sqlstate"),
    [
        ({"quantity": -1}, LimitError, "23514"),
        ({"quantity": "many"}, InvalidValueError, "22P02"),
        ({"quantity": 10**30}, OutOfRangeError, "22003"),
        ({"period": "2026-13-01"}, InvalidValueError, "22008"),
        ({"period": "someday"}, InvalidValueError, "22007"),
        ({"qty": 1}, InvalidArgumentError, "22023"),
        ({"warehouse": "x" * 3000}, InvalidValueError, "54000"),
    ],
)
def test_movements(
    engine: Engine,
    inventory: Register,
    change: dict[str, Any],
    error: type[AccumulatorError],
    sqlstate: str,
) -> None:
    stock = AccumulatorClient(engine).use(inventory)
    with pytest.raises(error) as caught:
        stock.post([GOOD, {**GOOD, "product": "nut", **change}])
    assert caught.value.sqlstate == sqlstate
    assert isinstance(caught.value.__cause__, DBAPIError)
    assert stock.movements() == []


def test_parts_of_a_report(engine: Engine, inventory: Register) -> None:
    stock = AccumulatorClient(engine).use(inventory)
    with pytest.raises(LimitError) as broken:
        stock.post({**GOOD, "quantity": -1})
    assert broken.value.limit == broken.value.constraint == "in_stock"
    assert broken.value.detail is not None and "(north, bolt)" in broken.value.detail
    assert str(broken.value).startswith(broken.value.message + "\n" + broken.value.detail)
    with pytest.raises(InvalidArgumentError) as unknown:
        stock.post({**GOOD, "qty": 1})
    assert unknown.value.hint is not None and "quantity" in unknown.value.hint
    assert unknown.value.context == "movement 1"


def test_registers(engine: Engine, inventory: Register) -> None:
    client = AccumulatorClient(engine)
    missing = define_register(name="missing", dimensions={}, resources={"amount": "numeric"})
    with pytest.raises(DuplicateRegisterError):
        client.create_register(inventory)
    with pytest.raises(UndefinedRegisterError):
        client.use(missing).post({"recorder": "a", "period": date(2026, 1, 1)})
    with pytest.raises(UndefinedRegisterError):
        client.use(missing).balance()
    with pytest.raises(UndefinedRegisterError):
        client.drop_register("missing")
    with pytest.raises(InvalidArgumentError):
        client.create_register(
            define_register(name="bad", dimensions={"x": "point"}, resources={"y": "numeric"})
        )
    with pytest.raises(InvalidArgumentError):
        client.use(inventory).balance(colour="red")
    client.use(inventory).post(GOOD)
    with pytest.raises(NotAllowedError):
        client.drop_register(inventory)


def test_kinds(engine: Engine) -> None:
    client = AccumulatorClient(engine)
    sales = define_register(
        name="sales", dimensions={"shop": "text"}, resources={"amount": "numeric"}, kind="turnover"
    )
    client.create_register(sales)
    try:
        with pytest.raises(WrongKindError):
            client.use(sales).reconcile("count:1", date(2026, 1, 1), {"shop": "a", "amount": 1})
    finally:
        client.drop_register(sales)


def test_rights_and_read_only(engine: Engine, inventory: Register) -> None:
    with engine.connect() as connection:
        stock = AccumulatorClient(connection).use(inventory)
        connection.execute(text("CREATE ROLE nobody"))
        connection.execute(text("SET LOCAL ROLE nobody"))
        with pytest.raises(PermissionDeniedError):
            stock.post(GOOD)
        connection.rollback()
        connection.execute(text("SET TRANSACTION READ ONLY"))
        with pytest.raises(ReadOnlyError):
            stock.post(GOOD)


def test_lock_timeout(engine: Engine, inventory: Register) -> None:
    with engine.connect() as holder, engine.connect() as other:
        AccumulatorClient(holder).use(inventory).post(GOOD)
        other.execute(text("SET lock_timeout = '10ms'"))
        with pytest.raises(LockTimeoutError):
            AccumulatorClient(other).use(inventory).post({**GOOD, "recorder": "b"})


def test_errors_at_the_end_of_a_transaction(engine: Engine) -> None:
    with Session(engine) as session:
        session.execute(text("CREATE TEMP TABLE t (x int UNIQUE DEFERRABLE INITIALLY DEFERRED)"))
        session.execute(text("INSERT INTO t VALUES (1), (1)"))
        with pytest.raises(sa_accumulator.ConflictError), translated_errors():
            session.commit()


def test_other_errors_stay_what_they_are(engine: Engine) -> None:
    with engine.connect() as connection, pytest.raises(DBAPIError), translated_errors():
        connection.execute(text("SELECT 1/0"))
    unreachable = create_engine("postgresql+psycopg://nobody@/nowhere?host=/nonexistent")
    with pytest.raises(DBAPIError):
        AccumulatorClient(unreachable).list_registers()


def test_every_exception_is_public() -> None:
    errors = [*BY_SQLSTATE.values(), *BY_TABLE.values(), *BY_CONSTRAINT.values()]
    assert {error.__name__ for error in errors} <= set(sa_accumulator.__all__)


def test_what_forbids_it(engine: Engine, inventory: Register) -> None:
    """Of one SQLSTATE, told apart by fields."""
    client = AccumulatorClient(engine)
    stock = client.use(inventory)
    stock.post([GOOD, {**GOOD, "recorder": "old", "period": date(2020, 1, 1)}])
    with pytest.raises(NotAllowedError) as not_empty:
        client.drop_register(inventory)
    assert type(not_empty.value) is NotAllowedError
    stock.close_through(date(2020, 12, 31))
    with pytest.raises(ClosedPeriodError) as closed:
        stock.unpost("old")
    assert closed.value.table == f"{inventory.name}_movements"
    stock.reopen_from(None)
    with engine.begin() as connection:
        connection.execute(
            text("SELECT accum.register_detach_partitions(:name, '5 years')"),
            {"name": inventory.name},
        )
    with pytest.raises(ArchivedError):
        stock.unpost("old")


def test_rules_of_others(engine: Engine, inventory: Register) -> None:
    """A check of one's own on movements is no limit of the register."""
    with engine.begin() as connection:
        connection.execute(
            text(f"ALTER TABLE accum.{inventory.name}_movements ADD CHECK (quantity < 100)")
        )
    with pytest.raises(IntegrityError):
        AccumulatorClient(engine).use(inventory).post({**GOOD, "quantity": 100})
