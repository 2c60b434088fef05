"""What contracts add to a statement: availability fees, and penalties for shortfalls."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from aggregator.core.interval import Interval
from aggregator.core.ptu import MARKET_ZONE
from bidding.models import Contract
from settlement.models import Delivery, DeliveryPtu, StatementCharge
from settlement.queries import month_interval
from settlement.remuneration.contracts import availability_eur, penalty_eur


@dataclass(frozen=True, slots=True)
class Charge:
    """Money of one contract that is the aggregator's alone; a penalty is below zero."""

    contract_id: int
    aggregation_ean: str
    kind: str
    amount_eur: Decimal


def charges_of(deliveries: Iterable[Delivery], interval: Interval) -> list[Charge]:
    """Return the charges of a period: penalties of its PTUs, and the fees of the whole months in it (3 queries)."""
    found = [*_penalties(deliveries, interval), *_fees(interval)]
    return sorted(
        (charge for charge in found if charge.amount_eur), key=lambda charge: (charge.contract_id, charge.kind)
    )


def _penalties(deliveries: Iterable[Delivery], interval: Interval) -> Iterator[Charge]:
    rows = (
        DeliveryPtu.objects.filter(
            delivery__in=deliveries,
            delivery__activation__contract_call__contract__penalty_eur_per_mwh__gt=0,
            ptu_start__gte=interval.starts_at,
            ptu_start__lt=interval.ends_at,
        )
        .order_by("ptu_start", "pk")
        .values_list("delivery__activation__contract_call__contract__pk", "ordered_w", "delivered_w")
    )
    shortfalls_w: dict[int, list[int]] = defaultdict(list)
    for contract_id, ordered_w, delivered_w in rows:
        shortfalls_w[contract_id].append(ordered_w - max(delivered_w, 0))
    for contract in Contract.objects.filter(pk__in=shortfalls_w):
        amount_eur = -penalty_eur(shortfalls_w[contract.pk], contract.penalty_eur_per_mwh)
        yield Charge(contract.pk, contract.aggregation_ean_id, StatementCharge.Kind.PENALTY, amount_eur)


def _fees(interval: Interval) -> Iterator[Charge]:
    months = list(_whole_months(interval))
    if not months:
        return
    for contract in Contract.objects.filter(availability_fee_eur_per_month__gt=0):
        amount_eur = sum(
            (
                availability_eur(
                    contract.availability_fee_eur_per_month,
                    month=month,
                    active_from=contract.active_from,
                    active_until=contract.active_until,
                )
                for month in months
            ),
            Decimal("0.00"),
        )
        yield Charge(contract.pk, contract.aggregation_ean_id, StatementCharge.Kind.AVAILABILITY, amount_eur)


def _whole_months(interval: Interval) -> Iterator[date]:
    """Yield the first days of the Dutch months that lie in a period from beginning to end."""
    day = interval.starts_at.astimezone(MARKET_ZONE).date().replace(day=1)
    while (month := month_interval(day.year, day.month)).ends_at <= interval.ends_at:
        if month.starts_at >= interval.starts_at:
            yield day
        day = (day + timedelta(days=31)).replace(day=1)
