"""What we tell TenneT of the pool each cycle."""

from collections.abc import Sequence
from datetime import datetime

from django.db import connection

from aggregator.core.ptu import ptu_start
from bidding.markets.afrr.real_time import Measurement
from bidding.models import ActivationPtu, Direction, DispatchAlarm

# What is moved for balancing is what an asset is taken to do without it less what it does. Who fills a call to consume
# more by charging ahead is asked nothing, and still moves; a car that left moves nothing any more.
_POWER = """
    SELECT coalesce(sum(state.power_w), 0)::bigint,
           coalesce(sum(duty.usual_w - state.power_w) FILTER (WHERE state.is_plugged_in IS NOT FALSE), 0)::bigint,
           EXISTS (SELECT FROM bidding_dispatchalarm
                   WHERE activation_id = ANY(%(running)s) AND kind = %(silent)s AND cleared_at IS NULL)
      FROM assets_membership AS member
      JOIN assets_assetstate AS state ON state.asset_id = member.asset_id
      LEFT JOIN LATERAL (
          SELECT usual_w FROM bidding_duty AS own
          WHERE own.asset_id = member.asset_id AND own.activation_id = ANY(%(running)s)
            AND (own.asked_w <> own.alone_w OR own.activation_id = ANY(%(more)s))
          ORDER BY own.activation_id LIMIT 1
      ) AS duty ON true
     WHERE member.aggregation_ean_id = ANY(%(groups)s) AND member.period @> %(now)s
"""


def measure(rows: Sequence[ActivationPtu], *, now: datetime) -> Measurement:
    """Return our pool at `now` by the newest states of its assets (1 query).

    `rows` has the running and the next quarter hour of each group in a bid, with its activation. What an operator
    stopped, holds or caps is no longer there to be called.
    """
    running = [row for row in rows if row.ptu_start == ptu_start(now)]
    activations = {row.activation for row in running}
    with connection.cursor() as cursor:
        cursor.execute(
            _POWER,
            {
                "groups": sorted({row.activation.aggregation_ean_id for row in rows}),
                "running": [activation.pk for activation in activations],
                "more": [
                    row.activation_id
                    for row in running
                    if row.activation.direction == Direction.INCREASE and (row.ordered_w or row.planned_for_w)
                ],
                "silent": DispatchAlarm.Kind.PARTNER_SILENT,
                "now": now,
            },
        )
        measured_w, moved_w, is_silent = cursor.fetchone()
    return Measurement(
        at=now,
        reference_w=measured_w + moved_w,
        measured_w=measured_w,
        available_reduce_w=_available_w(running, Direction.REDUCE),
        available_increase_w=_available_w(running, Direction.INCREASE),
        is_in_control=not is_silent and not any(one.stop_reason or one.hold_reason for one in activations),
    )


def _available_w(running: Sequence[ActivationPtu], direction: Direction) -> int:
    """Return what is in the bids of this PTU beyond what is asked."""
    return sum(
        max(min(row.part_w or 0, row.part_w or 0 if cap_w is None else cap_w) - row.ordered_w, 0)
        for row in running
        for cap_w in [row.activation.cap_w]
        if row.activation.direction == direction and not (row.activation.stop_reason or row.activation.hold_reason)
    )
