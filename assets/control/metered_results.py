"""Did an asset do what it was told, where its partner's interface has no word for it? Judged on metered energy.

    judge_on_meter_values(*, now) -> number of setpoints judged

A partner on our own interface says itself what was followed. Over OCPI a station's ACCEPTED is the last word, and says
nothing of power.
"""

from datetime import datetime

from django.db import connection, transaction

TOLERANCE_W = 250
"""Mean power over a quarter that still counts as following; about 2 % of an 11 kW charger."""


@transaction.atomic
def judge_on_meter_values(*, now: datetime) -> int:
    """Judge accepted setpoints of OCPI partners on the first two whole PTUs they ruled, once those are metered.

    One with a time to live ruled no longer than that, as its profile ended with it. One that was replaced within them
    is not judged: nobody can tell whose power it was.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH due AS (
                SELECT told.id, told.asset_id, told.starts_at, told.power_w, first,
                       LEAST(first + interval '30 minutes', told.ends_at,
                             told.starts_at + told.ttl_s * interval '1 second') AS until
                FROM assets_setpoint AS told
                JOIN assets_setpointbatch AS batch ON batch.id = told.batch_id
                JOIN assets_ocpiconnection AS ocpi ON ocpi.partner_id = batch.partner_id
                CROSS JOIN LATERAL (
                    SELECT date_bin('15 minutes', GREATEST(told.starts_at, told.result_at)
                                    + interval '899.999999 seconds', '2000-01-01T00:00:00Z') AS first
                ) AS ruled
                WHERE told.status = 'accepted' AND told.withdrawn_at IS NULL
                  AND told.starts_at > %(now)s - interval '2 days'
                  AND first < told.ends_at AND first + interval '15 minutes' <= %(now)s
            ), metered AS (
                SELECT due.id, due.until,
                       max((value.import_wh - value.export_wh) * 4
                           - due.power_w[1 + extract(epoch FROM value.starts_at - due.starts_at)::int / 900]) AS above_w
                FROM due
                CROSS JOIN LATERAL (
                    SELECT DISTINCT ON (starts_at) starts_at, import_wh, export_wh FROM assets_meterinterval
                    WHERE asset_id = due.asset_id AND starts_at >= due.first AND starts_at < due.until
                    ORDER BY starts_at, revision DESC
                ) AS value
                WHERE NOT EXISTS (
                    SELECT FROM assets_setpoint AS later
                    WHERE later.asset_id = due.asset_id AND later.id > due.id AND later.starts_at < due.until
                )
                GROUP BY due.id, due.until, due.first
                HAVING count(*) = extract(epoch FROM due.until - due.first)::int / 900
            )
            UPDATE assets_setpoint AS told SET
                status = CASE WHEN above_w > %(tolerance)s THEN 'not_followed' ELSE 'followed' END,
                result_at = metered.until,
                result_reason = CASE WHEN above_w > %(tolerance)s THEN 'Took ' || above_w || ' W more than asked.'
                                     ELSE '' END
            FROM metered WHERE metered.id = told.id
            """,
            {"now": now, "tolerance": TOLERANCE_W},
        )
        return int(cursor.rowcount)
