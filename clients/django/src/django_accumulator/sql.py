"""Calls of the extension's functions with named arguments."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder


class Encoder(DjangoJSONEncoder):
    """Django's JSON, with every digit of a time: it would cut microseconds."""

    def default(self, o: Any) -> Any:
        return o.isoformat() if hasattr(o, "isoformat") else super().default(o)


def encode(value: object) -> str:
    """The text of JSON.  A Decimal is a number: in a subconto a string is something else."""
    if isinstance(value, Mapping):
        members = (f"{json.dumps(str(key))}: {encode(one)}" for key, one in value.items())
        return "{" + ", ".join(members) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(encode, value)) + "]"
    if isinstance(value, Decimal) and value.is_finite():
        return str(value)
    return json.dumps(value, cls=Encoder, allow_nan=False)


def call(function: str, arguments: Mapping[str, Any]) -> tuple[str, list[Any]]:
    """SQL and parameters of a call; mappings and lists travel as jsonb."""
    parts, parameters = [], []
    for name, value in arguments.items():
        if not name.isidentifier():
            raise ValueError(f"{name!r} is no name of an argument")
        document = isinstance(value, (Mapping, list, tuple))
        parts.append(f"{name} => " + ("CAST(%s AS jsonb)" if document else "%s"))
        parameters.append(encode(value) if document else value)
    return f"SELECT accum.{function}({', '.join(parts)})", parameters


def columns(described: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Columns in their order: {name: type}, or {name: {"type": ..., "required": True}}.

    A resource of a ledger may be {"type": ..., "balanced": False}.
    """
    return [
        {"name": name, **(spec if isinstance(spec, Mapping) else {"type": spec})}
        for name, spec in described.items()
    ]
