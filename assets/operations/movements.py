"""Seeing an asset move in a communication test, in whatever its partner reports."""

from django.db import connection

TOLERANCE_W = 250
"""Power over what was asked that still counts as there; about 2 % of an 11 kW charger."""


def note_movements(*, partner_id: int) -> int:
    """Write down at which report the assets under test first were at the power asked; return how many moved."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH under_test AS (
                SELECT test.id, setpoint.asset_id, setpoint.power_w[1] + %(tolerance)s AS at_most_w,
                       batch.created_at AS sent_at, setpoint.ends_at
                FROM assets_communicationtest AS test
                JOIN assets_setpoint AS setpoint ON setpoint.id = test.setpoint_id
                JOIN assets_setpointbatch AS batch ON batch.id = setpoint.batch_id
                WHERE test.moved_at IS NULL AND batch.partner_id = %(partner)s
            ), seen AS (
                SELECT id, state.at, state.power_w FROM under_test JOIN assets_assetstate AS state USING (asset_id)
                WHERE state.at > sent_at AND state.at < ends_at AND state.power_w <= at_most_w
                UNION ALL
                SELECT id, reading.starts_at + interval '1 minute', reading.power_w
                FROM under_test JOIN assets_minutereading AS reading USING (asset_id)
                WHERE reading.starts_at >= sent_at AND reading.starts_at < ends_at AND reading.power_w <= at_most_w
            )
            UPDATE assets_communicationtest AS test SET moved_at = first.at, moved_w = first.power_w
            FROM (SELECT DISTINCT ON (id) id, at, power_w FROM seen ORDER BY id, at) AS first
            WHERE test.id = first.id AND test.moved_at IS NULL
            """,
            {"tolerance": TOLERANCE_W, "partner": partner_id},
        )
        return int(cursor.rowcount)
