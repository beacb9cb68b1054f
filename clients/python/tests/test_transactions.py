"""Sessions, threads and restarts: nothing is lost and nothing doubled."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from typing import Any

import pytest
from private_server import PrivateServer
from sqlalchemy import Engine, ForeignKey, create_engine, text
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    Session,
    mapped_column,
    scoped_session,
    sessionmaker,
)

from sqlalchemy_accumulator import AccumulatorClient, LimitError, Register, RegisterHandle

# A partition that is there from the beginning: readers wait for whoever makes a new one.
TOMORROW = date.today() + timedelta(days=1)


class Base(DeclarativeBase):
    pass


class Order(Base):
    __tablename__ = "orders"
    number: Mapped[str] = mapped_column(primary_key=True)


class Line(Base):
    __tablename__ = "lines"
    id: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[str] = mapped_column(ForeignKey("orders.number"))


@pytest.fixture
def tables(engine: Engine) -> Iterator[None]:
    Base.metadata.create_all(engine)
    yield
    Base.metadata.drop_all(engine)


def movement(recorder: str, quantity: int = 1) -> dict[str, Any]:
    return {
        "recorder": recorder,
        "period": TOMORROW,
        "warehouse": "north",
        "product": "bolt",
        "quantity": quantity,
    }


def check(engine: Engine, register: Register, expected: int) -> None:
    """Balance and verify() agree with a plain sum, and that is what is expected."""
    stock = AccumulatorClient(engine).use(register)
    with engine.connect() as connection:
        total = connection.scalar(
            text(f"SELECT coalesce(sum(quantity), 0) FROM accum.{register.name}_movements")
        )
    assert total == expected
    assert stock.balance()["quantity"] == expected
    assert {finding.status for finding in stock.verify()} == {"OK"}


def test_a_session_commits_all_of_it(engine: Engine, inventory: Register, tables: None) -> None:
    with Session(engine) as session:
        stock = AccumulatorClient(session).use(inventory)
        session.add(Order(number="order:1"))
        stock.post(movement("order:1", 5))
        # Seen at once here, and nowhere else.
        assert stock.balance()["quantity"] == 5
        check(engine, inventory, 0)
        session.commit()
    check(engine, inventory, 5)
    with Session(engine) as session:
        assert session.get(Order, "order:1") is not None


def test_a_session_rolls_back_all_of_it(engine: Engine, inventory: Register, tables: None) -> None:
    with Session(engine) as session:
        session.add(Order(number="order:1"))
        AccumulatorClient(session).use(inventory).post(movement("order:1", 5))
        session.rollback()
    check(engine, inventory, 0)
    with Session(engine) as session:
        assert session.get(Order, "order:1") is None


def test_a_session_flushes_before_it_posts(
    engine: Engine, inventory: Register, tables: None
) -> None:
    with engine.begin() as connection:
        connection.execute(
            text(
                f"ALTER TABLE accum.{inventory.name}_movements ADD FOREIGN KEY (recorder)"
                " REFERENCES orders (number)"
            )
        )
    session_of_thread = scoped_session(sessionmaker(engine))
    session_of_thread.add(Order(number="order:1"))
    stock = AccumulatorClient(session_of_thread).use(inventory)
    stock.post(movement("order:1", 5))
    session_of_thread.commit()
    check(engine, inventory, 5)
    stock.unpost("order:1")
    session_of_thread.commit()
    session_of_thread.remove()
    with engine.begin() as connection:
        connection.execute(
            text(
                f"ALTER TABLE accum.{inventory.name}_movements DROP CONSTRAINT"
                f" {inventory.name}_movements_recorder_fkey"
            )
        )


def test_a_savepoint_takes_back_a_part(engine: Engine, inventory: Register) -> None:
    with Session(engine) as session, session.begin():
        stock = AccumulatorClient(session).use(inventory)
        stock.post(movement("purchase:1", 5))
        with pytest.raises(LimitError), session.begin_nested():
            stock.post(movement("shipment:1", -6))
        stock.post(movement("shipment:2", -2))
    check(engine, inventory, 3)


def test_a_connection_is_the_callers(engine: Engine, inventory: Register) -> None:
    with engine.connect() as connection:
        stock = AccumulatorClient(connection).use(inventory)
        stock.post(movement("purchase:1", 5))
        connection.rollback()
        stock.post(movement("purchase:2", 7))
        connection.commit()
    check(engine, inventory, 7)


def test_two_threads_of_one_client(engine: Engine, inventory: Register) -> None:
    stock = AccumulatorClient(engine).use(inventory)

    def work(thread: int) -> None:
        for number in range(50):
            stock.post(movement(f"purchase:{thread}:{number}"))
            if number % 5 == 0:
                stock.unpost(f"purchase:{thread}:{number}")

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(work, range(2)))
    check(engine, inventory, 2 * 40)


def test_threads_that_retry_the_same_documents(engine: Engine, inventory: Register) -> None:
    stock = AccumulatorClient(engine).use(inventory)

    def work(_: int) -> None:
        for number in range(20):
            assert stock.post(movement(f"purchase:{number}"), once=True) == 1

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(work, range(4)))
    check(engine, inventory, 20)


def test_threads_never_overdraw(engine: Engine, inventory: Register) -> None:
    stock = AccumulatorClient(engine).use(inventory)
    stock.post(movement("purchase:1", 25))

    def ship(number: int) -> int:
        try:
            return stock.post(movement(f"shipment:{number}", -1))
        except LimitError:
            return 0

    with ThreadPoolExecutor(4) as threads:
        assert sum(threads.map(ship, range(40))) == 25
    check(engine, inventory, 0)


def test_a_pool_with_pre_ping_across_a_restart(
    server: PrivateServer, engine: Engine, inventory: Register
) -> None:
    pinging = create_engine(engine.url, pool_pre_ping=True)
    stock: RegisterHandle = AccumulatorClient(pinging).use(inventory)

    with ThreadPoolExecutor(3) as threads:
        list(threads.map(stock.post, (movement(f"before:{number}") for number in range(9))))
    engine.dispose()
    server.restart()
    with ThreadPoolExecutor(3) as threads:
        list(threads.map(stock.post, (movement(f"after:{number}") for number in range(9))))
    pinging.dispose()
    check(engine, inventory, 18)
