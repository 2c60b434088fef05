"""What is known of drivers goes when its time is over; energy and times stay, as settlement needs them.

forget_driver_data(*, now, kept_for, at_once=5_000) -> Forgotten
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from django.db import connection, transaction

from aggregator.core.isolation import failing_alone
from aggregator.core.models import DeliveryAttempt
from assets.control.channel import SETPOINTS_CHANNEL
from assets.models import Declaration, OcpiEdge, OcpiSession, ProfileCommand

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Forgotten:
    """How many rows lost what they said of drivers, or went altogether; `failed` names what could not be forgotten."""

    sessions: int
    states: int
    declarations: int
    ocpi_sessions: int
    ocpi_edges: int
    delivery_attempts: int
    failed: tuple[str, ...]


def forget_driver_data(*, now: datetime, kept_for: timedelta, at_once: int = 5_000) -> Forgotten:
    """Forget what is older than `kept_for`; again, there is nothing left to do. A few rows per transaction.

    What fails is logged, keeps nothing else from being forgotten, and is tried again in the next run.

    - Sessions lose the driver's pseudonym and what the driver declared, and the level the car came with.
    - States lose what the driver declared, and what was declared when goes.
    - OCPI sessions go, with what was asked for them, and their parts of quarter hours; the setpoints stay.
    - Partners' own words in answers to setpoints go.
    """
    until = now - kept_for
    steps: dict[str, Callable[[datetime, int], int]] = {
        "sessions": _clear_sessions,
        "states": _clear_states,
        "declarations": _drop_declarations,
        "ocpi_sessions": _drop_ocpi_sessions,
        "ocpi_edges": _drop_edges,
        "delivery_attempts": _drop_attempts,
    }
    done, failed = dict.fromkeys(steps, 0), set(steps)
    for name, forget in steps.items():
        with failing_alone(
            logger,
            "What old %s say of drivers was not forgotten; it is tried again twice a day. Mend the cause, it is in "
            "what follows: it was promised to be gone by now.",
            name,
        ):
            done[name] = _until_none_is_left(partial(forget, until, at_once), at_once)
            failed.remove(name)
    return Forgotten(**done, failed=tuple(sorted(failed)))


def _until_none_is_left(forget: Callable[[], int], at_once: int) -> int:
    total = 0
    while True:
        with transaction.atomic():
            done = forget()
        total += done
        if done < at_once:
            return total


def _clear_sessions(until: datetime, at_once: int) -> int:
    with connection.cursor() as cursor:
        # A row that a partner is reporting about just now is left for the next run.
        cursor.execute(
            """
            UPDATE assets_chargingsession SET
                driver_token = '', declared_departure_at = NULL, declared_energy_wh = NULL, arrival_level_wh = NULL
            WHERE id IN (
                SELECT id FROM assets_chargingsession
                WHERE plug_in_at < %s
                  AND (driver_token <> '' OR declared_departure_at IS NOT NULL OR declared_energy_wh IS NOT NULL
                       OR arrival_level_wh IS NOT NULL)
                LIMIT %s FOR UPDATE SKIP LOCKED
            )
            """,
            [until, at_once],
        )
        return int(cursor.rowcount)


def _clear_states(until: datetime, at_once: int) -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE assets_assetstate SET declared_departure_at = NULL, declared_energy_wh = NULL
            WHERE asset_id IN (
                SELECT asset_id FROM assets_assetstate
                WHERE at < %s AND (declared_departure_at IS NOT NULL OR declared_energy_wh IS NOT NULL)
                LIMIT %s FOR UPDATE SKIP LOCKED
            )
            """,
            [until, at_once],
        )
        return int(cursor.rowcount)


def _drop_declarations(until: datetime, at_once: int) -> int:
    old = Declaration.objects.filter(told_at__lt=until).values_list("pk", flat=True)
    return Declaration.objects.filter(pk__in=list(old[:at_once])).delete()[0]


def _drop_ocpi_sessions(until: datetime, at_once: int) -> int:
    old = OcpiSession.objects.filter(last_updated__lt=until).select_for_update(skip_locked=True)
    ids = list(old.values_list("pk", flat=True)[:at_once])
    ProfileCommand.objects.filter(session__in=ids).delete()
    return OcpiSession.objects.filter(pk__in=ids).delete()[0]


def _drop_edges(until: datetime, at_once: int) -> int:
    old = OcpiEdge.objects.filter(starts_at__lt=until).values_list("pk", flat=True)
    return OcpiEdge.objects.filter(pk__in=list(old[:at_once])).delete()[0]


def _drop_attempts(until: datetime, at_once: int) -> int:
    old = DeliveryAttempt.objects.filter(attempted_at__lt=until, message__channel=SETPOINTS_CHANNEL)
    return DeliveryAttempt.objects.filter(pk__in=list(old.values_list("pk", flat=True)[:at_once])).delete()[0]
