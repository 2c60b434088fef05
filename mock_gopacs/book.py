"""Between the rows and the solver: who takes part in a clearing, and what its answer does to the orders."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import QuerySet

from aggregator.core.ptu import PTU
from mock_gopacs.clearing import STEP_KW, BookOrder, Problem, Result, clear, forced_steps
from mock_gopacs.events import record
from mock_gopacs.models import (
    Announcement,
    Clearing,
    Congestion,
    Fill,
    ForcedOutcome,
    Market,
    Order,
    Registration,
    Side,
)

STEP_MW = Decimal(STEP_KW) / 1000
HOURS_PER_PTU = Decimal("0.25")


@dataclass(frozen=True, slots=True)
class Book:
    """What the solver is given."""

    orders: tuple[BookOrder, ...]
    problem: Problem


@dataclass(frozen=True, slots=True)
class Solution:
    """An answer, with the book that it answers."""

    book: Book
    result: Result


def overlapping(announcement: Announcement) -> "QuerySet[Order]":
    """Return the live orders whose period touches the problem: those a clearing of it locks."""
    return (
        Order.objects.filter(
            status__in=Order.LIVE, starts_at__lt=announcement.ends_at, ends_at__gt=announcement.starts_at
        )
        .select_related("participant")
        .order_by("placed_at", "pk")
    )


def read_book(clearing: Clearing) -> Book:
    """Return the orders that take part in a clearing, from earliest to latest, and what is still needed.

    They lie within the problem's period, have been in the book for the minimum dwell time when it was locked, do not
    expire before the clearing, and relieve the area from inside or balance it from outside every congested area.
    """
    announcement = clearing.announcement
    market = Market.objects.get()
    postcodes = dict(Registration.objects.values_list("ean", "postcode"))
    congested = _congested_postcodes(announcement)
    shares = dict(ForcedOutcome.objects.values_list("ean", "cleared_share"))
    inside_side = Side.SELL if announcement.congestion == Congestion.OFF_TAKE else Side.BUY
    taking_part = overlapping(announcement).filter(
        starts_at__gte=announcement.starts_at,
        ends_at__lte=announcement.ends_at,
        placed_at__lte=clearing.locks_at - market.minimum_dwell,
        expires_at__gt=clearing.clears_at,
    )
    orders = []
    for order in taking_part:
        postcode = postcodes[order.ean]
        is_inside = order.side == inside_side and postcode in announcement.congested_postcodes
        if is_inside or (order.side != inside_side and postcode not in congested):
            orders.append(_book_order(order, announcement, is_inside=is_inside, share=shares.get(order.ean)))
    required_kw = tuple(int(mw * 1000) for mw in announcement.remaining_mw)
    return Book(tuple(orders), Problem(required_kw, int(announcement.maximum_spread_eur_per_mwh * 100)))


def solve(book: Book, *, time_limit_seconds: float) -> Solution:
    """Return the volumes to clear."""
    return Solution(book, clear(book.orders, book.problem, time_limit_seconds=time_limit_seconds))


def apply_solution(
    clearing: Clearing, solution: Solution, *, at: datetime, held_by_others: Collection[Any]
) -> set[Any]:
    """Write the fills, what remains of the problem and the clearing's figures; return the keys of the filled orders."""
    announcement = clearing.announcement
    steps = solution.result.steps
    orders = {str(order.pk): order for order in overlapping(announcement).filter(pk__in=steps)}
    cleared_kw = [0] * len(announcement.remaining_mw)
    spread_eur = Decimal(0)
    for entry in solution.book.orders:
        if not steps.get(entry.key):
            continue
        order, quantity_mw = orders[entry.key], steps[entry.key] * STEP_MW
        _fill(order, clearing, quantity_mw, at=at, stays_locked=order.pk in held_by_others)
        energy_mwh = quantity_mw * entry.ptu_count * HOURS_PER_PTU
        spread_eur += (1 if entry.is_sell else -1) * order.price_eur_per_mwh * energy_mwh
        if entry.is_inside:
            for ptu in range(entry.first_ptu, entry.end_ptu):
                cleared_kw[ptu] += steps[entry.key] * STEP_KW
    required_kw = solution.book.problem.required_kw
    remaining_kw = [max(0, required - cleared) for required, cleared in zip(required_kw, cleared_kw, strict=True)]
    announcement.remaining_mw = [Decimal(kw) / 1000 for kw in remaining_kw]
    announcement.updated_at = at
    announcement.save()
    clearing.solver_status = solution.result.solver_status
    clearing.cleared_mwh = sum(cleared_kw) * HOURS_PER_PTU / 1000
    clearing.shortage_mwh = sum(remaining_kw) * HOURS_PER_PTU / 1000
    clearing.spread_eur = spread_eur
    clearing.save()
    return {order.pk for order in orders.values()}


def _congested_postcodes(announcement: Announcement) -> set[str]:
    at_the_same_time = Announcement.objects.filter(
        state=Announcement.State.OPEN, starts_at__lt=announcement.ends_at, ends_at__gt=announcement.starts_at
    )
    return set(announcement.congested_postcodes).union(*(other.congested_postcodes for other in at_the_same_time))


def _book_order(order: Order, announcement: Announcement, *, is_inside: bool, share: Decimal | None) -> BookOrder:
    steps = int(order.remaining_mw / STEP_MW)
    return BookOrder(
        key=str(order.pk),
        is_inside=is_inside,
        is_sell=order.side == Side.SELL,
        steps=steps,
        price_cents_per_mwh=int(order.price_eur_per_mwh * 100),
        first_ptu=(order.starts_at - announcement.starts_at) // PTU,
        end_ptu=(order.ends_at - announcement.starts_at) // PTU,
        forced_steps=None if share is None else forced_steps(steps, share),
    )


def _fill(order: Order, clearing: Clearing, quantity_mw: Decimal, *, at: datetime, stays_locked: bool) -> None:
    Fill.objects.create(
        clearing=clearing,
        order=order,
        quantity_mw=quantity_mw,
        price_eur_per_mwh=order.price_eur_per_mwh,
        cleared_at=at,
    )
    order.cleared_mw += quantity_mw
    order.status = Order.Status.PARTLY_CLEARED if order.remaining_mw else Order.Status.CLEARED
    order.is_locked = stays_locked and order.is_live
    record(order, order.status, at=at)
