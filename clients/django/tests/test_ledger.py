"""Ledgers, and registers with history, against a real server."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.db.migrations.state import ProjectState
from shop.models import Account, Posting

from django_accumulator import Ledger, Register
from django_accumulator.operations import AlterRegister, CreateRegister, DropRegister

MAY = (date(2026, 5, 1), date(2026, 5, 31))
NOON = datetime(2026, 5, 20, 12, tzinfo=UTC)
EUR = {"currency": "EUR"}
PAYMENT: dict[str, Any] = {
    **EUR,
    "recorder": "payment:1",
    "period": NOON,
    "account_dr": "51",
    "account_cr": "62.01",
    "subconto_cr": {"rate": 1.5, "customer": 412},
    "amount": "400.25",
}


@pytest.fixture
def books(project: None) -> Iterator[Ledger]:
    books = Ledger("gl")
    with transaction.atomic():
        Account.objects.bulk_create(
            Account(account=account, name=name)
            for account, name in [
                ("41", "Goods"),
                ("51", "Bank"),
                ("60", "Suppliers"),
                ("62", "Customers"),
                ("62.01", "Invoices"),
            ]
        )
        delivery = {
            **EUR,
            "recorder": "delivery:1",
            "period": date(2026, 5, 1),
            "entries": [
                {"account": "41", "debit": {"amount": 70, "pieces": 7}},
                {"account": "41", "debit": {"amount": Decimal("30.00"), "pieces": 3}},
                {"account": "60", "subconto": {"supplier": "A"}, "credit": {"amount": 100}},
            ],
        }
        invoice = {
            **EUR,
            "recorder": "invoice:1",
            "period": date(2026, 5, 3),
            "account_dr": "62.01",
            "subconto_dr": {"customer": 412, "rate": Decimal("1.50")},
            "account_cr": "41",
            "amount": 1000,
            "pieces_cr": 5,
        }
        assert books.post([delivery, invoice, PAYMENT]) == 4
        yield books
        transaction.set_rollback(True)


def test_balance(books: Ledger) -> None:
    assert books.balance("41") == {
        "amount_dr": Decimal(100),
        "amount_cr": Decimal(1000),
        "amount_balance": Decimal(-900),
        "pieces_dr": Decimal(10),
        "pieces_cr": Decimal(5),
        "pieces_balance": Decimal(5),
    }
    assert all(isinstance(amount, Decimal) for amount in books.balance().values())
    assert books.balance("62", {"rate": Decimal("1.5")})["amount_balance"] == Decimal("599.75")
    assert books.balance("62", {"rate": "1.5"})["amount_dr"] == 0
    assert books.balance("62", at=date(2026, 5, 19))["amount_cr"] == 0
    assert books.balance("62", at=NOON)["amount_cr"] == Decimal("400.25")
    assert books.balance(currency="USD")["amount_dr"] == 0


def test_trial_balance(books: Ledger) -> None:
    rows = books.trial_balance(date(2026, 5, 2), date(2026, 5, 31), currency="EUR")
    assert [row["account"] for row in rows] == ["41", "51", "60", "62.01"]
    assert rows[0] == {
        "account": "41",
        "account_name": "Goods",
        "currency": "EUR",
        "amount_opening_dr": Decimal(100),
        "amount_opening_cr": Decimal(0),
        "amount_turnover_dr": Decimal(0),
        "amount_turnover_cr": Decimal(1000),
        "amount_closing_dr": Decimal(0),
        "amount_closing_cr": Decimal(900),
        "pieces_opening_dr": 10,
        "pieces_opening_cr": 0,
        "pieces_turnover_dr": 0,
        "pieces_turnover_cr": 5,
        "pieces_closing_dr": 5,
        "pieces_closing_cr": 0,
    }
    assert books.trial_balance(level=1)[3]["account_name"] == "Customers"


def test_account_statement(books: Ledger) -> None:
    lines = books.account_statement("62", *MAY, {"customer": 412})
    assert len(lines) == 2 and isinstance(lines[1].pop("id"), UUID)
    assert lines[1] == {
        "period": NOON,
        "recorder": "payment:1",
        "account": "62.01",
        "subconto": {"customer": 412, "rate": Decimal("1.5")},
        "corr_account": "51",
        "corr_subconto": {},
        "currency": "EUR",
        "amount_dr": Decimal(0),
        "amount_cr": Decimal("400.25"),
        "amount_balance": Decimal("599.75"),
        "pieces_dr": 0,
        "pieces_cr": 0,
        "pieces_balance": 0,
    }
    assert books.account_statement("62", NOON, NOON)[0]["recorder"] == "payment:1"


def test_correspondence_and_turnover(books: Ledger) -> None:
    pairs = books.correspondence(*MAY, account="41")
    assert [(row["account_dr"], row["account_cr"], row["amount"]) for row in pairs] == [
        ("41", "60", Decimal(100)),
        ("62.01", "41", Decimal(1000)),
    ]
    assert books.turnover(*MAY, ["account", "subconto"], account="60") == [
        {
            "account": "60",
            "subconto": {"supplier": "A"},
            "amount_dr": Decimal(0),
            "amount_cr": Decimal(100),
            "pieces_dr": Decimal(0),
            "pieces_cr": Decimal(0),
        }
    ]
    exactly = {"customer": 412, "rate": Decimal("1.5")}
    assert books.turnover(subconto=exactly)[0]["amount_cr"] == Decimal("400.25")


def test_documents(books: Ledger) -> None:
    posting = Posting.objects.get(recorder="payment:1")
    assert (posting.account_dr, posting.amount) == ("51", Decimal("400.25"))
    assert posting.subconto_cr == {"customer": 412, "rate": 1.5}
    assert books.repost("payment:1", {**PAYMENT, "amount": 500}) == 1
    assert books.balance("51")["amount_dr"] == 500
    assert books.unpost(["payment:1", "invoice:1"]) == 2
    assert books.debits_equal_credits()


def test_what_is_refused(books: Ledger) -> None:
    def refused(change: dict[str, Any]) -> tuple[str, str]:
        with pytest.raises(DatabaseError) as caught, transaction.atomic():
            books.post({**PAYMENT, "recorder": "x", **change})
        cause: Any = caught.value.__cause__
        return cause.sqlstate, cause.diag.constraint_name

    assert refused({"account_dr": "99"}) == ("23503", "account")
    assert refused({"account_dr": "62"}) == ("23514", "account_group")
    with connection.cursor() as cursor:
        cursor.execute("SELECT accum.register_close('gl', '2026-05-31')")
    assert refused({}) == ("55000", "closed_period")
    with pytest.raises(IntegrityError), transaction.atomic():
        books.post({**PAYMENT, "account_dr": "99", "period": date(2026, 6, 1)})


def test_bounds_that_make_no_sense(project: None) -> None:
    with pytest.raises(ValueError, match="not one of each"):
        Ledger("gl").correspondence(date(2026, 5, 1), NOON)
    for moment in (datetime(2026, 5, 1), datetime(2026, 5, 1, 12)):
        with pytest.raises(ValueError, match="zone"):
            Ledger("gl").balance(at=moment)
        with pytest.raises(ValueError, match="zone"):
            Register("deals").balance(known_at=moment)
        with pytest.raises(ValueError, match="zone"):
            Register("deals").unpost("x", at=moment)


def test_operations(project: None) -> None:
    definition: dict[str, Any] = {
        "dimensions": {},
        "resources": {"amount": "numeric", "pieces": {"type": "integer", "balanced": False}},
        "kind": "ledger",
        "chart": "open",
    }
    create, drop = CreateRegister("books", **definition), DropRegister("books", **definition)
    alter = AlterRegister("books", add_resources={"boxes": {"type": "integer", "balanced": False}})
    state = ProjectState()

    def registry() -> list[tuple[str, str]]:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT chart, resources -> -1 ->> 'name' FROM accum._registers"
                " WHERE name = 'books' AND NOT (resources -> -1 ->> 'balanced')::boolean"
            )
            return list(cursor.fetchall())

    with connection.schema_editor() as editor:
        create.database_forwards("shop", editor, state, state)
    assert registry() == [("open", "pieces")]
    with connection.schema_editor() as editor:
        alter.database_forwards("shop", editor, state, state)
    assert registry() == [("open", "boxes")]
    with connection.schema_editor() as editor:
        drop.database_forwards("shop", editor, state, state)
    assert registry() == []
    with connection.schema_editor() as editor:
        drop.database_backwards("shop", editor, state, state)
    assert registry() == [("open", "pieces")]
    with connection.schema_editor() as editor:
        create.database_backwards("shop", editor, state, state)
    assert registry() == []


def test_history(project: None) -> None:
    deals = Register("deals")
    deal = {"recorder": "a", "period": date(2026, 5, 1), "customer": "x", "amount": Decimal("1.5")}
    deals.post(deal)
    with connection.cursor() as cursor:
        cursor.execute("SELECT accum.register_known_until('deals')")
        ((known,),) = cursor.fetchall()
    assert deals.unpost("a", at=NOON) == 1
    assert deals.balance(customer="x") == {"amount": 0}
    assert deals.balance(known_at=known) == {"amount": Decimal("1.5")}
    assert deals.balance(date(2026, 5, 19)) == {"amount": Decimal("1.5")}
    assert deals.turnover(known_at=known, group_by=["customer"]) == [
        {"customer": "x", "amount": Decimal("1.5")}
    ]
    assert deals.turnover(date(2026, 5, 20), date(2026, 5, 20)) == [{"amount": Decimal("-1.5")}]
