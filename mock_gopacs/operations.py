"""What a participant does in the order book. One call is one transaction, one at a time on the whole book."""

import uuid
from datetime import datetime
from decimal import Decimal
from typing import TypeVar

from django.db import transaction

from mock_gopacs import order_form
from mock_gopacs.events import record
from mock_gopacs.models import Clearing, Market, Order, Participant, Registration
from mock_gopacs.order_form import GATE_BEFORE_START, Problem

T = TypeVar("T")


class ParticipantForeign(PermissionError):
    """The body names a participant that the API key does not belong to."""


class EanForeign(PermissionError):
    """The EAN is registered by another participant."""


class OrderUnknown(LookupError):
    """No such order, or another participant's."""


class PreconditionFailed(RuntimeError):
    """The request is well formed, but the market's or the order's state forbids it."""

    def __init__(self, problem: Problem, order: Order | None = None) -> None:
        super().__init__(problem.message)
        self.problem = problem
        self.order = order


class BookLocked(RuntimeError):
    """A clearing (or a fault switch) holds the orders of this period."""

    def __init__(self, order: Order | None = None) -> None:
        super().__init__(
            "The order book is locked for this period: read the order again, then retry or accept the clearing."
        )
        self.order = order


@transaction.atomic
def place_order(*, participant: Participant, body: bytes, now: datetime) -> Order:
    """Put a new order in the book.

    Raises `order_form.InvalidOrder`, `ParticipantForeign`, `EanForeign`, `PreconditionFailed` or `BookLocked`.
    """
    form = order_form.parse_new(body, now=now)
    starts_at, ends_at = _given(form.starts_at), _given(form.ends_at)
    if form.participant_id != participant.id:
        raise ParticipantForeign(f"Participant {form.participant_id} is not the owner of this API key.")
    market = Market.lock()
    _require_registration(form.ean, participant)
    if now >= starts_at - GATE_BEFORE_START:
        raise PreconditionFailed(Problem("GATE_CLOSED", "Orders close 15 minutes before their start.", "start"))
    _require_unlocked(market, starts_at=starts_at, ends_at=ends_at, now=now)
    order = Order(
        participant=participant,
        side=_given(form.side),
        ean=form.ean,
        quantity_mw=form.quantity_mw,
        price_eur_per_mwh=form.price_eur_per_mwh,
        starts_at=starts_at,
        ends_at=ends_at,
        expires_at=form.expires_at or starts_at - GATE_BEFORE_START,
        market_based=_given(form.market_based),
        facility_type=form.facility_type,
        contract_id=form.contract_id,
        usage_fraction=form.usage_fraction,
        meta_data=form.meta_data,
        placed_at=now,
    )
    record(order, "CREATED", at=now)
    return order


@transaction.atomic
def change_order(*, participant: Participant, order_id: uuid.UUID, body: bytes, now: datetime) -> Order:
    """Change an order that is still live; optional fields that the body does not name stay as they are.

    Raises `OrderUnknown` and what `place_order` raises.
    """
    market = Market.lock()
    order = _own_order(participant, order_id)
    form = order_form.parse_change(body, starts_at=order.starts_at, now=now)
    _require_registration(form.ean, participant)
    _require_changeable(market, order, now=now)
    if form.quantity_mw <= order.cleared_mw:
        message = f"{order.cleared_mw} MW of the order is cleared: quantity must be above it, or withdraw the rest."
        raise PreconditionFailed(Problem("QUANTITY_BELOW_CLEARED", message, "quantity"), order)
    order.quantity_mw, order.price_eur_per_mwh, order.ean = form.quantity_mw, form.price_eur_per_mwh, form.ean
    optional = {
        "marketBased": ("market_based", form.market_based),
        "facilityType": ("facility_type", form.facility_type),
        "contractId": ("contract_id", form.contract_id),
        "usageFraction": ("usage_fraction", form.usage_fraction),
        "customExpirationTime": ("expires_at", form.expires_at),
        "metaData": ("meta_data", form.meta_data),
    }
    for name, (attribute, value) in optional.items():
        if name in form.given and value is not None:
            setattr(order, attribute, value)
    order_form.require_facility_type(market_based=order.market_based, facility_type=order.facility_type)
    if market.after_change == Market.AfterChange.SAME_ID:
        record(order, "CHANGED", at=now)
    else:
        _replace(order, market.after_change, now)
    return order


def _replace(changed: Order, after_change: str, now: datetime) -> None:
    """Let a changed order be another, which takes what was cleared along, and take the one that it was out."""
    old = Order.objects.get(pk=changed.pk)
    changed.pk, changed.version, changed.placed_at, changed.updated_at = uuid.uuid4(), 0, now, now
    changed.save(force_insert=True)
    old.fills.update(order=changed)
    if after_change == Market.AfterChange.OLD_ID_GONE:
        old.delete()
    else:
        old.status, old.cleared_mw = Order.Status.CANCELLED, Decimal(0)
        record(old, "CANCELLED", at=now)
    record(changed, "CREATED", at=now)


@transaction.atomic
def cancel_order(*, participant: Participant, order_id: uuid.UUID, now: datetime) -> Order:
    """Withdraw what is not cleared of an order.

    Raises `OrderUnknown`, `PreconditionFailed` (it is final already, or its gate has closed) or `BookLocked`.
    """
    market = Market.lock()
    order = _own_order(participant, order_id)
    _require_changeable(market, order, now=now)
    order.status = Order.Status.CANCELLED
    record(order, "CANCELLED", at=now)
    return order


def _given(value: T | None) -> T:
    """Return a field that the form has required."""
    if value is None:
        raise AssertionError("the form accepted a body without a required field")
    return value


def _own_order(participant: Participant, order_id: uuid.UUID) -> Order:
    try:
        return Order.objects.select_for_update(of=("self",)).get(pk=order_id, participant=participant)
    except Order.DoesNotExist:
        raise OrderUnknown(f"There is no order {order_id} of this participant.") from None


def _require_registration(ean: str, participant: Participant) -> None:
    registration = Registration.objects.filter(pk=ean).first()
    if registration is None:
        message = (
            f"EAN {ean} is not registered with GOPACS: register it and have it approved by its grid operator first."
        )
        raise PreconditionFailed(Problem("EAN_NOT_REGISTERED", message, "ean"))
    if registration.participant_id != participant.id:
        raise EanForeign(f"EAN {ean} is registered by another participant.")


def _require_changeable(market: Market, order: Order, *, now: datetime) -> None:
    if not order.is_live:
        raise PreconditionFailed(Problem("ORDER_FINAL", f"The order is {order.status}; nothing can change it."), order)
    _require_unlocked(market, starts_at=order.starts_at, ends_at=order.ends_at, now=now, order=order)
    if now >= order.expires_at:
        raise PreconditionFailed(Problem("GATE_CLOSED", "The order's expiration time has passed."), order)


def _require_unlocked(
    market: Market, *, starts_at: datetime, ends_at: datetime, now: datetime, order: Order | None = None
) -> None:
    is_cleared_now = Clearing.objects.filter(
        state=Clearing.State.LOCKED, announcement__starts_at__lt=ends_at, announcement__ends_at__gt=starts_at
    ).exists()
    if is_cleared_now or (market.locked_until is not None and now < market.locked_until):
        raise BookLocked(order)
