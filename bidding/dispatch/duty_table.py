"""The duties of an activation as columns: read with the newest states, written back with what was seen."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from django.db import connection
from numpy.typing import NDArray

from aggregator.core.units import watt
from assets.models import Setpoint
from assets.staging import staged
from bidding.models import Activation, Cause
from bidding.portfolio import PLUGGED_KINDS

Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]

INSTANT = timedelta(seconds=1)

OWN_FAILURES = (str(Cause.REJECTED), str(Cause.IGNORED))
"""What counts against an asset: that a driver leaves, or a link fails, says nothing of whether it follows."""


@dataclass(frozen=True, slots=True, eq=False)
class DutyTable:
    """The n duties of an activation with the newest states, columns of shape (n,); powers in kW."""

    pk: NDArray[np.int64]
    asked_kw: Floats
    alone_kw: Floats
    usual_kw: Floats
    judged_from_s: Floats
    sampled_s: Floats
    misses: NDArray[np.int64]
    cause: NDArray[np.str_]
    state_s: Floats
    state_kw: Floats
    partner: NDArray[np.str_]
    has_left: Booleans
    refusal: NDArray[np.str_]
    is_counted: Booleans


def read_duties(activation: Activation, *, now: datetime) -> DutyTable | None:
    """Return the duties of an activation, None when it has none yet.

    A state from a clock ahead of ours counts as one of now. Nobody is asked anything of an order that was stopped, nor
    is who is told nothing any more: what it was told lapsed or ran out, on hold, or a kill switch withdrew it.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT duty.id, CASE WHEN %(is_stopped)s OR newest.is_over THEN duty.alone_w ELSE duty.asked_w END / 1000.0,
                   duty.alone_w / 1000.0, duty.usual_w / 1000.0,
                   extract(epoch FROM duty.judged_from), extract(epoch FROM duty.sampled_at), duty.misses, duty.cause,
                   extract(epoch FROM CASE WHEN state.at > %(now)s THEN %(now)s ELSE state.at END),
                   state.power_w / 1000.0, partner.name,
                   asset.kind = ANY(%(plugs)s) AND NOT EXISTS (
                       SELECT FROM assets_chargingsession AS session
                       WHERE session.asset_id = asset.id AND session.plug_out_at IS NULL),
                   newest.refusal, coalesce(duty.counted_from = max(duty.counted_from) OVER (), false)
            FROM bidding_duty AS duty JOIN assets_asset AS asset ON asset.id = duty.asset_id
            JOIN assets_partner AS partner ON partner.id = asset.partner_id
            LEFT JOIN assets_assetstate AS state ON state.asset_id = asset.id
            LEFT JOIN LATERAL (
                SELECT setpoint.withdrawn_at IS NOT NULL
                       OR least(setpoint.ends_at, setpoint.starts_at + setpoint.ttl_s * interval '1 second') <= %(at)s
                       OR setpoint.power_w[1 + floor(extract(epoch FROM %(at)s - setpoint.starts_at) / 900)::int]
                          = duty.alone_w AS is_over,
                       CASE WHEN setpoint.status = %(rejected)s THEN %(cause_rejected)s
                            WHEN message.dead_at IS NOT NULL THEN %(cause_undelivered)s END AS refusal
                FROM assets_setpoint AS setpoint
                JOIN assets_setpointbatch AS batch ON batch.id = setpoint.batch_id
                LEFT JOIN core_outboxmessage AS message ON message.id = batch.message_id
                WHERE setpoint.asset_id = asset.id AND batch.order_reference = %(reference)s
                ORDER BY setpoint.batch_id DESC LIMIT 1
            ) AS newest ON true
            WHERE duty.activation_id = %(activation)s ORDER BY duty.id
            """,
            {
                "activation": activation.pk,
                "now": now,
                "at": min(now, activation.ends_at - INSTANT),  # the last states of a window tell of what was told in it
                "is_stopped": bool(activation.stop_reason),
                "reference": activation.reference,
                "plugs": [str(kind) for kind in PLUGGED_KINDS],
                "rejected": str(Setpoint.Status.REJECTED),
                "cause_rejected": str(Cause.REJECTED),
                "cause_undelivered": str(Cause.UNDELIVERED),
            },
        )
        rows = cursor.fetchall()
    if not rows:
        return None
    columns = list(zip(*rows, strict=True))

    def floats(index: int) -> Floats:
        return np.array([np.nan if value is None else float(value) for value in columns[index]], dtype=np.float64)

    return DutyTable(
        pk=np.array(columns[0], dtype=np.int64),
        asked_kw=floats(1),
        alone_kw=floats(2),
        usual_kw=floats(3),
        judged_from_s=floats(4),
        sampled_s=floats(5),
        misses=np.array(columns[6], dtype=np.int64),
        cause=np.array(columns[7]),
        state_s=floats(8),
        state_kw=floats(9),
        partner=np.array(columns[10]),
        has_left=np.array(columns[11], dtype=np.bool_),
        refusal=np.array([value or "" for value in columns[12]]),
        is_counted=np.array(columns[13], dtype=np.bool_),
    )


def keep_seen(
    duties: DutyTable,
    *,
    misses: NDArray[np.int64],
    measured_kw: Floats,
    is_new: Booleans,
    cause: NDArray[np.str_],
    at: datetime,
) -> None:
    """Write down what was seen of each asset."""
    changed = is_new | (cause != duties.cause)
    is_found = np.isin(cause, OWN_FAILURES) & ~np.isin(duties.cause, OWN_FAILURES)
    types = {
        "id": "int8",
        "measured_w": "int8",
        "misses": "int2",
        "cause": "text",
        "found": "int2",
        "sampled_s": "float8",
    }
    measured_w = [None if np.isnan(one) else watt(one) for one in measured_kw[changed].tolist()]
    rows = zip(
        duties.pk[changed].tolist(),
        measured_w,
        misses[changed].tolist(),
        cause[changed].tolist(),
        is_found[changed].astype(int).tolist(),
        np.where(is_new, duties.state_s, duties.sampled_s)[changed].tolist(),
        strict=True,
    )
    with staged("seen_duty", types, rows), connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE bidding_duty AS duty SET measured_w = seen.measured_w, misses = seen.misses, cause = seen.cause,
                   failures = duty.failures + seen.found,
                   sampled_at = to_timestamp(nullif(seen.sampled_s, 'NaN')),
                   failed_at = CASE WHEN seen.cause = '' THEN NULL ELSE coalesce(duty.failed_at, %(at)s) END
            FROM seen_duty AS seen WHERE seen.id = duty.id
            """,
            {"at": at},
        )
