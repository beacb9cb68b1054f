"""Every verb, with both drivers."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, text

from sqlalchemy_accumulator import (
    AccumulatorClient,
    ConflictError,
    Limit,
    NotAllowedError,
    PermissionDeniedError,
    Register,
    RegisterHandle,
    UndefinedRegisterError,
    define_register,
)


def movement(recorder: str, period: object, product: str | None, quantity: int) -> dict[str, Any]:
    return {
        "recorder": recorder,
        "period": period,
        "warehouse": "north",
        "product": product,
        "quantity": quantity,
        "amount": Decimal(quantity) / 4,
    }


@pytest.fixture
def stock(engine: Engine, inventory: Register) -> RegisterHandle:
    stock = AccumulatorClient(engine).use(inventory)
    assert (
        stock.post(
            [
                movement("purchase:1", date(2026, 3, 10), "bolt", 1000),
                movement("purchase:1", date(2026, 3, 10), "nut", 500),
                # Local time of the register: the last hour of March in Berlin.
                movement("purchase:2", datetime(2026, 3, 31, 23, 30), "bolt", 200),
                movement("purchase:3", datetime(2026, 4, 2, tzinfo=UTC), None, 7),
            ]
        )
        == 4
    )
    return stock


def test_definition_survives_the_database(engine: Engine) -> None:
    client = AccumulatorClient(engine)
    register = define_register(
        name="everything",
        dimensions={"b": "text", "a": "integer"},
        resources={"y": "numeric(10,3)", "x": "bigint"},
        attributes={"note": "text"},
        kind="turnover",
        totals_period="month",
        partition_by="year",
        recorder_type="bigint",
        time_zone="Asia/Tokyo",
        year_start=4,
        high_write=True,
    )
    client.create_register(register)
    try:
        assert client.register("everything") == register
        assert client.registers() == {"everything": register}
        (summary,) = client.list_registers()
        assert (summary.name, summary.kind, summary.dimensions, summary.resources) == (
            "everything",
            "turnover",
            2,
            2,
        )
        assert summary.movements_count == 0
        info = client.register_info(register)
        assert info["time_zone"] == "Asia/Tokyo" and info["tables"]["movements"]
        sums = client.use(register)
        sums.post({"recorder": 7, "period": "2026-05-01", "b": None, "a": 1, "x": 2})
        assert sums.turnover() == [{"x": Decimal(2), "y": Decimal("0.000")}]
        assert sums.fold() == 1
        assert sums.unpost(7) == 1
    finally:
        client.drop_register("everything", force=True)
    assert client.registers() == {}
    with pytest.raises(UndefinedRegisterError) as caught:
        client.register("everything")
    assert caught.value.sqlstate == "42704"


def test_balance(stock: RegisterHandle) -> None:
    assert stock.balance() == {"quantity": Decimal(1707), "amount": Decimal("426.75")}
    assert stock.balance(product="bolt")["quantity"] == 1200
    assert stock.balance(product=None)["quantity"] == 7
    assert stock.balance(warehouse="north", dimensions={"product": "nut"})["quantity"] == 500
    assert list(stock.balance()) == ["quantity", "amount"]
    assert all(isinstance(value, Decimal) for value in stock.balance().values())


@pytest.mark.parametrize(
    ("at_date", "expected"),
    [
        (date(2026, 3, 31), 1200),
        ("2026-03-31", 1200),
        (date(2026, 3, 30), 1000),
        (datetime(2026, 3, 31, 23, 29, 59), 1000),
        ("2026-03-31 23:30", 1200),
        (datetime(2026, 3, 31, 21, 30, tzinfo=UTC), 1200),
        (datetime(2026, 3, 31, 21, 29, tzinfo=UTC), 1000),
        # Midnight means the whole day.
        (datetime(2026, 3, 31), 1200),
        (date(2026, 1, 1), 0),
    ],
)
def test_balance_at_a_moment(stock: RegisterHandle, at_date: Any, expected: int) -> None:
    assert stock.balance(at_date, product="bolt")["quantity"] == expected


def test_balances(stock: RegisterHandle) -> None:
    def by_product(rows: list[dict[str, Any]]) -> dict[Any, Any]:
        return {row["product"]: row["quantity"] for row in rows}

    assert by_product(stock.balances()) == {"bolt": 1200, "nut": 500, None: 7}
    assert by_product(stock.balances(date(2026, 3, 30))) == {"bolt": 1000, "nut": 500}


def test_turnover(stock: RegisterHandle) -> None:
    def march(**arguments: Any) -> list[dict[str, Any]]:
        return stock.turnover(date(2026, 3, 1), date(2026, 3, 31), **arguments)

    assert march() == [{"quantity": Decimal(1700), "amount": Decimal("425.00")}]
    assert march(group_by="product") == [
        {"product": "bolt", "quantity": Decimal(1200), "amount": Decimal("300.00")},
        {"product": "nut", "quantity": Decimal(500), "amount": Decimal("125.00")},
    ]
    assert [row["warehouse"] for row in march(group_by=["warehouse", "product"])] == ["north"] * 2
    assert march(product="nut")[0]["quantity"] == 500
    assert stock.turnover(date_from=date(2026, 4, 1))[0]["quantity"] == 7
    # A day on one side, an instant on the other.
    assert stock.turnover("2026-03-31", "2026-03-31 23:29")[0]["quantity"] == 0
    assert stock.turnover("2026-03-31 01:00", "2026-03-31")[0]["quantity"] == 200


def test_statement(stock: RegisterHandle) -> None:
    stock.post(movement("shipment:1", date(2026, 4, 5), "bolt", -300))
    rows = stock.statement("2026-03-01", "2026-04-30", "product", unit="month", product="bolt")
    assert [
        (row["unit_start"], row["quantity_opening"], row["quantity_receipt"]) for row in rows
    ] == [(date(2026, 3, 1), 0, 1200), (date(2026, 4, 1), 1200, 0)]
    assert rows[1]["quantity_expense"] == 300
    assert rows[1]["quantity_closing"] == Decimal(900)
    assert isinstance(rows[1]["quantity_closing"], Decimal)
    filled = stock.statement("2026-03-01", "2026-05-31", "product", unit="month", fill=True)
    assert len([row for row in filled if row["product"] == "nut"]) == 3


def test_movements(stock: RegisterHandle) -> None:
    rows = stock.movements()
    assert [row["recorder"] for row in rows] == [
        "purchase:1",
        "purchase:1",
        "purchase:2",
        "purchase:3",
    ]
    assert isinstance(rows[0]["id"], UUID) and rows[0]["note"] is None
    assert rows[2]["period"] == datetime(2026, 3, 31, 21, 30, tzinfo=UTC)
    assert rows[2]["amount"] == Decimal("50.00")
    assert [row["id"] for row in stock.movements(limit=2, offset=1)] == [
        row["id"] for row in rows[1:3]
    ]
    assert len(stock.movements("purchase:1")) == 2
    assert len(stock.movements(recorder="purchase:1", product="nut")) == 1
    assert len(stock.movements(date_from=date(2026, 3, 31), date_to=date(2026, 3, 31))) == 1
    assert len(stock.movements(date_to=datetime(2026, 3, 31, 23, 29))) == 2


def test_documents(stock: RegisterHandle) -> None:
    corrected = [{"period": "2026-03-10", "warehouse": "north", "product": "bolt", "quantity": 900}]
    assert stock.repost("purchase:1", corrected) == 1
    assert stock.balance(product="bolt")["quantity"] == 1100
    assert stock.balance(product="nut")["quantity"] == 0
    assert stock.unpost("purchase:1") == 1
    assert stock.unpost("purchase:1") == 0
    assert stock.unpost(["purchase:2", "purchase:3"]) == 2
    assert stock.movements() == []


def test_post_once(stock: RegisterHandle) -> None:
    again = movement("purchase:2", datetime(2026, 3, 31, 23, 30), "bolt", 200)
    assert stock.post(again, once=True) == 1
    assert stock.balance(product="bolt")["quantity"] == 1200
    with pytest.raises(ConflictError):
        stock.post({**again, "quantity": 201}, once=True)
    assert stock.post(again) == 1
    assert stock.balance(product="bolt")["quantity"] == 1400


def test_preview(stock: RegisterHandle) -> None:
    shipment = movement("shipment:1", date(2026, 4, 5), "bolt", -5000)
    (cell,) = stock.preview(data=shipment)
    assert cell.dimensions == {"warehouse": "north", "product": "bolt"}
    assert cell.before["quantity"] == 1200 and cell.after["quantity"] == -3800
    assert cell.broken_limits == ["in_stock"] and not cell.closed
    assert len(stock.preview("purchase:1")) == 2
    assert stock.preview("purchase:1", [])[0].after["quantity"] in (200, 0)
    assert stock.balance(product="bolt")["quantity"] == 1200


def test_reconcile(stock: RegisterHandle) -> None:
    counted = [{"warehouse": "north", "product": "bolt", "quantity": 1190}]
    (found,) = stock.reconcile("count:1", date(2026, 3, 31), counted)
    assert found["quantity"] == -10
    assert stock.balance(date(2026, 3, 31), product="bolt")["quantity"] == 1190
    rows = stock.reconcile("count:1", date(2026, 3, 31), counted, within={"warehouse": "north"})
    assert {row["product"]: row["quantity"] for row in rows} == {"bolt": -10, "nut": -500}


def test_closed_periods(stock: RegisterHandle) -> None:
    late = movement("late:1", date(2026, 3, 15), "bolt", 1)
    stock.close_through(date(2026, 3, 31))
    with pytest.raises(NotAllowedError) as caught:
        stock.post(late)
    assert caught.value.sqlstate == "55000" and "2026-03-31" in (caught.value.detail or "")
    stock.reopen_from(date(2026, 3, 1))
    assert stock.post(late) == 1
    stock.close_through(date(2026, 3, 31), {"product": "bolt"})
    with pytest.raises(NotAllowedError):
        stock.unpost("late:1")
    stock.reopen_from(date(2026, 1, 1), {"product": "bolt"})
    assert stock.unpost("late:1") == 1


def test_care(stock: RegisterHandle) -> None:
    assert {(row.check_type, row.status) for row in stock.verify()} == {
        ("balance_cache", "OK"),
        ("totals_day", "OK"),
        ("totals_month", "OK"),
        ("totals_year", "OK"),
    }
    assert stock.repair() == 0
    assert stock.stats()["movements_count"] == 4
    assert stock.create_partitions() >= 0
    with pytest.raises(NotAllowedError):
        stock.clear()
    stock.clear(force=True)
    assert stock.movements() == []


def test_findings(engine: Engine, stock: RegisterHandle) -> None:
    table = f"accum.{stock.register.name}_balance_cache"
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        connection.execute(text(f"UPDATE {table} SET quantity = 1 WHERE product = 'nut'"))
    (finding,) = [row for row in stock.verify() if row.status != "OK"]
    assert finding.status == "MISMATCH" and finding.dim_hash is not None
    assert finding.expected is not None and finding.actual is not None
    assert finding.expected["quantity"] == 500 and finding.actual["quantity"] == 1
    assert stock.repair() == 1


def test_history(engine: Engine) -> None:
    client = AccumulatorClient(engine)
    register = define_register(
        name="books",
        dimensions={"account": "text"},
        resources={"amount": "numeric(14,2)"},
        time_zone="Europe/Berlin",
        history=True,
    )
    client.create_register(register)
    try:
        assert client.register("books") == register
        books = client.use(register)
        first = {"recorder": "a", "period": date(2026, 3, 10), "account": "till", "amount": "5.00"}
        books.post([first, {**first, "recorder": "b"}])
        known = books.known_until()
        assert books.unpost("a", at=date(2026, 4, 1)) == 1
        assert books.unpost(["b"], at=datetime(2026, 4, 2, 12, 0)) == 1
        assert books.balance()["amount"] == 0
        assert books.balance(known_at=known) == {"amount": Decimal("10.00")}
        assert books.balance(date(2026, 3, 31))["amount"] == 10
        assert books.turnover(known_at=known, account="till") == [{"amount": Decimal("10.00")}]
        assert books.movements(only_active=True) == []
        rows = books.movements()
        assert [row["movement_type"] for row in rows] == ["regular"] * 2 + ["reversal"] * 2
        (original,) = [row for row in rows[:2] if row["recorder"] == "a"]
        assert rows[2]["reverses"] == original["id"]
        assert rows[2]["reverses_period"] == original["period"]
        assert rows[2]["period"] == datetime(2026, 3, 31, 22, tzinfo=UTC)
        with pytest.raises(NotAllowedError):
            books.clear(force=True)
    finally:
        client.drop_register(register, force=True)


def test_rights(engine: Engine, stock: RegisterHandle) -> None:
    with engine.connect() as connection:
        connection.execute(text("CREATE ROLE cashier"))
        stock = AccumulatorClient(connection).use(stock.register)
        stock.grant("cashier", "read")
        stock.grant("cashier", "post")
        stock.revoke("cashier", "post")
        connection.execute(text("SET LOCAL ROLE cashier"))
        assert stock.balance()["quantity"] == 1707
        with pytest.raises(PermissionDeniedError):
            stock.unpost("purchase:1")
        connection.rollback()


def test_alter(engine: Engine, inventory: Register) -> None:
    client = AccumulatorClient(engine)
    altered = client.alter_register(
        inventory,
        add_dimensions={"lot": "date"},
        add_resources={"weight": "numeric(10,3)"},
        add_attributes={"line": "integer"},
        limits=[Limit("in_stock", "quantity >= 0", every_date=True)],
    )
    assert [column.name for column in altered.columns] == [
        *("warehouse", "product", "lot", "quantity", "amount", "weight", "note", "line")
    ]
    assert altered.limits[0].every_date
    stock = client.use(altered)
    lot = date(2026, 3, 1) + timedelta(days=3)
    stock.post({**movement("p", lot, "bolt", 5), "lot": lot, "weight": Decimal("0.125"), "line": 1})
    assert stock.balance(lot=lot)["weight"] == Decimal("0.125")
    assert stock.turnover(group_by="lot")[0]["lot"] == lot
    assert stock.movements()[0]["line"] == 1
    assert client.alter_register(altered, limits=[], high_write=True).high_write


def test_a_dimension_named_as_a_parameter(engine: Engine) -> None:
    client = AccumulatorClient(engine)
    register = define_register(
        name="awkward", dimensions={"limit": "text"}, resources={"amount": "numeric"}
    )
    client.create_register(register)
    try:
        handle = client.use(register)
        handle.post({"recorder": "a", "period": "2026-01-01", "limit": "x", "amount": "0.1"})
        assert len(handle.movements(limit=5, dimensions={"limit": "x"})) == 1
        assert handle.movements(limit=5, dimensions={"limit": "y"}) == []
    finally:
        client.drop_register(register, force=True)
