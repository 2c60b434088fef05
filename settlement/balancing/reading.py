"""What is known of Dutch days with balancing energy: TenneT's settlement beside bids, meters and money."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

from django.db.models import Exists, OuterRef, Sum

from aggregator.core.interval import Interval
from aggregator.core.ptu import MARKET_ZONE, day_interval
from bidding.models import ActivationPtu, BalancingBid, Commitment
from settlement import queries
from settlement.balancing.findings import Quarter, Requested, requested_wh
from settlement.balancing.money import WAYS, DayMoney, day_money
from settlement.balancing.responsible import split_over_brps
from settlement.models import BalancingSettlement, Delivery, DeliveryPtu

Way = tuple[datetime, str]
"""A PTU and a direction."""
Delivered = tuple[Way, int, Decimal]
"""What is paid at a price [EUR/MWh] of what meters show [Wh]: never more than was asked of a group."""


@dataclass(frozen=True, slots=True)
class Day:
    """A Dutch day.

    Attributes:
        day: in Dutch time.
        settlement: the newest version; None before TenneT has settled it.
        quarters: all PTUs, once it has.
        money: of TenneT and of groups, as far as they are settled.
        waiting: activations of groups that are not settled yet.
    """

    day: date
    settlement: BalancingSettlement | None
    quarters: tuple[Quarter, ...]
    money: DayMoney
    waiting: int

    def requested_wh(self, direction: str) -> int:
        """Return what TenneT says it asked for."""
        return sum(requested_wh(quarter.told, direction) for quarter in self.quarters)

    def delivered_wh(self, direction: str) -> int | None:
        """Return what meters show of it; None while groups are not settled."""
        if self.waiting:
            return None
        return sum(quarter.delivered_wh.get(direction, 0) for quarter in self.quarters)


@dataclass(frozen=True, slots=True)
class Adjustment:
    """Requested energy of a PTU and direction that is a BRP's, by our reading; of nobody's without a bid."""

    ptu_start: datetime
    direction: str
    brp: str
    requested_wh: int


def days_with_balancing(first: date, last: date) -> list[Day]:
    """Return the days from `first` to `last` with bids that may have been called or a settlement, newest first."""
    interval = Interval(day_interval(first).starts_at, day_interval(last).ends_at)
    bids_w = _bids_w(interval)
    told = {one.day: one for one in queries.newest_balancing_settlements(_days(first, last))}
    days = {ptu.astimezone(MARKET_ZONE).date() for ptu, _ in bids_w} | told.keys()
    delivered, waiting = _delivered(interval), _waiting(interval)
    requested = queries.requested_by_setpoints(interval)
    return [
        _day(
            day,
            told.get(day),
            bids_w=bids_w,
            requested=requested,
            delivered=delivered[day],
            waiting=waiting,
        )
        for day in sorted(days, reverse=True)
    ]


def adjustments(day: date) -> list[Adjustment]:
    """Return what each BRP has of the energy that TenneT asked for on a day; nothing before it has settled it."""
    parts_w: dict[Way, dict[str, int]] = defaultdict(dict)
    for ptu, way, brp, power_w in (
        Commitment.objects.filter(
            balancing_bid__status__in=BalancingBid.MAY_BE_CALLED,
            **_within(day_interval(day), "balancing_bid__ptu_start"),
        )
        .values_list("balancing_bid__ptu_start", "balancing_bid__direction", "entry__aggregation_ean__brp")
        .annotate(part_w=Sum("power_w"))
        .order_by("balancing_bid__ptu_start")
    ):
        parts_w[ptu, way][str(brp)] = power_w
    return [
        Adjustment(period.starts_at, way, brp, energy_wh)
        for settlement in queries.newest_balancing_settlements([day])
        for period in queries.settled_day(settlement).periods
        for way in WAYS
        for brp, energy_wh in split_over_brps(requested_wh(period, way), parts_w[period.starts_at, way]).items()
    ]


def _days(first: date, last: date) -> list[date]:
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]


def _day(
    day: date,
    settlement: BalancingSettlement | None,
    *,
    bids_w: Mapping[Way, int],
    requested: Mapping[datetime, Requested],
    delivered: Collection[Delivered],
    waiting: Mapping[Way, Collection[int]],
) -> Day:
    periods = queries.settled_day(settlement).periods if settlement else ()
    known_wh: dict[Way, int] = defaultdict(int)
    for way, paid_wh, _ in delivered:
        if way not in waiting:
            known_wh[way] += paid_wh
    return Day(
        day=day,
        settlement=settlement,
        quarters=tuple(
            Quarter(
                told=period,
                bid_w=_of(bids_w, period.starts_at),
                requested=requested.get(period.starts_at),
                delivered_wh=_of(known_wh, period.starts_at),
            )
            for period in periods
        ),
        money=day_money(periods, [(paid_wh, price) for _, paid_wh, price in delivered]),
        waiting=len(
            {
                activation
                for (ptu, _), activations in waiting.items()
                if ptu.astimezone(MARKET_ZONE).date() == day
                for activation in activations
            }
        ),
    )


def _of(values: Mapping[Way, int], ptu: datetime) -> dict[str, int]:
    return {way: values[ptu, way] for way in WAYS if (ptu, way) in values}


def _bids_w(interval: Interval) -> dict[Way, int]:
    rows = BalancingBid.objects.filter(status__in=BalancingBid.MAY_BE_CALLED, **_within(interval, "ptu_start"))
    return {(ptu, way): power_w for ptu, way, power_w in rows.values_list("ptu_start", "direction", "power_w")}


def _delivered(interval: Interval) -> dict[date, list[Delivered]]:
    """Return what groups delivered, by Dutch day."""
    found: dict[date, list[Delivered]] = defaultdict(list)
    rows = (
        DeliveryPtu.objects.filter(
            delivery__in=queries.latest_deliveries(interval).filter(activation__is_balancing=True).values("pk"),
            **_within(interval, "ptu_start"),
        )
        .values_list("ptu_start", "delivery__activation__direction", "price_eur_per_mwh")
        .annotate(paid_wh=Sum("shares__paid_wh", default=0))
        .order_by()
    )
    for ptu, way, price, paid_wh in rows:
        found[ptu.astimezone(MARKET_ZONE).date()].append(((ptu, way), paid_wh, price))
    return found


def _waiting(interval: Interval) -> dict[Way, set[int]]:
    """Return the activations that have not been settled, where they have something to deliver."""
    waiting: dict[Way, set[int]] = defaultdict(set)
    rows = ActivationPtu.objects.filter(
        ~Exists(Delivery.objects.filter(activation=OuterRef("activation"))),
        activation__is_balancing=True,
        **_within(interval, "ptu_start"),
    )
    for ptu, way, activation in rows.values_list("ptu_start", "activation__direction", "activation"):
        waiting[ptu, way].add(activation)
    return waiting


def _within(interval: Interval, field: str) -> dict[str, datetime]:
    return {f"{field}__gte": interval.starts_at, f"{field}__lt": interval.ends_at}
