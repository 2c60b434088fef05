"""The seam between deciding a setpoint and telling it: one adapter per interface that a partner may speak."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from aggregator.core.models import OutboxMessage
from assets.models import SetpointBatch


@dataclass(frozen=True, slots=True)
class SentSetpoint:
    """One stored setpoint as an adapter words it; `asset` is the partner's own name. A row of 100,000: no model."""

    setpoint_id: int
    asset: str
    kind: str
    starts_at: datetime
    ends_at: datetime
    power_w: Sequence[int]
    start_early_s: int = 0
    end_late_s: int = 0
    ttl_s: int | None = None


class ControlAdapter(Protocol):
    """Turns a batch into messages of one interface: our own REST, OCPI profiles; S2 or OpenADR beside them."""

    def enqueue(
        self, *, now: datetime, batch: SetpointBatch, setpoints: Sequence[SentSetpoint], deadline_at: datetime
    ) -> OutboxMessage | None:
        """Put the batch in the outbox, in the caller's transaction.

        None when no message carries it: the partner fetches it, or each session is told apart (`assets.ocpi`).
        """
        ...
