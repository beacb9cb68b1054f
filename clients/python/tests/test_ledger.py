"""Ledgers: postings, accounts and their balances, with both drivers and with asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from private_server import PrivateServer
from sqlalchemy import Engine, MetaData, create_engine, select
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import DeclarativeBase, Session

from sqlalchemy_accumulator import (
    AccountBalance,
    AccountError,
    AccumulatorClient,
    ClosedPeriodError,
    Correspondence,
    InvalidArgumentError,
    Ledger,
    LedgerHandle,
    Limit,
    LimitError,
    Resource,
    Sides,
    StatementLine,
    TrialBalanceRow,
    TrialSums,
    WrongKindError,
    account_model,
    balance_model,
    define_register,
    movement_model,
)
from sqlalchemy_accumulator.asyncio import AsyncAccumulatorClient

from .conftest import url

BOOKS = define_register(
    name="books",
    kind="ledger",
    dimensions={"currency": "text"},
    resources={"amount": "numeric(18,2)", "pieces": Resource("integer", balanced=False)},
    attributes={"note": "text"},
    time_zone="Europe/Berlin",
    chart="strict",
)
ACCOUNTS = {"41": "Goods", "51": "Bank", "60": "Suppliers", "62.01": "Invoices", "62": "Customers"}
EUR = {"currency": "EUR"}
MAY = (date(2026, 5, 1), date(2026, 5, 31))


def postings() -> list[dict[str, Any]]:
    invoice = {"recorder": "invoice:1", "period": date(2026, 5, 3), "account_dr": "62.01"}
    return [
        {
            **invoice,
            "subconto_dr": {"customer": 412, "rate": Decimal("1.50")},
            "account_cr": "41",
            "pieces_cr": 5,
            "currency": "EUR",
            "amount": Decimal("1000"),
            "note": "first",
        },
        {
            "recorder": "payment:1",
            "period": datetime(2026, 5, 20, 12, tzinfo=UTC),
            "account_dr": "51",
            "account_cr": "62.01",
            "subconto_cr": {"rate": 1.5, "customer": 412},
            "currency": "EUR",
            "amount": "400.25",
        },
        {
            "recorder": "delivery:1",
            "period": date(2026, 5, 1),
            "currency": "EUR",
            "entries": [
                {"account": "41", "debit": {"amount": 70, "pieces": 7}},
                {"account": "41", "debit": {"amount": 30, "pieces": 3}},
                {"account": "60", "subconto": {"supplier": "A"}, "credit": {"amount": 100}},
            ],
        },
    ]


def fill_chart(engine: Engine) -> None:
    class Base(DeclarativeBase):
        pass

    account: Any = account_model(Base, BOOKS)
    with Session(engine) as session:
        session.add_all(account(account=code, name=name) for code, name in ACCOUNTS.items())
        session.flush()
        assert session.get_one(account, "62.01").parent == "62"
        assert session.get_one(account, "51").type == "active_passive"
        session.commit()


@pytest.fixture
def books(engine: Engine) -> Iterator[LedgerHandle]:
    client = AccumulatorClient(engine)
    client.create_register(BOOKS)
    fill_chart(engine)
    handle = client.use(BOOKS)
    assert handle.post(postings()) == 4
    yield handle
    client.drop_register(BOOKS, force=True)


def sums(**known: int | str) -> TrialSums:
    return TrialSums(
        **{name: Decimal(known.get(name, 0)) for name in TrialSums.__dataclass_fields__}
    )


def test_definition_survives_the_database(books: LedgerHandle, engine: Engine) -> None:
    client = AccumulatorClient(engine)
    assert isinstance(BOOKS, Ledger) and client.register("books") == BOOKS
    assert client.registers() == {"books": BOOKS}
    assert isinstance(client.use(client.register("books")), LedgerHandle)
    assert client.register_info(BOOKS)["chart"] == "strict"
    altered = client.alter_register(BOOKS, add_resources={"boxes": Resource("integer", False)})
    assert isinstance(altered, Ledger) and not altered.resources[-1].balanced
    assert client.use(altered).balance("41")["boxes"] == AccountBalance(*[Decimal(0)] * 3)


def test_balance(books: LedgerHandle) -> None:
    assert books.balance("41") == {
        "amount": AccountBalance(dr=Decimal(100), cr=Decimal(1000), balance=Decimal(-900)),
        "pieces": AccountBalance(dr=Decimal(10), cr=Decimal(5), balance=Decimal(5)),
    }
    # An account has those below it, a subconto all that contain it.
    assert books.balance("62")["amount"].balance == Decimal("599.75")
    assert books.balance("62", {"customer": 412})["amount"].balance == Decimal("599.75")
    assert books.balance("62", {"rate": Decimal("1.5")})["amount"].dr == 1000
    assert books.balance("62", {"rate": "1.5"})["amount"].dr == 0
    assert books.balance("62", at_date=date(2026, 5, 19))["amount"].balance == 1000
    assert books.balance("62", at_date=datetime(2026, 5, 20, 14, 0))["amount"].cr == Decimal(
        "400.25"
    )
    assert books.balance("62", at_date=datetime(2026, 5, 20, 13, 59))["amount"].cr == 0
    assert books.balance(currency="USD")["amount"].dr == 0
    assert books.balance(dimensions=EUR)["amount"].balance == 0


def test_balances_of_cells(books: LedgerHandle) -> None:
    rows = books.balances(date(2026, 5, 2))
    assert sorted(rows, key=lambda row: row["account"]) == [
        {
            "account": account,
            "subconto": subconto,
            "currency": "EUR",
            "amount_dr": Decimal(dr),
            "amount_cr": Decimal(cr),
            "pieces_dr": Decimal(pieces),
            "pieces_cr": Decimal(0),
        }
        for account, subconto, dr, cr, pieces in [
            ("41", {}, "100.00", "0.00", 10),
            ("60", {"supplier": "A"}, "0.00", "100.00", 0),
        ]
    ]
    assert all(isinstance(row["pieces_dr"], Decimal) for row in rows)


def test_trial_balance(books: LedgerHandle) -> None:
    rows = books.trial_balance(date(2026, 5, 2), date(2026, 5, 31))
    assert [row.account for row in rows] == ["41", "51", "60", "62.01"]
    assert rows[0] == TrialBalanceRow(
        account="41",
        account_name="Goods",
        dimensions=EUR,
        amounts={
            "amount": sums(opening_dr=100, turnover_cr=1000, closing_cr=900),
            "pieces": sums(opening_dr=10, turnover_cr=5, closing_dr=5),
        },
    )
    rolled_up = books.trial_balance(level=1, currency="EUR")
    assert [(row.account, row.account_name) for row in rolled_up][3] == ("62", "Customers")
    assert sum(row.amounts["amount"].closing_dr for row in rolled_up) == sum(
        row.amounts["amount"].closing_cr for row in rolled_up
    )
    assert books.trial_balance(currency="USD") == []


def test_account_statement(books: LedgerHandle) -> None:
    lines = books.account_statement("62", *MAY, {"customer": 412})
    assert lines[1] == StatementLine(
        period=datetime(2026, 5, 20, 12, tzinfo=UTC),
        recorder="payment:1",
        id=lines[1].id,
        account="62.01",
        subconto={"customer": 412, "rate": Decimal("1.5")},
        corr_account="51",
        corr_subconto={},
        dimensions=EUR,
        amounts={
            "amount": AccountBalance(Decimal(0), Decimal("400.25"), Decimal("599.75")),
            "pieces": AccountBalance(Decimal(0), Decimal(0), Decimal(0)),
        },
    )
    assert isinstance(lines[1].id, UUID) and len(lines) == 2
    # Balances include what was before the range.
    (later,) = books.account_statement("62", date(2026, 5, 4), date(2026, 5, 31))
    assert later == lines[1]
    assert books.account_statement("62", currency="USD") == []


def test_correspondence_and_turnover(books: LedgerHandle) -> None:
    pairs = books.correspondence(*MAY, account="41")
    assert pairs == [
        Correspondence(
            "41",
            "60",
            EUR,
            {
                "amount": Sides(Decimal(100), Decimal(100)),
                "pieces": Sides(Decimal(10), Decimal(0)),
            },
        ),
        Correspondence(
            "62.01",
            "41",
            EUR,
            {
                "amount": Sides(Decimal(1000), Decimal(1000)),
                "pieces": Sides(Decimal(0), Decimal(5)),
            },
        ),
    ]
    (row,) = books.turnover(*MAY, ["account", "subconto"], account="60")
    assert row == {
        "account": "60",
        "subconto": {"supplier": "A"},
        "amount_dr": Decimal(0),
        "amount_cr": Decimal(100),
        "pieces_dr": Decimal(0),
        "pieces_cr": Decimal(0),
    }
    exactly = {"customer": 412, "rate": Decimal("1.5")}
    assert books.turnover(subconto=exactly)[0]["amount_cr"] == Decimal("400.25")


def test_movements_and_documents(books: LedgerHandle) -> None:
    (invoice,) = books.movements("invoice:1")
    assert invoice["account_dr"] == "62.01" and invoice["note"] == "first"
    assert invoice["subconto_dr"] == {"customer": 412, "rate": Decimal("1.5")}
    assert invoice["amount"] == Decimal("1000.00") and invoice["pieces_cr"] == Decimal(5)
    assert len(books.movements(limit=2, offset=1)) == 2
    assert len(books.movements(account="62.01")) == 2
    (cell, _) = books.preview("payment:1")
    assert cell.dimensions == {"account": "51", "subconto": {}, "currency": "EUR"}
    assert list(cell.before) == ["amount_dr", "amount_cr", "pieces_dr", "pieces_cr"]
    assert cell.before["amount_dr"] == Decimal("400.25") and cell.after["amount_dr"] == 0
    assert books.repost("payment:1", {**postings()[1], "amount": 500}) == 1
    assert books.balance("51")["amount"].dr == 500
    assert books.unpost(["payment:1", "invoice:1"]) == 2
    assert books.balance("62")["amount"].balance == 0
    assert books.debits_equal_credits()
    assert {finding.status for finding in books.verify()} == {"OK"}
    assert books.repair() == 0


def test_errors(books: LedgerHandle, engine: Engine) -> None:
    good = {**postings()[1], "recorder": "x"}
    with pytest.raises(AccountError) as missing:
        books.post({**good, "account_dr": "99"})
    assert missing.value.sqlstate == "23503"
    with pytest.raises(AccountError) as group:
        books.post({**good, "account_dr": "62"})
    assert group.value.sqlstate == "23514"
    with pytest.raises(InvalidArgumentError):
        books.post(
            {
                "recorder": "x",
                "period": date(2026, 5, 1),
                **EUR,
                "entries": [
                    {"account": "51", "debit": {"amount": 1}},
                    {"account": "60", "credit": {"amount": 2}},
                ],
            }
        )
    AccumulatorClient(engine).alter_register(
        BOOKS, limits=[Limit("no_overdraft", "account <> '51' OR amount_dr >= amount_cr")]
    )
    with pytest.raises(LimitError) as broken:
        books.post({**good, "account_dr": "60", "account_cr": "51", "amount": 500})
    assert broken.value.limit == "no_overdraft"
    books.close_through(date(2026, 5, 31), {"account": "51"})
    with pytest.raises(ClosedPeriodError):
        books.post(good)
    assert books.post({**good, "account_dr": "60"}) == 1
    books.reopen_from(None)
    with pytest.raises(WrongKindError):
        AccumulatorClient(engine).create_register(
            define_register(
                name="old",
                kind="ledger",
                dimensions={},
                resources={"amount": "numeric"},
                history=True,
            )
        )


def test_models(books: LedgerHandle, engine: Engine) -> None:
    class Base(DeclarativeBase):
        pass

    balance: Any = balance_model(Base, BOOKS)
    movement: Any = movement_model(Base, BOOKS)
    with Session(engine) as session:
        supplier = select(balance).where(balance.subconto["supplier"].astext == "A")
        row = session.scalars(supplier).one()
        assert (row.account, row.amount_cr, row.pieces_cr) == ("60", Decimal(100), 0)
        assert len(session.scalars(select(balance)).all()) == 4
        payment = session.scalars(select(movement).filter_by(account_dr="51")).one()
        assert payment.subconto_cr == {"customer": 412, "rate": 1.5}
        assert payment.dim_hash_dr != payment.dim_hash_cr and payment.pieces_dr == 0
    without = define_register(name="x", kind="ledger", dimensions={}, resources={"a": "numeric"})
    with pytest.raises(ValueError, match="no chart"):
        account_model(Base, without)


def test_no_tables_to_create(engine: Engine) -> None:
    metadata = MetaData()

    class Base(DeclarativeBase):
        pass

    Base.metadata = metadata
    account_model(Base, BOOKS)
    assert list(metadata.tables) == []


def test_asyncio(server: PrivateServer, database: str) -> None:
    address = url(server, database, "psycopg")

    async def test() -> None:
        engine = create_async_engine(address)
        client = AsyncAccumulatorClient(engine)
        await client.create_register(BOOKS)
        blocking = create_engine(address)
        fill_chart(blocking)
        blocking.dispose()
        books = client.use(BOOKS)
        assert await books.post(postings()) == 4
        assert (await books.balance("62", {"customer": 412}))["amount"].balance == Decimal("599.75")
        assert len(await books.trial_balance(*MAY, level=0)) == 1
        assert len(await books.account_statement("62", *MAY)) == 2
        assert len(await books.correspondence()) == 3
        assert len(await books.turnover(group_by="account")) == 4
        assert len(await books.movements("payment:1")) == 1
        assert await books.debits_equal_credits()
        assert await client.register("books") == BOOKS
        await client.drop_register(BOOKS, force=True)
        await engine.dispose()

    asyncio.run(test())
