"""Power: whole watts at every edge, positive for consumption; floats in kilowatts in pure code."""

WATT_PER_KILOWATT = 1_000


def watt(kilowatt: float) -> int:
    """Return kilowatts as the nearest whole watt.

    >>> watt(11.04)
    11040
    """
    return round(kilowatt * WATT_PER_KILOWATT)


def kilowatt(power: int) -> float:
    """Return watts as kilowatts, for pure code that calculates in `_kw`."""
    return power / WATT_PER_KILOWATT
