"""What a register is: its columns and options, as the server is told them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, overload

from sqlalchemy import MetaData
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import NullType, TypeEngine, to_instance

Kind = Literal["balance", "turnover", "ledger"]
Chart = Literal["open", "strict"]
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
class Resource:
    """A resource with options, where its type alone does not say all.

    One of a ledger that is not balanced has a value for each side.
    """

    type: SqlType
    balanced: bool = True


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
    balanced: bool = True

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
        if not self.balanced:
            described["balanced"] = False
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
    chart: Chart | None = None

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

    @property
    def cell_columns(self) -> tuple[Column, ...]:
        """What balances are kept by."""
        return self.dimensions

    @property
    def balance_columns(self) -> tuple[Column, ...]:
        """What balances consist of."""
        return self.resources

    @property
    def movement_columns(self) -> tuple[Column, ...]:
        """What movements have between movement_type and their attributes."""
        return (Column("dim_hash", "bigint"), *self.dimensions, *self.resources)


@dataclass(frozen=True)
class Ledger(Register):
    """The definition of a register of kind ledger, whose movements have two sides."""

    @property
    def cell_columns(self) -> tuple[Column, ...]:
        return (Column("account", "text"), Column("subconto", "jsonb"), *self.dimensions)

    @property
    def balance_columns(self) -> tuple[Column, ...]:
        return tuple(one for resource in self.resources for one in _sides(resource))

    @property
    def movement_columns(self) -> tuple[Column, ...]:
        return (
            Column("dim_hash_dr", "bigint"),
            Column("dim_hash_cr", "bigint"),
            Column("account_dr", "text"),
            Column("subconto_dr", "jsonb"),
            Column("account_cr", "text"),
            Column("subconto_cr", "jsonb"),
            *self.dimensions,
            *(
                one
                for resource in self.resources
                for one in ((resource,) if resource.balanced else _sides(resource))
            ),
        )


def _sides(resource: Column) -> tuple[Column, Column]:
    return (
        Column(f"{resource.name}_dr", resource.type),
        Column(f"{resource.name}_cr", resource.type),
    )


def register_class(kind: str) -> type[Register]:
    return Ledger if kind == "ledger" else Register


def sql_text(type_: SqlType) -> str:
    """The name of a type in SQL."""
    if isinstance(type_, str):
        return type_
    return to_instance(type_).compile(_DIALECT).lower()


def columns(
    described: Mapping[str, SqlType | Dimension | Resource] | None,
) -> tuple[Column, ...]:
    """Columns in the order of a mapping of names and types."""
    return tuple(_column(name, spec) for name, spec in (described or {}).items())


def _column(name: str, spec: SqlType | Dimension | Resource) -> Column:
    if isinstance(spec, Dimension):
        return Column(name, sql_text(spec.type), required=spec.required)
    if isinstance(spec, Resource):
        return Column(name, sql_text(spec.type), balanced=spec.balanced)
    return Column(name, sql_text(spec))


@overload
def define_register(
    *,
    name: str,
    dimensions: Mapping[str, SqlType | Dimension],
    resources: Mapping[str, SqlType | Resource],
    kind: Literal["ledger"],
    attributes: Mapping[str, SqlType] | None = None,
    totals_period: TotalsPeriod = "day",
    partition_by: PartitionBy = "month",
    high_write: bool = False,
    recorder_type: SqlType = "text",
    time_zone: str = "UTC",
    year_start: int = 1,
    limits: Iterable[Limit] = (),
    chart: Chart | None = None,
    metadata: MetaData | None = None,
) -> Ledger: ...


@overload
def define_register(
    *,
    name: str,
    dimensions: Mapping[str, SqlType | Dimension],
    resources: Mapping[str, SqlType | Resource],
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
    chart: Chart | None = None,
    metadata: MetaData | None = None,
) -> Register: ...


def define_register(
    *,
    name: str,
    dimensions: Mapping[str, SqlType | Dimension],
    resources: Mapping[str, SqlType | Resource],
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
    chart: Chart | None = None,
    metadata: MetaData | None = None,
) -> Register:
    """Define a register.  Nothing is done in any database.

    Types are SQL's names of them or SQLAlchemy's types.  Columns come in the order that they are
    given in.  With history, movements are reversed and never removed.  Kind ledger makes a Ledger,
    with a chart of accounts if there is to be one.  A register that belongs to a MetaData is seen
    by Alembic's autogenerate.
    """
    register = register_class(kind)(
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
        chart=chart,
    )
    if metadata is not None:
        metadata.info.setdefault(METADATA_KEY, {})[name] = register
    return register
