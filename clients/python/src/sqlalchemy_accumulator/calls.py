"""Every call of the server: its SQL, its parameters, and how its rows are read.

Nothing here talks to a database, so that the clients for threads and for
asyncio share all of it.

Moments without a zone (a naive datetime, or a string without an offset) are
local time of the register, here as in movements.  A date is a day of its
calendar.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Generic, Literal, TypeVar

from .errors import UndefinedRegisterError
from .register import (
    Column,
    Dimension,
    Limit,
    Register,
    Resource,
    SqlType,
    columns,
    register_class,
)
from .values import (
    Movement,
    Row,
    decode,
    decode_amounts,
    encode,
    encode_for,
    encode_movements,
)

T = TypeVar("T")
Moment = date | datetime | str
Right = Literal["read", "post", "admin"]
Unit = Literal["day", "week", "month", "quarter", "year"]


@dataclass(frozen=True)
class Call(Generic[T]):
    sql: str
    parameters: Mapping[str, Any]
    read: Callable[[Sequence[Any]], T]


@dataclass(frozen=True)
class RegisterSummary:
    """A row of list_registers(); movements_count is None for whoever may not know it."""

    name: str
    kind: str
    dimensions: int
    resources: int
    movements_count: int | None
    created_at: datetime


@dataclass(frozen=True)
class Preview:
    """What a call would do to the balance of a cell.

    broken_limits is None for whoever may not know them.
    """

    dimensions: Row
    before: dict[str, Decimal]
    after: dict[str, Decimal]
    broken_limits: list[str] | None
    closed: bool


@dataclass(frozen=True)
class Finding:
    """A row of verify(): a derived table that is right, or a row of it that is not."""

    check_type: str
    dim_hash: int | None
    period: date | None
    expected: Row | None
    actual: Row | None
    status: str


# Readers of results


def _value(rows: Sequence[Any]) -> Any:
    return rows[0][0]


def _nothing(rows: Sequence[Any]) -> None:
    return None


def _rows(register: Register) -> Callable[[Sequence[Any]], list[Row]]:
    return lambda rows: [decode(register, row[0]) for row in rows]


# Fragments of SQL


def json_of(register: Register, value: object) -> str | None:
    return None if value is None else encode_for(register, value)


def filter_of(
    register: Register, dimensions: Mapping[str, Any] | None, named: Mapping[str, Any]
) -> str | None:
    """Values of dimensions as a parameter, wherever they were given."""
    selected = {**(dimensions or {}), **named}
    return encode_for(register, selected) if selected else None


def _parse(moment: Moment | None) -> date | datetime | None:
    if not isinstance(moment, str):
        return moment
    try:
        return date.fromisoformat(moment)
    except ValueError:
        return datetime.fromisoformat(moment)


def _instant(parameter: str, moment: date | datetime | None) -> str:
    """SQL for an instant; parameters() has the values."""
    if isinstance(moment, datetime) and moment.tzinfo is not None:
        return f"CAST(:{parameter} AS timestamptz)"
    return f"timezone(:zone, CAST(:{parameter} AS timestamp))"


class Bounds:
    """Bounds in time as SQL: all of them as days if they are, otherwise as instants."""

    def __init__(self, register: Register, days: bool = True, /, **moments: Moment | None) -> None:
        parsed = {parameter: _parse(moment) for parameter, moment in moments.items()}
        days = days and not any(isinstance(moment, datetime) for moment in parsed.values())
        self.sql = {
            parameter: f"CAST(:{parameter} AS date)" if days else _instant(parameter, moment)
            for parameter, moment in parsed.items()
        }
        self.parameters: dict[str, str | None] = {
            parameter: None if moment is None else moment.isoformat()
            for parameter, moment in parsed.items()
        }
        if any(":zone" in sql for sql in self.sql.values()):
            self.parameters["zone"] = register.time_zone


def _group_by(group_by: str | Sequence[str] | None) -> str | None:
    if isinstance(group_by, str):
        group_by = [group_by]
    return None if group_by is None else encode(list(group_by))


def _known_at(register: Register, known_at: Moment | None) -> tuple[str, dict[str, str | None]]:
    """One more argument, which only registers with history have."""
    if known_at is None:
        return "", {}
    bounds = Bounds(register, False, known_at=known_at)
    return f", known_at => {bounds.sql['known_at']}", bounds.parameters


# Definitions


def create_register(register: Register) -> Call[None]:
    return Call(
        "SELECT accum.register_create(:name, CAST(:dimensions AS jsonb),"
        " CAST(:resources AS jsonb), kind => :kind, totals_period => :totals_period,"
        " partition_by => :partition_by, high_write => :high_write,"
        " recorder_type => :recorder_type, time_zone => :time_zone,"
        " attributes => CAST(:attributes AS jsonb), year_start => :year_start,"
        " limits => CAST(:limits AS jsonb), history => :history, chart => CAST(:chart AS text))",
        {
            "name": register.name,
            "dimensions": _columns(register.dimensions),
            "resources": _columns(register.resources),
            "kind": register.kind,
            "totals_period": register.totals_period,
            "partition_by": register.partition_by,
            "high_write": register.high_write,
            "recorder_type": register.recorder_type,
            "time_zone": register.time_zone,
            "attributes": _columns(register.attributes),
            "year_start": register.year_start,
            "limits": _limits(register.limits),
            "history": register.history,
            "chart": register.chart,
        },
        _nothing,
    )


def alter_register(
    name: str,
    add_dimensions: Mapping[str, SqlType | Dimension] | None = None,
    add_resources: Mapping[str, SqlType | Resource] | None = None,
    high_write: bool | None = None,
    add_attributes: Mapping[str, SqlType] | None = None,
    limits: Iterable[Limit] | None = None,
) -> Call[None]:
    return Call(
        "SELECT accum.register_alter(:name, CAST(:add_dimensions AS jsonb),"
        " CAST(:add_resources AS jsonb), CAST(:high_write AS boolean),"
        " CAST(:add_attributes AS jsonb), CAST(:limits AS jsonb))",
        {
            "name": name,
            "add_dimensions": _columns(columns(add_dimensions)),
            "add_resources": _columns(columns(add_resources)),
            "high_write": high_write,
            "add_attributes": _columns(columns(add_attributes)),
            "limits": None if limits is None else _limits(limits),
        },
        _nothing,
    )


def _columns(described: Iterable[Column]) -> str:
    return encode([column.to_json() for column in described])


def _limits(limits: Iterable[Limit]) -> str:
    return encode([limit.to_json() for limit in limits])


def drop_register(name: str, force: bool) -> Call[None]:
    return Call(
        "SELECT accum.register_drop(:name, :force)", {"name": name, "force": force}, _nothing
    )


def list_registers() -> Call[list[RegisterSummary]]:
    return Call(
        "SELECT name, kind, dimensions, resources, movements_count, created_at"
        " FROM accum.register_list()",
        {},
        lambda rows: [RegisterSummary(*row) for row in rows],
    )


def name_of(register: Register | str) -> str:
    return register if isinstance(register, str) else register.name


def only(found: list[Register], name: str) -> Register:
    """The definition that registers() has found for a name."""
    if not found:
        raise UndefinedRegisterError(f'register "{name}" does not exist', sqlstate="42704")
    return found[0]


def register_info(name: str) -> Call[dict[str, Any]]:
    return Call("SELECT accum.register_info(:name)", {"name": name}, _value)


def registers(name: str | None = None) -> Call[list[Register]]:
    """Definitions as the database has them; none where there is no such register."""
    return Call(
        "SELECT name, dimensions, resources, attributes, kind, totals_period, partition_by,"
        " high_write, recorder_type, time_zone, year_start, limits, history, chart"
        " FROM accum._registers"
        " WHERE name = CAST(:name AS text) OR CAST(:name AS text) IS NULL ORDER BY name",
        {"name": name},
        lambda rows: [_register(row) for row in rows],
    )


def _register(row: Any) -> Register:
    described = dict(row._mapping)
    for part in ("dimensions", "resources", "attributes"):
        described[part] = tuple(Column(**column) for column in described[part])
    described["limits"] = tuple(Limit(**limit) for limit in described["limits"])
    return register_class(described["kind"])(**described)


# Writing


def post(register: Register, data: Movement | Iterable[Movement], once: bool) -> Call[int]:
    return Call(
        "SELECT accum.register_post(:register, CAST(:data AS jsonb), :once)",
        {"register": register.name, "data": encode_movements(register, data), "once": once},
        _value,
    )


def unpost(register: Register, recorder: Any, at: Moment | None) -> Call[int]:
    several = isinstance(recorder, (list, tuple, set, frozenset))
    type_ = "text[]" if several else "text"
    bounds = Bounds(register, False, at=at)
    return Call(
        f"SELECT accum.register_unpost(:register, CAST(:recorder AS {type_}), {bounds.sql['at']})",
        {
            "register": register.name,
            "recorder": [str(one) for one in recorder] if several else str(recorder),
            **bounds.parameters,
        },
        _value,
    )


def repost(register: Register, recorder: Any, data: Movement | Iterable[Movement]) -> Call[int]:
    return Call(
        "SELECT accum.register_repost(:register, CAST(:recorder AS text), CAST(:data AS jsonb))",
        {
            "register": register.name,
            "recorder": str(recorder),
            "data": encode_movements(register, data),
        },
        _value,
    )


def reconcile(
    register: Register,
    recorder: Any,
    period: Moment,
    counted: Movement | Iterable[Movement],
    within: Mapping[str, Any] | None,
) -> Call[list[Row]]:
    bounds = Bounds(register, False, period=period)
    return Call(
        "SELECT CAST(movement AS text) FROM accum.register_reconcile(:register,"
        f" CAST(:recorder AS text), {bounds.sql['period']},"
        " CAST(:counted AS jsonb), CAST(:within AS jsonb)) AS movement",
        {
            "register": register.name,
            "recorder": str(recorder),
            "counted": encode_movements(register, counted),
            "within": json_of(register, within),
            **bounds.parameters,
        },
        _rows(register),
    )


def preview(
    register: Register, recorder: Any, data: Movement | Iterable[Movement] | None
) -> Call[list[Preview]]:
    return Call(
        "SELECT CAST(dimensions AS text), CAST(before AS text), CAST(after AS text),"
        " broken_limits, closed FROM accum.register_preview(:register,"
        " CAST(:recorder AS text), CAST(:data AS jsonb))",
        {
            "register": register.name,
            "recorder": None if recorder is None else str(recorder),
            "data": None if data is None else encode_movements(register, data),
        },
        lambda rows: [
            Preview(
                decode(register, dimensions),
                decode_amounts(register, before),
                decode_amounts(register, after),
                broken_limits,
                closed,
            )
            for dimensions, before, after, broken_limits, closed in rows
        ],
    )


# Reading


def balance(
    register: Register,
    at_date: Moment | None,
    known_at: Moment | None,
    dimensions: Mapping[str, Any] | None,
    named: Mapping[str, Any],
) -> Call[dict[str, Decimal]]:
    bounds = Bounds(register, at_date=at_date)
    known, parameters = _known_at(register, known_at)
    return Call(
        f"SELECT CAST(accum.{register.name}_balance(CAST(:dimensions AS jsonb),"
        f" {bounds.sql['at_date']}{known}) AS text)",
        {"dimensions": filter_of(register, dimensions, named), **bounds.parameters, **parameters},
        lambda rows: decode_amounts(register, rows[0][0]),
    )


def balances(register: Register, at_date: Moment | None) -> Call[list[Row]]:
    bounds = Bounds(register, at_date=at_date)
    return Call(
        "SELECT CAST(to_jsonb(b) AS text)"
        f" FROM accum.{register.name}_balances_at({bounds.sql['at_date']}) AS b",
        bounds.parameters,
        _rows(register),
    )


def turnover(
    register: Register,
    date_from: Moment | None,
    date_to: Moment | None,
    group_by: str | Sequence[str] | None,
    known_at: Moment | None,
    dimensions: Mapping[str, Any] | None,
    named: Mapping[str, Any],
) -> Call[list[Row]]:
    bounds = Bounds(register, date_from=date_from, date_to=date_to)
    known, parameters = _known_at(register, known_at)
    return Call(
        f"SELECT CAST(accum.{register.name}_turnover({bounds.sql['date_from']},"
        f" {bounds.sql['date_to']}, CAST(:dimensions AS jsonb),"
        f" CAST(:group_by AS jsonb){known}) AS text)",
        {
            "dimensions": filter_of(register, dimensions, named),
            "group_by": _group_by(group_by),
            **bounds.parameters,
            **parameters,
        },
        _rows(register),
    )


def statement(
    register: Register,
    date_from: Moment | None,
    date_to: Moment | None,
    group_by: str | Sequence[str] | None,
    unit: Unit | None,
    fill: bool,
    dimensions: Mapping[str, Any] | None,
    named: Mapping[str, Any],
) -> Call[list[Row]]:
    bounds = Bounds(register, date_from=date_from, date_to=date_to)
    return Call(
        "SELECT CAST(to_jsonb(s) AS text)"
        f" FROM accum.{register.name}_statement({bounds.sql['date_from']},"
        f" {bounds.sql['date_to']}, CAST(:dimensions AS jsonb), CAST(:group_by AS jsonb),"
        " CAST(:unit AS text), :fill) AS s",
        {
            "dimensions": filter_of(register, dimensions, named),
            "group_by": _group_by(group_by),
            "unit": unit,
            "fill": fill,
            **bounds.parameters,
        },
        _rows(register),
    )


def movements(
    register: Register,
    recorder: Any,
    date_from: Moment | None,
    date_to: Moment | None,
    limit: int | None,
    offset: int | None,
    only_active: bool,
    dimensions: Mapping[str, Any] | None,
    named: Mapping[str, Any],
) -> Call[list[Row]]:
    bounds = Bounds(register, False, date_from=date_from, date_to=date_to)
    return Call(
        f"SELECT CAST(accum.{register.name}_movements(CAST(:recorder AS text),"
        f" {bounds.sql['date_from']}, {bounds.sql['date_to']},"
        f" CAST(:dimensions AS jsonb){', only_active => true' if only_active else ''}) AS text)"
        " LIMIT CAST(:limit AS bigint) OFFSET CAST(:offset AS bigint)",
        {
            "recorder": None if recorder is None else str(recorder),
            "dimensions": filter_of(register, dimensions, named),
            "limit": limit,
            "offset": offset,
            **bounds.parameters,
        },
        _rows(register),
    )


# Care


def grant(register: Register, role: str, right: Right) -> Call[None]:
    return Call(
        "SELECT accum.register_grant(:register, :role, :right)",
        {"register": register.name, "role": role, "right": right},
        _nothing,
    )


def revoke(register: Register, role: str, right: Right) -> Call[None]:
    return Call(
        "SELECT accum.register_revoke(:register, :role, :right)",
        {"register": register.name, "role": role, "right": right},
        _nothing,
    )


def known_until(register: Register) -> Call[datetime]:
    return Call("SELECT accum.register_known_until(:register)", {"register": register.name}, _value)


def close_through(
    register: Register, day: date, dimensions: Mapping[str, Any] | None
) -> Call[None]:
    return Call(
        "SELECT accum.register_close(:register, CAST(:day AS date), CAST(:dimensions AS jsonb))",
        {
            "register": register.name,
            "day": day.isoformat(),
            "dimensions": json_of(register, dimensions),
        },
        _nothing,
    )


def reopen_from(
    register: Register, day: date | None, dimensions: Mapping[str, Any] | None
) -> Call[None]:
    return Call(
        "SELECT accum.register_reopen(:register, CAST(:day AS date), CAST(:dimensions AS jsonb))",
        {
            "register": register.name,
            "day": "-infinity" if day is None else day.isoformat(),
            "dimensions": json_of(register, dimensions),
        },
        _nothing,
    )


def clear(register: Register, force: bool) -> Call[None]:
    return Call(
        "SELECT accum.register_clear(:register, :force)",
        {"register": register.name, "force": force},
        _nothing,
    )


def stats(register: Register) -> Call[dict[str, Any]]:
    return Call("SELECT accum.register_stats(:register)", {"register": register.name}, _value)


def verify(register: Register) -> Call[list[Finding]]:
    return Call(
        "SELECT check_type, dim_hash, period, CAST(expected AS text), CAST(actual AS text), status"
        " FROM accum.register_verify(:register)",
        {"register": register.name},
        lambda rows: [
            Finding(
                check_type,
                dim_hash,
                period,
                expected and decode(register, expected),
                actual and decode(register, actual),
                status,
            )
            for check_type, dim_hash, period, expected, actual, status in rows
        ],
    )


def repair(register: Register) -> Call[int]:
    return Call("SELECT accum.register_repair(:register)", {"register": register.name}, _value)


def fold(register: Register) -> Call[int]:
    return Call(
        "SELECT accum._delta_flush_register(:register)", {"register": register.name}, _value
    )


def create_partitions(register: Register) -> Call[int]:
    return Call(
        "SELECT accum.register_create_partitions(:register)", {"register": register.name}, _value
    )
