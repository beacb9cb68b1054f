"""The client for engines, connections and sessions that block."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Generic, TypeVar, overload

from sqlalchemy import Connection, Engine, text
from sqlalchemy.orm import Session, scoped_session

from . import calls, ledger_calls
from .calls import Call, Finding, Moment, Preview, RegisterSummary, Right, Unit
from .errors import translated_errors
from .ledger_calls import (
    AccountBalance,
    Correspondence,
    StatementLine,
    Subconto,
    TrialBalanceRow,
)
from .register import Dimension, Ledger, Limit, Register, Resource, SqlType
from .values import Movement, Row

T = TypeVar("T")
R = TypeVar("R", bound=Register)
Bind = Engine | Connection | Session | scoped_session[Session]


class AccumulatorClient:
    """Registers of one database.

    With an engine each call is a transaction of its own.  With a connection or a session it
    joins the transaction that is there, and whoever began that one commits it or rolls it back.
    """

    def __init__(self, bind: Bind) -> None:
        self._bind = bind

    def run(self, call: Call[T]) -> T:
        """Make a call and read its result."""
        statement = text(call.sql)
        with translated_errors():
            if isinstance(self._bind, Engine):
                with self._bind.begin() as connection:
                    return call.read(connection.execute(statement, call.parameters).all())
            if isinstance(self._bind, (Session, scoped_session)) and self._bind.autoflush:
                # What a movement refers to may still be waiting to be written.
                self._bind.flush()
            return call.read(self._bind.execute(statement, call.parameters).all())

    def create_register(self, register: Register) -> None:
        self.run(calls.create_register(register))

    def alter_register(
        self,
        register: Register | str,
        *,
        add_dimensions: Mapping[str, SqlType | Dimension] | None = None,
        add_resources: Mapping[str, SqlType | Resource] | None = None,
        high_write: bool | None = None,
        add_attributes: Mapping[str, SqlType] | None = None,
        limits: Iterable[Limit] | None = None,
    ) -> Register:
        """Alter a register and return its new definition."""
        name = calls.name_of(register)
        self.run(
            calls.alter_register(
                name, add_dimensions, add_resources, high_write, add_attributes, limits
            )
        )
        return self.register(name)

    def drop_register(self, register: Register | str, *, force: bool = False) -> None:
        """Drop a register; one that holds movements only with force."""
        self.run(calls.drop_register(calls.name_of(register), force))

    def list_registers(self) -> list[RegisterSummary]:
        return self.run(calls.list_registers())

    def register_info(self, register: Register | str) -> dict[str, Any]:
        return self.run(calls.register_info(calls.name_of(register)))

    def register(self, name: str) -> Register:
        """The definition of a register as the database has it."""
        return calls.only(self.run(calls.registers(name)), name)

    def registers(self) -> dict[str, Register]:
        """The definitions of all registers, by name."""
        return {register.name: register for register in self.run(calls.registers())}

    # Of what is only known as a Register, the compiler offers the verbs of most registers.
    @overload
    def use(self, register: Ledger) -> LedgerHandle: ...  # type: ignore[overload-overlap]

    @overload
    def use(self, register: Register) -> RegisterHandle: ...

    def use(self, register: Register) -> RegisterHandle | LedgerHandle:
        if isinstance(register, Ledger):
            return LedgerHandle(self, register)
        return RegisterHandle(self, register)


class AnyHandle(Generic[R]):
    """What registers of every kind can do.

    Dimensions are keyword arguments.  One whose name is that of another parameter, or that is
    not known before, goes into the mapping `dimensions`.
    """

    def __init__(self, client: AccumulatorClient, register: R) -> None:
        self.register = register
        self._run = client.run

    # Writing

    def post(self, data: Movement | Iterable[Movement], *, once: bool = False) -> int:
        """Store movements, all or none; returns how many.

        With once, a document that is there already is not stored again, and one that is there
        with other movements is a ConflictError.
        """
        return self._run(calls.post(self.register, data, once))

    def unpost(self, recorder: Any, *, at: Moment | None = None) -> int:
        """Remove the movements of a document, or of a list of documents; returns how many.

        With history they are reversed; `at` dates the reversals, otherwise as what they reverse.
        """
        return self._run(calls.unpost(self.register, recorder, at))

    def repost(self, recorder: Any, data: Movement | Iterable[Movement]) -> int:
        """Make a document consist of these movements."""
        return self._run(calls.repost(self.register, recorder, data))

    def preview(
        self, recorder: Any = None, data: Movement | Iterable[Movement] | None = None
    ) -> list[Preview]:
        """What a repost would do; without a document a post, without data an unpost."""
        return self._run(calls.preview(self.register, recorder, data))

    # Reading

    def balances(self, at_date: Moment | None = None) -> list[Row]:
        """The balance of each cell."""
        return self._run(calls.balances(self.register, at_date))

    # Care

    def grant(self, role: str, right: Right) -> None:
        """Give a role a right on the register."""
        self._run(calls.grant(self.register, role, right))

    def revoke(self, role: str, right: Right) -> None:
        self._run(calls.revoke(self.register, role, right))

    def close_through(self, day: date, dimensions: Mapping[str, Any] | None = None) -> None:
        """Close the register through a day: nothing of that time changes any more."""
        self._run(calls.close_through(self.register, day, dimensions))

    def reopen_from(self, day: date | None, dimensions: Mapping[str, Any] | None = None) -> None:
        """Open the register from a day on; None opens all of it."""
        self._run(calls.reopen_from(self.register, day, dimensions))

    def clear(self, *, force: bool = False) -> None:
        """Empty the register; one that holds movements only with force."""
        self._run(calls.clear(self.register, force))

    def stats(self) -> dict[str, Any]:
        return self._run(calls.stats(self.register))

    def verify(self) -> list[Finding]:
        """Compare each derived table with the movements."""
        return self._run(calls.verify(self.register))

    def repair(self) -> int:
        """Mend what verify() finds; returns how many rows were changed."""
        return self._run(calls.repair(self.register))

    def fold(self) -> int:
        """Fold the deltas of a register with high_write; returns how many cells changed."""
        return self._run(calls.fold(self.register))

    def create_partitions(self) -> int:
        """Make the partitions that are missing."""
        return self._run(calls.create_partitions(self.register))


class RegisterHandle(AnyHandle[Register]):
    """One register: its documents, balances and turnovers.

    Dimensions are keyword arguments.  One whose name is that of another parameter, or that is
    not known before, goes into the mapping `dimensions`.
    """

    def reconcile(
        self,
        recorder: Any,
        period: Moment,
        counted: Movement | Iterable[Movement],
        *,
        within: Mapping[str, Any] | None = None,
    ) -> list[Row]:
        """Make balances what was counted, and return the movements that do so.

        With within, cells of these dimensions that were not counted become zero.
        """
        return self._run(calls.reconcile(self.register, recorder, period, counted, within))

    def balance(
        self,
        at_date: Moment | None = None,
        *,
        known_at: Moment | None = None,
        dimensions: Mapping[str, Any] | None = None,
        **named: Any,
    ) -> dict[str, Decimal]:
        """All resources, of all movements or of those until the end of a day or to an instant.

        With history, known_at asks for what was known then.
        """
        return self._run(calls.balance(self.register, at_date, known_at, dimensions, named))

    def turnover(
        self,
        date_from: Moment | None = None,
        date_to: Moment | None = None,
        group_by: str | Sequence[str] | None = None,
        *,
        known_at: Moment | None = None,
        dimensions: Mapping[str, Any] | None = None,
        **named: Any,
    ) -> list[Row]:
        """Sums of a range of time: a row for each group, or one in all."""
        return self._run(
            calls.turnover(self.register, date_from, date_to, group_by, known_at, dimensions, named)
        )

    def statement(
        self,
        date_from: Moment | None = None,
        date_to: Moment | None = None,
        group_by: str | Sequence[str] | None = None,
        *,
        unit: Unit | None = None,
        fill: bool = False,
        dimensions: Mapping[str, Any] | None = None,
        **named: Any,
    ) -> list[Row]:
        """A statement of account: opening, receipt, expense, turnover and closing."""
        return self._run(
            calls.statement(
                self.register, date_from, date_to, group_by, unit, fill, dimensions, named
            )
        )

    def movements(
        self,
        recorder: Any = None,
        date_from: Moment | None = None,
        date_to: Moment | None = None,
        limit: int | None = None,
        offset: int | None = None,
        *,
        only_active: bool = False,
        dimensions: Mapping[str, Any] | None = None,
        **named: Any,
    ) -> list[Row]:
        """Movements, ordered by period; with only_active none that were reversed."""
        return self._run(
            calls.movements(
                self.register,
                recorder,
                date_from,
                date_to,
                limit,
                offset,
                only_active,
                dimensions,
                named,
            )
        )

    def known_until(self) -> datetime:
        """Up to when answers with known_at never change; waits for those who are writing."""
        return self._run(calls.known_until(self.register))


class LedgerHandle(AnyHandle[Ledger]):
    """One ledger: its postings, accounts and balances.

    An account of a question stands for itself and for those below it, a subconto for all that
    contain it.  Dimensions are keyword arguments, as in other registers.
    """

    def balance(
        self,
        account: str | None = None,
        subconto: Subconto | None = None,
        at_date: Moment | None = None,
        *,
        dimensions: Mapping[str, Any] | None = None,
        **named: Any,
    ) -> dict[str, AccountBalance]:
        """Debit, credit and balance of each resource, now or at the end of a day or an instant."""
        return self._run(
            ledger_calls.balance(self.register, account, subconto, at_date, dimensions, named)
        )

    def trial_balance(
        self,
        date_from: Moment | None = None,
        date_to: Moment | None = None,
        level: int | None = None,
        *,
        dimensions: Mapping[str, Any] | None = None,
        **named: Any,
    ) -> list[TrialBalanceRow]:
        """Opening balance, turnover and closing balance of each account.

        level rolls accounts up to so many parts of their codes.
        """
        return self._run(
            ledger_calls.trial_balance(self.register, date_from, date_to, level, dimensions, named)
        )

    def account_statement(
        self,
        account: str,
        date_from: Moment | None = None,
        date_to: Moment | None = None,
        subconto: Subconto | None = None,
        *,
        dimensions: Mapping[str, Any] | None = None,
        **named: Any,
    ) -> list[StatementLine]:
        """Every posting that debits or credits the account, with the balance after it."""
        return self._run(
            ledger_calls.account_statement(
                self.register, account, date_from, date_to, subconto, dimensions, named
            )
        )

    def correspondence(
        self,
        date_from: Moment | None = None,
        date_to: Moment | None = None,
        *,
        dimensions: Mapping[str, Any] | None = None,
        **named: Any,
    ) -> list[Correspondence]:
        """How much each account was debited against each other one."""
        return self._run(
            ledger_calls.correspondence(self.register, date_from, date_to, dimensions, named)
        )

    def turnover(
        self,
        date_from: Moment | None = None,
        date_to: Moment | None = None,
        group_by: str | Sequence[str] | None = None,
        *,
        dimensions: Mapping[str, Any] | None = None,
        **named: Any,
    ) -> list[Row]:
        """Sums of both sides; account and subconto are dimensions here, taken as they are."""
        return self._run(
            calls.turnover(self.register, date_from, date_to, group_by, None, dimensions, named)
        )

    def movements(
        self,
        recorder: Any = None,
        date_from: Moment | None = None,
        date_to: Moment | None = None,
        limit: int | None = None,
        offset: int | None = None,
        *,
        dimensions: Mapping[str, Any] | None = None,
        **named: Any,
    ) -> list[Row]:
        """Postings, ordered by period; those of which one side is asked for."""
        return self._run(
            calls.movements(
                self.register, recorder, date_from, date_to, limit, offset, False, dimensions, named
            )
        )

    def debits_equal_credits(self) -> bool:
        """Whether they do, in balances and in all totals."""
        return self._run(ledger_calls.debits_equal_credits(self.register))
