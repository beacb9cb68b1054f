"""A project with one application, on a database of a private server."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import date

import django
import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connections, transaction
from private_server import PrivateServer, server

from django_accumulator import Register

__all__ = ["server"]

# Models need settings when they are imported; where the server is, is told later.
os.environ["DJANGO_SETTINGS_MODULE"] = "shop.settings"
django.setup()


@pytest.fixture(scope="session")
def project(server: PrivateServer) -> Iterator[None]:
    database = server.create_database()
    settings.DATABASES["default"].update(HOST=server.host, NAME=database, USER=server.user)
    call_command("migrate", verbosity=0)
    yield
    connections.close_all()


@pytest.fixture
def stock(project: None) -> Iterator[Register]:
    """A register with some stock; what a test does is rolled back."""
    stock = Register("inventory")
    with transaction.atomic():
        stock.post(
            [
                {
                    "recorder": "purchase:1",
                    "period": date(2026, 3, 10),
                    "warehouse": "north",
                    "product": product,
                    "quantity": quantity,
                    "amount": "2.50",
                }
                for product, quantity in [("bolt", 100), ("nut", 50), (None, 5)]
            ]
        )
        yield stock
        transaction.set_rollback(True)
