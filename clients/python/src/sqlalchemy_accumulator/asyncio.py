"""The client for engines, connections and sessions of asyncio."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Generic, TypeVar, overload

from sqlalchemy import text
from sqlalchemy.ext.asyncio import (
    AsyncConnection,
    AsyncEngine,
    AsyncSession,
    async_scoped_session,
)

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
Bind = AsyncEngine | AsyncConnection | AsyncSession | async_scoped_session[AsyncSession]


class AsyncAccumulatorClient:
    """Registers of one database.

    With an engine each call is a transaction of its own.  With a connection or a session it
    joins the transaction that is there, and whoever began that one commits it or rolls it back.
    """

    def __init__(self, bind: Bind) -> None:
        self._bind = bind

    async def run(self, call: Call[T]) -> T:
        """Make a call and read its result."""
        statement = text(call.sql)
        with translated_errors():
            if isinstance(self._bind, AsyncEngine):
                async with self._bind.begin() as connection:
                    return call.read((await connection.execute(statement, call.parameters)).all())
            sessions = (AsyncSession, async_scoped_session)
            if isinstance(self._bind, sessions) and self._bind.autoflush:
                # What a movement refers to may still be waiting to be written.
                await self._bind.flush()
            return call.read((await self._bind.execute(statement, call.parameters)).all())

    async def create_register(self, register: Register) -> None:
        await self.run(calls.create_register(register))

    async def alter_register(
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
        await self.run(
            calls.alter_register(
                name, add_dimensions, add_resources, high_write, add_attributes, limits
            )
        )
        return await self.register(name)

    async def drop_register(self, register: Register | str, *, force: bool = False) -> None:
        """Drop a register; one that holds movements only with force."""
        await self.run(calls.drop_register(calls.name_of(register), force))

    async def list_registers(self) -> list[RegisterSummary]:
        return await self.run(calls.list_registers())

    async def register_info(self, register: Register | str) -> dict[str, Any]:
        return await self.run(calls.register_info(calls.name_of(register)))

    async def register(self, name: str) -> Register:
        """The definition of a register as the database has it."""
        return calls.only(await self.run(calls.registers(name)), name)

    async def registers(self) -> dict[str, Register]:
        """The definitions of all registers, by name."""
        return {register.name: register for register in await self.run(calls.registers())}

    # Of what is only known as a Register, the compiler offers the verbs of most registers.
    @overload
    def use(self, register: Ledger) -> AsyncLedgerHandle: ...  # type: ignore[overload-overlap]

    @overload
    def use(self, register: Register) -> AsyncRegisterHandle: ...

    def use(self, register: Register) -> AsyncRegisterHandle | AsyncLedgerHandle:
        if isinstance(register, Ledger):
            return AsyncLedgerHandle(self, register)
        return AsyncRegisterHandle(self, register)


class AsyncAnyHandle(Generic[R]):
    """What registers of every kind can do.

    Dimensions are keyword arguments.  One whose name is that of another parameter, or that is
    not known before, goes into the mapping `dimensions`.
    """

    def __init__(self, client: AsyncAccumulatorClient, register: R) -> None:
        self.register = register
        self._run = client.run

    # Writing

    async def post(self, data: Movement | Iterable[Movement], *, once: bool = False) -> int:
        """Store movements, all or none; returns how many.

        With once, a document that is there already is not stored again, and one that is there
        with other movements is a ConflictError.
        """
        return await self._run(calls.post(self.register, data, once))

    async def unpost(self, recorder: Any, *, at: Moment | None = None) -> int:
        """Remove the movements of a document, or of a list of documents; returns how many.

        With history they are reversed; `at` dates the reversals, otherwise as what they reverse.
        """
        return await self._run(calls.unpost(self.register, recorder, at))

    async def repost(self, recorder: Any, data: Movement | Iterable[Movement]) -> int:
        """Make a document consist of these movements."""
        return await self._run(calls.repost(self.register, recorder, data))

    async def preview(
        self, recorder: Any = None, data: Movement | Iterable[Movement] | None = None
    ) -> list[Preview]:
        """What a repost would do; without a document a post, without data an unpost."""
        return await self._run(calls.preview(self.register, recorder, data))

    # Reading

    async def balances(self, at_date: Moment | None = None) -> list[Row]:
        """The balance of each cell."""
        return await self._run(calls.balances(self.register, at_date))

    # Care

    async def grant(self, role: str, right: Right) -> None:
        """Give a role a right on the register."""
        await self._run(calls.grant(self.register, role, right))

    async def revoke(self, role: str, right: Right) -> None:
        await self._run(calls.revoke(self.register, role, right))

    async def close_through(self, day: date, dimensions: Mapping[str, Any] | None = None) -> None:
        """Close the register through a day: nothing of that time changes any more."""
        await self._run(calls.close_through(self.register, day, dimensions))

    async def reopen_from(
        self, day: date | None, dimensions: Mapping[str, Any] | None = None
    ) -> None:
        """Open the register from a day on; None opens all of it."""
        await self._run(calls.reopen_from(self.register, day, dimensions))

    async def clear(self, *, force: bool = False) -> None:
        """Empty the register; one that holds movements only with force."""
        await self._run(calls.clear(self.register, force))

    async def stats(self) -> dict[str, Any]:
        return await self._run(calls.stats(self.register))

    async def verify(self) -> list[Finding]:
        """Compare each derived table with the movements."""
        return await self._run(calls.verify(self.register))

    async def repair(self) -> int:
        """Mend what verify() finds; returns how many rows were changed."""
        return await self._run(calls.repair(self.register))

    async def fold(self) -> int:
        """Fold the deltas of a register with high_write; returns how many cells changed."""
        return await self._run(calls.fold(self.register))

    async def create_partitions(self) -> int:
        """Make the partitions that are missing."""
        return await self._run(calls.create_partitions(self.register))


class AsyncRegisterHandle(AsyncAnyHandle[Register]):
    """One register: its documents, balances and turnovers.

    Dimensions are keyword arguments.  One whose name is that of another parameter, or that is
    not known before, goes into the mapping `dimensions`.
    """

    async def reconcile(
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
        return await self._run(calls.reconcile(self.register, recorder, period, counted, within))

    async def balance(
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
        return await self._run(calls.balance(self.register, at_date, known_at, dimensions, named))

    async def turnover(
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
        return await self._run(
            calls.turnover(self.register, date_from, date_to, group_by, known_at, dimensions, named)
        )

    async def statement(
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
        return await self._run(
            calls.statement(
                self.register, date_from, date_to, group_by, unit, fill, dimensions, named
            )
        )

    async def movements(
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
        return await self._run(
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

    async def known_until(self) -> datetime:
        """Up to when answers with known_at never change; waits for those who are writing."""
        return await self._run(calls.known_until(self.register))


class AsyncLedgerHandle(AsyncAnyHandle[Ledger]):
    """One ledger: its postings, accounts and balances.

    An account of a question stands for itself and for those below it, a subconto for all that
    contain it.  Dimensions are keyword arguments, as in other registers.
    """

    async def balance(
        self,
        account: str | None = None,
        subconto: Subconto | None = None,
        at_date: Moment | None = None,
        *,
        dimensions: Mapping[str, Any] | None = None,
        **named: Any,
    ) -> dict[str, AccountBalance]:
        """Debit, credit and balance of each resource, now or at the end of a day or an instant."""
        return await self._run(
            ledger_calls.balance(self.register, account, subconto, at_date, dimensions, named)
        )

    async def trial_balance(
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
        return await self._run(
            ledger_calls.trial_balance(self.register, date_from, date_to, level, dimensions, named)
        )

    async def account_statement(
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
        return await self._run(
            ledger_calls.account_statement(
                self.register, account, date_from, date_to, subconto, dimensions, named
            )
        )

    async def correspondence(
        self,
        date_from: Moment | None = None,
        date_to: Moment | None = None,
        *,
        dimensions: Mapping[str, Any] | None = None,
        **named: Any,
    ) -> list[Correspondence]:
        """How much each account was debited against each other one."""
        return await self._run(
            ledger_calls.correspondence(self.register, date_from, date_to, dimensions, named)
        )

    async def turnover(
        self,
        date_from: Moment | None = None,
        date_to: Moment | None = None,
        group_by: str | Sequence[str] | None = None,
        *,
        dimensions: Mapping[str, Any] | None = None,
        **named: Any,
    ) -> list[Row]:
        """Sums of both sides; account and subconto are dimensions here, taken as they are."""
        return await self._run(
            calls.turnover(self.register, date_from, date_to, group_by, None, dimensions, named)
        )

    async def movements(
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
        return await self._run(
            calls.movements(
                self.register, recorder, date_from, date_to, limit, offset, False, dimensions, named
            )
        )

    async def debits_equal_credits(self) -> bool:
        """Whether they do, in balances and in all totals."""
        return await self._run(ledger_calls.debits_equal_credits(self.register))
