"""The client for asyncio, which is the other one with "await"."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from private_server import PrivateServer
from sqlalchemy.ext.asyncio import (
    AsyncEngine,
    AsyncSession,
    async_scoped_session,
    async_sessionmaker,
    create_async_engine,
)

from sqlalchemy_accumulator import (
    AccumulatorClient,
    LedgerHandle,
    Limit,
    LimitError,
    RegisterHandle,
    UndefinedRegisterError,
    define_register,
)
from sqlalchemy_accumulator.asyncio import (
    AsyncAccumulatorClient,
    AsyncLedgerHandle,
    AsyncRegisterHandle,
)

from .conftest import url

STOCK = define_register(
    name="stock",
    dimensions={"product": "text"},
    resources={"quantity": "integer"},
    limits=[Limit("in_stock", "quantity >= 0")],
)


def movement(recorder: str, quantity: int = 1, product: str = "bolt") -> dict[str, Any]:
    return {
        "recorder": recorder,
        "period": date(2026, 3, 10),
        "product": product,
        "quantity": quantity,
    }


def run(
    server: PrivateServer, database: str, test: Callable[[AsyncEngine], Awaitable[None]]
) -> None:
    """Run a test with an engine, a new register, and a comparison with a plain sum."""

    async def main() -> None:
        engine = create_async_engine(url(server, database, "psycopg"), pool_pre_ping=True)
        client = AsyncAccumulatorClient(engine)
        await client.create_register(STOCK)
        try:
            await test(engine)
            rows = await client.use(STOCK).movements()
            total = sum(row["quantity"] for row in rows)
            assert await client.use(STOCK).balance() == {"quantity": total}
            assert {row.status for row in await client.use(STOCK).verify()} == {"OK"}
        finally:
            await client.drop_register(STOCK, force=True)
            await engine.dispose()

    asyncio.run(main())


def test_fifty_posts_at_once(server: PrivateServer, database: str) -> None:
    async def test(engine: AsyncEngine) -> None:
        stock = AsyncAccumulatorClient(engine).use(STOCK)
        posted = await asyncio.gather(
            *(stock.post(movement(f"purchase:{number}")) for number in range(50))
        )
        assert posted == [1] * 50
        assert (await stock.balance())["quantity"] == 50

    run(server, database, test)


def test_fifty_shipments_of_twenty(server: PrivateServer, database: str) -> None:
    async def test(engine: AsyncEngine) -> None:
        stock = AsyncAccumulatorClient(engine).use(STOCK)
        await stock.post(movement("purchase:1", 20))
        results = await asyncio.gather(
            *(stock.post(movement(f"shipment:{number}", -1)) for number in range(50)),
            return_exceptions=True,
        )
        assert results.count(1) == 20
        assert sum(isinstance(result, LimitError) for result in results) == 30
        assert (await stock.balance())["quantity"] == 0

    run(server, database, test)


def test_transactions_are_the_callers(server: PrivateServer, database: str) -> None:
    async def test(engine: AsyncEngine) -> None:
        async with AsyncSession(engine) as session:
            stock = AsyncAccumulatorClient(session).use(STOCK)
            await stock.post(movement("purchase:1", 5))
            await session.rollback()
            await stock.post(movement("purchase:2", 7))
            await session.commit()
        async with engine.connect() as connection:
            stock = AsyncAccumulatorClient(connection).use(STOCK)
            await stock.post(movement("purchase:3", 11))
            await connection.rollback()
            assert (await stock.balance())["quantity"] == 7
        scoped = async_scoped_session(async_sessionmaker(engine), asyncio.current_task)
        await AsyncAccumulatorClient(scoped).use(STOCK).unpost("purchase:2")
        await scoped.commit()
        await scoped.remove()

    run(server, database, test)


def test_a_pool_with_pre_ping_across_a_restart(server: PrivateServer, database: str) -> None:
    async def test(engine: AsyncEngine) -> None:
        stock = AsyncAccumulatorClient(engine).use(STOCK)
        await asyncio.gather(*(stock.post(movement(f"before:{number}")) for number in range(8)))
        server.restart()
        await asyncio.gather(*(stock.post(movement(f"after:{number}")) for number in range(8)))
        assert (await stock.balance())["quantity"] == 16

    run(server, database, test)


def test_history(server: PrivateServer, database: str) -> None:
    async def test(engine: AsyncEngine) -> None:
        client = AsyncAccumulatorClient(engine)
        books = replace(STOCK, name="books", history=True)
        await client.create_register(books)
        handle = client.use(books)
        await handle.post(movement("a", 5))
        known = await handle.known_until()
        assert await handle.unpost("a", at=date(2026, 4, 1)) == 1
        assert await handle.balance(known_at=known) == {"quantity": 5}
        assert await handle.turnover(known_at=known) == [{"quantity": 5}]
        assert await handle.movements(only_active=True) == []
        await client.drop_register(books, force=True)

    run(server, database, test)


def test_every_verb(server: PrivateServer, database: str) -> None:
    async def test(engine: AsyncEngine) -> None:
        client = AsyncAccumulatorClient(engine)
        stock = client.use(STOCK)
        day = date(2026, 3, 10)
        assert [summary.name for summary in await client.list_registers()] == ["stock"]
        assert (await client.register_info(STOCK))["kind"] == "balance"
        assert await client.register("stock") == (await client.registers())["stock"] == STOCK
        with pytest.raises(UndefinedRegisterError):
            await client.register("missing")
        assert (await client.alter_register(STOCK, high_write=False)) == STOCK
        assert await stock.post([movement("a", 4), movement("b", 6)]) == 2
        assert await stock.repost("b", movement("b", 5)) == 1
        assert (await stock.preview("b"))[0].after == {"quantity": 4}
        assert len(await stock.reconcile("count", day, {"product": "bolt", "quantity": 8})) == 1
        assert await stock.balance(day, product="bolt") == {"quantity": 8}
        assert await stock.balances(day) == [{"product": "bolt", "quantity": 8}]
        assert await stock.turnover(day, day, "product") == await stock.balances()
        assert (await stock.statement(day, day))[0]["quantity_closing"] == 8
        assert len(await stock.movements("a", limit=1)) == 1
        await stock.close_through(day)
        await stock.reopen_from(None)
        assert (await stock.stats())["movements_count"] == 3
        assert await stock.repair() == await stock.fold() == 0
        assert await stock.create_partitions() >= 0
        await stock.grant("pg_monitor", "read")
        await stock.revoke("pg_monitor", "read")
        assert await stock.unpost(["a", "b", "count"]) == 3
        await stock.post(movement("a"))
        await stock.clear(force=True)

    run(server, database, test)


@pytest.mark.parametrize(
    ("blocking", "awaitable"),
    [
        (AccumulatorClient, AsyncAccumulatorClient),
        (RegisterHandle, AsyncRegisterHandle),
        (LedgerHandle, AsyncLedgerHandle),
    ],
)
def test_both_clients_are_one(blocking: type, awaitable: type) -> None:
    def verbs(client: type) -> dict[str, Any]:
        return {
            name: inspect.signature(member)
            for name, member in inspect.getmembers(client, inspect.isfunction)
            if not name.startswith("_") and name != "use"
        }

    assert verbs(blocking) == verbs(awaitable)
    assert all(inspect.iscoroutinefunction(getattr(awaitable, name)) for name in verbs(awaitable))
