"""The figures that are wanted, and whether they are reached."""

from __future__ import annotations

from dataclasses import dataclass
from math import isnan

from diffusionret.metrics import Interval


@dataclass(frozen=True)
class Target:
    """What a figure should be.

    low, high: bounds of the figure itself. ahead: what the lower end of its interval has to lie above. None for no
    bound.
    """

    low: float | None = None
    high: float | None = None
    ahead: float | None = None

    def met(self, found: Interval) -> bool | None:
        """None where nothing is wanted, or there is no figure."""
        if self == Target() or isnan(found.estimate):
            return None
        return (
            (self.low is None or found.estimate >= self.low)
            and (self.high is None or found.estimate <= self.high)
            and (self.ahead is None or found.low > self.ahead)
        )

    def __str__(self) -> str:
        if self.ahead is not None:
            return f"interval above {self.ahead:g}"
        if self.low is not None and self.high is not None:
            return f"{self.low:g} to {self.high:g}"
        if self.low is not None:
            return f"at least {self.low:g}"
        return "" if self.high is None else f"at most {self.high:g}"


def figure(name: str, found: Interval, target: Target = Target(), /, **labels: str) -> dict:
    """A row of the table. labels: the columns before it."""
    met = target.met(found)
    return labels | {
        "figure": name, "value": round(found.estimate, 5), "interval": [round(found.low, 5), round(found.high, 5)],
        "target": str(target), "met": {None: "", True: "met", False: "missed"}[met],
    }  # fmt: skip


def plainly(value: float) -> Interval:
    """A figure without an interval."""
    return Interval(value, value, value)
