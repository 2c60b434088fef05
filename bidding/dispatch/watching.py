"""The closed loop: what the assets show in the newest minute, who does not do its part, and what that takes away."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from django.db import connection
from numpy.typing import NDArray

from aggregator.core.ptu import ptu_start
from aggregator.core.units import watt
from assets.models import Setpoint
from assets.staging import staged
from bidding.dispatch.allocation.following import Response, judged
from bidding.dispatch.duties import turn_to_next
from bidding.dispatch.planning import within_cap
from bidding.models import Activation, ActivationPtu, ActivationSample, Cause
from bidding.portfolio import PLUGGED_KINDS

Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]

W_PER_KW = 1_000
SILENT_AFTER = timedelta(minutes=3)
"""Behind the newest state of its own partner: two samples a minute apart, and one for the way."""
PARTNER_SILENT_AFTER = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Seen:
    """One look at an activation.

    Attributes:
        sample: delivered against ordered, stored.
        lost_by_assets_w: what is missing of the plan because assets do not do their part.
        found: assets found in this look not to do their part, by cause.
        failing: all assets that do not do their part now, by cause.
        silent_partners: names of partners that no longer report.
    """

    sample: ActivationSample
    lost_by_assets_w: int
    found: Mapping[str, int]
    failing: Mapping[str, int]
    silent_partners: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Duties:
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


def look(activation: Activation, *, now: datetime) -> Seen | None:
    """Judge the newest states against what was asked; None when there is nothing new to see.

    The moment of a look is that of the newest state, so that a partner that reports late is judged by its own time.
    """
    turn_to_next(activation, at=now)
    duties = _duties(activation)
    if duties is None or np.isnan(duties.state_s).all():
        return None
    at = datetime.fromtimestamp(float(np.nanmax(duties.state_s)), now.tzinfo)
    ordered = activation.ptus.filter(ptu_start=ptu_start(at)).first()
    if ordered is None or activation.samples.filter(at__gte=at).exists():
        return None
    newest_s = _newest_of_partner(duties)
    is_silent = ~(newest_s - duties.state_s <= SILENT_AFTER.total_seconds())
    measured_kw = np.where(duties.has_left, 0.0, np.where(is_silent, np.nan, duties.state_kw))
    is_new = (duties.state_s > np.nan_to_num(duties.sampled_s)) & (duties.state_s >= duties.judged_from_s)
    response = judged(
        asked_kw=duties.asked_kw,
        alone_kw=duties.alone_kw,
        measured_kw=measured_kw,
        is_new=is_new,
        misses=duties.misses,
    )
    is_due = at.timestamp() >= duties.judged_from_s
    cause = _causes(duties, response, is_silent=is_silent & is_due)
    lost_by_assets_w = _lost_by_assets_w(duties, response, cause)
    sign = -1.0 if activation.direction == "increase" else 1.0
    is_asked = duties.asked_kw != duties.alone_kw
    usual_kw = np.where(duties.has_left, 0.0, duties.usual_kw)
    sample = ActivationSample.objects.create(
        activation=activation,
        at=at,
        ordered_w=ordered.ordered_w,
        asked_w=watt(float((sign * (duties.usual_kw - duties.asked_kw))[duties.is_counted & is_asked].sum())),
        delivered_w=watt(float(np.nansum(sign * (usual_kw - measured_kw)))),
        seen=int((~np.isnan(measured_kw)).sum()),
        members=len(duties.pk),
        lost_by_cause=lost_by_assets_w | _lost_by_plan_w(activation, ordered),
    )
    _keep(duties, response, measured_kw=measured_kw, is_new=is_new, cause=cause, at=at)
    is_found = (cause != "") & (cause != duties.cause)
    silent_s = now.timestamp() - PARTNER_SILENT_AFTER.total_seconds()
    return Seen(
        sample=sample,
        lost_by_assets_w=sum(lost_by_assets_w.values()),
        found=Counter(cause[is_found].tolist()),
        failing=Counter(cause[cause != ""].tolist()),
        silent_partners=tuple(np.unique(duties.partner[newest_s < silent_s]).tolist()),
    )


def delivered_kwh_in_ptu(activation: Activation, sample: ActivationSample) -> float:
    """Return the energy delivered from the start of the sample's PTU to the sample, by the mean of its samples."""
    start = ptu_start(sample.at)
    powers_w = list(activation.samples.filter(at__gte=start, at__lte=sample.at).values_list("delivered_w", flat=True))
    elapsed_h = (sample.at - start) / timedelta(hours=1)
    return sum(powers_w) / len(powers_w) / W_PER_KW * elapsed_h


def _duties(activation: Activation) -> _Duties | None:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT duty.id, duty.asked_w / 1000.0, duty.alone_w / 1000.0, duty.usual_w / 1000.0,
                   extract(epoch FROM duty.judged_from), extract(epoch FROM duty.sampled_at), duty.misses, duty.cause,
                   extract(epoch FROM state.at), state.power_w / 1000.0, partner.name,
                   asset.kind = ANY(%(plugs)s) AND NOT EXISTS (
                       SELECT FROM assets_chargingsession AS session
                       WHERE session.asset_id = asset.id AND session.plug_out_at IS NULL),
                   (SELECT CASE WHEN setpoint.status = %(rejected)s THEN %(cause_rejected)s
                                WHEN message.dead_at IS NOT NULL THEN %(cause_undelivered)s END
                    FROM assets_setpoint AS setpoint
                    JOIN assets_setpointbatch AS batch ON batch.id = setpoint.batch_id
                    LEFT JOIN core_outboxmessage AS message ON message.id = batch.message_id
                    WHERE setpoint.asset_id = asset.id AND batch.order_reference = %(reference)s
                    ORDER BY setpoint.batch_id DESC LIMIT 1),
                   coalesce(duty.counted_from = max(duty.counted_from) OVER (), false)
            FROM bidding_duty AS duty JOIN assets_asset AS asset ON asset.id = duty.asset_id
            JOIN assets_partner AS partner ON partner.id = asset.partner_id
            LEFT JOIN assets_assetstate AS state ON state.asset_id = asset.id
            WHERE duty.activation_id = %(activation)s ORDER BY duty.id
            """,
            {
                "activation": activation.pk,
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

    return _Duties(
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


def _newest_of_partner(duties: _Duties) -> Floats:
    """Return the instant of the newest state of each duty's partner, in epoch seconds."""
    names, of = np.unique(duties.partner, return_inverse=True)
    newest = np.full(len(names), -np.inf)
    np.maximum.at(newest, of, np.nan_to_num(duties.state_s, nan=-np.inf))
    return newest[of]


def _causes(duties: _Duties, response: Response, *, is_silent: Booleans) -> NDArray[np.str_]:
    """Return why each asset does not do its part, empty where it does; what is known for sure comes first."""
    is_asked = duties.asked_kw != duties.alone_kw
    return np.select(
        [~is_asked, duties.has_left, duties.refusal != "", is_silent, response.has_failed],
        [np.str_(""), np.str_(Cause.LEFT), duties.refusal, np.str_(Cause.SILENT), np.str_(Cause.IGNORED)],
        default=np.str_(""),
    )


def _lost_by_assets_w(duties: _Duties, response: Response, cause: NDArray[np.str_]) -> dict[str, int]:
    """Return what each cause takes away now from what the plan counts on."""
    part_kw = np.abs(duties.usual_kw - duties.asked_kw)
    is_unseen = np.isin(cause, [str(Cause.LEFT), str(Cause.SILENT)])
    lost_kw = np.where(duties.is_counted, np.where(is_unseen, part_kw, response.lost_kw), 0.0)
    lost_w = {name: watt(float(lost_kw[cause == name].sum())) for name in np.unique(cause).tolist() if name}
    return {name: watts for name, watts in lost_w.items() if watts > 0}


def _lost_by_plan_w(activation: Activation, ordered: ActivationPtu) -> dict[str, int]:
    """Return what the plan did not reach in the first place, and what an operator took out of it."""
    if activation.stop_reason:
        return {str(Cause.STOPPED): ordered.ordered_w}
    wanted_w = within_cap(activation, ordered.ordered_w)
    short_w = max(wanted_w - (ordered.planned_w or 0), 0)
    limited_w = min(short_w, ordered.limited_w)
    lost_w = {
        Cause.CAPPED: ordered.ordered_w - wanted_w,
        Cause.LIMITED: limited_w,
        Cause.NOT_ENOUGH: short_w - limited_w,
    }
    return {str(cause): watts for cause, watts in lost_w.items() if watts > 0}


def _keep(
    duties: _Duties,
    response: Response,
    *,
    measured_kw: Floats,
    is_new: Booleans,
    cause: NDArray[np.str_],
    at: datetime,
) -> None:
    """Write down what was seen of each asset."""
    changed = is_new | (cause != duties.cause)
    is_found = (cause != "") & (duties.cause == "")
    types = {"id": "int8", "measured_w": "int8", "misses": "int2", "cause": "text", "found": "int2", "is_new": "bool"}
    measured_w = [None if np.isnan(one) else watt(one) for one in measured_kw[changed].tolist()]
    rows = zip(
        duties.pk[changed].tolist(),
        measured_w,
        response.misses[changed].tolist(),
        cause[changed].tolist(),
        is_found[changed].astype(int).tolist(),
        is_new[changed].tolist(),
        strict=True,
    )
    with staged("seen_duty", types, rows), connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE bidding_duty AS duty SET measured_w = seen.measured_w, misses = seen.misses, cause = seen.cause,
                   failures = duty.failures + seen.found,
                   sampled_at = CASE WHEN seen.is_new THEN %(at)s ELSE duty.sampled_at END,
                   failed_at = CASE WHEN seen.cause = '' THEN NULL ELSE coalesce(duty.failed_at, %(at)s) END
            FROM seen_duty AS seen WHERE seen.id = duty.id
            """,
            {"at": at},
        )
