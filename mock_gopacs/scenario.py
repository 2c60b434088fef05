"""Reads a scenario document: what the market will announce, who trades in it, and what the rest of the book does.

Pure: a parsed YAML or JSON document and parameters in, checked values with UTC instants out. Foreign orders come from
a seeded generator, so one document with one seed is always the same market.
"""

import random
import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from aggregator.core.ean import Ean18
from aggregator.core.interval import Interval
from aggregator.core.ptu import PTU, ptu_range
from mock_gopacs.load_profile import problems, read_profile
from mock_gopacs.scenario_values import InvalidScenario, ean18, local_instant, one_of, postcode4
from mock_gopacs.tennet.plans import TennetPlan, read_tennet
from mock_gopacs.uftp.plans import UftpPlan, read_uftp

AFTER_CHANGE = ("same_id", "new_id", "old_id_gone")


@dataclass(frozen=True, slots=True)
class ParticipantPlan:
    """A participant that speaks for itself over HTTP."""

    participant_id: uuid.UUID
    name: str
    api_key: str
    gopacs_api_key: str
    webhook_url: str
    webhook_token: str
    registrations: tuple[tuple[str, str], ...]  # (EAN, postcode)


@dataclass(frozen=True, slots=True)
class AnnouncementPlan:
    """A congestion problem and when the book is cleared for it."""

    area_name: str
    postcodes: tuple[str, ...]
    organisation: str
    message: str
    compliance_type: str
    congestion: str
    publish_at: datetime
    period: Interval
    required_mw: tuple[Decimal, ...]
    maximum_spread_eur_per_mwh: Decimal
    clears_at: tuple[datetime, ...]


@dataclass(frozen=True, slots=True)
class ForeignOrderPlan:
    """An order of a market party that the scenario plays."""

    side: str
    ean: str
    postcode: str
    quantity_mw: Decimal
    price_eur_per_mwh: Decimal
    period: Interval
    placed_at: datetime


@dataclass(frozen=True, slots=True)
class Scenario:
    """A checked scenario."""

    name: str
    seed: int
    minimum_dwell: timedelta
    lock_duration: timedelta
    solver_time_limit_seconds: float
    after_change: str
    participants: tuple[ParticipantPlan, ...]
    announcements: tuple[AnnouncementPlan, ...]
    foreign_orders: tuple[ForeignOrderPlan, ...]
    forced_outcomes: tuple[tuple[str, Decimal], ...]
    uftp: UftpPlan
    tennet: TennetPlan


def read_scenario(document: Mapping[str, Any], parameters: Mapping[str, Any]) -> Scenario:
    """Return the scenario with `parameters` filled in; raise `InvalidScenario`."""
    try:
        return _read(_filled_in(dict(document), dict(parameters)))
    except KeyError as error:
        raise InvalidScenario(f"The scenario lacks {error}: add it.") from error
    except InvalidScenario:
        raise
    except (TypeError, AttributeError, ValueError, ArithmeticError) as error:
        raise InvalidScenario(f"The scenario cannot be read: {error}") from error


def _filled_in(document: Mapping[str, Any], parameters: Mapping[str, Any]) -> dict[str, Any]:
    defaults = document.get("parameters") or {}
    unknown = parameters.keys() - defaults.keys()
    if unknown:
        raise InvalidScenario(f"Unknown parameters {sorted(unknown)}: this scenario knows {sorted(defaults)}.")
    values = {**defaults, **parameters}
    missing = sorted(name for name, value in values.items() if value is None)
    if missing:
        raise InvalidScenario(f"The parameters {missing} have no default: give them when loading.")
    return {key: _substitute(value, values) for key, value in document.items() if key != "parameters"}


def _substitute(value: Any, values: Mapping[str, Any]) -> Any:
    """Replace `${name}`: as the whole value of any type, or inside text."""
    if isinstance(value, Mapping):
        return {key: _substitute(item, values) for key, item in value.items()}
    if isinstance(value, list):
        return [_substitute(item, values) for item in value]
    if not isinstance(value, str):
        return value
    whole = re.fullmatch(r"\$\{(\w+)\}", value)
    if whole:
        return values[whole[1]]
    return re.sub(r"\$\{(\w+)\}", lambda match: str(values[match[1]]), value)


def _read(document: Mapping[str, Any]) -> Scenario:
    day = date.fromisoformat(str(document["date"]))
    seed = int(document["seed"])
    areas: dict[str, Mapping[str, Any]] = document["areas"]
    settings = document.get("settings") or {}
    announcements = [_announcement(day, areas, plan) for plan in document.get("announcements") or ()]
    for number, plan in enumerate(document.get("load_profiles") or ()):
        # Each has a generator of its own, so that one more profile leaves the rest of the market as it was.
        dice = random.Random(f"{seed} {number}")  # noqa: S311 - a reproducible market, not a secret
        announcements += _announced_over_the_day(day, areas, plan, dice)
    generator = random.Random(seed)  # noqa: S311 - a reproducible market, not a secret
    return Scenario(
        name=str(document["name"]),
        seed=seed,
        minimum_dwell=timedelta(minutes=float(settings.get("minimum_dwell_minutes", 0))),
        lock_duration=timedelta(minutes=float(settings.get("lock_minutes", 5))),
        solver_time_limit_seconds=float(settings.get("solver_time_limit_seconds", 5)),
        after_change=one_of(AFTER_CHANGE, settings.get("after_change", "same_id"), "after_change"),
        participants=tuple(_participant(plan) for plan in document.get("participants") or ()),
        announcements=tuple(announcements),
        foreign_orders=tuple(_foreign_orders(day, areas, document.get("foreign_orders") or (), generator)),
        forced_outcomes=tuple(
            (str(outcome["ean"]), _share(outcome["cleared_share"])) for outcome in document.get("forced_outcomes") or ()
        ),
        uftp=read_uftp(document, day),
        tennet=read_tennet(document, day),
    )


def _share(value: Any) -> Decimal:
    share = Decimal(str(value))
    if not 0 <= share <= 1:
        raise InvalidScenario(f"A cleared_share of {share} is not between 0 and 1.")
    return share


def _participant(plan: Mapping[str, Any]) -> ParticipantPlan:
    return ParticipantPlan(
        participant_id=uuid.UUID(str(plan["id"])),
        name=str(plan["name"]),
        api_key=str(plan["api_key"]),
        gopacs_api_key=str(plan.get("gopacs_api_key") or ""),
        webhook_url=str(plan.get("webhook_url") or ""),
        webhook_token=str(plan.get("webhook_token") or ""),
        registrations=tuple((ean18(row["ean"]), postcode4(row["postcode"])) for row in plan["registrations"]),
    )


def _announcement(day: date, areas: Mapping[str, Mapping[str, Any]], plan: Mapping[str, Any]) -> AnnouncementPlan:
    area = areas[plan["area"]]
    period = Interval(local_instant(day, plan["starts_at"]), local_instant(day, plan["ends_at"]))
    ptus = ptu_range(period)
    required = plan["required_mw"]
    profile = tuple(Decimal(str(mw)) for mw in (required if isinstance(required, list) else [required] * len(ptus)))
    if len(profile) != len(ptus):
        raise InvalidScenario(
            f"The problem in {plan['area']} lasts {len(ptus)} PTUs but required_mw has {len(profile)} values: "
            "give one per PTU, or a single number."
        )
    return AnnouncementPlan(
        area_name=str(area["name"]),
        postcodes=tuple(postcode4(postcode) for postcode in area["postcodes"]),
        organisation=str(plan["organisation"]),
        message=str(plan.get("message") or ""),
        compliance_type=str(plan.get("compliance_type", "VOLUNTARY")),
        congestion=str(plan["congestion"]),
        publish_at=local_instant(day, plan["publish_at"]),
        period=period,
        required_mw=profile,
        maximum_spread_eur_per_mwh=Decimal(str(plan["maximum_spread_eur_per_mwh"])),
        clears_at=tuple(local_instant(day, moment) for moment in plan["clears_at"]),
    )


def _announced_over_the_day(
    day: date, areas: Mapping[str, Mapping[str, Any]], plan: Mapping[str, Any], dice: random.Random
) -> list[AnnouncementPlan]:
    """Return what an area's operator announces on a day, `lead_minutes` before each problem."""
    area = areas[plan["area"]]
    lead = timedelta(minutes=float(plan["lead_minutes"]))
    return [
        AnnouncementPlan(
            area_name=str(area["name"]),
            postcodes=tuple(postcode4(postcode) for postcode in area["postcodes"]),
            organisation=str(plan["organisation"]),
            message=str(plan.get("message") or ""),
            compliance_type=str(plan.get("compliance_type", "VOLUNTARY")),
            congestion=problem.congestion,
            publish_at=problem.period.starts_at - lead,
            period=problem.period,
            required_mw=problem.required_mw,
            maximum_spread_eur_per_mwh=Decimal(str(plan["maximum_spread_eur_per_mwh"])),
            clears_at=tuple(
                problem.period.starts_at - timedelta(minutes=float(minutes))
                for minutes in plan["clears_minutes_before"]
            ),
        )
        for problem in problems(read_profile(plan), day=day, generator=dice)
    ]


def _foreign_orders(
    day: date, areas: Mapping[str, Mapping[str, Any]], groups: Sequence[Mapping[str, Any]], generator: random.Random
) -> list[ForeignOrderPlan]:
    """Return each group's orders: `count` per block of `block_minutes` between `starts_at` and `ends_at`."""
    orders: list[ForeignOrderPlan] = []
    for group in groups:
        window = Interval(local_instant(day, group["starts_at"]), local_instant(day, group["ends_at"]))
        block = timedelta(minutes=int(group.get("block_minutes", window.duration / timedelta(minutes=1))))
        if block % PTU:
            raise InvalidScenario(f"block_minutes {block} is not a whole number of quarter hours.")
        postcodes = areas[group["area"]]["postcodes"]
        for period in window.steps(block):
            for _ in range(int(group["count"])):
                orders.append(
                    ForeignOrderPlan(
                        side=str(group["side"]),
                        ean=Ean18.from_body(f"87168599{len(orders):09d}"),
                        postcode=postcode4(generator.choice(postcodes)),
                        quantity_mw=_between(generator, group["quantity_mw"], places=1),
                        price_eur_per_mwh=_between(generator, group["price_eur_per_mwh"], places=2),
                        period=period,
                        placed_at=local_instant(day, group["placed_at"]),
                    )
                )
    return orders


def _between(generator: random.Random, bounds: Sequence[Any], *, places: int) -> Decimal:
    low, high = (int(Decimal(str(bound)).scaleb(places)) for bound in bounds)
    return Decimal(generator.randint(low, high)).scaleb(-places)
