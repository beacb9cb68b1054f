"""The examples of the guides run as they are written."""

from __future__ import annotations

import re
import sys
from types import ModuleType
from typing import Any

import pytest
from private_server import ROOT, PrivateServer
from sqlalchemy import create_engine

from .conftest import url

BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("guide", ["sqlalchemy", "bi"])
def test_guide(server: PrivateServer, monkeypatch: pytest.MonkeyPatch, guide: str) -> None:
    database = url(server, server.create_database(), "psycopg")
    # The ORM looks up annotations in the module that a class says it is of.
    module = ModuleType("guide")
    monkeypatch.setitem(sys.modules, "guide", module)
    names: dict[str, Any] = vars(module)
    names["url"] = database
    engine = create_engine(database)
    ran = 0
    for language, code in BLOCK.findall((ROOT / f"docs/guides/{guide}.md").read_text()):
        if language == "sql":
            with engine.begin() as connection:
                connection.exec_driver_sql(code.replace("%", "%%"))
                connection.exec_driver_sql("RESET ROLE")
        elif language == "python":
            exec(compile(code, f"{guide}.md", "exec"), names)
            ran += 1
    for one in (engine, names["engine"]):
        one.dispose()
    assert ran > 0
