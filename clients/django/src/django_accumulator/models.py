"""Models of what a register shows, which are read and never written.

    class Balance(ReadOnlyModel):
        dim_hash = models.BigIntegerField(primary_key=True)
        warehouse = models.TextField()
        product = models.TextField()
        quantity = models.BigIntegerField()

        class Meta(ReadOnlyModel.Meta):
            db_table = balances_table("inventory")

The server refuses to change balances, whoever asks, and to update movements.
Only rights keep others from inserting and deleting movements: documents are
made of them.
"""

from __future__ import annotations

from typing import Any, NoReturn

from django.db import models


class ReadOnlyModelError(TypeError):
    """Something was about to write through a read-only model."""


def _refuse(*args: Any, **kwargs: Any) -> NoReturn:
    raise ReadOnlyModelError("this model is read-only: post, repost or unpost a document instead")


class ReadOnlyQuerySet(models.QuerySet[Any]):
    create = update = delete = bulk_create = bulk_update = _refuse
    get_or_create = update_or_create = _refuse
    acreate = aupdate = adelete = abulk_create = abulk_update = _refuse
    aget_or_create = aupdate_or_create = _refuse


class ReadOnlyModel(models.Model):
    """A model of a view or a table that something else writes."""

    objects = models.Manager.from_queryset(ReadOnlyQuerySet)()

    save = save_base = delete = asave = adelete = _refuse

    class Meta:
        abstract = True
        managed = False


def balances_table(register: str) -> str:
    """db_table of a register's current balances."""
    return f'"accum"."{register}_balances"'


def movements_table(register: str) -> str:
    """db_table of a register's movements."""
    return f'"accum"."{register}_movements"'


def accounts_table(ledger: str) -> str:
    """db_table of a ledger's chart of accounts, which is an ordinary table to write to."""
    return f'"accum"."{ledger}_accounts"'
