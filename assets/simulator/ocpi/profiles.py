"""Charging profiles on the CPO's side: from a SetChargingProfile to what the station keeps, and back."""

from bisect import bisect_right
from dataclasses import dataclass
from typing import Any

from aggregator.core.ptu import PTU_SECONDS
from assets.simulator.documents import instant
from assets.simulator.ocpi.objects import GRID_VOLTAGE, phases_of, utc_seconds
from assets.simulator.portfolio import Asset


class InvalidProfile(ValueError):
    """The body is no SetChargingProfile."""


class UnsuitableProfile(ValueError):
    """The station cannot keep this profile."""


@dataclass(frozen=True, slots=True)
class Profile:
    """What a station keeps for a session: a power per quarter hour from `starts_at` (UTC seconds).

    The first holds from so many seconds earlier on, the last so many longer.
    """

    starts_at: int
    power_w: tuple[int, ...]
    start_early_s: int = 0
    end_late_s: int = 0

    @property
    def ends_at(self) -> int:
        """When the station is free again."""
        return self.starts_at + len(self.power_w) * PTU_SECONDS

    def active(self, *, asset: Asset, now: int) -> dict[str, Any] | None:
        """Return the ActiveChargingProfile from `now` on; None when nothing is left."""
        left = [
            (max(self.starts_at + number * PTU_SECONDS, now), power_w)
            for number, power_w in enumerate(self.power_w)
            if self.starts_at + (number + 1) * PTU_SECONDS > now and power_w < asset.max_import_w
        ]
        if not left:
            return None
        first = left[0][0]
        periods = [{"start_period": at - first, "limit": max(power_w, 0)} for at, power_w in left]
        return {
            "start_date_time": instant(first),
            "charging_profile": {
                "start_date_time": instant(first),
                "duration": self.ends_at - first,
                "charging_rate_unit": "W",
                "charging_profile_period": periods,
            },
        }


def read_profile(body: Any, asset: Asset) -> tuple[Profile, str]:
    """Return the profile and the response_url of a SetChargingProfile.

    Raises `InvalidProfile` for what the specification forbids, `UnsuitableProfile` for what these stations cannot do:
    between its start and its end they change power on quarter hours, and they keep nothing without an end.
    """
    try:
        response_url, profile = str(body["response_url"]), body["charging_profile"]
        unit, periods = profile["charging_rate_unit"], profile["charging_profile_period"]
        starts = [int(period["start_period"]) for period in periods]
        powers = [_power_w(period, unit, asset) for period in periods]
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidProfile(f"The body is no SetChargingProfile: {error!r}.") from error
    if not starts or starts[0] != 0 or starts != sorted(set(starts)):
        raise InvalidProfile("charging_profile_period starts at 0 and ascends.")
    if "start_date_time" not in profile or "duration" not in profile:
        raise UnsuitableProfile("This platform takes profiles with an absolute start and a duration only.")
    start = utc_seconds(profile["start_date_time"])
    end = start + int(profile["duration"])
    first, last = -(-start // PTU_SECONDS) * PTU_SECONDS, end // PTU_SECONDS * PTU_SECONDS
    if last <= first or any((start + second) % PTU_SECONDS for second in starts[1:]):
        raise UnsuitableProfile("These stations change power on quarter hours.")
    values = tuple(powers[bisect_right(starts, at - start) - 1] for at in range(first, last, PTU_SECONDS))
    return Profile(first, values, first - start, end - last), response_url


def _power_w(period: dict[str, Any], unit: str, asset: Asset) -> int:
    """Return a period's power; one of ours with `setpoint` feeds in, where the station can."""
    if unit not in {"W", "A"}:
        raise ValueError(f"{unit} is no charging rate unit")
    value = float(period["limit"])
    if value < 0:
        raise ValueError("limit is negative, which means nothing in OCPI")
    if asset.max_export_w and float(period.get("setpoint", 0)) < 0:
        value = float(period["setpoint"])
    watt = value if unit == "W" else value * GRID_VOLTAGE * phases_of(asset)
    return max(-asset.max_export_w, min(round(watt), asset.max_import_w))
