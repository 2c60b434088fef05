"""Every change of an order goes through here: history, version and push in the transaction of the change."""

from collections.abc import Iterable
from datetime import UTC, datetime

from mock_gopacs.models import Notification, Order, OrderEvent
from mock_gopacs.wire import order_document


def record(order: Order, event: str, *, at: datetime) -> None:
    """Save the new or changed order with its event, and leave a push for its participant if it wants one."""
    _advance(order, at)
    order.save()
    _append([order], event, at)


def record_all(orders: Iterable[Order], event: str, *, at: datetime) -> int:
    """Save what the market's clock did to many orders (status and lock) as `record` does; return their number."""
    changed = list(orders)
    for order in changed:
        _advance(order, at)
    Order.objects.bulk_update(changed, ["status", "is_locked", "version", "updated_at"])
    _append(changed, event, at)
    return len(changed)


def _advance(order: Order, at: datetime) -> None:
    order.version += 1
    order.updated_at = at


def _append(orders: list[Order], event: str, at: datetime) -> None:
    OrderEvent.objects.bulk_create(
        OrderEvent(
            order=order,
            version=order.version,
            event=event,
            at=at,
            status=order.status,
            quantity_mw=order.quantity_mw,
            price_eur_per_mwh=order.price_eur_per_mwh,
            cleared_mw=order.cleared_mw,
        )
        for order in orders
    )
    real_now = datetime.now(UTC)
    Notification.objects.bulk_create(
        Notification(
            participant=order.participant,
            event=event,
            order_document=order_document(order),
            next_attempt_at=real_now,
        )
        for order in orders
        if order.participant.webhook_url
    )
