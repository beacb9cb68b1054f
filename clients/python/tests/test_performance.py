"""The performance suites run, and their ways agree; how long they take is not tested."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from private_server import PrivateServer

PROGRAM = Path(__file__).parents[1] / "performance/run.py"


def run(server: PrivateServer, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(PROGRAM), *arguments],
        env={**os.environ, "PGHOST": server.host, "PGUSER": server.user},
        capture_output=True,
        text=True,
    )


def test_every_suite(server: PrivateServer) -> None:
    done = run(server, "--rows", "200", "--repeat", "1")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line.split(",")[0] for line in lines if not line.startswith(" ")] == [
        "bulk_inserts",
        "single_inserts",
        "short_selects",
        "large_resultsets",
    ]
    assert sum(line.endswith(" s") for line in lines) == 11


def test_a_suite_that_is_none(server: PrivateServer) -> None:
    assert run(server, "nothing").returncode == 2
