"""Reads from the tables what the pure modules work with."""

from bisect import bisect_left
from collections import defaultdict
from dataclasses import fields
from decimal import Decimal

from mock_gopacs.models import AfrrTerms, Bsp, DemandChange, EnergyBid, PoolMeasurement
from mock_gopacs.tennet.activation import Activation, memory_of
from mock_gopacs.tennet.cycles import CYCLE, CYCLES_PER_PTU, cycle_of, start_of
from mock_gopacs.tennet.ladder import Direction, Offer
from mock_gopacs.tennet.terms import Terms


def terms() -> Terms:
    """Return the scenario's terms; raises `AfrrTerms.DoesNotExist` while none is loaded."""
    row = AfrrTerms.objects.get()
    return Terms(**{field.name: getattr(row, field.name) for field in fields(Terms)})


def activation_over(cycles: range) -> Activation:
    """Return the market over these cycles, with what their setpoints and prices come from."""
    agreed = terms()
    first = cycles.start - memory_of(agreed)
    return Activation(
        terms=agreed,
        demand=_demand(first, cycles.stop),
        offers=_offers(first - first % CYCLES_PER_PTU, cycles.stop),
        heard=_heard(first, cycles.stop, agreed),
    )


def delivered_mw(bsp: Bsp, cycles: range, agreed: Terms) -> list[float]:
    """Return a pool's delivered power in each cycle: by its last measurement then, 0 where that is too old."""
    lost_after = agreed.lost_after
    rows = list(
        PoolMeasurement.objects.filter(
            bsp=bsp,
            at__lt=start_of(cycles.stop),
            **({} if lost_after is None else {"at__gte": start_of(cycles.start) - lost_after}),
        ).order_by("at")
    )
    moments = [row.at for row in rows]
    powers = [float(row.measured_mw - row.reference_mw) for row in rows]
    delivered = []
    for cycle in cycles:
        ends_at = start_of(cycle) + CYCLE
        place = bisect_left(moments, ends_at)
        is_known = place and (lost_after is None or ends_at - moments[place - 1] <= lost_after)
        delivered.append(powers[place - 1] if is_known else 0.0)
    return delivered


def _demand(first: int, stop: int) -> list[tuple[int, Decimal]]:
    """Return the change that holds when the first cycle starts, and those after it."""
    changes = DemandChange.objects.filter(at__lt=start_of(stop)).order_by("at")
    holding = changes.filter(at__lte=start_of(first)).last()
    rows = changes.filter(at__gte=holding.at) if holding else changes
    return [(cycle_of(row.at), row.mw) for row in rows]


def _offers(first: int, stop: int) -> dict[int, list[Offer]]:
    offers: dict[int, list[Offer]] = defaultdict(list)
    rows = EnergyBid.objects.filter(starts_at__gte=start_of(first), starts_at__lt=start_of(stop), quantity_mw__gt=0)
    for row in rows.order_by("pk"):
        offers[cycle_of(row.starts_at)].append(
            Offer(
                key=row.pk,
                bsp=row.bsp_id,
                mrid=row.mrid,
                direction=Direction(row.direction),
                quantity_mw=Decimal(row.quantity_mw),
                price_eur_per_mwh=row.price_eur_per_mwh,
            )
        )
    return offers


def _heard(first: int, stop: int, agreed: Terms) -> dict[str, list[int]]:
    heard: dict[str, list[int]] = {bsp.pk: [] for bsp in Bsp.objects.exclude(api_key_sha256=None)}
    if agreed.lost_after is not None:
        since = start_of(first) - agreed.lost_after
        rows = PoolMeasurement.objects.filter(received_at__gte=since, received_at__lt=start_of(stop))
        for bsp_id, received_at in rows.order_by("received_at", "pk").values_list("bsp_id", "received_at"):
            heard[bsp_id].append(cycle_of(received_at))
    return heard
