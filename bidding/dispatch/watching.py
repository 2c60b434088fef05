"""The closed loop: what the assets show in the newest minute, who does not do its part, and what that takes away."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from aggregator.core.ptu import ptu_start
from aggregator.core.units import watt
from bidding.dispatch.allocation.following import Response, judged
from bidding.dispatch.duties import RESPONSE_TIME, turn_to_next
from bidding.dispatch.duty_table import DutyTable, keep_seen, read_duties
from bidding.dispatch.intent import aim_w, within_cap
from bidding.dispatch.together import counted_elsewhere
from bidding.models import Activation, ActivationPtu, ActivationSample, Cause

Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]

W_PER_KW = 1_000
SILENT_AFTER = timedelta(minutes=3)
"""Behind the newest state of its own partner: two samples a minute apart, and one for the way."""
SILENT_AFTER_MEDIANS = 3
"""Times what its partner's assets usually lie behind, where that is more: over OCPI some tell each quarter hour."""
PARTNER_SILENT_AFTER = timedelta(minutes=16)
"""Over OCPI some tell no more than each quarter hour."""
BLIND_AFTER = timedelta(minutes=5)
"""Without any new state the loop looks all the same, at what it assumes."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One look at an activation.

    Attributes:
        sample: delivered against ordered, stored.
        lost_by_assets_w: what is missing of the plan because assets do not do their part.
        found: assets found in this look not to do their part, by cause.
        failing: all assets that do not do their part now, by cause.
        silent_partners: names of partners that no longer report.
        brought_w: what is measured of those who have a part in it, which TenneT is told (`balancing.measuring`). That
            others take less than their baseline is an error of the baseline.
        assumed_w: what those bring of whom nothing is known since they were asked for it.
    """

    sample: ActivationSample
    lost_by_assets_w: int
    found: Mapping[str, int]
    failing: Mapping[str, int]
    silent_partners: tuple[str, ...]
    brought_w: int
    assumed_w: int


def look(activation: Activation, *, now: datetime) -> Seen | None:
    """Judge the newest states against what was asked; None when there is nothing new to see.

    The moment of a look is that of the newest state, so that a partner that reports late is judged by its own time.
    """
    turn_to_next(activation, at=now)
    duties = _own_duties(activation, now=now)
    if duties is None:
        return None
    at = _moment(activation, duties, now)
    ordered = None if at is None else activation.ptus.filter(ptu_start=ptu_start(at)).first()
    if at is None or ordered is None:
        return None
    newest_s = _newest_of_partner(duties)
    age_s = np.where(np.isnan(duties.state_s), np.inf, newest_s - duties.state_s)
    is_silent = age_s > _patience_s(duties, age_s)
    is_new = (duties.state_s > np.nan_to_num(duties.sampled_s)) & (duties.state_s >= duties.judged_from_s)
    measured_kw = np.where(duties.has_left, 0.0, np.where(is_silent, np.nan, duties.state_kw))
    response = judged(
        asked_kw=duties.asked_kw,
        alone_kw=duties.alone_kw,
        measured_kw=measured_kw,
        is_new=is_new,
        misses=duties.misses,
    )
    cause = _causes(duties, response, is_silent=is_silent & (at.timestamp() >= duties.judged_from_s))
    lost_by_assets_w = _lost_by_assets_w(duties, response, cause)
    is_seen = duties.has_left | (~np.isnan(measured_kw) & _is_telling(duties, at))
    is_shown = is_seen & (duties.has_left | (duties.state_s >= duties.judged_from_s - RESPONSE_TIME.total_seconds()))
    sign = -1.0 if activation.direction == "increase" else 1.0
    is_asked = duties.asked_kw != duties.alone_kw
    usual_kw = np.where(duties.has_left, 0.0, duties.usual_kw)
    # Who charges ahead in an increase is left alone: what it brings is what it shows.
    ahead_kw = np.nan_to_num(measured_kw - usual_kw) if activation.direction == "increase" else 0.0
    part_kw = np.where(is_asked, sign * (duties.usual_kw - duties.asked_kw), ahead_kw)
    # Of whom nothing new is known, and nothing bad, it is taken that it does its part.
    assumed_kw = np.where((cause == "") & ~is_silent, part_kw, 0.0)
    moved_kw = sign * (usual_kw - measured_kw)
    asked_w = watt(float(part_kw[duties.is_counted].sum()))
    sample = ActivationSample.objects.create(
        activation=activation,
        at=at,
        ordered_w=ordered.least_w,
        asked_w=asked_w,
        delivered_w=watt(float(np.where(is_seen, moved_kw, assumed_kw).sum())),
        seen=int(is_seen.sum()),
        members=len(duties.pk),
        lost_by_cause=lost_by_assets_w | _lost_by_plan_w(activation, ordered, asked_w),
    )
    keep_seen(duties, misses=response.misses, measured_kw=measured_kw, is_new=is_new, cause=cause, at=at)
    is_found = (cause != "") & (cause != duties.cause)
    silent_s = now.timestamp() - PARTNER_SILENT_AFTER.total_seconds()
    return Seen(
        sample=sample,
        lost_by_assets_w=sum(lost_by_assets_w.values()),
        found=Counter(cause[is_found].tolist()),
        failing=Counter(cause[cause != ""].tolist()),
        silent_partners=tuple(np.unique(duties.partner[newest_s < silent_s]).tolist()),
        brought_w=watt(float(moved_kw[is_shown & (is_asked | (activation.direction == "increase"))].sum())),
        assumed_w=watt(float(np.where(is_shown, 0.0, assumed_kw).sum())),
    )


def _own_duties(activation: Activation, *, now: datetime) -> DutyTable | None:
    """Return the duties of an activation without those of assets that count for another one now; None if none is left.

    Two orders that run together would each count the same kW otherwise, and neither miss any.
    """
    duties = read_duties(activation, now=now)
    elsewhere = counted_elsewhere(activation, at=now)
    if duties is None or not elsewhere:
        return duties
    out = activation.duties.filter(asset__in=elsewhere).values_list("pk", flat=True)
    is_own = ~np.isin(duties.pk, list(out))
    if not is_own.any():
        return None
    return replace(duties, **{column.name: getattr(duties, column.name)[is_own] for column in fields(duties)})


def _moment(activation: Activation, duties: DutyTable, now: datetime) -> datetime | None:
    """Return the moment to look at: of the newest state, or the present when nobody has told anything for long."""
    last = activation.samples.order_by("-at").values_list("at", flat=True).first()
    newest_s = float(np.nan_to_num(duties.state_s, nan=-np.inf).max())
    if newest_s >= activation.starts_at.timestamp() and (last is None or newest_s > last.timestamp()):
        return datetime.fromtimestamp(newest_s, now.tzinfo)
    return now if now - (last or activation.starts_at) >= BLIND_AFTER else None


def _patience_s(duties: DutyTable, age_s: Floats) -> Floats:
    """Return how far each asset may lie behind its partner's newest state before it counts as silent."""
    patience_s = np.full(len(age_s), SILENT_AFTER.total_seconds())
    for name in np.unique(duties.partner):
        own = duties.partner == name
        patience_s[own] = np.maximum(patience_s[own], SILENT_AFTER_MEDIANS * float(np.median(age_s[own])))
    return patience_s


def _is_telling(duties: DutyTable, at: datetime) -> Booleans:
    """Return whose newest state tells of now: it is fresh, or shows the response to what is asked now."""
    is_fresh = at.timestamp() - duties.state_s <= SILENT_AFTER.total_seconds()
    return np.asarray(is_fresh | (duties.state_s >= duties.judged_from_s))


def delivered_kwh_in_ptu(activation: Activation, sample: ActivationSample) -> float:
    """Return the energy delivered from the start of the sample's PTU to the sample, by the mean of its samples."""
    start = ptu_start(sample.at)
    powers_w = list(activation.samples.filter(at__gte=start, at__lte=sample.at).values_list("delivered_w", flat=True))
    elapsed_h = (sample.at - start) / timedelta(hours=1)
    return sum(powers_w) / len(powers_w) / W_PER_KW * elapsed_h


def _newest_of_partner(duties: DutyTable) -> Floats:
    """Return the instant of the newest state of each duty's partner, in epoch seconds."""
    names, of = np.unique(duties.partner, return_inverse=True)
    newest = np.full(len(names), -np.inf)
    np.maximum.at(newest, of, np.nan_to_num(duties.state_s, nan=-np.inf))
    return newest[of]


def _causes(duties: DutyTable, response: Response, *, is_silent: Booleans) -> NDArray[np.str_]:
    """Return why each asset does not do its part, empty where it does; what is known for sure comes first."""
    is_asked = duties.asked_kw != duties.alone_kw
    return np.select(
        [~is_asked, duties.has_left, duties.refusal != "", is_silent, response.has_failed],
        [np.str_(""), np.str_(Cause.LEFT), duties.refusal, np.str_(Cause.SILENT), np.str_(Cause.IGNORED)],
        default=np.str_(""),
    )


def _lost_by_assets_w(duties: DutyTable, response: Response, cause: NDArray[np.str_]) -> dict[str, int]:
    """Return what each cause takes away now from what the plan counts on."""
    part_kw = np.abs(duties.usual_kw - duties.asked_kw)
    is_unseen = np.isin(cause, [str(Cause.LEFT), str(Cause.SILENT)])
    lost_kw = np.where(duties.is_counted, np.where(is_unseen, part_kw, response.lost_kw), 0.0)
    lost_w = {name: watt(float(lost_kw[cause == name].sum())) for name in np.unique(cause).tolist() if name}
    return {name: watts for name, watts in lost_w.items() if watts > 0}


def _lost_by_plan_w(activation: Activation, ordered: ActivationPtu, asked_w: int) -> dict[str, int]:
    """Return what the plan did not reach in the first place, and what an operator took out of it.

    Where nobody planned the PTU what was told before runs on: only a hold says why it may be less than ordered.
    """
    if not ordered.is_called:
        return {}
    if activation.stop_reason:
        return {str(Cause.STOPPED): ordered.ordered_w}
    wanted_w = within_cap(activation, ordered.least_w)
    lost_w = {Cause.CAPPED: ordered.least_w - wanted_w}
    if ordered.planned_w is not None:
        short_w = max(aim_w(activation, ordered.least_w) - ordered.planned_w, 0)
        new_w = min(max(wanted_w - _planned_for_w(activation, ordered, wanted_w), 0), short_w)
        limited_w = min(short_w - new_w, ordered.limited_w)
        lost_w |= {
            Cause.ASKED_NOW: new_w,
            Cause.LIMITED: limited_w,
            Cause.NOT_ENOUGH: short_w - new_w - limited_w,
        }
    elif activation.hold_reason:
        lost_w[Cause.HELD] = wanted_w - asked_w
    return {str(cause): watts for cause, watts in lost_w.items() if watts > 0}


def _planned_for_w(activation: Activation, ordered: ActivationPtu, wanted_w: int) -> int:
    """Return what the newest plan was made for; balancing energy may be asked after it, until the next one."""
    if ordered.part_w is None or ordered.planned_for_w is None:
        return wanted_w
    return within_cap(activation, ordered.planned_for_w)
