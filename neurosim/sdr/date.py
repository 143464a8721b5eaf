"""`DateEncoder`: a date and time to an SDR, where what recurs each day, week or year is alike."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from neurosim.errors import RangeError
from neurosim.sdr.checks import number, whole
from neurosim.sdr.encoders import CategoryEncoder, ScalarEncoder
from neurosim.sdr.sdr import SDR

# attribute: its period and its default radius, both in the unit of the value
PERIODS = {"season": (366.0, 91.5), "day_of_week": (7.0, 1.0), "time_of_day": (24.0, 4.0)}
SWITCHES = ("weekend", "holiday")
WEEKEND = (5, 6)  # Monday is 0


@dataclass(frozen=True)
class DateEncoder:
    """Parts side by side, each for one attribute of the date; those that are not asked for are left out.

    Each periodic attribute takes a number of active cells, or that and a radius: the difference from which on no cell
    is shared. The parts come in the order of the arguments.

    Args:
        season: day of the year; radius in days, default 91.5 (a season).
        day_of_week: radius in days, default 1, so that no two days are alike.
        time_of_day: radius in hours, default 4.
        weekend: active cells that tell Saturday and Sunday from other days.
        holiday: active cells that tell ``holidays`` from other days.
        holidays: (month, day) of every year, or (year, month, day). (HTM's encoder also fades in the day before.)

    Raises:
        RangeError: no attribute; no active cell; a radius that is not above 0 and below the period; holidays without
            cells or cells without holidays; one that is no date; at encode, what is no ``datetime.datetime``.

    Example:
        >>> encoder = DateEncoder(time_of_day=(21, 2.0), weekend=5)
        >>> noon = encoder.encode(datetime.datetime(2026, 7, 4, 12, 0))
        >>> one = encoder.encode(datetime.datetime(2026, 7, 5, 13, 0))
        >>> noon.active, noon.overlap(one)
        (26, 16)
    """

    season: int | tuple[int, float] | None = None
    day_of_week: int | tuple[int, float] | None = None
    time_of_day: int | tuple[int, float] | None = None
    weekend: int | None = None
    holiday: int | None = None
    holidays: tuple[tuple[int, ...], ...] = ()

    def __post_init__(self) -> None:
        encoders = dict(self._encoders())
        if not encoders:
            raise RangeError(f"DateEncoder: give at least one of {', '.join((*PERIODS, *SWITCHES))}.")
        if (self.holiday is None) != (not self.holidays):
            raise RangeError(
                "DateEncoder: give holiday, a number of cells, and holidays together, "
                f"got {self.holiday!r} and {self.holidays!r}."
            )
        for day in self.holidays:
            _check_day(day)
        object.__setattr__(self, "_parts", encoders)

    @property
    def parts(self) -> dict[str, ScalarEncoder | CategoryEncoder]:
        """The encoder of each attribute."""
        return dict(self._parts)  # type: ignore[attr-defined]

    @property
    def size(self) -> int:
        """Number of cells."""
        return sum(encoder.size for encoder in self.parts.values())

    def encode(self, when: datetime.datetime) -> SDR:
        """The SDR of a date and time, which is taken as it is, whatever its time zone."""
        if not isinstance(when, datetime.datetime):
            raise RangeError(f"DateEncoder.encode: must be a datetime.datetime, got {type(when).__name__}.")
        values = self._values(when)
        sdrs = [encoder.encode(values[name]) for name, encoder in self.parts.items()]
        return sdrs[0].concatenate(*sdrs[1:])

    def _values(self, when: datetime.datetime) -> dict[str, Any]:
        hour = when.hour + when.minute / 60 + (when.second + when.microsecond * 1e-6) / 3600
        days = {(when.month, when.day), (when.year, when.month, when.day)}
        return {
            "season": when.timetuple().tm_yday - 1 + hour / 24,
            "day_of_week": when.weekday(),
            "time_of_day": hour,
            "weekend": "yes" if when.weekday() in WEEKEND else "no",
            "holiday": "yes" if days & {tuple(day) for day in self.holidays} else "no",
        }

    def _encoders(self) -> Iterator[tuple[str, ScalarEncoder | CategoryEncoder]]:
        for name, (period, usual) in PERIODS.items():
            if (given := getattr(self, name)) is not None:
                yield name, _periodic(f"DateEncoder.{name}", given, period, usual)
        for name in SWITCHES:
            if (given := getattr(self, name)) is not None:
                yield name, CategoryEncoder(("no", "yes"), whole(f"DateEncoder.{name}", given, 1))


def _periodic(where: str, given: Any, period: float, usual: float) -> ScalarEncoder:
    active, radius = given if isinstance(given, tuple) and len(given) == 2 else (given, usual)
    active, radius = whole(f"{where}: active", active, 1), number(f"{where}: radius", radius)
    if not 0.0 < radius < period:
        raise RangeError(f"{where}: radius must be above 0 and below the period {period:g}, got {radius!r}.")
    size = max(round(active * period / radius), active + 1)
    return ScalarEncoder(0.0, period, size, active, outside="wrap")


def _check_day(day: Any) -> None:
    try:
        datetime.date(*day) if len(day) == 3 else datetime.date(2000, *day)  # a leap year
    except (TypeError, ValueError):
        raise RangeError(f"DateEncoder.holidays: must be (month, day) or (year, month, day), got {day!r}.") from None
