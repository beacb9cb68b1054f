from __future__ import annotations

from django.db import models

from django_accumulator.models import ReadOnlyModel, balances_table, movements_table


class Order(models.Model):
    number = models.CharField(max_length=20, primary_key=True)


class StockBalance(ReadOnlyModel):
    pk = models.CompositePrimaryKey("warehouse", "product")
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
