"""Balances and movements as classes of the ORM, to read and to join.

Rows are written by documents, never by a flush, so the classes refuse to be
flushed.  The server refuses most of it as well; what it would take, a new or a
deleted movement, would bypass the document it belongs to.
"""

from __future__ import annotations

from typing import Any, NoReturn, TypeVar

from sqlalchemy import (
    BigInteger,
    Boolean,
    Computed,
    DateTime,
    MetaData,
    Table,
    Text,
    Uuid,
    event,
)
from sqlalchemy import Column as TableColumn
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.sql import FromClause

from .register import Column, Ledger, Register

B = TypeVar("B", bound=DeclarativeBase)


class ReadOnlyModelError(Exception):
    """A flush was about to write to a balance or to a movement."""


def balance_model(base: type[B], register: Register, name: str | None = None) -> type[B]:
    """Map the view of a register's current balances.

    Attributes are the dimensions, the resources, last_movement_at, and dim_hash, the primary key,
    because dimensions may be NULL; of a ledger also account and subconto, and each resource with
    _dr and _cr.
    """
    # Of a MetaData of their own: they are nothing for create_all() to create.
    view = Table(
        f"{register.name}_balances",
        MetaData(),
        *(
            TableColumn(item.name, item.sql_type)
            for item in register.cell_columns + register.balance_columns
        ),
        TableColumn("last_movement_at", DateTime(timezone=True)),
        TableColumn("dim_hash", BigInteger()),
        schema="accum",
    )
    return _model(base, name or f"{register.name}_balance", view, "dim_hash")


def movement_model(base: type[B], register: Register, name: str | None = None) -> type[B]:
    """Map the movements of a register: every column, dim_hash included."""
    recorder = Column("recorder", register.recorder_type)
    movements = Table(
        f"{register.name}_movements",
        MetaData(),
        TableColumn("id", Uuid()),
        TableColumn("recorded_at", DateTime(timezone=True)),
        TableColumn("recorder", recorder.sql_type),
        TableColumn("period", DateTime(timezone=True)),
        TableColumn("movement_type", Text()),
        *(
            TableColumn(item.name, item.sql_type)
            for item in register.movement_columns + register.attributes
        ),
        *(_reversal_columns() if register.history else ()),
        schema="accum",
    )
    return _model(base, name or f"{register.name}_movement", movements, "id")


def account_model(base: type[B], ledger: Ledger, name: str | None = None) -> type[B]:
    """Map a ledger's chart of accounts, to read and to write."""
    if ledger.chart is None:
        raise ValueError(f"ledger {ledger.name} has no chart of accounts")
    accounts = Table(
        f"{ledger.name}_accounts",
        MetaData(),
        TableColumn("account", Text(), primary_key=True),
        TableColumn("name", Text(), server_default=""),
        TableColumn("type", Text(), server_default="active_passive"),
        TableColumn("parent", Text(), Computed("")),
        TableColumn("dimensions", JSONB(), server_default="{}"),
        TableColumn("closed", Boolean(), server_default="false"),
        schema="accum",
    )
    class_name = _class_name(name or f"{ledger.name}_account")
    model: type[B] = type(
        class_name, (base,), {"__table__": accounts, "__doc__": f"Accounts of {ledger.name}."}
    )
    return model


def _reversal_columns() -> tuple[TableColumn[Any], ...]:
    return (
        TableColumn("reverses", Uuid()),
        TableColumn("reverses_period", DateTime(timezone=True)),
    )


def _model(base: type[B], name: str, source: FromClause, key: str) -> type[B]:
    model: type[B] = type(
        _class_name(name),
        (base,),
        {
            "__table__": source,
            "__mapper_args__": {"primary_key": [source.c[key]]},
            "__doc__": f"Rows of {name.replace('_', ' ')}, read-only.",
        },
    )
    for operation in ("before_insert", "before_update", "before_delete"):
        event.listen(model, operation, _refuse)
    return model


def _class_name(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))


def _refuse(mapper: Any, connection: Any, target: object) -> NoReturn:
    raise ReadOnlyModelError(
        f"{type(target).__name__} is read-only: post, repost or unpost a document instead"
    )
