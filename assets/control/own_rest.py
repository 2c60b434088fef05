"""Setpoints over our own interface: pushed to the partner's callback, signed, or left for it to fetch."""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import msgspec

from aggregator.core.messaging.operations import enqueue
from aggregator.core.models import OutboxMessage
from aggregator.core.ptu import PTU
from assets.control.channel import SETPOINTS_CHANNEL, conversation_with
from assets.control.fallback import FALLBACKS
from assets.control.ports import SentSetpoint
from assets.models import SetpointBatch


class OwnRest:
    """Our own push to a callback address; without one the partner reads the feed."""

    def enqueue(
        self, *, now: datetime, batch: SetpointBatch, setpoints: Sequence[SentSetpoint], deadline_at: datetime
    ) -> OutboxMessage | None:
        """Put the batch in the outbox."""
        if not batch.partner.callback_url:
            return None
        return enqueue(
            now=now,
            channel=SETPOINTS_CHANNEL,
            conversation=conversation_with(batch.partner_id),
            idempotency_key=f"setpoint-batch-{batch.pk}",
            method="POST",
            url=batch.partner.callback_url,
            headers={"Content-Type": "application/json"},
            body=msgspec.json.encode(batch_document(batch, setpoints)),
            deadline_at=deadline_at,
        )


def batch_document(batch: SetpointBatch, setpoints: Sequence[SentSetpoint]) -> dict[str, Any]:
    """Return a batch as partners read it, pushed or fetched; for one that divides by itself, without single assets."""
    return {
        "batch_id": batch.pk,
        "aggregation_ean": batch.aggregation_ean_id,
        "order_reference": batch.order_reference,
        "reason": batch.reason,
        "revision": batch.revision,
        "sent_at": _instant(batch.created_at),
        "group_setpoint": _group_setpoint(setpoints),
        "setpoints": [] if batch.partner.divides_itself else [setpoint_row(setpoint) for setpoint in setpoints],
    }


def setpoint_row(setpoint: SentSetpoint) -> dict[str, Any]:
    """Return one setpoint as partners read it."""
    return {
        "setpoint_id": setpoint.setpoint_id,
        "asset": setpoint.asset,
        "starts_at": _instant(setpoint.starts_at),
        "ends_at": _instant(setpoint.ends_at),
        "power_w": list(setpoint.power_w),
        "start_early_s": setpoint.start_early_s,
        "end_late_s": setpoint.end_late_s,
        "fallback": FALLBACKS[setpoint.kind],
        "ttl_s": setpoint.ttl_s,
    }


def _group_setpoint(setpoints: Sequence[SentSetpoint]) -> dict[str, Any]:
    """Return the sum of a batch: what its assets together may take in each PTU in which any of them is asked."""
    start = min(setpoint.starts_at for setpoint in setpoints)
    end = max(setpoint.ends_at for setpoint in setpoints)
    power_w = [0] * ((end - start) // PTU)
    for setpoint in setpoints:
        first = (setpoint.starts_at - start) // PTU
        for number, one_w in enumerate(setpoint.power_w, start=first):
            power_w[number] += one_w
    return {
        "assets": len(setpoints),
        "starts_at": _instant(start),
        "ends_at": _instant(end),
        "power_w": power_w,
        "ramp_s": max(one.start_early_s for one in setpoints) or max(one.end_late_s for one in setpoints),
        "fallback": "own_default",
        "ttl_s": min((one.ttl_s for one in setpoints if one.ttl_s is not None), default=None),
    }


@lru_cache(maxsize=1_024)  # a batch repeats few instants thousands of times
def _instant(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
