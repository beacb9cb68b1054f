"""A line of balances as SVG, in a square of 100 by 100 that the page stretches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal


@dataclass(frozen=True)
class Chart:
    line: str
    area: str
    top: Decimal
    first: date
    last: date


def chart(points: Sequence[tuple[date, Decimal]]) -> Chart | None:
    """A staircase through the balances at the ends of days; None where there are none."""
    if not points:
        return None
    first, last = points[0][0], points[-1][0]
    days = max((last - first).days, 1)
    top = max(max(balance for _, balance in points), Decimal(1))

    def place(day: date, balance: Decimal) -> tuple[float, float]:
        return 100 * (day - first).days / days, float(100 - 96 * balance / top)

    x, y = place(*points[0])
    line = [f"M{x:.2f} {y:.2f}"]
    for day, balance in points[1:]:
        x, y = place(day, balance)
        line.append(f"H{x:.2f}V{y:.2f}")
    line.append("H100")
    return Chart(
        line="".join(line),
        area="".join(line) + "V100H0Z",
        top=top,
        first=first,
        last=last,
    )
