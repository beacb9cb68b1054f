"""The calls that only ledgers have, and what they return."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeVar
from uuid import UUID

from .calls import Bounds, Call, Moment, filter_of, json_of
from .register import Ledger
from .values import Row, decode

S = TypeVar("S")
Subconto = Mapping[str, Any]


@dataclass(frozen=True)
class Sides:
    """What was debited and what was credited."""

    dr: Decimal
    cr: Decimal


@dataclass(frozen=True)
class AccountBalance(Sides):
    """With the balance: debit less credit, or the other way round for a passive account."""

    balance: Decimal


@dataclass(frozen=True)
class TrialSums:
    """What a trial balance says of a resource."""

    opening_dr: Decimal
    opening_cr: Decimal
    turnover_dr: Decimal
    turnover_cr: Decimal
    closing_dr: Decimal
    closing_cr: Decimal


@dataclass(frozen=True)
class TrialBalanceRow:
    """An account in a trial balance; account_name is None without a chart of accounts."""

    account: str
    account_name: str | None
    dimensions: Row
    amounts: dict[str, TrialSums]


@dataclass(frozen=True)
class StatementLine:
    """A posting as one of its sides sees it; balances are those after it."""

    period: datetime
    recorder: Any
    id: UUID
    account: str
    subconto: Row
    corr_account: str
    corr_subconto: Row
    dimensions: Row
    amounts: dict[str, AccountBalance]


@dataclass(frozen=True)
class Correspondence:
    """How much one account was debited against another one."""

    account_dr: str
    account_cr: str
    dimensions: Row
    amounts: dict[str, Sides]


def _amounts(ledger: Ledger, row: Row, sums: Callable[..., S], *names: str) -> dict[str, S]:
    return {
        resource.name: sums(*(row[f"{resource.name}_{name}"] for name in names))
        for resource in ledger.resources
    }


def _account_balance(ledger: Ledger, row: Row) -> dict[str, AccountBalance]:
    return _amounts(ledger, row, AccountBalance, "dr", "cr", "balance")


def _dimensions(ledger: Ledger, row: Row) -> Row:
    return {column.name: row[column.name] for column in ledger.dimensions}


def _rows(ledger: Ledger, read: Callable[[Row], S]) -> Callable[[Sequence[Any]], list[S]]:
    return lambda rows: [read(decode(ledger, row[0])) for row in rows]


def balance(
    ledger: Ledger,
    account: str | None,
    subconto: Subconto | None,
    at_date: Moment | None,
    dimensions: Mapping[str, Any] | None,
    named: Mapping[str, Any],
) -> Call[dict[str, AccountBalance]]:
    bounds = Bounds(ledger, at_date=at_date)
    return Call(
        f"SELECT CAST(accum.{ledger.name}_balance(CAST(:account AS text),"
        f" CAST(:subconto AS jsonb), CAST(:dimensions AS jsonb), {bounds.sql['at_date']}) AS text)",
        {
            "account": account,
            "subconto": json_of(ledger, subconto),
            "dimensions": filter_of(ledger, dimensions, named),
            **bounds.parameters,
        },
        lambda rows: _account_balance(ledger, decode(ledger, rows[0][0])),
    )


def trial_balance(
    ledger: Ledger,
    date_from: Moment | None,
    date_to: Moment | None,
    level: int | None,
    dimensions: Mapping[str, Any] | None,
    named: Mapping[str, Any],
) -> Call[list[TrialBalanceRow]]:
    bounds = Bounds(ledger, date_from=date_from, date_to=date_to)
    names = list(TrialSums.__dataclass_fields__)
    return Call(
        f"SELECT CAST(to_jsonb(t) AS text) FROM accum.{ledger.name}_trial_balance("
        f"{bounds.sql['date_from']}, {bounds.sql['date_to']}, CAST(:dimensions AS jsonb),"
        " CAST(:level AS integer)) AS t",
        {
            "dimensions": filter_of(ledger, dimensions, named),
            "level": level,
            **bounds.parameters,
        },
        _rows(
            ledger,
            lambda row: TrialBalanceRow(
                row["account"],
                row.get("account_name"),
                _dimensions(ledger, row),
                _amounts(ledger, row, TrialSums, *names),
            ),
        ),
    )


def account_statement(
    ledger: Ledger,
    account: str,
    date_from: Moment | None,
    date_to: Moment | None,
    subconto: Subconto | None,
    dimensions: Mapping[str, Any] | None,
    named: Mapping[str, Any],
) -> Call[list[StatementLine]]:
    bounds = Bounds(ledger, date_from=date_from, date_to=date_to)
    fields = ("period", "recorder", "id", "account", "subconto", "corr_account", "corr_subconto")
    return Call(
        f"SELECT CAST(to_jsonb(s) AS text) FROM accum.{ledger.name}_account_statement("
        f"CAST(:account AS text), {bounds.sql['date_from']}, {bounds.sql['date_to']},"
        " CAST(:subconto AS jsonb), CAST(:dimensions AS jsonb)) AS s",
        {
            "account": account,
            "subconto": json_of(ledger, subconto),
            "dimensions": filter_of(ledger, dimensions, named),
            **bounds.parameters,
        },
        _rows(
            ledger,
            lambda row: StatementLine(
                **{field: row[field] for field in fields},
                dimensions=_dimensions(ledger, row),
                amounts=_account_balance(ledger, row),
            ),
        ),
    )


def correspondence(
    ledger: Ledger,
    date_from: Moment | None,
    date_to: Moment | None,
    dimensions: Mapping[str, Any] | None,
    named: Mapping[str, Any],
) -> Call[list[Correspondence]]:
    bounds = Bounds(ledger, date_from=date_from, date_to=date_to)

    def read(row: Row) -> Correspondence:
        for resource in ledger.resources:
            if resource.balanced:
                row[f"{resource.name}_dr"] = row[f"{resource.name}_cr"] = row[resource.name]
        return Correspondence(
            row["account_dr"],
            row["account_cr"],
            _dimensions(ledger, row),
            _amounts(ledger, row, Sides, "dr", "cr"),
        )

    return Call(
        f"SELECT CAST(to_jsonb(c) AS text) FROM accum.{ledger.name}_correspondence("
        f"{bounds.sql['date_from']}, {bounds.sql['date_to']}, CAST(:dimensions AS jsonb)) AS c",
        {"dimensions": filter_of(ledger, dimensions, named), **bounds.parameters},
        _rows(ledger, read),
    )


def debits_equal_credits(ledger: Ledger) -> Call[bool]:
    return Call(
        "SELECT accum.register_ledger_verify(:register)",
        {"register": ledger.name},
        lambda rows: bool(rows[0][0]),
    )
