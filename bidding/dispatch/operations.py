"""Bringing activations up to date, minute by minute: plan the next quarter hour, watch this one, correct it.

Each PTU is planned during the one before it, on what is known then, so that a slow partner still gets it in time. A
plan holds to the end of the window: if every process of ours dies, the cars that wait go on waiting and fall back by
themselves when the window ends; under a called limit, which may outlast their stay, when they must start to be full in
time. Only feeding in, and charging a battery, lapses unless it is renewed every PTU.

While a PTU runs, the newest states of the assets are held against what was asked. Who does not do its part in two
samples is replaced, and what the quarter hour fell short of so far is made good in the rest of it.
"""

from datetime import datetime, timedelta

from django.db import transaction

from aggregator.core.locks import AdvisoryLock, try_take
from aggregator.core.ptu import PTU, ptu_start
from bidding.dispatch.alarms import clear_alarms, set_alarms
from bidding.dispatch.allocation.catch_up import needed_kw
from bidding.dispatch.balancing.accounting import due_w, fix_orders, settles_at
from bidding.dispatch.balancing.correcting import correct
from bidding.dispatch.balancing.correction import tolerance_w
from bidding.dispatch.balancing.orders import is_outdated, let_go_if_deaf
from bidding.dispatch.intent import aim_w, renew_order, within_cap
from bidding.dispatch.limits import is_limited
from bidding.dispatch.planning import plan
from bidding.dispatch.report import shortfall_note
from bidding.dispatch.together import offered_against, opposed_by
from bidding.dispatch.watching import Seen, delivered_kwh_in_ptu, look
from bidding.models import Activation, ActivationPtu, ActivationSample, DispatchAlarm

W_PER_KW = 1_000
PLAN_AHEAD = timedelta(minutes=10)  # late enough to know who is there, early enough for a slow partner
REPLAN_EVERY = timedelta(minutes=2)  # time to respond to the correction before
LAST_CORRECTION = timedelta(minutes=2)  # before the end of a PTU: later ones come too late for it
SHORT_SHARE = 0.02
"""Of an order: less is not short of it yet. Balancing energy has its own tolerance, for too much as well."""
SAMPLES_BELOW = 2

Kind = DispatchAlarm.Kind
NOTHING_SHORT = {Kind.LIMITED: "", Kind.NOT_ENOUGH: ""}


@transaction.atomic
def run_activation(*, activation_id: int, now: datetime) -> int:
    """Bring one activation up to date: its status, what its assets show, and the setpoints that are due.

    Returns the number of setpoints sent. A second worker that comes at the same time leaves it to the first.
    """
    if not try_take(AdvisoryLock.DISPATCH, activation_id):
        return 0
    activation = Activation.objects.select_related("aggregation_ean").get(pk=activation_id)
    if activation.status in {Activation.Status.FINISHED, Activation.Status.SETTLED}:
        return 0
    set_alarms(activation, _opposed_alarm(activation), now=now)
    if activation.is_balancing:
        let_go_if_deaf(activation, now=now)
        fix_orders(activation, now=now)
    sent = _watch(activation, now)
    for ptu in _ptus_to_plan(activation, now):
        planned = plan(activation, ptu, starts_at=max(ptu.ptu_start, now), now=now)
        if ptu.is_called or planned.refused:  # the plan of a gap says nothing of the quarter hour before it
            set_alarms(activation, _plan_alarms(activation, ptu, planned.refused), now=now)
        sent += planned.sent
        if planned.sent or not planned.refused:
            activation.planned_until = ptu.ptu_start
    activation.status = _status(activation, now)
    if activation.status == Activation.Status.FINISHED:
        activation.shortfall_note = shortfall_note(activation)
        clear_alarms(activation, now=now)
    activation.updated_at = now
    activation.save(
        update_fields=["status", "updated_at", "shortfall_note", "planned_until", "replanned_at", "aim_share"]
    )
    return sent


def _watch(activation: Activation, now: datetime) -> int:
    """Hold the newest states against the plan, raise alarms, correct the plan; return the setpoints sent."""
    if not activation.starts_at <= now < activation.ends_at + PTU:
        return 0
    seen = look(activation, now=now)
    is_below = seen is not None and _is_below(activation)
    if seen is not None and not activation.stop_reason:
        set_alarms(activation, _loop_alarms(activation, seen, is_below=is_below), now=now)
    ptu = activation.ptus.filter(ptu_start=ptu_start(now)).first()
    if ptu is None:
        return 0
    if not ptu.is_called and (activation.planned_until or ptu.ptu_start) <= ptu.ptu_start:  # the one before is over
        set_alarms(activation, NOTHING_SHORT, now=now)
    if is_limited(ptu):
        renew_order(activation, ptu, starts_at=now, now=now)  # by who has come since, the first of all too
    if activation.is_balancing and not ptu.is_called:
        activation.aim_share = 1.0
    if not _may_correct(activation, ptu, seen, now=now):
        return 0
    is_off = activation.is_balancing and ptu.is_called and seen is not None and correct(activation, ptu, seen)
    if not (is_off or is_below or _is_correction_due(activation, ptu, seen)):
        return 0
    # Balancing follows a power: what was missed is not asked for afterwards.
    wanted_w = None if seen is None or activation.is_balancing else _wanted_w(activation, ptu, seen)
    planned = plan(activation, ptu, starts_at=now, now=now, wanted_w=wanted_w)
    set_alarms(activation, _plan_alarms(activation, ptu, planned.refused), now=now)
    activation.replanned_at = now
    activation.planned_until = ptu.ptu_start  # it reaches into the next PTU, so that is planned once more
    return planned.sent


def _may_correct(activation: Activation, ptu: ActivationPtu, seen: Seen | None, *, now: datetime) -> bool:
    """Tell whether the plan of the running quarter hour may change now, if there is a reason."""
    is_of_now = seen is None or ptu_start(seen.sample.at) == ptu_start(now)
    is_in_time = is_of_now and now < ptu_start(now) + PTU - LAST_CORRECTION
    if not (_is_steered(activation) and is_in_time and now < activation.ends_at):
        return False
    # What a limit held back goes out as soon as there is room; else every correction gets time to show.
    has_shown = activation.replanned_at is None or now - activation.replanned_at >= REPLAN_EVERY
    return has_shown or _is_held_back(activation, ptu)


def _is_correction_due(activation: Activation, ptu: ActivationPtu, seen: Seen | None) -> bool:
    """Tell whether the plan of the running quarter hour should change, whether or not anything new is seen."""
    return _is_held_back(activation, ptu) or _is_losing(activation, seen) or _has_outgrown_plan(activation, ptu)


def _is_losing(activation: Activation, seen: Seen | None) -> bool:
    """Tell whether assets found in this look take away more than the reserve that was asked for from the start."""
    if seen is None or not seen.found:
        return False
    return seen.sample.asked_w - seen.lost_by_assets_w < aim_w(activation, seen.sample.ordered_w)


def _has_outgrown_plan(activation: Activation, ptu: ActivationPtu) -> bool:
    """Tell whether more has come to a group under a called limit than its plan kept room for."""
    return is_limited(ptu) and (ptu.planned_w or 0) < within_cap(activation, ptu.least_w)


def _is_held_back(activation: Activation, ptu: ActivationPtu) -> bool:
    """Tell whether the plan of the running quarter hour falls short of the order because of a steering limit."""
    return ptu.limited_w > 0 and (ptu.planned_w or 0) < aim_w(activation, ptu.least_w)


def _wanted_w(activation: Activation, ptu: ActivationPtu, seen: Seen) -> int:
    """Return the power to aim for in the rest of the PTU: what is owed and the room, never more than a cap allows."""
    wanted_kw = needed_kw(
        ordered_kw=within_cap(activation, ptu.least_w) / W_PER_KW,
        delivered_kwh=delivered_kwh_in_ptu(activation, seen.sample),
        elapsed_h=(seen.sample.at - ptu.ptu_start) / timedelta(hours=1),
        ptu_h=PTU / timedelta(hours=1),
    )
    return within_cap(activation, round(wanted_kw * W_PER_KW) + max(ptu.room_w, 0))


def _is_below(activation: Activation) -> bool:
    """Tell whether the newest samples all lie below what is to be delivered; those of a gap have nothing to deliver."""
    newest = list(activation.samples.order_by("-at")[:SAMPLES_BELOW])
    called = {ptu.ptu_start for ptu in activation.ptus.all() if ptu.is_called}
    if not all(ptu_start(one.at) in called for one in newest):
        return False
    wanted_w = [within_cap(activation, _due_w(activation, one)) for one in newest]
    return len(newest) == SAMPLES_BELOW and all(
        one.delivered_w < least_w - _tolerance_w(activation, least_w)
        for one, least_w in zip(newest, wanted_w, strict=True)
    )


def _tolerance_w(activation: Activation, least_w: int) -> float:
    return tolerance_w(least_w) if activation.is_balancing else SHORT_SHARE * abs(least_w)


def _due_w(activation: Activation, sample: ActivationSample) -> int:
    """Return what had to be there when a sample was taken; balancing energy has its full activation time."""
    if not activation.is_balancing:
        return sample.ordered_w
    return min(sample.ordered_w, due_w(activation, at=sample.at))


def _opposed_alarm(activation: Activation) -> dict[Kind, str]:
    """Say as soon as it is known that the group works, or offers to work, against this order: only people can choose.

    What is offered can be withdrawn; of two orders one falls short.
    """
    said = [f"Offered the other way: {bid}. Withdraw it before it is cleared." for bid in offered_against(activation)]
    if others := opposed_by(activation):
        said += [f"The {other} runs the other way." for other in others]
        said += ["The group is measured as one, so both fall short: stop one of them, or tell a buyer."]
    return {Kind.OPPOSED: " ".join(said)}


def _loop_alarms(activation: Activation, seen: Seen, *, is_below: bool) -> dict[Kind, str]:
    sample = seen.sample
    failing = ", ".join(f"{count} {cause.replace('_', ' ')}" for cause, count in sorted(seen.failing.items()))
    below = (
        f"{sample.delivered_w / W_PER_KW:,.0f} kW of {sample.ordered_w / W_PER_KW:,.0f} kW ordered."
        if sample.ordered_w > 0 or activation.is_balancing
        else f"{(sample.ordered_w - sample.delivered_w) / W_PER_KW:,.0f} kW beyond the limit."
    )
    return {
        Kind.BELOW_ORDER: below if is_below else "",
        Kind.NOT_FOLLOWING: f"{failing} of {sample.members} assets; others take their place." if failing else "",
        Kind.PARTNER_SILENT: f"No states from {', '.join(seen.silent_partners)}." if seen.silent_partners else "",
    }


def _plan_alarms(activation: Activation, ptu: ActivationPtu, refused: str) -> dict[Kind, str]:
    if not ptu.is_called:
        return {Kind.LIMITED: refused}
    short_w = max(aim_w(activation, ptu.least_w) - (ptu.planned_w or 0), 0)
    limited_w = min(short_w, ptu.limited_w)
    limited = f"{limited_w / W_PER_KW:,.0f} kW held back." if limited_w else ""
    return {
        Kind.LIMITED: f"{limited} {refused}".strip(),
        Kind.NOT_ENOUGH: f"{(short_w - limited_w) / W_PER_KW:,.0f} kW less than needed can be moved."
        if short_w > limited_w
        else "",
    }


def _is_steered(activation: Activation) -> bool:
    return not activation.stop_reason and not activation.hold_reason


def _ptus_to_plan(activation: Activation, now: datetime) -> list[ActivationPtu]:
    """Return the PTUs whose plan is due: the next one, once it is near enough to know it well.

    Also the running one, when nobody planned it: the order came late, or no worker was there to plan it. Of balancing
    energy what is ordered changes at any moment, and each plan of the running PTU reaches into the next.
    """
    if not _is_steered(activation):
        return []
    planned, present = activation.planned_until, ptu_start(now)
    ptus = {ptu.ptu_start: ptu for ptu in activation.ptus.filter(ptu_start__in=[present, present + PTU])}
    outdated = {start for start, ptu in ptus.items() if is_outdated(ptu, present=present)}
    due = []
    is_unplanned = planned is None or planned < present
    if present in outdated or (is_unplanned and now < present + PTU - LAST_CORRECTION):
        due.append(present)
    if present + PTU - now <= PLAN_AHEAD and (planned != present + PTU or outdated):
        due.append(present + PTU)
    return [ptus[start] for start in due if start in ptus]


def _status(activation: Activation, now: datetime) -> Activation.Status:
    if now >= settles_at(activation):
        return Activation.Status.FINISHED
    if now >= activation.starts_at:
        return Activation.Status.RUNNING
    return Activation.Status.PLANNED if activation.planned_until else Activation.Status.ORDERED
