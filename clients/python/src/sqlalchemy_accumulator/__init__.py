"""Registers of pg_accumulator for SQLAlchemy.

Define a register, create it, post documents to it, and ask for balances:

    stock = AccumulatorClient(engine).use(register)
    stock.post({"recorder": "purchase:1", "period": date.today(), "product": "bolt", ...})
    stock.balance(product="bolt")

The same for asyncio is in sqlalchemy_accumulator.asyncio, operations for
migrations in sqlalchemy_accumulator.alembic.
"""

from .calls import Finding, Preview, RegisterSummary
from .client import AccumulatorClient, RegisterHandle
from .errors import (
    AccumulatorError,
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
from .orm import ReadOnlyModelError, balance_model, movement_model
from .register import Column, Dimension, Limit, Register, define_register

__all__ = [
    "AccumulatorClient",
    "AccumulatorError",
    "Column",
    "ConflictError",
    "DeadlockError",
    "DependentObjectsError",
    "Dimension",
    "DuplicateRegisterError",
    "Finding",
    "InUseError",
    "InvalidArgumentError",
    "InvalidValueError",
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
    "RetryError",
    "SerializationError",
    "UndefinedRegisterError",
    "WrongKindError",
    "balance_model",
    "define_register",
    "movement_model",
    "translated_errors",
]
