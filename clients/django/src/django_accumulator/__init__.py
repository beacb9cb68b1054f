"""Registers of pg_accumulator for Django: migrations, read-only models, documents."""

from .registers import Ledger, Register

__all__ = ["Ledger", "Register"]
