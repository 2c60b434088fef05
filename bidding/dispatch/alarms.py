"""What an operator must know while an activation runs: raised once, kept up to date, cleared when it is over."""

import logging
from collections.abc import Mapping
from datetime import datetime

from bidding.models import Activation, DispatchAlarm

logger = logging.getLogger(__name__)


def set_alarms(activation: Activation, reasons: Mapping[DispatchAlarm.Kind, str], *, now: datetime) -> None:
    """Have exactly these alarms open, by kind with what to say; the others of these kinds are over."""
    open_alarms = {alarm.kind: alarm for alarm in activation.alarms.filter(cleared_at__isnull=True)}
    for kind, message in reasons.items():
        known = open_alarms.get(kind)
        if not message:
            if known:
                known.cleared_at = now
                known.save(update_fields=["cleared_at"])
        elif known is None:
            DispatchAlarm.objects.create(activation=activation, kind=kind, message=message, raised_at=now)
            logger.warning("%s of %s: %s", DispatchAlarm.Kind(kind).label, activation.reference, message)
        elif known.message != message:
            known.message = message
            known.save(update_fields=["message"])


def clear_alarms(activation: Activation, *, now: datetime) -> None:
    """Close what is open: the activation is over."""
    activation.alarms.filter(cleared_at__isnull=True).update(cleared_at=now)
