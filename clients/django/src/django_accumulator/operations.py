"""Registers in migrations.

The extension itself is made by django.contrib.postgres.operations.CreateExtension.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import router
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState

from .sql import call, columns


class RegisterOperation(Operation):
    """An operation that leaves Django's models alone and calls the extension."""

    reduces_to_sql = False

    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        pass

    def call(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        function: str,
        arguments: Mapping[str, Any],
    ) -> None:
        if router.allow_migrate(schema_editor.connection.alias, app_label):
            schema_editor.execute(*call(function, arguments))


class CreateRegister(RegisterOperation):
    """Create a register; drop it on the way back, if it holds no movements.

    Options are the parameters of accum.register_create().
    """

    def __init__(
        self,
        name: str,
        dimensions: Mapping[str, Any],
        resources: Mapping[str, Any],
        **options: Any,
    ) -> None:
        self.name = name
        self.dimensions = dimensions
        self.resources = resources
        self.options = options

    def database_forwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        arguments = {
            "name": self.name,
            "dimensions": columns(self.dimensions),
            "resources": columns(self.resources),
            **self.options,
        }
        if "attributes" in arguments:
            arguments["attributes"] = columns(arguments["attributes"])
        self.call(app_label, schema_editor, "register_create", arguments)

    def database_backwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        self.call(app_label, schema_editor, "register_drop", {"name": self.name})

    def describe(self) -> str:
        return f"Create register {self.name}"

    @property
    def migration_name_fragment(self) -> str:
        return f"register_{self.name}"


class AlterRegister(RegisterOperation):
    """Alter a register.  There is no way back, because columns of a register stay.

    Options are the parameters of accum.register_alter().
    """

    reversible = False

    def __init__(self, name: str, **options: Any) -> None:
        self.name = name
        self.options = options

    def database_forwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        arguments = {
            option: columns(value) if option.startswith("add_") else value
            for option, value in self.options.items()
        }
        self.call(app_label, schema_editor, "register_alter", {"p_name": self.name, **arguments})

    def describe(self) -> str:
        return f"Alter register {self.name}"


class DropRegister(CreateRegister):
    """Drop a register that holds no movements; create it again on the way back."""

    def database_forwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        super().database_backwards(app_label, schema_editor, from_state, to_state)

    def database_backwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        super().database_forwards(app_label, schema_editor, from_state, to_state)

    def describe(self) -> str:
        return f"Drop register {self.name}"
