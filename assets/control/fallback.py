"""What an asset does when a setpoint ends, or when nothing more is heard of it. Pure."""

from collections.abc import Mapping, Sequence

from aggregator.core.ptu import PTU_SECONDS

FALLBACKS: Mapping[str, str] = {
    "charger": "charge_normally",
    "v2g_charger": "charge_normally",
    "bus_charger": "charge_normally",
    "battery": "idle",
    "heat_pump": "own_thermostat",
}
"""By kind of asset: its safe default, which the partner builds in, so that a lost link does no harm."""

TIME_TO_LIVE_S = 2 * PTU_SECONDS
"""What lapses is told anew for every quarter hour, some minutes ahead: one renewal may be lost, and another be late."""


def time_to_live_s(kind: str, power_w: Sequence[int]) -> int | None:
    """Return how long a setpoint rules at most, from its start, or its arrival if that is later; None: to its end.

    From 0 a setpoint is a ceiling: it only takes away, which is harmless, and runs to its end. Below 0 an asset feeds
    in, and a battery, which takes nothing by itself, is charged by what is above 0: that lapses.
    """
    is_ceiling = min(power_w) >= 0 and (FALLBACKS[kind] != "idle" or max(power_w) == 0)
    return None if is_ceiling else TIME_TO_LIVE_S
