"""Registers in migrations: operations for Alembic, and autogenerate.

Import this module in env.py.  Then migrations have

    op.create_register("inventory", dimensions={...}, resources={...}, ...)
    op.alter_register("inventory", add_resources={...}, ...)
    op.drop_register("inventory")

and autogenerate compares the registers of the database with those that were
defined with metadata=target_metadata.  It is told of no other differences than
those that register_alter() can make; any other one is an error, because only
a new register can have another type or calendar.

Give include_name=include_name to context.configure() where include_schemas is
set, so that the tables behind registers are left alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, MutableMapping
from dataclasses import replace
from typing import Any, cast

from alembic.autogenerate import comparators, renderers
from alembic.autogenerate.api import AutogenContext
from alembic.operations import MigrateOperation, Operations
from alembic.operations.ops import UpgradeOps
from alembic.util import CommandError
from sqlalchemy import MetaData, inspect

from .client import AccumulatorClient
from .register import (
    METADATA_KEY,
    Column,
    Dimension,
    Limit,
    Register,
    Resource,
    SqlType,
    define_register,
    sql_text,
)

Dimensions = Mapping[str, SqlType | Dimension]
Resources = Mapping[str, SqlType | Resource]
# The options of a register other than its columns, with what they are unless told otherwise.
_OPTIONS: dict[str, Any] = {
    "kind": "balance",
    "totals_period": "day",
    "partition_by": "month",
    "high_write": False,
    "recorder_type": "text",
    "time_zone": "UTC",
    "year_start": 1,
    "limits": (),
    "history": False,
    "chart": None,
}
_FIXED = ("kind", "totals_period", "partition_by", "time_zone", "year_start", "history", "chart")


@Operations.register_operation("create_register")
class CreateRegisterOp(MigrateOperation):
    def __init__(self, register: Register) -> None:
        self.register = register

    @classmethod
    def create_register(
        cls,
        operations: Operations,
        name: str,
        *,
        dimensions: Dimensions,
        resources: Resources,
        attributes: Mapping[str, SqlType] | None = None,
        **options: Any,
    ) -> None:
        """Create a register; the arguments are those of define_register()."""
        register = define_register(
            name=name,
            dimensions=dimensions,
            resources=resources,
            attributes=attributes,
            **options,
        )
        operations.invoke(cls(register))

    def reverse(self) -> DropRegisterOp:
        return DropRegisterOp(self.register.name, register=self.register)

    def to_diff_tuple(self) -> tuple[Any, ...]:
        return ("create_register", self.register)


@Operations.register_operation("drop_register")
class DropRegisterOp(MigrateOperation):
    def __init__(self, name: str, force: bool = False, register: Register | None = None) -> None:
        self.name = name
        self.force = force
        self.register = register

    @classmethod
    def drop_register(cls, operations: Operations, name: str, *, force: bool = False) -> None:
        """Drop a register; one that holds movements only with force."""
        operations.invoke(cls(name, force))

    def reverse(self) -> CreateRegisterOp:
        if self.register is None:
            raise ValueError(f"what register {self.name} was is not known")
        return CreateRegisterOp(self.register)

    def to_diff_tuple(self) -> tuple[Any, ...]:
        return ("drop_register", self.name)


@Operations.register_operation("alter_register")
class AlterRegisterOp(MigrateOperation):
    def __init__(
        self,
        name: str,
        changes: Mapping[str, Any],
        reverse_changes: Mapping[str, Any] | None = None,
    ) -> None:
        self.name = name
        self.changes = changes
        self.reverse_changes = reverse_changes or {}

    @classmethod
    def alter_register(
        cls,
        operations: Operations,
        name: str,
        *,
        add_dimensions: Dimensions | None = None,
        add_resources: Resources | None = None,
        high_write: bool | None = None,
        add_attributes: Mapping[str, SqlType] | None = None,
        limits: Iterable[Limit] | None = None,
    ) -> None:
        """Alter a register; the arguments are those of AccumulatorClient.alter_register()."""
        changes = {
            "add_dimensions": add_dimensions,
            "add_resources": add_resources,
            "high_write": high_write,
            "add_attributes": add_attributes,
            "limits": limits,
        }
        operations.invoke(cls(name, changes))

    def reverse(self) -> AlterRegisterOp:
        """Columns stay: a register has no way to lose one, and no need of it."""
        return AlterRegisterOp(self.name, self.reverse_changes, self.changes)

    def to_diff_tuple(self) -> tuple[Any, ...]:
        return ("alter_register", self.name, dict(self.changes))


def _client(operations: Operations) -> AccumulatorClient:
    if operations.get_context().as_sql:
        raise CommandError("registers are created by the server: run the migration online")
    return AccumulatorClient(operations.get_bind())


@Operations.implementation_for(CreateRegisterOp)
def _create(operations: Operations, operation: CreateRegisterOp) -> None:
    _client(operations).create_register(operation.register)


@Operations.implementation_for(DropRegisterOp)
def _drop(operations: Operations, operation: DropRegisterOp) -> None:
    _client(operations).drop_register(operation.name, force=operation.force)


@Operations.implementation_for(AlterRegisterOp)
def _alter(operations: Operations, operation: AlterRegisterOp) -> None:
    _client(operations).alter_register(operation.name, **operation.changes)


# Autogenerate


def include_name(
    name: str | None, type_: str, parent_names: MutableMapping[str, str | None]
) -> bool:
    """Leave schema accum, which registers live in, out of autogenerate."""
    return not (type_ == "schema" and name == "accum")


@comparators.dispatch_for("schema")
def _compare(context: AutogenContext, upgrade_ops: UpgradeOps, schemas: set[str | None]) -> None:
    connection = context.connection
    if connection is None:
        return
    metadata = context.metadata
    wanted: dict[str, Register] = {}
    for one in [metadata] if isinstance(metadata, MetaData) else metadata or []:
        wanted.update(one.info.get(METADATA_KEY, {}))
    found: dict[str, Register] = {}
    # Before the migration that creates the extension there are no registers.
    if inspect(connection).has_table("_registers", schema="accum"):
        found = AccumulatorClient(connection).registers()
    for name, register in wanted.items():
        if name not in found:
            upgrade_ops.ops.append(CreateRegisterOp(register))
        elif change := _difference(found[name], register):
            upgrade_ops.ops.append(change)
    for name, register in found.items():
        if name not in wanted:
            upgrade_ops.ops.append(DropRegisterOp(name, register=register))


def _difference(found: Register, wanted: Register) -> AlterRegisterOp | None:
    for option in _FIXED:
        if getattr(found, option) != getattr(wanted, option):
            raise CommandError(
                f"register {wanted.name}: {option} cannot change from "
                f"{getattr(found, option)!r} to {getattr(wanted, option)!r}"
            )
    if _normal(found.recorder_type) != _normal(wanted.recorder_type):
        raise CommandError(f"register {wanted.name}: recorder_type cannot change")
    changes: dict[str, Any] = {}
    reverse: dict[str, Any] = {}
    for part in ("dimensions", "resources", "attributes"):
        added = _added(wanted.name, getattr(found, part), getattr(wanted, part))
        if added:
            changes[f"add_{part}"] = _arguments(added)
    for option in ("high_write", "limits"):
        before, after = getattr(found, option), getattr(wanted, option)
        if set(before) != set(after) if option == "limits" else before != after:
            changes[option], reverse[option] = after, before
    return AlterRegisterOp(wanted.name, changes, reverse) if changes else None


def _added(name: str, found: tuple[Column, ...], wanted: tuple[Column, ...]) -> tuple[Column, ...]:
    known = {column.name: column for column in found}
    wanted_names = {column.name for column in wanted}
    for column in found:
        if column.name not in wanted_names:
            raise CommandError(f"register {name}: column {column.name} cannot be removed")
    for column in wanted:
        before = known.get(column.name, column)
        if _normal_column(before) != _normal_column(column):
            raise CommandError(f"register {name}: column {column.name} cannot be changed")
    return tuple(column for column in wanted if column.name not in known)


def _normal(type_: str) -> str:
    """One spelling for the names that a type has; unknown types compare as they are."""
    sql_type = Column("x", type_).sql_type
    return type_.lower() if sql_type._isnull else sql_text(sql_type)


def _normal_column(column: Column) -> Column:
    return replace(column, type=_normal(column.type))


def _arguments(columns: tuple[Column, ...]) -> dict[str, str | Dimension | Resource]:
    return {column.name: _argument(column) for column in columns}


def _argument(column: Column) -> str | Dimension | Resource:
    if column.required:
        return Dimension(column.type, required=True)
    if not column.balanced:
        return Resource(column.type, balanced=False)
    return column.type


@renderers.dispatch_for(CreateRegisterOp)
def _render_create(context: AutogenContext, operation: CreateRegisterOp) -> str:
    register = operation.register
    arguments: dict[str, Any] = {
        "dimensions": _arguments(register.dimensions),
        "resources": _arguments(register.resources),
    }
    if register.attributes:
        arguments["attributes"] = _arguments(register.attributes)
    for option, default in _OPTIONS.items():
        if getattr(register, option) != default:
            arguments[option] = getattr(register, option)
    return _render(context, "create_register", register.name, arguments)


@renderers.dispatch_for(DropRegisterOp)
def _render_drop(context: AutogenContext, operation: DropRegisterOp) -> str:
    return _render(context, "drop_register", operation.name, {})


@renderers.dispatch_for(AlterRegisterOp)
def _render_alter(context: AutogenContext, operation: AlterRegisterOp) -> str:
    if not operation.changes:
        return f"# The new columns of register {operation.name} stay."
    return _render(context, "alter_register", operation.name, operation.changes)


def _render(context: AutogenContext, function: str, name: str, arguments: Mapping[str, Any]) -> str:
    lines = "".join(
        f"\n    {argument}={_literal(context, value)}," for argument, value in arguments.items()
    )
    prefix = cast(str, context.opts.get("alembic_module_prefix") or "op.")
    return f"{prefix}{function}({name!r}" + (f",{lines}\n)" if lines else ")")


def _literal(context: AutogenContext, value: Any) -> str:
    """Python that makes a value again, with the imports that it takes."""
    if isinstance(value, Mapping):
        return (
            "{"
            + ", ".join(f"{key!r}: {_literal(context, one)}" for key, one in value.items())
            + "}"
        )
    if isinstance(value, tuple):
        return "[" + ", ".join(_literal(context, one) for one in value) + "]"
    if isinstance(value, (Dimension, Resource, Limit)):
        context.imports.add("import sqlalchemy_accumulator")
        return f"sqlalchemy_accumulator.{value!r}"
    return repr(value)
