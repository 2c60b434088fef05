"""Charging profiles: from what an asset is told per quarter hour to what OCPI can say (mod_charging_profiles). Pure.

A profile replaces the one before it, so it always holds everything the session must keep from now on. It starts at an
absolute instant and lasts a given time: what is lost on the way, or forgotten here, ends by itself.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from math import floor
from typing import Any, TypeVar

from aggregator.core.ptu import PTU, PTU_SECONDS, ptu_start
from assets.ocpi.objects import GRID_VOLTAGE
from assets.ocpi.wire import InvalidObject, instant_of, require_storable, text_of

FLOOR_A = 6
"""The least current a charger can offer (IEC 61851); below it there is only 0, a pause."""
SAME_LIMIT = 0.1
"""Limits have one decimal."""
LARGEST = 10**9
PHASES_WHEN_UNKNOWN = 3
"""As the specification assumes where a profile does not say."""


class RateUnit(StrEnum):
    """The unit of limits: W over all phases, or A per phase."""

    WATT = "W"
    AMPERE = "A"


class SyncResult(StrEnum):
    """What the CPO itself says of a command (ChargingProfileResponseType)."""

    ACCEPTED = "ACCEPTED"
    NOT_SUPPORTED = "NOT_SUPPORTED"
    REJECTED = "REJECTED"
    TOO_OFTEN = "TOO_OFTEN"
    UNKNOWN_SESSION = "UNKNOWN_SESSION"


class AsyncResult(StrEnum):
    """What the station says of it later (ChargingProfileResultType)."""

    ACCEPTED = "ACCEPTED"
    REJECTED = "REJECTED"
    UNKNOWN = "UNKNOWN"


_Result = TypeVar("_Result", SyncResult, AsyncResult)


@dataclass(frozen=True, slots=True)
class Told:
    """One setpoint: a power per PTU from `starts_at`; from 0 at most this, below 0 feed in this much.

    It begins so many seconds before its first PTU, and what it asks last stays so many longer, also where it asks
    nothing for some PTUs after that: a fleet moves like a slope.
    With a time to live it rules no longer than that, as a profile cannot say it: the station is then free.
    """

    starts_at: datetime
    power_w: Sequence[int]
    start_early_s: int = 0
    end_late_s: int = 0
    ttl_s: int | None = None


@dataclass(frozen=True, slots=True)
class Outlet:
    """How an asset takes limits; `phases` 0 is direct current, None not known.

    `can_discharge` says that the partner agreed to our V2G extension and the driver to discharging.
    """

    unit: RateUnit
    phases: int | None
    max_import_w: int
    min_import_w: int
    can_pause: bool
    can_discharge: bool


@dataclass(frozen=True, slots=True)
class Schedule:
    """The powers an asset must keep, as (start, power_w) that each hold to the next start, the last to `ends_at`."""

    steps: tuple[tuple[datetime, int], ...]
    ends_at: datetime


def standing_schedule(told: Iterable[Told], *, since: datetime, free_w: int) -> Schedule | None:
    """Return what `told` (oldest first; later ones replace what they overlap) asks from `since` on.

    `free_w` is no limit at all. Returns None when nothing is left to ask.
    """
    first = ptu_start(since)
    power_by_ptu: dict[datetime, int] = {}
    early_s, late_s = dict[datetime, int](), dict[datetime, int]()
    for one in told:
        ruling = len(one.power_w) if one.ttl_s is None else one.ttl_s // PTU_SECONDS
        last = max((number for number, power_w in enumerate(one.power_w[:ruling]) if power_w < free_w), default=None)
        for number, power_w in enumerate(one.power_w):
            at = one.starts_at + number * PTU
            if at >= first:
                power_by_ptu[at] = power_w if number < ruling else free_w
                early_s[at] = one.start_early_s if number == 0 else 0
                late_s[at] = one.end_late_s if number == last else 0
    asked = sorted(at for at, power_w in power_by_ptu.items() if power_w < free_w)
    if not asked:
        return None
    steps: list[tuple[datetime, int]] = []
    at, ends_at = asked[0], asked[-1] + PTU
    while at < ends_at:
        power_w = power_by_ptu.get(at, free_w)
        if not steps or steps[-1][1] != power_w:
            steps.append((at, power_w))
        at += PTU
    steps[0] = asked[0] - timedelta(seconds=early_s[asked[0]]), steps[0][1]
    return Schedule(tuple(steps), ends_at + timedelta(seconds=late_s[asked[-1]]))


def charging_profile(schedule: Schedule, outlet: Outlet) -> dict[str, Any]:
    """Return the ChargingProfile object of a schedule, at most one decimal in its limits."""
    starts_at = schedule.steps[0][0]
    profile: dict[str, Any] = {
        "start_date_time": text_of(starts_at),
        "duration": int((schedule.ends_at - starts_at).total_seconds()),
        "charging_rate_unit": outlet.unit.value,
        "charging_profile_period": [
            {"start_period": int((at - starts_at).total_seconds()), **_limits(power_w, outlet)}
            for at, power_w in schedule.steps
        ],
    }
    if outlet.min_import_w:
        profile["min_charging_rate"] = _in_unit(outlet.min_import_w, outlet)
    return profile


def _limits(power_w: int, outlet: Outlet) -> dict[str, float]:
    """Return the limit of a period, with our V2G fields where they are agreed.

    A partner that does not know them reads a limit of 0 and charges nothing: it degrades to charge-only. The fields
    mirror OCPP 2.1: both negative for discharge, in the profile's unit.
    """
    limit = {"limit": _in_unit(snapped_w(max(power_w, 0), outlet), outlet)}
    if not outlet.can_discharge:
        return limit
    if power_w >= 0:
        return limit | {"discharge_limit": 0}
    feed_in = -_in_unit(-power_w, outlet)
    return limit | {"setpoint": feed_in, "discharge_limit": feed_in}


def snapped_w(power_w: int, outlet: Outlet) -> int:
    """Return a limit that the station can hold: under 6 A it is 0, or 6 A for a car that cannot pause."""
    if outlet.phases == 0:
        return power_w
    floor_w = FLOOR_A * _w_per_ampere(outlet)
    if 0 < power_w < floor_w:
        return 0 if outlet.can_pause else floor_w
    return power_w


def _in_unit(power_w: int, outlet: Outlet) -> float:
    """Return a power in the profile's unit, rounded down to a decimal so that no limit is ever exceeded."""
    if outlet.unit is RateUnit.WATT:
        return power_w
    return floor(power_w * 10 / _w_per_ampere(outlet)) / 10


def _w_per_ampere(outlet: Outlet) -> int:
    return GRID_VOLTAGE * (PHASES_WHEN_UNKNOWN if outlet.phases is None else max(outlet.phases, 1))


def read_sync_result(data: Any) -> tuple[SyncResult, int]:
    """Return a ChargingProfileResponse: its result and within how many seconds the station's answer may come.

    Some stacks wrap it in a list. Raises `InvalidObject`.
    """
    if isinstance(data, list) and len(data) == 1:
        data = data[0]
    if not isinstance(data, dict):
        raise InvalidObject("The answer is no ChargingProfileResponse.")
    timeout = data.get("timeout")
    if isinstance(timeout, bool) or not isinstance(timeout, int) or not 0 <= timeout <= 24 * 3600:
        raise InvalidObject("timeout is missing or no number of seconds within a day.")
    return _one_of(SyncResult, data), timeout


def read_async_result(data: Any) -> AsyncResult:
    """Return the result in a callback's body; raise `InvalidObject`."""
    if not isinstance(data, dict):
        raise InvalidObject("The body is no result object.")
    return _one_of(AsyncResult, data)


def read_active_profile(document: Any) -> dict[str, Any]:
    """Return an ActiveChargingProfile as we keep it; raise `InvalidObject`."""
    require_storable(document)
    if not isinstance(document, dict):
        raise InvalidObject("The body is no ActiveChargingProfile.")
    starts_at = instant_of(document.get("start_date_time"), field="start_date_time")
    profile = document.get("charging_profile")
    if not isinstance(profile, dict) or profile.get("charging_rate_unit") not in set(RateUnit):
        raise InvalidObject("charging_profile is missing or has no charging_rate_unit W or A.")
    periods = profile.get("charging_profile_period") or []
    if not isinstance(periods, list) or not all(map(_is_period, periods)):
        raise InvalidObject("charging_profile_period is no list of {start_period, limit}.")
    return {"start_date_time": text_of(starts_at), "charging_profile": profile}


def _is_period(row: Any) -> bool:
    return isinstance(row, Mapping) and all(
        isinstance(row.get(name), int | float) and not isinstance(row.get(name), bool) and abs(row[name]) < LARGEST
        for name in ("start_period", "limit")
    )


def _one_of(results: type[_Result], data: Mapping[str, Any]) -> _Result:
    try:
        return results(str(data.get("result")))
    except ValueError as error:
        raise InvalidObject(f"result is not one of {', '.join(results)}.") from error


def is_kept(*, active: Mapping[str, Any] | None, asked: Mapping[str, Any], at: datetime) -> bool:
    """Tell whether what is in force at an instant is no more than what was asked; other units cannot be compared.

    `active` is an ActiveChargingProfile (None: no profile, so the EVSE's maximum), `asked` a ChargingProfile.
    """
    wanted = _limit_at(asked, instant_of(asked.get("start_date_time"), field="start_date_time"), at)
    if wanted is None:
        return True
    if active is None:
        return False
    profile = active["charging_profile"]
    if profile["charging_rate_unit"] != asked["charging_rate_unit"]:
        return True
    found = _limit_at(profile, instant_of(active["start_date_time"], field="start_date_time"), at)
    return found is not None and found <= wanted + SAME_LIMIT


def _limit_at(profile: Mapping[str, Any], starts_at: datetime, at: datetime) -> float | None:
    """Return the limit of a profile at an instant; None before it, after it, and where it has no period."""
    second = (at - starts_at).total_seconds()
    duration = profile.get("duration")
    if second < 0 or (isinstance(duration, int) and second >= duration):
        return None
    limit = None
    for period in sorted(profile.get("charging_profile_period") or [], key=lambda row: row["start_period"]):
        if period["start_period"] <= second:
            limit = float(period["limit"])
    return limit
