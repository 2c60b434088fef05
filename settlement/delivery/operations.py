"""Settling what activations delivered: calculate, compare with the last version, keep a new one if anything changed."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import ROUND_FLOOR, Decimal

import numpy as np
from django.db import transaction

from aggregator.core import audit, locks
from aggregator.core.isolation import failing_alone
from assets.energy import GroupReadings, group_readings
from bidding.models import Activation, Direction
from settlement import queries
from settlement.balancing.prices import prices_of
from settlement.delivery.baselines import BaselineMethod, asset_baselines, nominated_wh
from settlement.delivery.calculation import (
    INCREASE,
    PTUS_PER_HOUR,
    REDUCE,
    GroupDelivery,
    GroupEnergy,
    measure,
)
from settlement.delivery.orders import orders_of
from settlement.models import Delivery, DeliveryPtu, DeliveryShare
from settlement.remuneration.shares import split_energy

logger = logging.getLogger(__name__)

SETTLEMENT_WAIT = timedelta(hours=12)
"""How long after its end an activation waits for meter values and for its cars to leave."""

REQUIRED_COMPLETENESS = Decimal("0.99")
"""Meter values of expected with which it need not wait longer; the rest comes as a correction."""

_COMPLETENESS_STEP = Decimal("0.0001")


class NotFinished(RuntimeError):
    """An activation was to be settled that has not run to its end."""


@dataclass(frozen=True, slots=True)
class PtuResult:
    """One PTU of a calculation; equal to another when nothing in it changed."""

    ptu_start: datetime
    ordered_w: int
    baseline_w: int
    metered_w: int
    delivered_w: int
    missing_asset_ids: tuple[int, ...]
    paid_wh_by_partner: tuple[tuple[int, int], ...]
    price_eur_per_mwh: Decimal

    @property
    def paid_wh(self) -> int:
        """Energy that is paid."""
        return sum(paid_wh for _, paid_wh in self.paid_wh_by_partner)


@dataclass(frozen=True, slots=True)
class Calculation:
    """All that a delivery version says."""

    baseline_method: str
    completeness: Decimal
    estimated_asset_ids: tuple[int, ...]
    ptus: tuple[PtuResult, ...]

    @property
    def is_kept(self) -> bool:
        """Whether every PTU got all that was ordered: what a promise is judged by.

        Where nothing was ordered nothing is missed, as when cars catch up under a called limit.
        """
        return all(max(ptu.delivered_w, 0) >= ptu.ordered_w for ptu in self.ptus)

    @property
    def paid_wh(self) -> int:
        """Energy that is paid."""
        return sum(ptu.paid_wh for ptu in self.ptus)


def settle_due(
    *,
    now: datetime,
    wait: timedelta = SETTLEMENT_WAIT,
    required_completeness: Decimal = REQUIRED_COMPLETENESS,
) -> list[Delivery]:
    """Settle every activation whose time has come, each in its own transaction; return the new versions.

    One that fails is logged and does not hold up the others; the next round tries it again.
    """
    made = []
    for activation in queries.due_activations(now=now, wait=wait, required_completeness=required_completeness):
        with failing_alone(
            logger, "Unable to settle activation %s; it is tried again. Mend the cause.", activation.reference
        ):
            delivery = settle(activation_id=activation.pk, now=now)
            made += [delivery] if delivery else []
    return made


@transaction.atomic
def settle(*, activation_id: int, now: datetime, method: BaselineMethod | None = None) -> Delivery | None:
    """Calculate what a finished activation delivered, from all that is known now.

    Args:
        activation_id: what to settle.
        now: the present instant.
        method: the baseline; left out, that of the last version, at first the session counterfactual.

    Returns:
        The new version, or None when the numbers are those of the last version. Only one process at a time works on
        an activation; a second one waits, then finds nothing to change.

    Raises:
        NotFinished: the activation has not ended.
        NominationMissing: the method is `nominated` and the bid has no nomination for some PTU.
        NotPriced: it is for balancing, and TenneT has not settled the day.
    """
    locks.take(locks.AdvisoryLock.SETTLEMENT, activation_id)
    activation = Activation.objects.select_related("bid", "contract_call__contract", "aggregation_ean").get(
        pk=activation_id
    )
    if activation.status not in {Activation.Status.FINISHED, Activation.Status.SETTLED}:
        raise NotFinished(
            f"Activation {activation.reference} is {activation.get_status_display().lower()}; it can be settled once "
            "it has finished."
        )
    last = Delivery.objects.filter(activation=activation).order_by("-version").first()
    method = method or BaselineMethod(last.baseline_method if last else BaselineMethod.SESSIONS)
    calculation = calculate(activation, method=method, now=now)
    if last and _what_counts(_stored(last)) == _what_counts(calculation):
        last.confirmed_at = now
        last.save(update_fields=["confirmed_at"])
        return None
    delivery = _store(activation, calculation, last=last, now=now)
    Activation.objects.filter(pk=activation.pk).update(
        status=Activation.Status.SETTLED, is_kept=calculation.is_kept, updated_at=now
    )
    audit.record(
        now=now,
        action="settlement.delivery.calculate-success",
        subject=delivery,
        before={"version": last.version, "delivered_wh": last.delivered_wh} if last else None,
        after={"version": delivery.version, "delivered_wh": delivery.delivered_wh},
    )
    return delivery


def calculate(activation: Activation, *, method: BaselineMethod, now: datetime) -> Calculation:
    """Return what an activation delivered, without storing it."""
    ptu_starts = list(activation.ptus.order_by("ptu_start").values_list("ptu_start", flat=True))
    orders = orders_of(activation, ptu_starts=ptu_starts)
    readings = group_readings(aggregation_ean=activation.aggregation_ean_id, ptu_starts=ptu_starts)
    baselines = asset_baselines(
        aggregation_ean=activation.aggregation_ean_id, readings=readings, ptu_starts=ptu_starts, now=now
    )
    energy = GroupEnergy(
        is_member=readings.is_member,
        baseline_wh=baselines.energy_wh,
        has_baseline=baselines.is_known,
        metered_wh=readings.metered_wh,
        has_meter_value=readings.has_meter_value,
    )
    is_nominated = method == BaselineMethod.NOMINATED
    result = measure(
        energy,
        sign=REDUCE if activation.direction == Direction.REDUCE else INCREASE,
        orders=orders,
        nominated_wh=nominated_wh(activation, ptu_starts=ptu_starts) if is_nominated else None,
    )
    prices = _prices(activation, ptu_starts)
    ordered_w = orders.ordered_w[orders.place]
    ptus = tuple(
        _ptu_result(number, start, int(ordered_w[number]), readings, result, price_eur_per_mwh=prices[start])
        for number, start in enumerate(ptu_starts)
    )
    estimated = baselines.estimated_asset_ids | {
        readings.asset_ids[row] for row in np.flatnonzero(readings.is_estimate.any(axis=1))
    }
    return Calculation(
        baseline_method=method.value,
        completeness=_share(energy.received_values, energy.expected_values),
        estimated_asset_ids=tuple(sorted(estimated)),
        ptus=ptus,
    )


def _ptu_result(
    number: int,
    start: datetime,
    ordered_w: int,
    readings: GroupReadings,
    result: GroupDelivery,
    *,
    price_eur_per_mwh: Decimal,
) -> PtuResult:
    contribution_wh: dict[int, int] = {}
    for row in np.flatnonzero(readings.is_member[:, number]):
        partner = readings.partner_ids[row]
        contribution_wh[partner] = contribution_wh.get(partner, 0) + int(result.contribution_wh[row, number])
    shares = split_energy(int(result.paid_wh[number]), contribution_wh)
    return PtuResult(
        ptu_start=start,
        ordered_w=ordered_w,
        baseline_w=int(result.baseline_wh[number]) * PTUS_PER_HOUR,
        metered_w=int(result.metered_wh[number]) * PTUS_PER_HOUR,
        delivered_w=int(result.delivered_wh[number]) * PTUS_PER_HOUR,
        missing_asset_ids=tuple(readings.asset_ids[row] for row in np.flatnonzero(result.is_missing[:, number])),
        paid_wh_by_partner=tuple(sorted(shares.items())),
        price_eur_per_mwh=price_eur_per_mwh,
    )


def _prices(activation: Activation, ptu_starts: Sequence[datetime]) -> dict[datetime, Decimal]:
    """Return what is paid per MWh in each PTU: the bid's price, the contract's, or for balancing TenneT's."""
    if activation.is_balancing:
        return prices_of(activation, ptu_starts=ptu_starts)
    if activation.bid is None:
        price = activation.contract_call.contract.price_eur_per_mwh  # type: ignore[union-attr]  # it has a call
    else:
        price = activation.bid.paid_eur_per_mwh
    return dict.fromkeys(ptu_starts, price)


def _what_counts(calculation: Calculation) -> Calculation:
    """Return it without prices at which nothing is paid: a change of those is no reason for a new version."""
    ptus = (ptu if ptu.paid_wh else replace(ptu, price_eur_per_mwh=Decimal(0)) for ptu in calculation.ptus)
    return replace(calculation, ptus=tuple(ptus))


def _share(received: int, expected: int) -> Decimal:
    """Return received of expected, rounded down so that only all of it is 1; nothing expected is 0."""
    return (Decimal(received) / Decimal(expected or 1)).quantize(_COMPLETENESS_STEP, ROUND_FLOOR)


def _stored(delivery: Delivery) -> Calculation:
    ptus = delivery.ptus.order_by("ptu_start").prefetch_related("shares")
    return Calculation(
        baseline_method=delivery.baseline_method,
        completeness=delivery.completeness,
        estimated_asset_ids=tuple(delivery.estimated_asset_ids),
        ptus=tuple(
            PtuResult(
                ptu_start=ptu.ptu_start,
                ordered_w=ptu.ordered_w,
                baseline_w=ptu.baseline_w,
                metered_w=ptu.metered_w,
                delivered_w=ptu.delivered_w,
                missing_asset_ids=tuple(ptu.missing_asset_ids),
                paid_wh_by_partner=tuple(sorted((share.partner_id, share.paid_wh) for share in ptu.shares.all())),
                price_eur_per_mwh=ptu.price_eur_per_mwh,
            )
            for ptu in ptus
        ),
    )


def _store(activation: Activation, calculation: Calculation, *, last: Delivery | None, now: datetime) -> Delivery:
    delivery = Delivery.objects.create(
        activation=activation,
        version=last.version + 1 if last else 1,
        baseline_method=calculation.baseline_method,
        calculated_at=now,
        confirmed_at=now,
        ordered_wh=sum(ptu.ordered_w for ptu in calculation.ptus) // PTUS_PER_HOUR,
        delivered_wh=calculation.paid_wh,
        completeness=calculation.completeness,
        partner_share=last.partner_share if last else activation.aggregation_ean.partner_share,
        estimated_asset_ids=list(calculation.estimated_asset_ids),
    )
    _store_ptus(delivery, calculation.ptus)
    return delivery


def _store_ptus(delivery: Delivery, results: Sequence[PtuResult]) -> None:
    rows = DeliveryPtu.objects.bulk_create(
        DeliveryPtu(
            delivery=delivery,
            ptu_start=result.ptu_start,
            ordered_w=result.ordered_w,
            baseline_w=result.baseline_w,
            metered_w=result.metered_w,
            delivered_w=result.delivered_w,
            missing_asset_ids=list(result.missing_asset_ids),
            price_eur_per_mwh=result.price_eur_per_mwh,
        )
        for result in results
    )
    DeliveryShare.objects.bulk_create(
        DeliveryShare(ptu=row, partner_id=partner_id, paid_wh=paid_wh)
        for row, result in zip(rows, results, strict=True)
        for partner_id, paid_wh in result.paid_wh_by_partner
    )
