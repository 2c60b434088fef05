"""The memory of the closed loop: who has what part in an activation, and who does not do it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection

from assets.models import Setpoint
from assets.staging import staged
from bidding.models import Activation, Cause, Duty

RESPONSE_TIME = timedelta(minutes=2)
"""What an asset may take to show a response: the field's chargers follow within a minute or do not."""


@dataclass(frozen=True, slots=True)
class NewDuty:
    """What an asset is asked from now on, powers in W; `is_free` until then, whatever it was asked before."""

    asset_id: int
    asked_w: int
    alone_w: int
    usual_w: int
    is_free: bool


def remember(activation: Activation, duties: Sequence[NewDuty], *, starts_at: datetime, now: datetime) -> None:
    """Write down who does what from `starts_at`: at once, or after what each does until then."""
    types = {"asset_id": "int8", "asked_w": "int8", "alone_w": "int8", "usual_w": "int8", "is_free": "bool"}
    rows = ((one.asset_id, one.asked_w, one.alone_w, one.usual_w, one.is_free) for one in duties)
    with staged("planned_duty", types, rows), connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE bidding_duty AS old SET asked_w = old.alone_w FROM planned_duty
            WHERE old.activation_id = %s AND old.asset_id = planned_duty.asset_id AND is_free
              AND old.asked_w <> old.alone_w
            """,
            [activation.pk],
        )
        cursor.execute(
            """
            INSERT INTO bidding_duty AS old (activation_id, asset_id, asked_w, alone_w, usual_w, judged_from, misses,
                                             failures, cause, next_asked_w, next_usual_w, next_from)
            SELECT %(activation)s, asset_id, alone_w, alone_w, usual_w, %(starts_at)s, 0, 0, '',
                   asked_w, usual_w, %(starts_at)s FROM planned_duty
            ON CONFLICT (activation_id, asset_id) DO UPDATE SET
                next_asked_w = excluded.next_asked_w, next_usual_w = excluded.next_usual_w,
                next_from = excluded.next_from
            """,
            {"activation": activation.pk, "starts_at": starts_at},
        )
    turn_to_next(activation, at=now)


def turn_to_next(activation: Activation, *, at: datetime) -> None:
    """Let the parts take effect whose moment has come; an asset whose part changes is judged afresh."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE bidding_duty SET asked_w = next_asked_w, usual_w = next_usual_w, counted_from = next_from,
                misses = CASE WHEN asked_w = next_asked_w THEN misses ELSE 0 END,
                judged_from = CASE WHEN asked_w = next_asked_w THEN judged_from
                                   ELSE next_from + %(response_s)s * interval '1 second' END,
                next_asked_w = NULL, next_usual_w = NULL, next_from = NULL
            WHERE activation_id = %(activation)s AND next_from <= %(at)s
            """,
            {"activation": activation.pk, "at": at, "response_s": RESPONSE_TIME.total_seconds()},
        )


def not_doing_their_part(activation: Activation) -> set[int]:
    """Return the assets that refused or ignored a setpoint of this order, or that the loop found not to do their part.

    A car that left is not among them: the next one at the charger starts afresh.
    """
    failed = [Setpoint.Status.REJECTED, Setpoint.Status.NOT_FOLLOWED]
    refused = Setpoint.objects.filter(batch__order_reference=activation.reference, status__in=failed)
    found = Duty.objects.filter(activation=activation, failed_at__isnull=False).exclude(cause=Cause.LEFT)
    return set(refused.values_list("asset_id", flat=True)) | set(found.values_list("asset_id", flat=True))
