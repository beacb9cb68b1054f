from __future__ import annotations

from django.db import models

from django_accumulator.models import (
    ReadOnlyModel,
    accounts_table,
    balances_table,
    movements_table,
)


class Order(models.Model):
    number = models.CharField(max_length=20, primary_key=True)


class StockBalance(ReadOnlyModel):
    dim_hash = models.BigIntegerField(primary_key=True)
    warehouse = models.TextField()
    product = models.TextField(null=True)
    quantity = models.BigIntegerField()
    amount = models.DecimalField(max_digits=14, decimal_places=2)
    last_movement_at = models.DateTimeField()

    class Meta(ReadOnlyModel.Meta):
        db_table = balances_table("inventory")


class StockMovement(ReadOnlyModel):
    id = models.UUIDField(primary_key=True)
    recorder = models.TextField()
    period = models.DateTimeField()
    movement_type = models.TextField()
    warehouse = models.TextField()
    product = models.TextField(null=True)
    quantity = models.BigIntegerField()
    amount = models.DecimalField(max_digits=14, decimal_places=2)

    class Meta(ReadOnlyModel.Meta):
        db_table = movements_table("inventory")


class Account(models.Model):
    account = models.TextField(primary_key=True)
    name = models.TextField(default="")
    type = models.TextField(default="active_passive")
    closed = models.BooleanField(default=False)

    class Meta:
        managed = False
        db_table = accounts_table("gl")


class Posting(ReadOnlyModel):
    id = models.UUIDField(primary_key=True)
    recorder = models.TextField()
    period = models.DateTimeField()
    account_dr = models.TextField()
    subconto_dr = models.JSONField()
    account_cr = models.TextField()
    subconto_cr = models.JSONField()
    currency = models.TextField(null=True)
    amount = models.DecimalField(max_digits=18, decimal_places=2)

    class Meta(ReadOnlyModel.Meta):
        db_table = movements_table("gl")
