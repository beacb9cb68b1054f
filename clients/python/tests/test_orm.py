"""Balances and movements as classes of the ORM."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Engine, func, select
from sqlalchemy.orm import DeclarativeBase, Session

from sqlalchemy_accumulator import (
    AccumulatorClient,
    ReadOnlyModelError,
    Register,
    balance_model,
    define_register,
    movement_model,
)


@pytest.fixture
def base() -> type[DeclarativeBase]:
    class Base(DeclarativeBase):
        pass

    return Base


@pytest.fixture
def session(engine: Engine, inventory: Register) -> Iterator[Session]:
    AccumulatorClient(engine).use(inventory).post(
        [
            {
                "recorder": recorder,
                "period": date(2026, 3, 10),
                "warehouse": warehouse,
                "product": product,
                "quantity": quantity,
                "amount": Decimal(quantity) / 4,
            }
            for recorder, warehouse, product, quantity in [
                ("purchase:1", "north", "bolt", 1000),
                ("purchase:1", "south", "bolt", 10),
                ("purchase:2", "north", None, 500),
                ("purchase:3", None, None, 7),
            ]
        ]
    )
    with Session(engine) as session:
        yield session


def test_balances(session: Session, inventory: Register, base: Any) -> None:
    balance = balance_model(base, inventory, "stock")
    assert balance.__name__ == "Stock"
    rows = session.scalars(select(balance).order_by(balance.quantity.desc())).all()
    # A cell of nothing but NULL is a row like any other.
    assert [(row.warehouse, row.product, row.quantity) for row in rows] == [
        ("north", "bolt", 1000),
        ("north", None, 500),
        ("south", "bolt", 10),
        (None, None, 7),
    ]
    assert rows[0].amount == Decimal("250.00") and rows[0].last_movement_at is not None
    assert session.get_one(balance, rows[3].dim_hash) is rows[3]
    by_product = select(balance.product, func.sum(balance.quantity)).group_by(balance.product)
    assert {row[0]: row[1] for row in session.execute(by_product)} == {"bolt": 1010, None: 507}


def test_balances_are_refreshed(session: Session, inventory: Register, base: Any) -> None:
    balance = balance_model(base, inventory)
    bolts = session.scalars(select(balance).filter_by(warehouse="south")).one()
    AccumulatorClient(session).use(inventory).unpost("purchase:2")
    AccumulatorClient(session).use(inventory).repost(
        "purchase:1",
        {"period": date(2026, 3, 10), "warehouse": "south", "product": "bolt", "quantity": 4},
    )
    session.refresh(bolts)
    assert bolts.quantity == 4


def test_movements(session: Session, inventory: Register, base: Any) -> None:
    movement: Any = movement_model(base, inventory)
    rows = session.scalars(select(movement).filter_by(recorder="purchase:1")).all()
    assert sorted(row.quantity for row in rows) == [10, 1000]
    assert session.get(movement, rows[0].id) is rows[0]
    row: Any = rows[0]
    assert row.movement_type == "regular" and row.note is None


def test_reversals(engine: Engine, base: Any) -> None:
    client = AccumulatorClient(engine)
    books = define_register(
        name="books", dimensions={"a": "text"}, resources={"amount": "numeric"}, history=True
    )
    client.create_register(books)
    try:
        client.use(books).post({"recorder": "x", "period": date(2026, 1, 1), "a": "b"})
        client.use(books).unpost("x")
        movement: Any = movement_model(base, books)
        with Session(engine) as session:
            rows = session.scalars(select(movement).order_by(movement.id)).all()
            assert [row.reverses for row in rows] == [None, rows[0].id]
            assert rows[1].reverses_period == rows[0].period
    finally:
        client.drop_register(books, force=True)


def test_flushes_are_refused(session: Session, inventory: Register, base: Any) -> None:
    for model in (balance_model(base, inventory), movement_model(base, inventory)):
        row = session.scalars(select(model).filter_by(quantity=10)).one()
        row.quantity = 11
        with pytest.raises(ReadOnlyModelError, match="read-only"):
            session.flush()
        session.rollback()
        session.delete(session.scalars(select(model).filter_by(quantity=10)).one())
        with pytest.raises(ReadOnlyModelError, match="read-only"):
            session.commit()
        session.rollback()
        session.add(model(quantity=5))
        with pytest.raises(ReadOnlyModelError, match="read-only"):
            session.flush()
        session.rollback()
        assert session.scalars(select(model).filter_by(quantity=10)).one().quantity == 10


def test_models_are_no_tables_to_create(inventory: Register, base: Any) -> None:
    balance_model(base, inventory)
    movement_model(base, inventory)
    assert list(base.metadata.tables) == []


def test_a_register_without_dimensions(engine: Engine, base: Any) -> None:
    client = AccumulatorClient(engine)
    till = define_register(name="till", dimensions={}, resources={"amount": "numeric(10,2)"})
    client.create_register(till)
    try:
        client.use(till).post({"recorder": "a", "period": date(2026, 1, 1), "amount": "1.50"})
        balance = balance_model(base, till)
        with Session(engine) as session:
            assert session.scalars(select(balance)).one().amount == Decimal("1.50")
    finally:
        client.drop_register(till, force=True)
