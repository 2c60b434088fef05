"""What the market does by itself as its clock passes: place, publish, lock, clear, expire, close, call.

What is due is read from the rows, in order of time, and each step is one transaction. So the process may die between
any two statements; the next one goes on where the rows stand. A step happens "at" its due time, however late it is
done.
"""

import uuid
from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from aggregator.core.interval import Interval
from aggregator.core.ptu import ptu_range
from mock_gopacs.book import Solution, apply_solution, overlapping, read_book, solve
from mock_gopacs.due import Due, Step, first, is_still
from mock_gopacs.events import record_all
from mock_gopacs.models import Announcement, Clearing, Market, Order
from mock_gopacs.order_form import GATE_BEFORE_START
from mock_gopacs.uftp.calls import due_calls


def advance(now: datetime) -> list[Step]:
    """Do everything that is due at `now`, in order of time, and return what was done."""
    return list(_steps_until(now))


@transaction.atomic
def withdraw(announcement_id: uuid.UUID, *, now: datetime) -> None:
    """Take an announcement back; raises `Announcement.DoesNotExist`. A clearing of it that has not run is missed."""
    Market.lock()
    announcement = Announcement.objects.exclude(state=Announcement.State.SCHEDULED).get(pk=announcement_id)
    announcement.state, announcement.updated_at = Announcement.State.WITHDRAWN, now
    announcement.save()
    for clearing in announcement.clearings.filter(state__in=[Clearing.State.PENDING, Clearing.State.LOCKED]):
        _miss(clearing, at=now)


@transaction.atomic
def change(
    announcement_id: uuid.UUID, *, period: Interval | None, required_mw: Sequence[Decimal], now: datetime
) -> None:
    """Change what an open announcement asks; raises `Announcement.DoesNotExist`, or `ValueError` for a wrong profile.

    `required_mw` is one number per PTU, or one for all; none keeps the most that was asked. What was cleared for PTUs
    that stay is taken off what remains.
    """
    Market.lock()
    announcement = Announcement.objects.get(pk=announcement_id, state=Announcement.State.OPEN)
    before = ptu_range(Interval(announcement.starts_at, announcement.ends_at))
    cleared_mw = {
        ptu: required - remaining
        for ptu, required, remaining in zip(before, announcement.required_mw, announcement.remaining_mw, strict=True)
    }
    if period is not None:
        announcement.starts_at, announcement.ends_at = period.starts_at, period.ends_at
    ptus = ptu_range(Interval(announcement.starts_at, announcement.ends_at))
    wanted = list(required_mw) or [max(announcement.required_mw)]
    announcement.required_mw = wanted * len(ptus) if len(wanted) == 1 else wanted
    if len(announcement.required_mw) != len(ptus):
        raise ValueError(f"required_mw has {len(wanted)} values for {len(ptus)} PTUs: give one per PTU, or one number.")
    announcement.remaining_mw = [
        max(Decimal(0), required - cleared_mw.get(ptu, Decimal(0)))
        for ptu, required in zip(ptus, announcement.required_mw, strict=True)
    ]
    announcement.updated_at = now
    announcement.save()


def next_due_at() -> datetime | None:
    """Return when something will be due next, if nothing is placed or loaded before."""
    due = _earliest_due()
    return due.at if due else None


def _steps_until(now: datetime) -> Iterator[Step]:
    while (due := _earliest_due()) and due.at <= now:
        step = due.do(now)
        if step:
            yield step


def _earliest_due() -> Due | None:
    """Return what comes first; at the same moment in the order of this list."""
    pending, locked = Clearing.State.PENDING, Clearing.State.LOCKED
    due = (
        first(Order.objects.filter(status=Order.Status.SCHEDULED), "placed_at", _place),
        first(Announcement.objects.filter(state=Announcement.State.SCHEDULED), "publish_at", _publish),
        first(Clearing.objects.filter(state=pending), "locks_at", _lock),
        first(Clearing.objects.filter(state=locked), "clears_at", _clear),
        first(Order.objects.filter(status__in=Order.LIVE, is_locked=False), "expires_at", _expire),
        first(_closable(), "starts_at", _close, lead=GATE_BEFORE_START),
        *due_calls(),
    )
    return min((item for item in due if item), key=lambda item: item.at, default=None)


def _closable() -> "QuerySet[Announcement]":
    in_clearing = Clearing.objects.filter(state__in=[Clearing.State.PENDING, Clearing.State.LOCKED])
    return Announcement.objects.filter(state=Announcement.State.OPEN).exclude(clearings__in=in_clearing)


@transaction.atomic
def _place(first: Order, at: datetime, _now: datetime) -> Step | None:
    Market.lock()
    orders = list(
        Order.objects.filter(status=Order.Status.SCHEDULED, placed_at=first.placed_at).select_related("participant")
    )
    for order in orders:
        order.status = Order.Status.OPEN
    return Step(at, "orders placed", str(len(orders))) if record_all(orders, "CREATED", at=at) else None


@transaction.atomic
def _publish(announcement: Announcement, at: datetime, _now: datetime) -> Step | None:
    Market.lock()
    if not is_still(announcement, state=Announcement.State.SCHEDULED):
        return None
    announcement.state, announcement.updated_at = Announcement.State.OPEN, at
    announcement.save()
    return Step(at, "announcement published", str(announcement))


@transaction.atomic
def _lock(clearing: Clearing, at: datetime, now: datetime) -> Step | None:
    Market.lock()
    if not is_still(clearing, state=Clearing.State.PENDING):
        return None
    if now >= clearing.announcement.starts_at:
        return _miss(clearing, at=at)
    clearing.state = Clearing.State.LOCKED
    clearing.save()
    orders = list(overlapping(clearing.announcement).filter(is_locked=False))
    for order in orders:
        order.is_locked = True
    record_all(orders, "LOCKED", at=at)
    return Step(at, "book locked", str(clearing))


def _clear(clearing: Clearing, at: datetime, now: datetime) -> Step | None:
    """Solve outside the transaction, so that the other periods of the book stay open meanwhile."""
    if now >= clearing.announcement.starts_at:
        return _miss_late(clearing, at)
    time_limit_seconds = Market.objects.get().solver_time_limit_seconds
    book = read_book(clearing)
    return _settle(clearing, solve(book, time_limit_seconds=time_limit_seconds), at)


@transaction.atomic
def _settle(clearing: Clearing, solution: Solution, at: datetime) -> Step | None:
    Market.lock()
    clearing = Clearing.objects.select_related("announcement").get(pk=clearing.pk)
    if clearing.state != Clearing.State.LOCKED or read_book(clearing) != solution.book:
        return None  # another process was first: what is still due is solved anew
    held = _held_by_others(clearing)
    clearing.state = Clearing.State.CLEARED
    filled = apply_solution(clearing, solution, at=at, held_by_others=held)
    _unlock(clearing, at=at, leave=held | filled)
    return Step(at, "book cleared", str(clearing))


@transaction.atomic
def _miss_late(clearing: Clearing, at: datetime) -> Step | None:
    Market.lock()
    return _miss(clearing, at=at) if is_still(clearing, state=Clearing.State.LOCKED) else None


def _miss(clearing: Clearing, *, at: datetime) -> Step:
    """Give a clearing up: its delivery has begun, or its announcement is withdrawn."""
    was_locked = clearing.state == Clearing.State.LOCKED
    clearing.state = Clearing.State.MISSED
    clearing.save()
    if was_locked:
        _unlock(clearing, at=at, leave=_held_by_others(clearing))
    return Step(at, "clearing missed", str(clearing))


def _held_by_others(clearing: Clearing) -> set[Any]:
    others = Clearing.objects.filter(state=Clearing.State.LOCKED).exclude(pk=clearing.pk).select_related("announcement")
    return {order.pk for other in others for order in overlapping(other.announcement)}


def _unlock(clearing: Clearing, *, at: datetime, leave: set[Any]) -> None:
    orders = list(overlapping(clearing.announcement).filter(is_locked=True).exclude(pk__in=leave))
    for order in orders:
        order.is_locked = False
    record_all(orders, "UNLOCKED", at=at)


@transaction.atomic
def _expire(first: Order, at: datetime, _now: datetime) -> Step | None:
    Market.lock()
    due = Order.objects.filter(status__in=Order.LIVE, is_locked=False, expires_at=first.expires_at).select_related(
        "participant"
    )
    orders = list(due)
    for order in orders:
        order.status = Order.Status.EXPIRED
    return Step(at, "orders expired", str(len(orders))) if record_all(orders, "EXPIRED", at=at) else None


@transaction.atomic
def _close(announcement: Announcement, at: datetime, _now: datetime) -> Step | None:
    Market.lock()
    if not is_still(announcement, state=Announcement.State.OPEN):
        return None
    announcement.state, announcement.updated_at = Announcement.State.CLOSED, at
    announcement.save()
    return Step(at, "announcement closed", str(announcement))
