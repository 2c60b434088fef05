"""Keeping what TenneT asked, and reading it back."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q

from aggregator.core.interval import Interval
from aggregator.core.ptu import ptu_start
from bidding.dispatch.balancing.requested import Told
from bidding.markets.afrr.real_time import Setpoint
from bidding.models import BalancingSignal

KEPT_FOR = timedelta(days=30)
"""Longer than TenneT's settlement of a day can be disputed with; `BalancingPtu` stays."""

_FOLLOWED = BalancingSignal.Use.FOLLOWED


@transaction.atomic
def note_setpoint(setpoint: Setpoint, *, longest_age: timedelta) -> None:
    """Write down a usable setpoint, once: one that came before, in an earlier process too, changes nothing."""
    newest = BalancingSignal.objects.order_by("-pk").select_for_update().first()
    followed = newest if newest is None or newest.use == _FOLLOWED else last_followed()
    if followed is not None and setpoint.at <= followed.last_at:
        return
    goes_on = (
        newest is not None
        and newest == followed
        and newest.delta_w == setpoint.delta_w
        and setpoint.at - newest.last_at <= longest_age
        and ptu_start(newest.at) == ptu_start(setpoint.at)
    )
    if newest is not None and goes_on:
        newest.last_at, newest.sequence, newest.cycles = setpoint.at, setpoint.sequence, newest.cycles + 1
        newest.save(update_fields=["last_at", "sequence", "cycles"])
        return
    BalancingSignal.objects.create(
        at=setpoint.at,
        last_at=setpoint.at,
        cycles=1,
        sequence=setpoint.sequence,
        delta_w=setpoint.delta_w,
        use=_FOLLOWED,
    )


def note_silence(use: BalancingSignal.Use, why: str, *, now: datetime) -> None:
    """Write down that nothing usable is heard, and what we do about it."""
    BalancingSignal.objects.create(at=now, last_at=now, use=use, why=why)


def last_followed() -> BalancingSignal | None:
    """Return the newest setpoint that could be used."""
    return BalancingSignal.objects.filter(use=_FOLLOWED).order_by("-pk").first()


def told_in(period: Interval, *, longest_age: timedelta) -> Sequence[Told]:
    """Return the setpoints that count somewhere in a period, in order."""
    rows = BalancingSignal.objects.filter(
        Q(last_at__gt=period.starts_at - longest_age), use=_FOLLOWED, at__lt=period.ends_at
    )
    return [Told(row.at, row.last_at, row.delta_w or 0, row.cycles) for row in rows.order_by("at")]


def forget_old_signals(*, now: datetime) -> int:
    """Let go of what was asked long ago; return how many rows that were."""
    deleted, _ = BalancingSignal.objects.filter(last_at__lt=now - KEPT_FOR).delete()
    return deleted
