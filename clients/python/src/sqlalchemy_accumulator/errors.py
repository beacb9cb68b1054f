"""Errors of the server as exceptions, told apart by SQLSTATE and fields, never by messages."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError


class AccumulatorError(Exception):
    """An error that the server reported.

    The parts of the report are attributes; the exception of SQLAlchemy is __cause__.
    """

    def __init__(
        self,
        message: str,
        *,
        sqlstate: str,
        detail: str | None = None,
        hint: str | None = None,
        context: str | None = None,
        constraint: str | None = None,
        table: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.sqlstate = sqlstate
        self.detail = detail
        self.hint = hint
        self.context = context
        self.constraint = constraint
        self.table = table

    def __str__(self) -> str:
        return "\n".join(filter(None, (self.message, self.detail, self.hint, self.context)))


class UndefinedRegisterError(AccumulatorError):
    """There is no such register, or its kind has no such function."""


class DuplicateRegisterError(AccumulatorError):
    """A register of that name exists."""


class InvalidArgumentError(AccumulatorError):
    """A bad name, type or option, or a movement with wrong keys."""


class InvalidValueError(InvalidArgumentError):
    """A value that is none of its type, or a NULL where there must be a value."""


class OutOfRangeError(InvalidValueError):
    """A value or a sum that does not fit its type."""


class LimitError(AccumulatorError):
    """A balance would break a limit."""

    @property
    def limit(self) -> str | None:
        """The name of the limit."""
        return self.constraint


class AccountError(AccumulatorError):
    """A strict chart of accounts has no such account, or one that takes no such posting."""


class ConflictError(AccumulatorError):
    """A document is known with other movements, or two cells have one hash."""


class NotAllowedError(AccumulatorError):
    """The state of the register, or of the transaction, forbids it."""


class ClosedPeriodError(NotAllowedError):
    """A movement lies in a closed period."""


class ArchivedError(NotAllowedError):
    """The movements are archived."""


class InUseError(AccumulatorError):
    """The session itself is using what is to be changed."""


class DependentObjectsError(AccumulatorError):
    """Other objects of the database depend on what is to be dropped or made anew."""


class WrongKindError(AccumulatorError):
    """Registers of this kind, or of none, cannot do that."""


class PermissionDeniedError(AccumulatorError):
    """A right is missing."""


class ReadOnlyError(AccumulatorError):
    """Writing in a read-only transaction, or on a standby."""


class RetryError(AccumulatorError):
    """The same transaction may succeed when it is tried again."""


class SerializationError(RetryError):
    """A concurrent change got in between."""


class DeadlockError(RetryError):
    """Two transactions waited for each other."""


class LockTimeoutError(RetryError):
    """A lock was not to be had within lock_timeout."""


BY_SQLSTATE: dict[str, type[AccumulatorError]] = {
    "0A000": WrongKindError,
    "22003": OutOfRangeError,
    "22007": InvalidValueError,
    "22008": InvalidValueError,
    "22023": InvalidArgumentError,
    "22P02": InvalidValueError,
    "23502": InvalidValueError,
    "23505": ConflictError,
    "25001": NotAllowedError,
    "25006": ReadOnlyError,
    "27000": NotAllowedError,
    "2BP01": DependentObjectsError,
    "40001": SerializationError,
    "40P01": DeadlockError,
    "42501": PermissionDeniedError,
    "42704": UndefinedRegisterError,
    "42710": DuplicateRegisterError,
    "42809": WrongKindError,
    "42883": UndefinedRegisterError,
    "54000": InvalidValueError,
    "55000": NotAllowedError,
    "55006": InUseError,
    "55P03": LockTimeoutError,
}

# What refuses movements, by the end of its table's name.
BY_TABLE: dict[str, type[AccumulatorError]] = {
    "_accounts": AccountError,
    "_balance_cache": LimitError,
}
# What is told more exactly by the name of a constraint.
BY_CONSTRAINT: dict[tuple[str, str | None], type[AccumulatorError]] = {
    ("55000", "archived"): ArchivedError,
    ("55000", "closed_period"): ClosedPeriodError,
}


def _class(sqlstate: str, report: object) -> type[AccumulatorError] | None:
    if sqlstate in ("23503", "23514"):
        # Rules of an application's own tables are none of a register's.
        if getattr(report, "schema_name", None) != "accum":
            return None
        table = getattr(report, "table_name", None) or ""
        return next((BY_TABLE[end] for end in BY_TABLE if table.endswith(end)), None)
    constraint = getattr(report, "constraint_name", None)
    return BY_CONSTRAINT.get((sqlstate, constraint)) or BY_SQLSTATE.get(sqlstate)


def from_dbapi(error: DBAPIError) -> AccumulatorError | None:
    """The exception for an error of the driver; None for what has nothing to do with registers."""
    original = error.orig
    # psycopg calls it sqlstate, psycopg2 pgcode; both have the report in diag.
    sqlstate = getattr(original, "sqlstate", None) or getattr(original, "pgcode", None)
    report = getattr(original, "diag", None)
    typed = _class(str(sqlstate), report)
    if typed is None:
        return None
    return typed(
        getattr(report, "message_primary", None) or str(original),
        sqlstate=str(sqlstate),
        detail=getattr(report, "message_detail", None),
        hint=getattr(report, "message_hint", None),
        context=getattr(report, "context", None),
        constraint=getattr(report, "constraint_name", None),
        table=getattr(report, "table_name", None),
    )


@contextmanager
def translated_errors() -> Iterator[None]:
    """Raise typed exceptions for errors of the server within the block.

    The clients do so themselves; use it around a commit() of your own, where errors that are
    deferred to the end of a transaction come up.
    """
    try:
        yield
    except DBAPIError as error:
        translated = from_dbapi(error)
        if translated is None:
            raise
        raise translated from error
