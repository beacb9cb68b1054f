"""What a register is: its columns and options, as the server is told them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import MetaData
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import NullType, TypeEngine, to_instance

Kind = Literal["balance", "turnover"]
TotalsPeriod = Literal["day", "month", "year"]
PartitionBy = Literal["day", "month", "quarter", "year"]
SqlType = str | TypeEngine[Any] | type[TypeEngine[Any]]

# The key of MetaData.info that lists registers for Alembic's autogenerate.
METADATA_KEY = "accumulator_registers"

# The names are pasted into SQL as parts of identifiers, so they must need no quotes.
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_TYPE = re.compile(r"(?P<name>[a-z][a-z0-9 ]*?)\s*(?:\((?P<arguments>[\d\s,]+)\))?\s*")
_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]
_ALIASES = {
    "bool": "boolean",
    "decimal": "numeric",
    "float": "double precision",
    "float4": "real",
    "float8": "double precision",
    "int": "integer",
    "int2": "smallint",
    "int4": "integer",
    "int8": "bigint",
    "timestamp": "timestamp without time zone",
    "timestamptz": "timestamp with time zone",
    "varchar": "character varying",
}


@dataclass(frozen=True)
class Dimension:
    """A dimension with options, where its type alone does not say all.

    required refuses NULL.
    """

    type: SqlType
    required: bool = False


@dataclass(frozen=True)
class Limit:
    """What no balance of a cell may break: an SQL expression over its columns.

    With every_date it holds at the end of every day, too.
    """

    name: str
    check: str
    every_date: bool = False

    def to_json(self) -> dict[str, Any]:
        return {"name": self.name, "check": self.check, "every_date": self.every_date}


@dataclass(frozen=True)
class Column:
    """A column of a register, with its type as SQL writes it."""

    name: str
    type: str
    required: bool = False

    @property
    def sql_type(self) -> TypeEngine[Any]:
        """SQLAlchemy's type; NullType where the dialect does not know the name."""
        match = _TYPE.fullmatch(self.type.lower())
        if match is None:
            return NullType()
        name = _ALIASES.get(match["name"], match["name"])
        if name in ("timestamp with time zone", "time with time zone"):
            return to_instance(_DIALECT.ischema_names[name](timezone=True))
        known = _DIALECT.ischema_names.get(name)
        if known is None:
            return NullType()
        arguments = [
            int(argument) for argument in (match["arguments"] or "").split(",") if argument
        ]
        return to_instance(known(*arguments))

    def to_json(self) -> dict[str, Any]:
        described: dict[str, Any] = {"name": self.name, "type": self.type}
        if self.required:
            described["required"] = True
        return described


@dataclass(frozen=True)
class Register:
    """The definition of a register; define_register() makes one from simpler arguments."""

    name: str
    dimensions: tuple[Column, ...]
    resources: tuple[Column, ...]
    attributes: tuple[Column, ...] = ()
    kind: Kind = "balance"
    totals_period: TotalsPeriod = "day"
    partition_by: PartitionBy = "month"
    high_write: bool = False
    recorder_type: str = "text"
    time_zone: str = "UTC"
    year_start: int = 1
    limits: tuple[Limit, ...] = ()
    history: bool = False

    def __post_init__(self) -> None:
        for name in (self.name, *(column.name for column in self.columns)):
            if not _NAME.fullmatch(name):
                raise ValueError(
                    f"{name!r} is no name for a register or a column: they are made of lower-case "
                    "letters, digits and underscores, and begin with a letter"
                )

    @property
    def columns(self) -> tuple[Column, ...]:
        return self.dimensions + self.resources + self.attributes


def sql_text(type_: SqlType) -> str:
    """The name of a type in SQL."""
    if isinstance(type_, str):
        return type_
    return to_instance(type_).compile(_DIALECT).lower()


def columns(described: Mapping[str, SqlType | Dimension] | None) -> tuple[Column, ...]:
    """Columns in the order of a mapping of names and types."""
    return tuple(
        Column(name, sql_text(spec.type), spec.required)
        if isinstance(spec, Dimension)
        else Column(name, sql_text(spec))
        for name, spec in (described or {}).items()
    )


def define_register(
    *,
    name: str,
    dimensions: Mapping[str, SqlType | Dimension],
    resources: Mapping[str, SqlType],
    attributes: Mapping[str, SqlType] | None = None,
    kind: Kind = "balance",
    totals_period: TotalsPeriod = "day",
    partition_by: PartitionBy = "month",
    high_write: bool = False,
    recorder_type: SqlType = "text",
    time_zone: str = "UTC",
    year_start: int = 1,
    limits: Iterable[Limit] = (),
    history: bool = False,
    metadata: MetaData | None = None,
) -> Register:
    """Define a register.  Nothing is done in any database.

    Types are SQL's names of them or SQLAlchemy's types.  Columns come in the order that they are
    given in.  With history, movements are reversed and never removed.  A register that belongs to
    a MetaData is seen by Alembic's autogenerate.
    """
    register = Register(
        name=name,
        dimensions=columns(dimensions),
        resources=columns(resources),
        attributes=columns(attributes),
        kind=kind,
        totals_period=totals_period,
        partition_by=partition_by,
        high_write=high_write,
        recorder_type=sql_text(recorder_type),
        time_zone=time_zone,
        year_start=year_start,
        limits=tuple(limits),
        history=history,
    )
    if metadata is not None:
        metadata.info.setdefault(METADATA_KEY, {})[name] = register
    return register
