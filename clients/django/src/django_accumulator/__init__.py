"""Registers of pg_accumulator for Django: migrations, read-only models, documents."""

from .registers import Register

__all__ = ["Register"]
