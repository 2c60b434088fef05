"""What an asset does when a setpoint ends, or when nothing more is heard of it. Pure."""

from collections.abc import Mapping, Sequence

FALLBACKS: Mapping[str, str] = {
    "charger": "charge_normally",
    "v2g_charger": "charge_normally",
    "bus_charger": "charge_normally",
    "battery": "idle",
    "heat_pump": "own_thermostat",
}
"""By kind of asset: its safe default, which the partner builds in, so that a lost link does no harm."""

FEED_IN_TTL_S = 900
"""Feeding in is a lease of one PTU, renewed while the order runs."""


def time_to_live_s(power_w: Sequence[int]) -> int | None:
    """Return after how many seconds of silence an asset falls back even before its setpoint ends; None: at its end.

    Silence is counted from the start of the setpoint, or its arrival if that is later, to a newer one for the asset.
    Less consumption is harmless and runs to its end; feeding in is not, and lapses.
    """
    return FEED_IN_TTL_S if min(power_w) < 0 else None
