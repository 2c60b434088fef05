"""Pausing cars briefly, in quiet hours, to learn whether they charge on: who is tested, and what each test showed.

    start_pause_tests(*, now) -> number of cars paused
    judge_pause_tests(*, now) -> number of tests judged

Regular users' cars only, one quarter hour, never while an order of their group runs or is near, never more than a
little power at once. A pause goes out as every setpoint does, through the same limits, with its reason.
"""

import logging
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, time, timedelta

import numpy as np
from django.db import transaction
from django.db.models import Q

from aggregator.core import locks
from aggregator.core.interval import Interval
from aggregator.core.isolation import failing_alone
from aggregator.core.locks import AdvisoryLock
from aggregator.core.ptu import MARKET_ZONE, PTU, ptu_start
from assets.control.operations import PlannedSetpoint, SetpointRefused, send_setpoints
from assets.models import AggregationEan, Asset, AssetKind, AssetState, ChargingSession, MeterInterval, Setpoint
from assets.queries import out_of_use
from bidding.dispatch.allocation.pausing import Candidates, State, chosen_for_test, pause_outcome
from bidding.dispatch.allocation.release import laxity_h
from bidding.dispatch.pausing import pausing_states
from bidding.dispatch.situation import plugs_at
from bidding.models import Activation, PauseTest
from bidding.portfolio import group_at

logger = logging.getLogger(__name__)

QUIET = (time(1), time(5))
"""Dutch time: the load is low, and a car that sleeps on has hours left to be noticed."""
ORDER_IS_NEAR = timedelta(hours=2)
REGULAR_WITHIN = timedelta(weeks=8)
AGAIN_AFTER = timedelta(days=3)
MOST_KW = 50.0
VALUES_MAY_TAKE = timedelta(hours=6)
WANTED_WH = 1_000
REASON = "Pause test: does this car charge on after a quarter hour of waiting?"


def start_pause_tests(*, now: datetime) -> int:
    """Pause some cars in the quarter hour to come; return how many. Outside the quiet hours nobody.

    A group that fails is logged and keeps no other from its tests.
    """
    if not _is_quiet(now):
        return 0
    paused = 0
    for group in AggregationEan.objects.filter(is_sandbox=False).order_by("pk"):
        with failing_alone(logger, "No cars of group %s were tested; mend the cause, it is in what follows.", group.pk):
            paused += _test_group(group, now)
    return paused


@transaction.atomic
def _test_group(aggregation_ean: AggregationEan, now: datetime) -> int:
    locks.take(AdvisoryLock.STEERING_LIMITS, 0)  # no order may slip in between looking and sending
    period = Interval(ptu_start(now) + PTU, ptu_start(now) + 2 * PTU)
    group = group_at(aggregation_ean=aggregation_ean, instant=now)
    not_now = _told(group.plugs, period) | out_of_use(asset_ids=[asset.pk for asset in group.plugs])
    plugs = plugs_at(group=group, remaining=period, now=now, ignored_asset_ids=not_now)
    if not plugs.assets:
        return 0
    cars = dict(
        ChargingSession.objects.filter(asset__in=plugs.assets, plug_out_at__isnull=True).values_list(
            "asset_id", "driver_token"
        )
    )
    chosen = chosen_for_test(
        _candidates(plugs.assets, cars, laxity_h(plugs.view), now),
        is_quiet=True,
        has_order=_has_order(aggregation_ean, now),
        most_kw=MOST_KW,
    )
    assets = [plugs.assets[place] for place in chosen.tolist()]
    if not assets:
        return 0
    try:
        with transaction.atomic():
            send_setpoints(
                now=now,
                aggregation_ean=aggregation_ean.pk,
                order_reference="",
                reason=REASON,
                revision=1,
                plan=[PlannedSetpoint(asset.pk, period.starts_at, period.ends_at, [0]) for asset in assets],
                deadline_at=period.ends_at,
            )
    except SetpointRefused as refused:
        logger.info("No pause tests in %s: %s", aggregation_ean, refused)
        return 0
    powers_w = (plugs.view.power_kw[chosen] * 1_000).round().astype(int).tolist()
    PauseTest.objects.bulk_create(
        PauseTest(asset=asset, car=cars[asset.pk], car_power_w=power_w, starts_at=period.starts_at)
        for asset, power_w in zip(assets, powers_w, strict=True)
    )
    return len(assets)


def _candidates(assets: Sequence[Asset], cars: dict[int, str], laxity: np.ndarray, now: datetime) -> Candidates:
    """Return what is known of the cars; one without a card, or not at a plain charger, counts as never seen."""
    tokens = [cars.get(asset.pk, "") if asset.kind == AssetKind.CHARGER else "" for asset in assets]
    since = now - REGULAR_WITHIN
    seen = Counter(
        ChargingSession.objects.filter(
            driver_token__in={one for one in tokens if one}, plug_in_at__gte=since
        ).values_list("driver_token", flat=True)
    )
    recent = set(
        PauseTest.objects.filter(car__in=tokens)
        .filter(Q(judged_at__isnull=True) | Q(starts_at__gte=now - AGAIN_AFTER))
        .values_list("car", flat=True)
    )
    power_w = dict(
        AssetState.objects.filter(asset__in=assets, at__gte=now - 2 * PTU).values_list("asset_id", "power_w")
    )
    states = pausing_states(assets)
    return Candidates(
        sessions=np.array([seen[token] if token else 0 for token in tokens], dtype=np.int64),
        laxity_h=laxity,
        power_kw=np.array([power_w.get(asset.pk, 0) / 1_000 for asset in assets], dtype=np.float64),
        is_settled=np.array([states[asset.pk] != State.UNKNOWN for asset in assets], dtype=np.bool_),
        is_due=np.array([token not in recent for token in tokens], dtype=np.bool_),
    )


def _is_quiet(now: datetime) -> bool:
    return QUIET[0] <= now.astimezone(MARKET_ZONE).time() < QUIET[1]


def _has_order(aggregation_ean: AggregationEan, now: datetime) -> bool:
    return Activation.objects.filter(
        aggregation_ean=aggregation_ean, starts_at__lt=now + ORDER_IS_NEAR, ends_at__gt=now - ORDER_IS_NEAR
    ).exists()


def _told(assets: Sequence[Asset], period: Interval) -> set[int]:
    """Return the assets that are told something in a period already."""
    standing = Setpoint.objects.filter(
        asset__in=[asset.pk for asset in assets], starts_at__lt=period.ends_at, ends_at__gt=period.starts_at
    ).exclude(status=Setpoint.Status.REJECTED)
    return set(standing.values_list("asset_id", flat=True))


@transaction.atomic
def judge_pause_tests(*, now: datetime) -> int:
    """Judge the tests whose quarter hour after is over, once it is metered; return how many were judged.

    One that fails is logged and keeps no other from its verdict.
    """
    due = list(
        PauseTest.objects.filter(outcome="", starts_at__lte=now - 2 * PTU)
        .order_by("pk")
        .select_for_update(skip_locked=True)
    )
    judged = 0
    for test in due:
        with (
            failing_alone(logger, "Pause test %s was not judged; mend the cause, it is in what follows.", test.pk),
            transaction.atomic(),
        ):
            judged += _judge(test, now)
    return judged


def _judge(test: PauseTest, now: datetime) -> bool:
    outcome = _outcome(test, now)
    if outcome is None:
        return False
    test.outcome, test.judged_at = outcome, now
    test.save(update_fields=["outcome", "judged_at"])
    return True


def _outcome(test: PauseTest, now: datetime) -> PauseTest.Outcome | None:
    """Return what a test showed; None while its meter values may still come."""
    values = dict(
        MeterInterval.objects.filter(
            asset=test.asset_id, starts_at__gte=test.starts_at - PTU, starts_at__lte=test.starts_at + PTU
        )
        .order_by("starts_at", "revision")  # the newest revision stays
        .values_list("starts_at", "import_wh")
    )
    if len(values) < len((-1, 0, 1)):
        is_late = now >= test.starts_at + VALUES_MAY_TAKE
        return PauseTest.Outcome.NOTHING if is_late else None
    session = ChargingSession.objects.filter(
        asset=test.asset_id, driver_token=test.car, plug_in_at__lte=test.starts_at - PTU
    ).order_by("-plug_in_at")[:1]
    found = next(iter(session), None)
    woke = pause_outcome(
        before_wh=values[test.starts_at - PTU],
        paused_wh=values[test.starts_at],
        after_wh=values[test.starts_at + PTU],
        stayed=found is not None and (found.plug_out_at is None or found.plug_out_at >= test.starts_at + 2 * PTU),
        wanted_more=found is not None and _wanted_more(found),
    )
    if woke is None:
        return PauseTest.Outcome.NOTHING
    return PauseTest.Outcome.WOKE if woke else PauseTest.Outcome.FAILED


def _wanted_more(session: ChargingSession) -> bool:
    """Tell whether the car is known to have wanted more: by what the driver declared, or what it turned out to need."""
    wanted_wh = session.required_energy_wh or session.declared_energy_wh
    return wanted_wh is not None and wanted_wh - session.energy_wh > WANTED_WH
