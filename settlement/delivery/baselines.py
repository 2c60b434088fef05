"""Choosing and computing each asset's baseline from the database."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from django.db.models import TextChoices
from numpy.typing import NDArray

from aggregator.core.interval import Interval
from aggregator.core.ptu import PTU, dutch_time
from assets.energy import GroupReadings
from assets.models import AssetKind
from bidding.models import Activation, BaselineNomination
from settlement import queries
from settlement.baseline.arrival import arrival_wh
from settlement.baseline.like_days import like_days, mean_wh, same_ptus

SESSION_KINDS = frozenset({AssetKind.CHARGER, AssetKind.V2G_CHARGER, AssetKind.BUS_CHARGER})


class BaselineMethod(TextChoices):
    """What a group is compared with."""

    SESSIONS = "session_counterfactual", "Sum of its assets: charging on arrival, idle batteries, like days of heat"
    NOMINATED = "nominated", "What was nominated before the bid"


class NominationMissing(RuntimeError):
    """A nominated baseline was asked for, but some PTUs have no nomination."""


@dataclass(frozen=True, slots=True, eq=False)
class AssetBaselines:
    """Baseline energy per asset and PTU, shape (assets, PTUs), where known; and which assets' are estimates."""

    energy_wh: NDArray[np.int64]
    is_known: NDArray[np.bool_]
    estimated_asset_ids: frozenset[int]


def asset_baselines(
    *, aggregation_ean: str, readings: GroupReadings, ptu_starts: Sequence[datetime], now: datetime
) -> AssetBaselines:
    """Return what each asset of a group would have taken.

    Chargers of every kind: charging on arrival (discharge is never part of a baseline). Batteries: idle. Heat pumps:
    the mean of the same PTU on like days; without a single such value the baseline is unknown.
    """
    shape = (len(readings.asset_ids), len(ptu_starts))
    energy_wh, is_known = np.zeros(shape, dtype=np.int64), np.ones(shape, dtype=np.bool_)
    chargers = [row for row, kind in enumerate(readings.kinds) if kind in SESSION_KINDS]
    needs, estimated = queries.session_needs(
        asset_ids=[readings.asset_ids[row] for row in chargers],
        period=Interval(min(ptu_starts), max(ptu_starts) + PTU),
        now=now,
    )
    starts_s = np.array([int(start.timestamp()) for start in ptu_starts], dtype=np.int64)
    energy_wh[chargers] = arrival_wh(needs, ptu_starts_s=starts_s, assets=len(chargers))
    heat_pumps = [row for row, kind in enumerate(readings.kinds) if kind == AssetKind.HEAT_PUMP]
    if heat_pumps:
        energy_wh[heat_pumps], is_known[heat_pumps] = _like_day_means(
            aggregation_ean=aggregation_ean,
            asset_ids=[readings.asset_ids[row] for row in heat_pumps],
            ptu_starts=ptu_starts,
        )
    return AssetBaselines(energy_wh=energy_wh, is_known=is_known, estimated_asset_ids=estimated)


def _like_day_means(
    *, aggregation_ean: str, asset_ids: Sequence[int], ptu_starts: Sequence[datetime]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    activated = queries.days_with_activations(aggregation_ean=aggregation_ean, before=min(ptu_starts))
    history_ptus = same_ptus(list(ptu_starts), like=lambda day: like_days(day, leave_out=activated))
    values = queries.meter_history(asset_ids=asset_ids, ptu_starts=[start for ptus in history_ptus for start in ptus])
    days = max(len(ptus) for ptus in history_ptus)
    history_wh = np.zeros((days, len(asset_ids), len(ptu_starts)), dtype=np.int64)
    is_known = np.zeros(history_wh.shape, dtype=np.bool_)
    for ptu, starts in enumerate(history_ptus):
        for day, start in enumerate(starts):
            for row, asset_id in enumerate(asset_ids):
                value = values.get((asset_id, start))
                if value is not None:
                    history_wh[day, row, ptu], is_known[day, row, ptu] = value, True
    return mean_wh(history_wh, is_known)


def nominated_wh(activation: Activation, *, ptu_starts: Sequence[datetime]) -> NDArray[np.int64]:
    """Return the baseline nominated for an activation's bid, shape (PTUs,); raise `NominationMissing` on a gap."""
    nominations = activation.bid.nominations if activation.bid else BaselineNomination.objects.none()
    power_w = dict(nominations.values_list("ptu_start", "power_w"))
    gaps = [start for start in ptu_starts if start not in power_w]
    if gaps:
        raise NominationMissing(
            f"Activation {activation.reference} has no nomination for {len(gaps)} of {len(ptu_starts)} PTUs, the first "
            f"at {dutch_time(gaps[0])} Dutch time. Settle it on the session counterfactual instead."
        )
    return np.array([power_w[start] // 4 for start in ptu_starts], dtype=np.int64)
