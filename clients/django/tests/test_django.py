"""Migrations, models and documents against a real server."""

from __future__ import annotations

import re
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import psycopg
import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.db.migrations.state import ProjectState
from django.db.migrations.writer import OperationWriter
from private_server import ROOT
from rest_framework.test import APIClient
from shop.models import Order, StockBalance, StockMovement

from django_accumulator import Register
from django_accumulator.models import ReadOnlyModelError
from django_accumulator.operations import CreateRegister, DropRegister

BERLIN = ZoneInfo("Europe/Berlin")


def report_of(error: DatabaseError) -> psycopg.Error:
    assert isinstance(error.__cause__, psycopg.Error)
    return error.__cause__


def refused(sqlstate: str, sql: str) -> None:
    with (
        pytest.raises(DatabaseError) as caught,
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(sql)
    assert report_of(caught.value).sqlstate == sqlstate


def test_migrations_made_the_register(project: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT dimensions, resources, time_zone FROM accum._registers WHERE name = 'inventory'"
        )
        ((dimensions, resources, zone),) = cursor.fetchall()
    assert '"required": true' in dimensions and '"weight"' in resources
    assert zone == "Europe/Berlin"


def test_migrations_go_back(project: None) -> None:
    create = CreateRegister("hours", {"person": "text"}, {"hours": "numeric"}, kind="turnover")
    drop = DropRegister("hours", {"person": "text"}, {"hours": "numeric"}, kind="turnover")

    state = ProjectState()

    def registers() -> list[str]:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT name FROM accum._registers"
                " WHERE name IN ('hours', 'inventory') ORDER BY name"
            )
            return [name for (name,) in cursor.fetchall()]

    with connection.schema_editor() as editor:
        create.database_forwards("shop", editor, state, state)
    assert registers() == ["hours", "inventory"]
    with connection.schema_editor() as editor:
        drop.database_forwards("shop", editor, state, state)
    assert registers() == ["inventory"]
    with connection.schema_editor() as editor:
        drop.database_backwards("shop", editor, state, state)
    assert registers() == ["hours", "inventory"]
    with connection.schema_editor() as editor:
        create.database_backwards("shop", editor, state, state)
    assert registers() == ["inventory"]
    assert create.describe() == "Create register hours"
    assert "dimensions" in OperationWriter(create).serialize()[0]


def test_balances(stock: Register) -> None:
    rows = StockBalance.objects.order_by("-quantity")
    assert [(row.product, row.quantity) for row in rows] == [("bolt", 100), ("nut", 50), (None, 5)]
    assert StockBalance.objects.get(pk=rows[2].pk).product is None
    assert StockBalance.objects.get(product="bolt").amount == Decimal("2.50")
    assert stock.balance() == {"quantity": 155, "amount": Decimal("7.50"), "weight": Decimal(0)}
    assert stock.balance(product=None)["quantity"] == 5
    assert stock.balance(date(2026, 3, 9))["quantity"] == 0
    assert stock.balance(datetime(2026, 3, 10, 0, 1, tzinfo=BERLIN))["quantity"] == 155
    with pytest.raises(ValueError, match="zone"):
        stock.balance(datetime(2026, 3, 10))


def test_documents(stock: Register) -> None:
    sale = {
        "recorder": "sale:1",
        "period": datetime(2026, 4, 1, 12, 0, 0, 1, tzinfo=BERLIN),
        "warehouse": "north",
        "product": "bolt",
        "quantity": -1,
        "amount": Decimal("-0.05"),
    }
    assert stock.post(sale, once=True) == stock.post(sale, once=True) == 1
    movement = StockMovement.objects.get(recorder="sale:1")
    assert movement.period == sale["period"] and movement.amount == Decimal("-0.05")
    assert stock.repost("sale:1", {**sale, "quantity": -2}) == 1
    assert stock.balance(product="bolt")["quantity"] == 98
    assert stock.unpost("sale:1") == 1 and stock.unpost("sale:1") == 0


def test_a_limit(stock: Register) -> None:
    with pytest.raises(IntegrityError) as caught, transaction.atomic():
        stock.post(
            {
                "recorder": "sale:2",
                "period": date(2026, 4, 1),
                "warehouse": "north",
                "product": "bolt",
                "quantity": -101,
            }
        )
    assert report_of(caught.value).diag.constraint_name == "in_stock"
    assert stock.balance(product="bolt")["quantity"] == 100


def test_an_order_and_its_movements_are_one(stock: Register) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        Order.objects.create(number="order:1")
        stock.post(
            {
                "recorder": "order:1",
                "period": date(2026, 4, 1),
                "warehouse": "north",
                "product": "bolt",
                "quantity": -1000,
            }
        )
    assert not Order.objects.exists()


def test_models_refuse_to_write(stock: Register) -> None:
    for model in (StockBalance, StockMovement):
        row = model.objects.filter(product="bolt").get()
        for write in (
            row.save,
            row.delete,
            model(quantity=1).save,
            lambda model=model: model.objects.create(quantity=1),
            lambda model=model: model.objects.update(quantity=1),
            lambda model=model: model.objects.all().delete(),
            lambda model=model: model.objects.filter(quantity=1).update(quantity=2),
            lambda model=model, row=row: model.objects.bulk_create([row]),
            lambda model=model, row=row: model.objects.bulk_update([row], ["quantity"]),
            lambda model=model: model.objects.get_or_create(quantity=1),
        ):
            with pytest.raises(ReadOnlyModelError):
                write()


def test_the_server_refuses_too(stock: Register) -> None:
    """Even the owner of the register, and a superuser."""
    refused("55000", "UPDATE accum.inventory_balances SET quantity = 1")
    refused("55000", "DELETE FROM accum.inventory_balances")
    refused("55000", "INSERT INTO accum.inventory_balances (warehouse) VALUES ('x')")
    refused("55000", "UPDATE accum.inventory_movements SET quantity = 1")


def test_a_role_that_only_reads(stock: Register) -> None:
    with connection.cursor() as cursor:
        cursor.execute("CREATE ROLE reader")
        cursor.execute("SELECT accum.register_grant('inventory', 'reader', 'read')")
        cursor.execute("SET LOCAL ROLE reader")
    assert StockBalance.objects.count() == StockMovement.objects.count() == 3
    refused("42501", "DELETE FROM accum.inventory_movements")
    with pytest.raises(DatabaseError), transaction.atomic():
        stock.unpost("purchase:1")
    with connection.cursor() as cursor:
        cursor.execute("RESET ROLE")


def test_names() -> None:
    for name in ("", "Stock", "a.b", 'a"b', "a b"):
        with pytest.raises(ValueError):
            Register(name)


def test_rest_framework(stock: Register) -> None:
    client = APIClient()
    rows = client.get("/balances/").json()
    key = rows[0].pop("dim_hash")
    assert rows[0] == {"warehouse": "north", "product": "bolt", "quantity": 100, "amount": "2.50"}
    assert client.get(f"/balances/{key}/").json() == {"dim_hash": key, **rows[0]}
    assert len(client.get("/balances/", {"product": "nut"}).json()) == 1
    movements = client.get("/movements/").json()
    assert len(movements) == 3
    one = client.get(f"/movements/{movements[0]['id']}/").json()
    assert one["recorder"] == "purchase:1"
    for method in (client.post, client.put, client.patch, client.delete):
        assert method("/balances/", {}).status_code == 405
        assert method(f"/movements/{one['id']}/", {}).status_code == 405


def test_guide(stock: Register) -> None:
    """Blocks of files are in the application of these tests; the others run."""
    guide = (ROOT / "docs/guides/django.md").read_text()
    blocks = re.findall(r"(?:^`(\S+)`:\n\n)?^```python\n(.*?)^```$", guide, re.M | re.S)
    names: dict[str, object] = {}
    for file, code in blocks:
        if file:
            assert code in (Path(__file__).parent / file).read_text()
        else:
            exec(code, names)
    assert len(blocks) == 9
