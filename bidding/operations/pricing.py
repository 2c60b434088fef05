"""What a group asks for a window: its pricing policy applied to the day-ahead prices known then."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import Q, Sum

from aggregator.core.interval import Interval
from aggregator.core.ptu import dutch_time, ptu_range
from assets.models import AggregationEan, Asset
from bidding.models import DayAheadPrice, PricingPolicy
from bidding.models.directions import as_literal
from bidding.pricing import CostFactors, price_parts

LEAST_PRICE, GREATEST_PRICE = Decimal("-9999.99"), Decimal("9999.99")  # what the exchange takes (docs/markets.md)


class NotPriceable(RuntimeError):
    """The policy needs what is not known; the text says what, and how to bring it in."""


@dataclass(frozen=True, slots=True)
class Quote:
    """A price per MWh to receive, and its parts as plain values."""

    price_eur_per_mwh: Decimal
    parts: dict[str, Any]


def quote(*, aggregation_ean: AggregationEan, direction: str, period: Interval, now: datetime) -> Quote:
    """Return what a group asks for a window, on what is known at `now`.

    A group without a policy asks its fixed price. Raises `NotPriceable`.
    """
    policy = (
        PricingPolicy.objects.filter(aggregation_ean=aggregation_ean, active_from__lte=now)
        .order_by("-active_from")
        .first()
    )
    if policy is None:
        fixed = Decimal(aggregation_ean.price_eur_per_mwh)
        return Quote(fixed, {"parts": [["fixed price", str(fixed), "the group's own; it has no pricing policy"]]})
    comeback = Interval(period.ends_at, period.ends_at + timedelta(hours=policy.rebound_hours))
    prices = known_prices(period=comeback, now=now)
    factors = CostFactors(
        rebound_share=policy.rebound_share,
        storage_share=_storage_share(policy, direction, now),
        round_trip_efficiency=policy.round_trip_efficiency,
        wear_eur_per_kwh=policy.wear_eur_per_kwh,
        energy_tax_eur_per_kwh=policy.energy_tax_eur_per_kwh,
        taxed_twice_share=policy.taxed_twice_share,
        drivers_eur_per_mwh=policy.drivers_eur_per_mwh,
        margin_eur_per_mwh=policy.margin_eur_per_mwh,
    )
    parts = price_parts(direction=as_literal(direction), rebound_eur_per_mwh=prices, factors=factors)
    total = sum((part.eur_per_mwh for part in parts), Decimal("0.00"))
    if not LEAST_PRICE <= total <= GREATEST_PRICE:
        raise NotPriceable(f"The policy asks € {total} per MWh, which no exchange takes. Check its factors.")
    written = [[part.name, str(part.eur_per_mwh), part.how] for part in parts]
    return Quote(total, {"parts": written, "policy": policy.pk})


def known_prices(*, period: Interval, now: datetime) -> Sequence[Decimal]:
    """Return the day-ahead price of every PTU of a period as known at `now`; raises `NotPriceable` for a gap."""
    ptus = ptu_range(period)
    known = dict(
        DayAheadPrice.objects.filter(starts_at__in=ptus, known_at__lte=now)
        .order_by("starts_at", "-known_at")
        .distinct("starts_at")
        .values_list("starts_at", "price_eur_per_mwh")
    )
    missing = [ptu for ptu in ptus if ptu not in known]
    if missing:
        raise NotPriceable(
            f"No day-ahead price is known for {len(missing)} of the {len(ptus)} quarter hours in which energy comes "
            f"back, the first {dutch_time(missing[0])}. Bring them in with manage.py import_day_ahead_prices."
        )
    return [known[ptu] for ptu in ptus]


def _storage_share(policy: PricingPolicy, direction: str, now: datetime) -> Decimal:
    """Return what the policy says, else the storages' part of the power that can move, rounded up.

    Reducing, V2G cars and batteries add their feed-in to everybody's charging; increasing, they add their charging.
    """
    if policy.storage_share is not None:
        return Decimal(policy.storage_share)
    is_storage = Q(kind__in=["v2g_charger", "battery"])
    power = Asset.objects.filter(
        memberships__aggregation_ean=policy.aggregation_ean_id, memberships__period__contains=now, is_active=True
    ).aggregate(
        import_w=Sum("max_import_w", default=0),
        export_w=Sum("max_export_w", default=0),
        stored_w=Sum("max_import_w", filter=is_storage, default=0),
    )
    moved, whole = (
        (power["export_w"], power["export_w"] + power["import_w"])
        if direction == "reduce"
        else (power["stored_w"], power["import_w"])
    )
    return Decimal(-(-moved * 10_000 // whole)).scaleb(-4) if whole else Decimal(0)
