"""A private server for a test suite: fixtures of pytest.

The suite starts it with tools/private-server, which builds and installs the
extension.  A suite that tools/private-server or tools/check has started itself
uses the server that is there.  Each test module that asks for `database` gets
one of its own, with the extension.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


class PrivateServer:
    """A server, and the process that keeps it."""

    user = "postgres"

    def __init__(self) -> None:
        host = Path(os.environ.get("PGHOST", "/"))
        command = [str(ROOT / "clients/testing/keeper")]
        if not (host / "settings.conf").exists():
            # The keeper is then that of the copy that the server runs in.
            command = [str(ROOT / "tools/private-server"), "clients/testing/keeper"]
        self._keeper = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._databases = 0
        self.host = self._answer()

    def _answer(self) -> str:
        assert self._keeper.stdout is not None
        answer = self._keeper.stdout.readline().strip()
        if not answer:
            raise RuntimeError("the private server failed")
        return answer

    def _do(self, command: str) -> None:
        assert self._keeper.stdin is not None
        self._keeper.stdin.write(command + "\n")
        self._keeper.stdin.flush()
        self._answer()

    def create_database(self) -> str:
        self._databases += 1
        name = f"clients_{os.getpid()}_{self._databases}"
        self._do(name)
        return name

    def restart(self) -> None:
        self._do("restart")

    def stop(self) -> None:
        assert self._keeper.stdin is not None and self._keeper.stdout is not None
        self._keeper.stdin.close()
        self._keeper.wait()
        self._keeper.stdout.close()


@pytest.fixture(scope="session")
def server() -> Iterator[PrivateServer]:
    server = PrivateServer()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def database(server: PrivateServer) -> str:
    """The name of a new database that has the extension."""
    return server.create_database()
