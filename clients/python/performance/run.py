"""The client of a register against plain inserts and queries of the ORM.

See README.md.  Each suite is a module-level function that yields named ways to
do the same thing; each way returns something, and all of a suite must agree.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from time import perf_counter
from typing import Any

from sqlalchemy import (
    URL,
    BigInteger,
    DateTime,
    Engine,
    Identity,
    Index,
    Numeric,
    create_engine,
    func,
    insert,
    select,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from sqlalchemy_accumulator import (
    AccumulatorClient,
    RegisterHandle,
    balance_model,
    define_register,
    movement_model,
)

Way = Callable[[], object]
WAREHOUSES, PRODUCTS, DAYS = 10, 200, 300

REGISTER = define_register(
    name="performance",
    dimensions={"warehouse": "text", "product": "text"},
    resources={"quantity": "bigint", "amount": "numeric(14,2)"},
)


class Base(DeclarativeBase):
    pass


class Plain(Base):
    """A table like that of movements, without anything behind it."""

    __tablename__ = "plain_movements"
    __table_args__ = (
        Index("plain_recorder", "recorder"),
        Index("plain_cell", "warehouse", "product", "period"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    recorder: Mapped[str]
    period: Mapped[datetime] = mapped_column(DateTime(timezone=True), index=True)
    warehouse: Mapped[str]
    product: Mapped[str]
    quantity: Mapped[int] = mapped_column(BigInteger)
    amount: Mapped[Decimal] = mapped_column(Numeric(14, 2))


Movement: Any = movement_model(Base, REGISTER)
Balance: Any = balance_model(Base, REGISTER)


class Suites:
    def __init__(self, engine: Engine, rows: int) -> None:
        self.engine = engine
        self.register: RegisterHandle = AccumulatorClient(engine).use(REGISTER)
        self.movements = movements(rows)
        # What is done one at a time is done to some of them.
        self.few = self.movements[: max(rows // 20, 1)]
        self.asked = self.movements[:500]

    def empty(self) -> None:
        self.register.clear(force=True)
        with self.engine.begin() as connection:
            connection.execute(text("TRUNCATE plain_movements"))

    def fill(self) -> None:
        self.empty()
        self.register.post(self.movements)
        with Session(self.engine) as session, session.begin():
            session.execute(insert(Plain), self.movements)
        with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM ANALYZE"))

    def bulk_inserts(self) -> Iterator[tuple[str, Way]]:
        self.empty()

        def objects() -> int:
            with Session(self.engine) as session, session.begin():
                session.add_all(Plain(**movement) for movement in self.movements)
            return len(self.movements)

        def bulk() -> int:
            with Session(self.engine) as session, session.begin():
                session.execute(insert(Plain), self.movements)
            return len(self.movements)

        yield "ORM, add_all()", objects
        yield "ORM, insert() with a list", bulk
        yield "register, post() with a list", lambda: self.register.post(self.movements)

    def single_inserts(self) -> Iterator[tuple[str, Way]]:
        self.empty()

        def objects() -> int:
            for movement in self.few:
                with Session(self.engine) as session, session.begin():
                    session.add(Plain(**movement))
            return len(self.few)

        yield "ORM, add()", objects
        yield "register, post()", lambda: sum(self.register.post(one) for one in self.few)

    def short_selects(self) -> Iterator[tuple[str, Way]]:
        self.fill()
        cells = [(one["warehouse"], one["product"]) for one in self.asked]

        def plain() -> list[int]:
            query = select(func.sum(Plain.quantity))
            with Session(self.engine) as session:
                return [
                    int(session.scalar(query.filter_by(warehouse=warehouse, product=product)) or 0)
                    for warehouse, product in cells
                ]

        def model() -> list[int]:
            with Session(self.engine) as session:
                return [
                    session.scalars(
                        select(Balance.quantity).filter_by(warehouse=warehouse, product=product)
                    ).one()
                    for warehouse, product in cells
                ]

        def client() -> list[int]:
            with self.engine.connect() as connection:
                register = AccumulatorClient(connection).use(REGISTER)
                return [
                    int(register.balance(warehouse=warehouse, product=product)["quantity"])
                    for warehouse, product in cells
                ]

        yield "ORM, sum() of the plain table", plain
        yield "ORM, balance_model()", model
        yield "register, balance()", client

    def large_resultsets(self) -> Iterator[tuple[str, Way]]:
        self.fill()

        def of(model: Any) -> Way:
            def read() -> Decimal:
                with Session(self.engine) as session:
                    rows = session.scalars(select(model).order_by(model.period))
                    return sum((row.amount for row in rows), Decimal(0))

            return read

        yield "ORM, objects of the plain table", of(Plain)
        yield "ORM, movement_model()", of(Movement)
        yield (
            "register, movements()",
            lambda: sum((row["amount"] for row in self.register.movements()), Decimal(0)),
        )


SUITES = ("bulk_inserts", "single_inserts", "short_selects", "large_resultsets")


def movements(rows: int) -> list[dict[str, Any]]:
    random = Random(1)
    start = datetime(2026, 1, 1, tzinfo=UTC)
    result = []
    for number in range(rows):
        quantity = random.randint(-20, 50)
        result.append(
            {
                "recorder": f"document:{number // 5}",
                "period": start + timedelta(minutes=random.randrange(DAYS * 24 * 60)),
                "warehouse": f"warehouse {random.randrange(WAREHOUSES)}",
                "product": f"product {random.randrange(PRODUCTS)}",
                "quantity": quantity,
                "amount": Decimal(quantity) / 4,
            }
        )
    return result


def run(engine: Engine, names: list[str], rows: int, repeat: int) -> None:
    Base.metadata.create_all(engine)
    client = AccumulatorClient(engine)
    if REGISTER.name not in client.registers():
        client.create_register(REGISTER)
    suites = Suites(engine, rows)
    what = {
        "bulk_inserts": f"{rows} rows",
        "single_inserts": f"{len(suites.few)} rows",
        "short_selects": f"{len(suites.asked)} balances of {rows} rows",
        "large_resultsets": f"{rows} rows",
    }
    for name in names:
        print(f"{name}, {what[name]}")
        answers = []
        for title, way in getattr(suites, name)():
            times = []
            for _ in range(repeat):
                if name.endswith("inserts"):
                    suites.empty()
                began = perf_counter()
                answer = way()
                times.append(perf_counter() - began)
            answers.append(answer)
            print(f"    {title:34} {min(times):9.3f} s")
        if any(answer != answers[0] for answer in answers):
            raise SystemExit(f"{name}: the ways do not agree")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("suites", nargs="*", metavar="suite", help=", ".join(SUITES))
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--repeat", type=int, default=3)
    arguments = parser.parse_args()
    names = arguments.suites or list(SUITES)
    if unknown := set(names) - set(SUITES):
        parser.error(f"there is no suite {', '.join(sorted(unknown))}")

    # Where libpq's environment leads to, in a database of its own.
    query = {"host": os.environ.get("PGHOST", "localhost")}
    server = URL.create("postgresql+psycopg", username=os.environ.get("PGUSER"), query=query)
    admin = create_engine(server.set(database="postgres"), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text("CREATE DATABASE accumulator_performance"))
    try:
        engine = create_engine(server.set(database="accumulator_performance"))
        with engine.begin() as connection:
            connection.execute(text("CREATE EXTENSION pg_accumulator"))
        run(engine, names, arguments.rows, arguments.repeat)
        engine.dispose()
    finally:
        with admin.connect() as connection:
            connection.execute(text("DROP DATABASE accumulator_performance WITH (FORCE)"))
        admin.dispose()


if __name__ == "__main__":
    main()
