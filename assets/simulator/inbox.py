"""Batches of setpoints as they come in: stored before they are answered, applied from a fixed minute on.

A batch takes effect at the first whole minute after it arrived that is not yet simulated. That minute is stored with
it, so a simulator that was killed and simulates the same minutes again does exactly the same.
"""

import json
import os
import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from assets.simulator.faults import TOO_OFTEN_SECONDS
from assets.simulator.portfolio import Asset, Partner
from assets.simulator.sessions import MINUTE
from assets.simulator.setpoints import Answer, Batch, Setpoint, answers, read_batch


class ConflictingBatch(ValueError):
    """The same batch id came with other content."""


@dataclass(frozen=True, slots=True)
class ReceivedBatch:
    """A stored batch with its answers; `effective_at` in UTC seconds."""

    partner: str
    effective_at: int
    body: str
    batch: Batch
    answers: tuple[Answer, ...]

    @property
    def accepted(self) -> tuple[Setpoint, ...]:
        """The setpoints that were taken."""
        return tuple(row for row, answer in zip(self.batch.setpoints, self.answers, strict=True) if not answer.reason)

    def document(self) -> dict[str, Any]:
        """Return the answer to the callback."""
        return {"results": [answer.row() for answer in self.answers]}


class Inbox:
    """All batches of all partners; safe to use from the callback threads and the simulation."""

    def __init__(
        self,
        *,
        directory: Path,
        partners: tuple[Partner, ...],
        now: Callable[[], datetime],
        hurried: Collection[str] = (),
    ) -> None:
        """Read back what is stored in `directory`; assets of `hurried` refuse what comes soon after the last."""
        self._directory = directory
        self._directory.mkdir(parents=True, exist_ok=True)
        self._now = now
        self._lock = threading.Lock()
        self._claimed_until = 0
        self._assets: Mapping[str, Mapping[str, Asset]] = {
            partner.key: {asset.external_id: asset for asset in partner.assets} for partner in partners
        }
        self._hurried = hurried
        self._told_at: dict[str, int] = {}
        self._batches: dict[tuple[str, int], ReceivedBatch] = {}
        for file in sorted(self._directory.glob("*.json")):
            stored = json.loads(file.read_text(encoding="utf-8"))
            batch = read_batch(stored["body"].encode())
            given = tuple(Answer(row["setpoint_id"], row["reason"]) for row in stored["answers"])
            received = ReceivedBatch(stored["partner"], stored["effective_at"], stored["body"], batch, given)
            self._batches[received.partner, batch.batch_id] = received
            self._note(received)

    def receive(self, partner: str, body: bytes) -> ReceivedBatch:
        """Store a batch and return it with its answers; the same batch again returns what was answered first.

        Raises `InvalidBatch` and `ConflictingBatch`.
        """
        batch = read_batch(body)
        with self._lock:
            known = self._batches.get((partner, batch.batch_id))
            if known:
                if known.body != body.decode():
                    raise ConflictingBatch(f"Batch {batch.batch_id} came before with other content; give it a new id.")
                return known
            now = int(self._now().timestamp())
            received = ReceivedBatch(
                partner=partner,
                effective_at=max(now // MINUTE * MINUTE + MINUTE, self._claimed_until),
                body=body.decode(),
                batch=batch,
                answers=answers(
                    batch=batch,
                    assets=self._assets[partner],
                    now=now,
                    too_soon={name for name, at in self._told_at.items() if now - at < TOO_OFTEN_SECONDS},
                ),
            )
            self._store(received)
            self._batches[partner, batch.batch_id] = received
            self._note(received)
            return received

    def _note(self, received: ReceivedBatch) -> None:
        """Remember when assets that mind being told too often were told last."""
        for setpoint in received.accepted:
            if setpoint.asset in self._hurried:
                last = self._told_at.get(setpoint.asset, 0)
                self._told_at[setpoint.asset] = max(last, received.effective_at - MINUTE)

    def claim(self, until: int) -> list[ReceivedBatch]:
        """Promise that minutes before `until` will see no further batch; return all batches known for them."""
        with self._lock:
            self._claimed_until = max(self._claimed_until, until)
            return [batch for batch in self._batches.values() if batch.effective_at < until]

    def all_batches(self) -> list[ReceivedBatch]:
        """Return every batch received."""
        with self._lock:
            return list(self._batches.values())

    def _store(self, received: ReceivedBatch) -> None:
        document = {
            "partner": received.partner,
            "effective_at": received.effective_at,
            "body": received.body,
            "answers": [{"setpoint_id": row.setpoint_id, "reason": row.reason} for row in received.answers],
        }
        write_durably(
            self._directory / f"{received.partner}-{received.batch.batch_id}.json", json.dumps(document).encode()
        )


def write_durably(path: Path, content: bytes) -> None:
    """Replace a file in one step, on disk before this returns."""
    fresh = path.with_name(f"{path.name}.new")
    with fresh.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
