"""Power and energy: integers in watt and watt-hour at every edge, positive for consumption."""

from typing import NewType

Watt = NewType("Watt", int)
WattHour = NewType("WattHour", int)

WATT_PER_KILOWATT = 1_000


def watt(kilowatt: float) -> Watt:
    """Return kilowatts as the nearest whole watt.

    >>> watt(11.04)
    11040
    """
    return Watt(round(kilowatt * WATT_PER_KILOWATT))


def kilowatt(power: int) -> float:
    """Return watts as kilowatts, for pure code that calculates in `_kw`."""
    return power / WATT_PER_KILOWATT
