"""Engines of both drivers, and a register for each test."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import pytest
from private_server import PrivateServer, database, server
from sqlalchemy import URL, Engine, create_engine

from sqlalchemy_accumulator import AccumulatorClient, Limit, Register, define_register

__all__ = ["database", "server"]

_numbers = count(1)


def url(server: PrivateServer, database: str, driver: str) -> URL:
    return URL.create(
        f"postgresql+{driver}",
        username=server.user,
        database=database,
        query={"host": server.host},
    )


@pytest.fixture(params=["psycopg", "psycopg2"])
def engine(
    request: pytest.FixtureRequest, server: PrivateServer, database: str
) -> Iterator[Engine]:
    # Nothing may depend on the zone of the session.
    engine = create_engine(
        url(server, database, request.param),
        connect_args={"options": "-c timezone=Pacific/Auckland -c statement_timeout=60s"},
    )
    yield engine
    engine.dispose()


@pytest.fixture
def inventory(engine: Engine) -> Iterator[Register]:
    """A register of stock that must not be overdrawn, with a name of its own."""
    register = define_register(
        name=f"inventory_{next(_numbers)}",
        dimensions={"warehouse": "text", "product": "varchar(20)"},
        resources={"quantity": "bigint", "amount": "numeric(14,2)"},
        attributes={"note": "text"},
        time_zone="Europe/Berlin",
        limits=[Limit("in_stock", "quantity >= 0")],
    )
    client = AccumulatorClient(engine)
    client.create_register(register)
    yield register
    client.drop_register(register, force=True)
