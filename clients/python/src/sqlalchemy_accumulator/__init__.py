"""Registers of pg_accumulator for SQLAlchemy.

Define a register, create it, post documents to it, and ask for balances:

    stock = AccumulatorClient(engine).use(register)
    stock.post({"recorder": "purchase:1", "period": date.today(), "product": "bolt", ...})
    stock.balance(product="bolt")

The same for asyncio is in sqlalchemy_accumulator.asyncio, operations for
migrations in sqlalchemy_accumulator.alembic.
"""

from .calls import Finding, Preview, RegisterSummary
from .client import AccumulatorClient, LedgerHandle, RegisterHandle
from .errors import (
    AccountError,
    AccumulatorError,
    ArchivedError,
    ClosedPeriodError,
    ConflictError,
    DeadlockError,
    DependentObjectsError,
    DuplicateRegisterError,
    InUseError,
    InvalidArgumentError,
    InvalidValueError,
    LimitError,
    LockTimeoutError,
    NotAllowedError,
    OutOfRangeError,
    PermissionDeniedError,
    ReadOnlyError,
    RetryError,
    SerializationError,
    UndefinedRegisterError,
    WrongKindError,
    translated_errors,
)
from .ledger_calls import (
    AccountBalance,
    Correspondence,
    Sides,
    StatementLine,
    TrialBalanceRow,
    TrialSums,
)
from .orm import ReadOnlyModelError, account_model, balance_model, movement_model
from .register import Column, Dimension, Ledger, Limit, Register, Resource, define_register

__all__ = [
    "AccountBalance",
    "AccountError",
    "AccumulatorClient",
    "AccumulatorError",
    "ArchivedError",
    "ClosedPeriodError",
    "Column",
    "ConflictError",
    "Correspondence",
    "DeadlockError",
    "DependentObjectsError",
    "Dimension",
    "DuplicateRegisterError",
    "Finding",
    "InUseError",
    "InvalidArgumentError",
    "InvalidValueError",
    "Ledger",
    "LedgerHandle",
    "Limit",
    "LimitError",
    "LockTimeoutError",
    "NotAllowedError",
    "OutOfRangeError",
    "PermissionDeniedError",
    "Preview",
    "ReadOnlyError",
    "ReadOnlyModelError",
    "Register",
    "RegisterHandle",
    "RegisterSummary",
    "Resource",
    "RetryError",
    "SerializationError",
    "Sides",
    "StatementLine",
    "TrialBalanceRow",
    "TrialSums",
    "UndefinedRegisterError",
    "WrongKindError",
    "account_model",
    "balance_model",
    "define_register",
    "movement_model",
    "translated_errors",
]
