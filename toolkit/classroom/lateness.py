"""When it was due, and what being late costs.

``--due 2026-11-20T23:59`` (UTC unless it names a zone), ``--late 10%/day`` (each day begun; also ``5%/hour``, ``20%`` once),
``--grace 15m``, ``--cutoff 3d`` (later than that: nothing). Penalties are of the points reached.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime

UNITS = {
    "m": 60,
    "min": 60,
    "h": 3600,
    "hour": 3600,
    "d": 86_400,
    "day": 86_400,
    "w": 604_800,
    "week": 604_800,
}


@dataclass(frozen=True)
class Deadline:
    """``due`` in seconds since 1970; ``rate``: the share lost for each ``unit`` seconds begun (0: once)."""

    due: float | None = None
    rate: float = 0.0
    unit: int = 0
    grace: int = 0
    cutoff: int | None = None

    def factor(self, time: float | None) -> float:
        """The share of the points that is left for a hand-in at a time, 0 to 1. Unknown times are in time."""
        late = self.seconds_late(time)
        if late <= 0:
            return 1.0
        if self.cutoff is not None and late > self.cutoff:
            return 0.0
        steps = math.ceil(late / self.unit) if self.unit else 1
        return max(0.0, 1.0 - self.rate * steps)

    def seconds_late(self, time: float | None) -> float:
        """How late, beyond the grace; 0 when in time."""
        if self.due is None or time is None or time <= self.due + self.grace:
            return 0.0
        return time - self.due


def parse_due(text: str) -> float:
    """A date, or a date and time, as ISO 8601. Raises ValueError."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is no date: write 2026-11-20T23:59 or 2026-11-20T23:59+01:00") from None
    if "T" not in text and " " not in text:
        moment = moment.replace(hour=23, minute=59, second=59)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def parse_late(text: str) -> tuple[float, int]:
    """``10%/day`` → (0.1, 86400). Raises ValueError."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*%(?:\s*/\s*([a-z]+?)s?)?", text.strip().lower())
    if found is None or float(found[1]) > 100 or (found[2] and found[2] not in UNITS):
        raise ValueError(f"{text!r} is no penalty: write 10%/day, 5%/hour or 20%")
    return float(found[1]) / 100, UNITS[found[2]] if found[2] else 0


def parse_duration(text: str) -> int:
    """``15m``, ``3d`` → seconds. Raises ValueError."""
    found = re.fullmatch(r"(\d+)\s*([a-z]+?)s?", text.strip().lower())
    if found is None or found[2] not in UNITS:
        raise ValueError(f"{text!r} is no duration: write 15m, 2h, 3d or 1w")
    return int(found[1]) * UNITS[found[2]]
