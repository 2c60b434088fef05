"""Changing an order and taking it back, with the exchange's word as the last. Each function is one act."""

from datetime import datetime
from decimal import Decimal

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.db.models import F, Q, QuerySet

from aggregator.core import audit
from aggregator.core.messaging.operations import cancel_untried
from aggregator.core.models import OutboxMessage
from aggregator.core.ptu import dutch_time
from bidding.markets.exchange.orders import OrderState
from bidding.markets.exchange.venue import Venue
from bidding.models import Bid, OrderChange, SurplusOrder
from bidding.operations.approvals import GateClosed, end, judge, require, worth
from bidding.operations.ledger import release_commitments
from bidding.operations.market_messages import enqueue_request, order_of


class ChangeRefused(RuntimeError):
    """The change breaks a rule; the text says which, and what to do instead."""


@transaction.atomic
def withdraw(*, bid_id: int, now: datetime, actor: AbstractBaseUser | None, reason: str) -> Bid:
    """Take a bid back: what is not cleared leaves the book, what is cleared stays a duty.

    A proposed bid ends at once. One that is not in the book is not sent any more, and ends when the exchange says that
    it has no such order. For one in the book `ask_withdrawals` asks the exchange, and the bid ends when that confirms.
    Raises `NotInState`, or `ChangeRefused` when it was asked before.
    """
    bid = Bid.objects.select_for_update().get(pk=bid_id)
    require(bid, Bid.Status.PROPOSED, Bid.Status.APPROVED, Bid.Status.SOUGHT, Bid.Status.SUBMITTED)
    if bid.withdrawal_asked_at is not None:
        raise ChangeRefused("The withdrawal was asked before; the bid ends when the exchange confirms.")
    bid.withdrawal_asked_at, bid.updated_at, bid.status_reason = now, now, reason
    if bid.status == Bid.Status.APPROVED and cancel_untried(
        idempotency_key=f"order-{bid.reference}", reason=f"Withdrawn: {reason}", now=now
    ):
        bid.status = Bid.Status.SOUGHT  # a sender that died may have sent it without writing so
    bid.save(update_fields=["withdrawal_asked_at", "status", "status_reason", "updated_at"])
    if bid.status == Bid.Status.PROPOSED:
        end(bid=bid, status=Bid.Status.WITHDRAWN, now=now, reason=reason)
    audit.record(now=now, action="bidding.bid.withdrawal-asked", subject=bid, actor=actor, reason=reason)
    return bid


def ask_withdrawals(*, exchange: Venue, now: datetime) -> int:
    """Put in the outbox what must be taken out of the book and has stood there long enough; return how many."""
    bid_ids = _to_take_out(exchange, now).order_by("pk").values_list("pk", flat=True)
    surplus_ids = _surplus(exchange, now).order_by("pk").values_list("pk", flat=True)
    asked = [_ask_withdrawal(bid_id, exchange, now) for bid_id in bid_ids]
    return sum(asked) + sum(_ask_surplus_withdrawal(surplus_id, exchange, now) for surplus_id in surplus_ids)


def _to_take_out(exchange: Venue, now: datetime) -> QuerySet[Bid]:
    found_after_its_end = Q(status__in=Bid.ENDED_UNSOLD, placed_at__gte=F("updated_at"))
    return Bid.objects.filter(
        Q(status=Bid.Status.SUBMITTED) | found_after_its_end,
        withdrawal_asked_at__isnull=False,
        placed_at__lte=now - exchange.minimum_dwell,
        starts_at__gt=now + exchange.gate,
    )


def _surplus(exchange: Venue, now: datetime) -> QuerySet[SurplusOrder]:
    return SurplusOrder.objects.filter(
        is_final=False, found_at__lte=now - exchange.minimum_dwell, bid__starts_at__gt=now + exchange.gate
    )


@transaction.atomic
def _ask_withdrawal(bid_id: int, exchange: Venue, now: datetime) -> bool:
    bid = _to_take_out(exchange, now).select_for_update().filter(pk=bid_id).first()
    return bid is not None and _take_out(bid, bid.exchange_order_id, exchange, now)


@transaction.atomic
def _ask_surplus_withdrawal(surplus_id: int, exchange: Venue, now: datetime) -> bool:
    bid = Bid.objects.select_for_update().get(surplus_orders=surplus_id)
    surplus = _surplus(exchange, now).filter(pk=surplus_id).first()
    if surplus is None:
        return False
    return _take_out(bid, surplus.order_id, exchange, now)


def _take_out(bid: Bid, order_id: str, exchange: Venue, now: datetime) -> bool:
    key = f"{bid.reference}-{order_id}"
    if OutboxMessage.objects.filter(idempotency_key=f"withdraw-{key}").exists():
        return False
    request, closes_at = exchange.withdrawing(order_id), bid.starts_at - exchange.gate
    enqueue_request(bid=bid, purpose="withdraw", key=key, request=request, closes_at=closes_at, now=now)
    return True


@transaction.atomic
def change(
    *,
    bid_id: int,
    power_w: int,
    price_eur_per_mwh: Decimal,
    exchange: Venue,
    now: datetime,
    actor: AbstractBaseUser,
    reason: str,
) -> OrderChange:
    """Ask the exchange for less power, or another price, of an order in its book.

    More power would need sizing and approval again, so it is a new bid. Raises `NotInState`, `GateClosed` or
    `ChangeRefused`.
    """
    bid = Bid.objects.select_for_update(of=("self",)).select_related("aggregation_ean").get(pk=bid_id)
    require(bid, Bid.Status.SUBMITTED)
    closes_at = bid.starts_at - exchange.gate
    if now >= closes_at:
        raise GateClosed(
            f"The exchange takes changes for this window until {dutch_time(closes_at)} Dutch time; that has passed. "
            "The order stands as it is; bid for a later window."
        )
    if bid.withdrawal_asked_at is not None or bid.changes.filter(status=OrderChange.Status.ASKED).exists():
        raise ChangeRefused("The exchange has not answered the last request about this order. Wait for it.")
    if bid.placed_at is not None and now < bid.placed_at + exchange.minimum_dwell:
        raise ChangeRefused(f"An order stands unchanged for {exchange.minimum_dwell}. Try again after that.")
    if not max(bid.min_power_w, bid.cleared_power_w + 1) <= power_w <= bid.power_w or power_w % bid.step_w:
        raise ChangeRefused(
            f"An order can change to whole steps of {bid.step_w // 1000} kW, from the {bid.min_power_w // 1000} kW "
            f"minimum and above what is cleared ({bid.cleared_power_w // 1000} kW) up to its {bid.power_w // 1000} kW. "
            "For more, make another bid."
        )
    wanted = _as_changed(bid, power_w, price_eur_per_mwh)
    people = judge(bid=wanted, autonomy=bid.aggregation_ean.autonomy, now=now).people
    behind = {bid.first_approver_id, bid.second_approver_id, bid.proposed_by_id, actor.pk} - {None}
    # Whoever approved stands behind what was approved, and less; behind more stands only who asks for it.
    is_raised = price_eur_per_mwh > bid.price_eur_per_mwh or worth(wanted) > worth(bid)
    if people > (1 if is_raised else len(behind)):
        raise ChangeRefused(
            "On these terms the order needs two people. Withdraw it and make another bid, which two people approve."
        )
    asked = OrderChange.objects.create(
        bid=bid, power_w=power_w, price_eur_per_mwh=price_eur_per_mwh, reason=reason, asked_by_id=actor.pk, asked_at=now
    )
    order = order_of(bid, exchange, power_w=power_w, price=price_eur_per_mwh)
    request = exchange.changing(bid.exchange_order_id, order)
    key = f"{bid.reference}-{asked.pk}-{bid.exchange_order_id}"
    enqueue_request(bid=bid, purpose="change", key=key, request=request, closes_at=closes_at, now=now)
    audit.record(
        now=now,
        action="bidding.bid.change-asked",
        subject=bid,
        actor=actor,
        reason=reason,
        before={"power_w": bid.power_w, "price_eur_per_mwh": str(bid.price_eur_per_mwh)},
        after={"power_w": power_w, "price_eur_per_mwh": str(price_eur_per_mwh)},
    )
    return asked


@transaction.atomic
def note_changed(*, reference: str, now: datetime) -> None:
    """Take over a change that the exchange confirmed, and free the power it gave up; harmless when already known."""
    bid = Bid.objects.select_for_update().get(reference=reference)
    if asked := bid.changes.filter(status=OrderChange.Status.ASKED).first():
        _take_over(bid, asked, now)


def note_change_shown(*, bid: Bid, state: OrderState, now: datetime) -> None:
    """Take over a change that the exchange shows in its order, whatever became of its answer; the caller locks the bid.

    A sender may have died with the answer, or lost it until the order could not be changed any more.
    """
    asked = bid.changes.filter(status=OrderChange.Status.ASKED).first()
    if asked and (state.power_w, state.price_eur_per_mwh) == (asked.power_w, asked.price_eur_per_mwh):
        _take_over(bid, asked, now)


def _take_over(bid: Bid, asked: OrderChange, now: datetime) -> None:
    asked.status, asked.answered_at = OrderChange.Status.DONE, now
    asked.save(update_fields=["status", "answered_at"])
    bid.power_w, bid.price_eur_per_mwh, bid.updated_at = asked.power_w, asked.price_eur_per_mwh, now
    bid.save(update_fields=["power_w", "price_eur_per_mwh", "updated_at"])
    release_commitments(bid=bid, now=now, keep_w=bid.power_w)
    audit.record(now=now, action="bidding.bid.changed", subject=bid, after={"power_w": bid.power_w})


@transaction.atomic
def note_unchanged(*, reference: str, answer: str, now: datetime) -> None:
    """Note that a change was not made: the order stands as it was, or has ended; harmless when already known."""
    bid = Bid.objects.select_for_update().get(reference=reference)
    asked = bid.changes.filter(status=OrderChange.Status.ASKED).first()
    if asked is None:
        return
    asked.status, asked.answer, asked.answered_at = OrderChange.Status.REFUSED, answer, now
    asked.save(update_fields=["status", "answer", "answered_at"])
    audit.record(now=now, action="bidding.bid.change-refused", subject=bid, reason=answer)


def _as_changed(bid: Bid, power_w: int, price_eur_per_mwh: Decimal) -> Bid:
    return Bid(
        pk=bid.pk,
        aggregation_ean_id=bid.aggregation_ean_id,
        starts_at=bid.starts_at,
        ends_at=bid.ends_at,
        power_w=power_w,
        price_eur_per_mwh=price_eur_per_mwh,
    )
