"""Registers in migrations."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata, produce_migrations, render_python_code
from alembic.config import Config
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.util import CommandError

import sqlalchemy_accumulator
from sqlalchemy_accumulator import (
    AccumulatorClient,
    Dimension,
    Limit,
    NotAllowedError,
    Register,
    Resource,
    define_register,
)
from sqlalchemy_accumulator.alembic import include_name

DEFINITION: dict[str, Any] = {
    "name": "stock",
    "dimensions": {"warehouse": Dimension("text", required=True), "product": "varchar(20)"},
    "resources": {"quantity": "bigint"},
    "time_zone": "Europe/Berlin",
}


@pytest.fixture
def connection(engine: sa.Engine) -> Iterator[sa.Connection]:
    with engine.connect() as connection:
        yield connection


def context(connection: sa.Connection, **options: Any) -> MigrationContext:
    return MigrationContext.configure(connection, opts=options)


def defined(**changes: Any) -> tuple[sa.MetaData, Register]:
    metadata = sa.MetaData()
    return metadata, define_register(**{**DEFINITION, **changes}, metadata=metadata)


def migrate(connection: sa.Connection, metadata: sa.MetaData) -> tuple[str, str]:
    """Autogenerate a migration, run it forth, back and forth, and return its two parts."""
    migration = context(connection)
    script = produce_migrations(migration, metadata)
    upgrade_ops, downgrade_ops = script.upgrade_ops, script.downgrade_ops
    assert upgrade_ops is not None and downgrade_ops is not None
    upgrade = render_python_code(upgrade_ops, migration_context=migration)
    downgrade = render_python_code(downgrade_ops, migration_context=migration)
    for code in (upgrade, downgrade, upgrade):
        run(connection, code)
    return upgrade, downgrade


def run(connection: sa.Connection, code: str) -> None:
    names = {
        "op": Operations(context(connection)),
        "sqlalchemy_accumulator": sqlalchemy_accumulator,
    }
    # Alembic indents all lines but the first, for the body of a function.
    exec("if True:\n    " + code, names)


ENVIRONMENT = """
import sqlalchemy as sa
from alembic import context
from sqlalchemy_accumulator import Dimension, define_register
from sqlalchemy_accumulator.alembic import include_name

metadata = sa.MetaData()
define_register(
    name="hours",
    dimensions={"person": Dimension("text", required=True)},
    resources={"hours": "numeric(8,2)"},
    metadata=metadata,
)
connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    include_schemas=True,
    include_name=include_name,
)
with context.begin_transaction():
    context.run_migrations()
"""


def test_revisions_of_a_project(engine: sa.Engine, tmp_path: Path) -> None:
    """The commands that users give, with the files that they make."""
    config = Config(str(tmp_path / "alembic.ini"), stdout=io.StringIO())
    config.set_main_option("path_separator", "os")
    config.set_main_option("script_location", str(tmp_path / "migrations"))
    command.init(config, str(tmp_path / "migrations"))
    (tmp_path / "migrations/env.py").write_text(ENVIRONMENT)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.revision(config, "registers", autogenerate=True)
        command.upgrade(config, "head")
        assert AccumulatorClient(connection).register("hours").dimensions[0].required
        command.check(config)
        command.downgrade(config, "base")
        assert AccumulatorClient(connection).registers() == {}
        connection.execute(sa.text("DROP TABLE alembic_version"))


def test_create_and_drop(connection: sa.Connection) -> None:
    operations: Any = Operations(context(connection))
    operations.create_register(
        "stock",
        dimensions=DEFINITION["dimensions"],
        resources={"quantity": sa.BigInteger()},
        attributes={"note": "text"},
        limits=[Limit("in_stock", "quantity >= 0")],
    )
    client = AccumulatorClient(connection)
    register = client.register("stock")
    assert register.dimensions[0].required and register.limits[0].name == "in_stock"
    operations.alter_register("stock", add_resources={"weight": "numeric"}, limits=[])
    assert client.register("stock").limits == ()
    client.use(client.register("stock")).post(
        {"recorder": "a", "period": date(2026, 1, 1), "warehouse": "n", "product": None}
    )
    with pytest.raises(NotAllowedError), connection.begin_nested():
        operations.drop_register("stock")
    operations.drop_register("stock", force=True)
    assert client.registers() == {}


def test_autogenerate_creates(connection: sa.Connection) -> None:
    metadata, register = defined(limits=[Limit("in_stock", "quantity >= 0", every_date=True)])
    upgrade, downgrade = migrate(connection, metadata)
    assert "op.create_register('stock'," in upgrade
    assert "'warehouse': sqlalchemy_accumulator.Dimension(" in upgrade
    assert "high_write" not in upgrade
    assert "op.drop_register('stock')" in downgrade
    assert AccumulatorClient(connection).register("stock").limits == register.limits
    # A second look finds nothing to do.
    assert compare_metadata(context(connection), metadata) == []


def test_autogenerate_of_a_ledger(connection: sa.Connection) -> None:
    metadata = sa.MetaData()
    define_register(
        name="books",
        kind="ledger",
        dimensions={"currency": "text"},
        resources={"amount": "numeric(18,2)", "pieces": Resource("integer", balanced=False)},
        chart="strict",
        metadata=metadata,
    )
    upgrade, downgrade = migrate(connection, metadata)
    assert "kind='ledger'" in upgrade and "chart='strict'" in upgrade
    assert "'pieces': sqlalchemy_accumulator.Resource(type='integer', balanced=False)" in upgrade
    assert "op.drop_register('books')" in downgrade
    assert AccumulatorClient(connection).registers() == metadata.info["accumulator_registers"]
    assert compare_metadata(context(connection), metadata) == []
    upgrade, downgrade = migrate(connection, sa.MetaData())
    assert "op.drop_register('books')" in upgrade and "balanced=False" in downgrade
    assert AccumulatorClient(connection).registers() == {}


def test_autogenerate_of_history(connection: sa.Connection) -> None:
    metadata, _ = defined(history=True)
    upgrade, _ = migrate(connection, metadata)
    assert "history=True" in upgrade
    assert compare_metadata(context(connection), metadata) == []
    wider, _ = defined(history=True, attributes={"note": "text"})
    assert [one[0] for one in compare_metadata(context(connection), wider)] == ["alter_register"]


def test_what_cannot_change_in_a_ledger(connection: sa.Connection) -> None:
    def books(**changes: Any) -> sa.MetaData:
        metadata = sa.MetaData()
        definition: dict[str, Any] = {
            "name": "books",
            "kind": "ledger",
            "dimensions": {},
            "resources": {"amount": "numeric(18,2)"},
        }
        define_register(**{**definition, **changes}, metadata=metadata)
        return metadata

    migrate(connection, books())
    for change in (
        {"chart": "open"},
        {"kind": "balance"},
        {"resources": {"amount": Resource("numeric(18,2)", balanced=False)}},
    ):
        with pytest.raises(CommandError, match="register books: "):
            compare_metadata(context(connection), books(**change))


def test_autogenerate_alters(connection: sa.Connection) -> None:
    migrate(connection, defined()[0])
    metadata, _ = defined(
        resources={"quantity": sa.BigInteger, "weight": sa.Numeric(10, 3)},
        attributes={"note": sa.Text()},
        high_write=True,
    )
    migration = context(connection)
    script = produce_migrations(migration, metadata)
    assert script.upgrade_ops is not None and script.downgrade_ops is not None
    upgrade = render_python_code(script.upgrade_ops, migration_context=migration)
    downgrade = render_python_code(script.downgrade_ops, migration_context=migration)
    assert "add_resources={'weight': 'numeric(10, 3)'}" in upgrade
    assert "high_write=False" in downgrade and "add_resources" not in downgrade
    run(connection, upgrade)
    assert AccumulatorClient(connection).register("stock").high_write
    assert compare_metadata(context(connection), metadata) == []
    run(connection, downgrade)
    assert not AccumulatorClient(connection).register("stock").high_write


def test_the_downgrade_of_new_columns_is_a_comment(connection: sa.Connection) -> None:
    migrate(connection, defined()[0])
    _, downgrade = migrate_columns(connection)
    assert "# The new columns of register stock stay." in downgrade


def migrate_columns(connection: sa.Connection) -> tuple[str, str]:
    metadata, _ = defined(attributes={"note": "text"})
    migration = context(connection)
    script = produce_migrations(migration, metadata)
    assert script.upgrade_ops is not None and script.downgrade_ops is not None
    return (
        render_python_code(script.upgrade_ops, migration_context=migration),
        render_python_code(script.downgrade_ops, migration_context=migration),
    )


def test_autogenerate_drops(connection: sa.Connection) -> None:
    migrate(connection, defined()[0])
    upgrade, downgrade = migrate(connection, sa.MetaData())
    assert "op.drop_register('stock')" in upgrade
    assert "op.create_register('stock'," in downgrade and "Europe/Berlin" in downgrade
    assert AccumulatorClient(connection).registers() == {}


@pytest.mark.parametrize(
    "change",
    [
        {"time_zone": "UTC"},
        {"history": True},
        {"resources": {"quantity": "integer"}},
        {"dimensions": {"warehouse": Dimension("text", required=True)}},
        {"dimensions": {"warehouse": "text", "product": "varchar(20)"}},
        {"recorder_type": "bigint"},
    ],
)
def test_what_cannot_change(connection: sa.Connection, change: dict[str, Any]) -> None:
    migrate(connection, defined()[0])
    with pytest.raises(CommandError, match="register stock: "):
        compare_metadata(context(connection), defined(**change)[0])


def test_spellings_of_types_are_no_change(connection: sa.Connection) -> None:
    dimensions = {"a": "timestamptz", "b": "decimal(8,2)", "c": "int", "d": "public.colour"}
    connection.execute(sa.text("CREATE TYPE public.colour AS ENUM ('red', 'blue')"))
    metadata, _ = defined(dimensions=dimensions)
    migrate(connection, metadata)
    assert compare_metadata(context(connection), metadata) == []


def test_schema_accum_is_left_alone(connection: sa.Connection) -> None:
    migrate(connection, defined()[0])
    migration = context(connection, include_schemas=True, include_name=include_name)
    assert compare_metadata(migration, defined()[0]) == []


def test_a_database_without_the_extension(connection: sa.Connection) -> None:
    connection.execute(sa.text("DROP EXTENSION pg_accumulator"))
    difference = compare_metadata(context(connection), defined()[0])
    assert [one[0] for one in difference] == ["create_register"]


def test_no_scripts_without_a_database(engine: sa.Engine) -> None:
    options = {"as_sql": True, "output_buffer": io.StringIO()}
    offline = MigrationContext.configure(dialect_name="postgresql", opts=options)
    operations: Any = Operations(offline)
    with pytest.raises(CommandError, match="online"):
        operations.drop_register("stock")
