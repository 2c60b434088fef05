"""What was asked in each quarter hour, of the pool and of each group, worked out from the setpoints that were kept.

Worked out anew each time, from rows that each stand for their own cycles: whoever does it twice, or after a crash,
finds the same.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.conf import settings

from aggregator.core.interval import Interval
from aggregator.core.ptu import PTU, PTU_SECONDS, ptu_start
from bidding.dispatch.balancing.replanning import FULL_ACTIVATION
from bidding.dispatch.balancing.requested import least_asked_w, lost_cycles, most_asked_w, requested, shares_ws
from bidding.dispatch.balancing.shares import shares_w
from bidding.dispatch.balancing.signals import told_in
from bidding.models import Activation, ActivationPtu, BalancingBid, BalancingPtu, BalancingSignal

LOOKED_BACK = timedelta(days=1)
"""For quarter hours in which nobody of us listened."""


def account(ptu: datetime, *, now: datetime) -> None:
    """Write down what the pool was asked in a PTU so far, and how many cycles of it were lost.

    A PTU without bids has a row only where something was asked: TenneT lets a call run out beyond the last bid.
    """
    if now <= ptu:
        return
    longest_age = settings.AFRR_SETPOINT_LONGEST_AGE
    so_far = Interval(ptu, min(ptu + PTU, now))
    told = told_in(so_far, longest_age=longest_age)
    energy = requested(told, so_far, longest_age=longest_age)
    has_bids = BalancingBid.objects.filter(ptu_start=ptu, status__in=BalancingBid.MAY_BE_CALLED).exists()
    if not (has_bids or energy.reduce_ws or energy.increase_ws):
        return
    # The newest cycle may still be on its way.
    heard_until = max(
        [now - longest_age, ptu + settings.AFRR_CYCLE, *(one.last_at + settings.AFRR_CYCLE for one in told)]
    )
    counted = Interval(ptu, min(ptu + PTU, heard_until))
    BalancingPtu.objects.update_or_create(
        ptu_start=ptu,
        defaults={
            "requested_reduce_ws": energy.reduce_ws,
            "requested_increase_ws": energy.increase_ws,
            "cycles": sum(one.cycles for one in told if one.at >= ptu),
            "lost_cycles": lost_cycles(told, counted, cycle=settings.AFRR_CYCLE) if has_bids else 0,
            "updated_at": now,
        },
    )


def account_for_missed(*, now: datetime) -> None:
    """Do the same for the last day: of a PTU in which no process of ours listened we know that it is lost."""
    since = ptu_start(now - LOOKED_BACK)
    bids = BalancingBid.objects.filter(ptu_start__gte=since, ptu_start__lt=now, status__in=BalancingBid.MAY_BE_CALLED)
    heard = BalancingSignal.objects.filter(last_at__gte=since, delta_w__isnull=False)
    ptus = {*bids.values_list("ptu_start", flat=True), *(ptu_start(at) for at in heard.values_list("at", flat=True))}
    for ptu in sorted(ptus):
        account(ptu, now=now)


def settles_at(activation: Activation) -> datetime:
    """Return when all is known that was asked in an activation: no setpoint of its time can come any more."""
    return activation.ends_at + (settings.AFRR_SETPOINT_LONGEST_AGE if activation.is_balancing else timedelta(0))


def fix_orders(activation: Activation, *, now: datetime) -> None:
    """Let the order of each PTU that is over be the mean of what was asked in it, in whole W."""
    over = activation.ptus.filter(ptu_start__lte=now - PTU - settings.AFRR_SETPOINT_LONGEST_AGE)
    if now < settles_at(activation):  # the earlier ones were done in their time
        over = over.filter(ptu_start__gt=now - 3 * PTU)
    for ptu in over.order_by("ptu_start"):
        mean_w = _mean_w(activation, ptu)
        if mean_w != ptu.ordered_w:
            ActivationPtu.objects.filter(pk=ptu.pk).update(ordered_w=mean_w)


def due_w(activation: Activation, *, at: datetime) -> int:
    """Return what must be delivered at an instant: the least that was asked in the full activation time before it."""
    least_w, _ = asked_before_w(activation, at=at, within=FULL_ACTIVATION)
    return least_w


def asked_before_w(activation: Activation, *, at: datetime, within: timedelta) -> tuple[int, int]:
    """Return the least and the most that was asked of a group in the minutes before `at`.

    The least is 0 where the activation began later, or where nothing was heard for a while.
    """
    window, longest_age = Interval(at - within, at), settings.AFRR_SETPOINT_LONGEST_AGE
    told = told_in(window, longest_age=longest_age)
    ptus = activation.ptus.filter(ptu_start__in={ptu_start(window.starts_at), ptu_start(at)})
    parts_w = [_parts(activation, ptu.ptu_start) for ptu in ptus]
    least_w, most_w = (
        [
            shares_w(asked(told, window, direction=activation.direction, longest_age=longest_age), parts)[activation.pk]
            for parts in parts_w
        ]
        for asked in (least_asked_w, most_asked_w)
    )
    began_before = activation.starts_at <= window.starts_at
    return min(least_w, default=0) if began_before else 0, max(most_w, default=0)


def _mean_w(activation: Activation, ptu: ActivationPtu) -> int:
    period, longest_age = Interval(ptu.ptu_start, ptu.ptu_start + PTU), settings.AFRR_SETPOINT_LONGEST_AGE
    asked_ws = shares_ws(
        told_in(period, longest_age=longest_age),
        period,
        direction=activation.direction,
        parts_w=_parts(activation, ptu.ptu_start),
        longest_age=longest_age,
    )
    return round(asked_ws[activation.pk] / PTU_SECONDS)


def _parts(activation: Activation, ptu: datetime) -> dict[int, int]:
    """Return what each activation has in the bid of a PTU and direction."""
    rows: Sequence[tuple[int, int | None]] = list(
        ActivationPtu.objects.filter(
            activation__is_balancing=True, activation__direction=activation.direction, ptu_start=ptu
        )
        .order_by("pk")
        .values_list("activation_id", "part_w")
    )
    return {activation_id: part_w or 0 for activation_id, part_w in rows}
