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

Movements = Mapping[str, Any] | Sequence[Mapping[str, Any]]


class Register:
    """A register by its name.  Errors are Django's; their cause has the server's report."""

    def __init__(self, name: str, using: str = DEFAULT_DB_ALIAS) -> None:
        if not (name.isidentifier() and name.isascii() and name.islower()):
            raise ValueError(f"{name!r} is no name of a register")
        self.name = name
        self.using = using

    def post(self, data: Movements, *, once: bool = False) -> int:
        """Store movements, all or none; returns how many."""
        return int(self._call("register_post", {"p_data": data, "p_once": once}))

    def unpost(self, recorder: Any) -> int:
        """Remove the movements of a document; returns how many there were."""
        sql = "SELECT accum.register_unpost(%s, CAST(%s AS text))"
        return int(self._value(sql, [self.name, str(recorder)]))

    def repost(self, recorder: Any, data: Movements) -> int:
        """Make a document consist of these movements."""
        return int(self._call("register_repost", {"p_recorder": str(recorder), "p_data": data}))

    def balance(self, at: date | datetime | None = None, **dimensions: Any) -> dict[str, Decimal]:
        """All resources, of all movements or of those until the end of a day or to an instant."""
        type_ = "date"
        if isinstance(at, datetime):
            if not is_aware(at):
                raise ValueError("a datetime without a zone is no instant")
            type_ = "timestamptz"
        text = self._value(
            f"SELECT CAST(accum.{self.name}_balance(CAST(%s AS jsonb), CAST(%s AS {type_}))"
            " AS text)",
            [encode(dimensions), at],
        )
        amounts: dict[str, Decimal] = json.loads(text, parse_float=Decimal, parse_int=Decimal)
        return amounts

    def _call(self, function: str, arguments: Mapping[str, Any]) -> Any:
        return self._value(*call(function, {"p_register": self.name, **arguments}))

    def _value(self, sql: str, parameters: Sequence[Any]) -> Any:
        with connections[self.using].cursor() as cursor:
            cursor.execute(sql, parameters)
            return cursor.fetchone()[0]
