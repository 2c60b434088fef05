"""The rows that a sale locks: its group's, then its bid's, then those of the ledger. Always in this order."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import F, Max, Prefetch, QuerySet, Sum
from django.db.models.functions import Greatest

from aggregator.core.interval import Interval
from aggregator.core.ptu import PTU
from assets.models import AggregationEan
from bidding.models import BalancingBid, Bid, Commitment, LedgerEntry
from bidding.models.directions import other_way

W_PER_KW = 1_000


def locked_group(ean: str) -> AggregationEan:
    """Return a group, locked to the end of the transaction: one sale of it at a time.

    Rows that only refer to it can be written meanwhile. A bid that is cleared has locked its rows of the ledger when
    its activation looks up the group, so a sale that kept it waiting there would wait for it in turn.
    """
    return AggregationEan.objects.select_for_update(no_key=True).get(pk=ean)


def locked_entries(
    *, aggregation_ean: AggregationEan, direction: str, ptus: Sequence[datetime], sellable_w: int
) -> list[LedgerEntry]:
    """Return one entry per PTU, locked to the end of the transaction; missing ones are made with `sellable_w`.

    Rows are locked in one order, so that two sales cannot deadlock.
    """
    keys = {"aggregation_ean": aggregation_ean, "direction": direction}
    LedgerEntry.objects.bulk_create(
        (LedgerEntry(ptu_start=ptu, sellable_w=sellable_w, **keys) for ptu in ptus), ignore_conflicts=True
    )
    return list(LedgerEntry.objects.select_for_update().filter(ptu_start__in=ptus, **keys).order_by("ptu_start", "pk"))


def commit(
    *,
    to: Bid | BalancingBid,
    aggregation_ean: AggregationEan,
    ptus: Sequence[datetime],
    power_w: int,
    sellable_w: int,
    now: datetime,
) -> None:
    """Reserve a bid's power of a group in every PTU."""
    entries = locked_entries(aggregation_ean=aggregation_ean, direction=to.direction, ptus=ptus, sellable_w=sellable_w)
    # A newer sizing replaces the older one, but never undercuts what is already promised.
    LedgerEntry.objects.filter(pk__in=[entry.pk for entry in entries]).update(
        sellable_w=Greatest(F("committed_w"), sellable_w)
    )
    buyer = {"bid" if isinstance(to, Bid) else "balancing_bid": to}
    Commitment.objects.bulk_create(
        Commitment(entry=entry, power_w=power_w, committed_at=now, **buyer) for entry in entries
    )


def release_commitments(*, bid: Bid | BalancingBid, now: datetime, keep_w: int = 0) -> None:
    """Give back to the ledger what the market did not take; the caller holds the bid's lock."""
    living = bid.commitments.filter(released_at__isnull=True)
    # The trigger updates the entries in the order of the commitments; locked first, as a sale locks them.
    list(LedgerEntry.objects.select_for_update().filter(commitments__in=living).order_by("ptu_start", "pk"))
    if keep_w:
        living.filter(power_w__gt=keep_w).update(power_w=keep_w)
    else:
        living.update(released_at=now)


def promised_kwh(*, aggregation_ean: AggregationEan, direction: str, period: Interval) -> float:
    """Return the energy that living promises of a group may still take in `period`."""
    sold = LedgerEntry.objects.filter(
        aggregation_ean=aggregation_ean,
        direction=direction,
        ptu_start__gt=period.starts_at - PTU,
        ptu_start__lt=period.ends_at,
    ).aggregate(w=Sum("committed_w"))
    return float(sold["w"] or 0) / W_PER_KW * (PTU / timedelta(hours=1))


def sold_w(*, aggregation_ean: AggregationEan, direction: str, ptus: Sequence[datetime]) -> int:
    """Return the most that living promises hold of a group's power in any of `ptus`.

    No sale adds to it while the caller holds the group's lock.
    """
    entries = LedgerEntry.objects.filter(aggregation_ean=aggregation_ean, direction=direction, ptu_start__in=ptus)
    most: int | None = entries.aggregate(w=Max("committed_w"))["w"]
    return most or 0


@dataclass(frozen=True, slots=True)
class Sold:
    """What living promises hold of a group in one PTU and direction: those for balancing, and all others together."""

    aggregation_ean: str
    direction: str
    ptu_start: datetime
    others_w: int
    balancing: tuple[Commitment, ...]


def sold_beside_balancing(*, eans: Iterable[str], ptus: Sequence[datetime]) -> list[Sold]:
    """Return what is sold of some groups in `ptus`, in two queries."""
    balancing = Commitment.objects.filter(balancing_bid__isnull=False, released_at__isnull=True)
    entries = LedgerEntry.objects.filter(aggregation_ean__in=eans, ptu_start__in=ptus, committed_w__gt=0)
    return [
        Sold(
            entry.aggregation_ean_id,
            entry.direction,
            entry.ptu_start,
            entry.committed_w - sum(one.power_w for one in entry.for_balancing),
            tuple(entry.for_balancing),
        )
        for entry in entries.prefetch_related(Prefetch("commitments", queryset=balancing, to_attr="for_balancing"))
    ]


def why_not_against(*, aggregation_ean: AggregationEan, direction: str, ptus: Sequence[datetime]) -> str:
    """Return why nothing is sold in a direction beside what is sold in the other, empty where nothing is.

    What a group moves is measured as one, so each would take away what the other brings.
    """
    held_w = sold_w(aggregation_ean=aggregation_ean, direction=other_way(direction), ptus=ptus)
    if held_w == 0:
        return ""
    return (
        f"Bids and contracts hold {held_w / W_PER_KW:,.0f} kW the other way in this window. A group is measured as "
        "one, so both would fall short."
    )


def unsettled_bids(*, aggregation_ean: AggregationEan, direction: str, ptus: Sequence[datetime]) -> QuerySet[Bid]:
    """Return the bids that hold power in any of `ptus` and may still give it back, once per PTU that they hold."""
    return Bid.objects.filter(
        status__in=[Bid.Status.PROPOSED, Bid.Status.APPROVED, Bid.Status.SOUGHT, Bid.Status.SUBMITTED],
        commitments__released_at__isnull=True,
        commitments__entry__aggregation_ean=aggregation_ean,
        commitments__entry__direction=direction,
        commitments__entry__ptu_start__in=ptus,
    )
