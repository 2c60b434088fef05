"""Delivers pushes: at least once, in order per participant, the same bytes at every attempt."""

import json
import uuid
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.db import transaction

from aggregator.core.http import HttpClient, RequestFailed, RequestRefused
from mock_gopacs.models import Notification, Participant

TIMEOUT_SECONDS = 5.0
LONGEST_BACK_OFF = timedelta(seconds=30)

_client = HttpClient(allowed_private_hosts=settings.WEBHOOK_PRIVATE_HOSTS)


def deliver_due() -> int:
    """Try the oldest undelivered push of every participant whose turn it is; return how many were delivered."""
    waiting = Participant.objects.filter(
        notifications__delivered_at__isnull=True, notifications__isnull=False
    ).distinct()
    return sum(_deliver_next(participant.pk) for participant in waiting)


@transaction.atomic
def _deliver_next(participant_id: uuid.UUID) -> bool:
    """Deliver one push. The participant's row is held meanwhile, so that two processes keep the order."""
    participant = Participant.objects.select_for_update(skip_locked=True, no_key=True).filter(pk=participant_id).first()
    if participant is None:
        return False
    notification = participant.notifications.filter(delivered_at__isnull=True).order_by("pk").first()
    real_now = datetime.now(UTC)
    if notification is None or notification.next_attempt_at > real_now:
        return False
    notification.attempts += 1
    notification.last_error = _send(notification, participant)
    if notification.last_error:
        notification.next_attempt_at = real_now + min(
            timedelta(seconds=0.5 * 2 ** min(notification.attempts, 10)), LONGEST_BACK_OFF
        )
    else:
        notification.delivered_at = datetime.now(UTC)
    notification.save()
    return not notification.last_error


def document(notification: Notification) -> bytes:
    """Return the bytes of a push."""
    return json.dumps(
        {
            "notificationId": str(notification.notification_id),
            "sequence": notification.pk,
            "event": notification.event,
            "order": notification.order_document,
        },
        sort_keys=True,
    ).encode()


def _send(notification: Notification, participant: Participant) -> str:
    """Return what went wrong, or nothing."""
    headers = {"Content-Type": "application/json"}
    if participant.webhook_token:
        headers["Authorization"] = f"Bearer {participant.webhook_token}"
    try:
        response = _client.request(
            method="POST",
            url=participant.webhook_url,
            headers=headers,
            body=document(notification),
            timeout_seconds=TIMEOUT_SECONDS,
        )
    except (RequestFailed, RequestRefused) as error:
        return str(error)
    return "" if response.is_success else f"The participant answered {response.status_code}."
