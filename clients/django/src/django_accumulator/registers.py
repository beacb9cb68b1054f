"""Documents and balances of a register, in the transaction that Django is in."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections
from django.utils.timezone import is_aware

from .sql import call, encode

Row = dict[str, Any]
Moment = date | datetime
Movements = Mapping[str, Any] | Sequence[Mapping[str, Any]]
Subconto = Mapping[str, Any]


def _type(*moments: Moment | None) -> str:
    """What bounds are in SQL: days of the register's calendar, or instants."""
    instants = [moment for moment in moments if isinstance(moment, datetime)]
    if not all(is_aware(instant) for instant in instants):
        raise ValueError("a datetime without a zone is no instant")
    if instants and len(instants) < sum(moment is not None for moment in moments):
        raise ValueError("bounds are dates or datetimes, and not one of each")
    return "timestamptz" if instants else "date"


def _json(value: object) -> str | None:
    return None if value is None else encode(value)


def _amounts(text: str) -> dict[str, Decimal]:
    amounts: dict[str, Decimal] = json.loads(text, parse_float=Decimal, parse_int=Decimal)
    return amounts


class _AnyRegister:
    """What registers of every kind can do."""

    def __init__(self, name: str, using: str = DEFAULT_DB_ALIAS) -> None:
        if not (name.isidentifier() and name.isascii() and name.islower()):
            raise ValueError(f"{name!r} is no name of a register")
        self.name = name
        self.using = using

    def post(self, data: Movements, *, once: bool = False) -> int:
        """Store movements, all or none; returns how many."""
        return int(self._call("register_post", {"p_data": data, "p_once": once}))

    def unpost(self, recorder: Any, *, at: datetime | None = None) -> int:
        """Remove the movements of a document, or of a list of documents; returns how many.

        With history they are reversed; `at` dates the reversals, otherwise as what they reverse.
        """
        several = isinstance(recorder, (list, tuple, set, frozenset))
        documents = [str(one) for one in recorder] if several else str(recorder)
        _type(at)
        sql = (
            f"SELECT accum.register_unpost(%s, CAST(%s AS text{'[]' if several else ''}),"
            " CAST(%s AS timestamptz))"
        )
        return int(self._value(sql, [self.name, documents, at]))

    def repost(self, recorder: Any, data: Movements) -> int:
        """Make a document consist of these movements."""
        return int(self._call("register_repost", {"p_recorder": str(recorder), "p_data": data}))

    def _turnover(
        self,
        date_from: Moment | None,
        date_to: Moment | None,
        group_by: Sequence[str],
        dimensions: Mapping[str, Any],
        known_at: datetime | None = None,
    ) -> list[Row]:
        type_ = _type(date_from, date_to)
        known = "" if known_at is None else ", known_at => %s"
        rows = self._rows(
            f"SELECT CAST(accum.{self.name}_turnover(CAST(%s AS {type_}), CAST(%s AS {type_}),"
            f" CAST(%s AS jsonb), CAST(%s AS jsonb){known}) AS text) AS row",
            [date_from, date_to, encode(dimensions), encode(list(group_by))]
            + ([] if known_at is None else [known_at]),
        )
        found = []
        for row in rows:
            groups = json.loads(row["row"], parse_float=Decimal)
            amounts = _amounts(row["row"])
            found.append({key: (groups if key in group_by else amounts)[key] for key in groups})
        return found

    def _call(self, function: str, arguments: Mapping[str, Any]) -> Any:
        return self._value(*call(function, {"p_register": self.name, **arguments}))

    def _value(self, sql: str, parameters: Sequence[Any]) -> Any:
        (row,) = self._rows(sql, parameters)
        (value,) = row.values()
        return value

    def _rows(self, sql: str, parameters: Sequence[Any]) -> list[Row]:
        with connections[self.using].cursor() as cursor:
            cursor.execute(sql, parameters)
            names = [column.name for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


class Register(_AnyRegister):
    """A register by its name.  Errors are Django's; their cause has the server's report."""

    def balance(
        self, at: Moment | None = None, *, known_at: datetime | None = None, **dimensions: Any
    ) -> dict[str, Decimal]:
        """All resources, of all movements or of those until the end of a day or to an instant.

        With history, known_at asks for what was known then.
        """
        _type(known_at)
        known = "" if known_at is None else ", known_at => %s"
        return _amounts(
            self._value(
                f"SELECT CAST(accum.{self.name}_balance(CAST(%s AS jsonb),"
                f" CAST(%s AS {_type(at)}){known}) AS text)",
                [encode(dimensions), at] + ([] if known_at is None else [known_at]),
            )
        )

    def turnover(
        self,
        date_from: Moment | None = None,
        date_to: Moment | None = None,
        group_by: Sequence[str] = (),
        *,
        known_at: datetime | None = None,
        **dimensions: Any,
    ) -> list[Row]:
        """Sums of a range of time: a row for each group, or one in all."""
        _type(known_at)
        return self._turnover(date_from, date_to, group_by, dimensions, known_at)


class Ledger(_AnyRegister):
    """A register of kind ledger by its name.

    An account of a question stands for itself and for those below it, a subconto for all that
    contain it.  Rows have the columns of the server's functions.
    """

    def balance(
        self,
        account: str | None = None,
        subconto: Subconto | None = None,
        at: Moment | None = None,
        **dimensions: Any,
    ) -> dict[str, Decimal]:
        """Debit, credit and balance of each resource, now or at the end of a day or an instant."""
        return _amounts(
            self._value(
                f"SELECT CAST(accum.{self.name}_balance(%s, CAST(%s AS jsonb), CAST(%s AS jsonb),"
                f" CAST(%s AS {_type(at)})) AS text)",
                [account, _json(subconto), encode(dimensions), at],
            )
        )

    def trial_balance(
        self,
        date_from: Moment | None = None,
        date_to: Moment | None = None,
        level: int | None = None,
        **dimensions: Any,
    ) -> list[Row]:
        """Opening balance, turnover and closing balance of each account.

        level rolls accounts up to so many parts of their codes.
        """
        type_ = _type(date_from, date_to)
        return self._rows(
            f"SELECT * FROM accum.{self.name}_trial_balance(CAST(%s AS {type_}),"
            f" CAST(%s AS {type_}), CAST(%s AS jsonb), CAST(%s AS integer))",
            [date_from, date_to, encode(dimensions), level],
        )

    def account_statement(
        self,
        account: str,
        date_from: Moment | None = None,
        date_to: Moment | None = None,
        subconto: Subconto | None = None,
        **dimensions: Any,
    ) -> list[Row]:
        """Every posting that debits or credits the account, with the balance after it."""
        type_ = _type(date_from, date_to)
        rows = self._rows(
            f"SELECT * FROM accum.{self.name}_account_statement(%s, CAST(%s AS {type_}),"
            f" CAST(%s AS {type_}), CAST(%s AS jsonb), CAST(%s AS jsonb))",
            [account, date_from, date_to, _json(subconto), encode(dimensions)],
        )
        for row in rows:
            for key in ("subconto", "corr_subconto"):
                row[key] = json.loads(row[key], parse_float=Decimal)
        return rows

    def correspondence(
        self, date_from: Moment | None = None, date_to: Moment | None = None, **dimensions: Any
    ) -> list[Row]:
        """How much each account was debited against each other one."""
        type_ = _type(date_from, date_to)
        return self._rows(
            f"SELECT * FROM accum.{self.name}_correspondence(CAST(%s AS {type_}),"
            f" CAST(%s AS {type_}), CAST(%s AS jsonb))",
            [date_from, date_to, encode(dimensions)],
        )

    def turnover(
        self,
        date_from: Moment | None = None,
        date_to: Moment | None = None,
        group_by: Sequence[str] = (),
        **dimensions: Any,
    ) -> list[Row]:
        """Sums of both sides; account and subconto are dimensions here, taken as they are."""
        return self._turnover(date_from, date_to, group_by, dimensions)

    def debits_equal_credits(self) -> bool:
        """Whether they do, in balances and in all totals."""
        return bool(self._value("SELECT accum.register_ledger_verify(%s)", [self.name]))
