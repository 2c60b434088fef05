"""Reading what settlement needs: what is due, what a group's assets took and needed, and what was calculated before."""

from collections.abc import Collection, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import numpy as np
from django.db.models import Exists, F, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import TruncDate

from aggregator.core.interval import Interval
from aggregator.core.ptu import MARKET_ZONE, PTU, day_interval, ptu_number
from assets.energy import group_readings
from assets.models import AssetKind, ChargingSession, Membership, MeterInterval
from bidding.markets.afrr.settlement import SettledDay, SettledDirection, SettledPeriod
from bidding.models import Activation, ActivationPtu, BalancingBid, BalancingPtu
from settlement.balancing.findings import Requested
from settlement.baseline.arrival import SessionNeeds
from settlement.models import BalancingSettlement, BalancingSettlementPtu, Delivery, Statement

CORRECTIONS_AFTER = timedelta(days=60)
"""Data that come later than this after an activation no longer change its settlement by themselves."""

LIKE_DAYS_AGAIN_AFTER = timedelta(days=1)
"""So often heat pumps' like days are read again: to look for news in all their days at every round would be dear."""

COMMIT_DELAY = timedelta(minutes=10)
"""A row may become visible this much later than its `known_at` says; looking again is harmless."""

_NEVER = datetime.min.replace(tzinfo=UTC)
_DUTCH_DAY = TruncDate("starts_at", tzinfo=MARKET_ZONE)


def session_needs(*, asset_ids: Sequence[int], period: Interval, now: datetime) -> tuple[SessionNeeds, frozenset[int]]:
    """Return what the cars at some assets needed in a period, and the assets where that is an estimate.

    A closed session needed what the car could have taken, else what it took. One still open is known until `now` and
    needs what the driver declared, and what it took so far where that is more or nothing was declared: an estimate.
    Where two overlap at one asset, as when one is reported twice, the first ends where the next begins. None took more
    power than its charger gives.
    """
    row_of = {asset_id: row for row, asset_id in enumerate(asset_ids)}
    sessions = (
        ChargingSession.objects.filter(asset_id__in=row_of, plug_in_at__lt=period.ends_at)
        .filter(Q(plug_out_at__isnull=True) | Q(plug_out_at__gt=period.starts_at))
        .select_related("asset")
        .order_by("asset_id", "plug_in_at", "pk")
    )
    rows: list[tuple[int, int, int, int, int]] = []
    estimated = set()
    for session in sessions:
        needed_wh = session.required_energy_wh
        if session.plug_out_at is None:
            estimated.add(session.asset_id)
            needed_wh = max(session.declared_energy_wh or 0, session.energy_wh) if needed_wh is None else needed_wh
        rows.append(
            (
                row_of[session.asset_id],
                int(session.plug_in_at.timestamp()),
                int((session.plug_out_at or max(now, period.ends_at)).timestamp()),
                session.energy_wh if needed_wh is None else needed_wh,
                min(session.max_import_w, session.asset.max_import_w),
            )
        )
    columns = np.array(rows, dtype=np.int64).reshape(-1, 5).T
    asset, plug_in_s, plug_out_s = columns[:3]
    is_followed = asset[:-1] == asset[1:]
    plug_out_s[:-1][is_followed] = np.minimum(plug_out_s[:-1], plug_in_s[1:])[is_followed]
    return SessionNeeds(*columns), frozenset(estimated)


def meter_history(*, asset_ids: Sequence[int], ptu_starts: Sequence[datetime]) -> dict[tuple[int, datetime], int]:
    """Return the latest metered energy [Wh] by asset and PTU, where there is one."""
    values = (
        MeterInterval.objects.filter(asset_id__in=asset_ids, starts_at__in=ptu_starts)
        .order_by("asset_id", "starts_at", "-revision")
        .distinct("asset_id", "starts_at")
        .values_list("asset_id", "starts_at", "import_wh", "export_wh")
    )
    return {(asset_id, starts_at): taken - fed_in for asset_id, starts_at, taken, fed_in in values}


def days_with_activations(*, aggregation_ean: str, before: datetime) -> frozenset[date]:
    """Return the local days on which a group was activated, before an instant.

    Being in bids for balancing, as every day, is none by itself: only where something was asked the habit is gone.
    """
    periods = (
        Activation.objects.filter(aggregation_ean=aggregation_ean, starts_at__lt=before)
        .filter(
            Q(is_balancing=False) | Exists(ActivationPtu.objects.filter(activation=OuterRef("pk"), ordered_w__gt=0))
        )
        .values_list("starts_at", "ends_at")
    )
    return frozenset(
        instant.astimezone(MARKET_ZONE).date() for starts, ends in periods for instant in (starts, ends - PTU)
    )


def due_activations(*, now: datetime, wait: timedelta, required_completeness: Decimal) -> list[Activation]:
    """Return the activations to settle now, oldest first.

    Those that are finished and either have enough meter values and no car still plugged in since before the end, or
    ended `wait` ago; and those settled before for which something came in since, or may have for heat pumps' like days.
    One for balancing has no price before TenneT has settled its day, so it waits for that in any case.
    """
    finished = (
        Activation.objects.filter(status=Activation.Status.FINISHED, ends_at__lte=now)
        .annotate(day=_DUTCH_DAY)
        .filter(Q(is_balancing=False) | Exists(BalancingSettlement.objects.filter(day=OuterRef("day"))))
        .order_by("ends_at", "pk")
    )
    ready = [
        activation
        for activation in finished
        if now >= activation.ends_at + wait or is_complete(activation, required_completeness=required_completeness)
    ]
    return ready + list(_settled_with_news(now=now))


def is_complete(activation: Activation, *, required_completeness: Decimal) -> bool:
    """Tell whether enough of an activation's data are there to settle it before its deadline."""
    ptu_starts = list(activation.ptus.order_by("ptu_start").values_list("ptu_start", flat=True))
    if not ptu_starts:
        return False
    readings = group_readings(aggregation_ean=activation.aggregation_ean_id, ptu_starts=ptu_starts)
    expected = int(readings.is_member.sum())
    received = int((readings.is_member & readings.has_meter_value).sum())
    return (
        expected > 0
        and received >= required_completeness * expected
        and not ChargingSession.objects.filter(
            asset_id__in=readings.asset_ids, plug_in_at__lt=activation.ends_at, plug_out_at__isnull=True
        ).exists()
    )


def _settled_with_news(*, now: datetime) -> QuerySet[Activation]:
    in_group = Q(asset__memberships__aggregation_ean=OuterRef("aggregation_ean"))
    is_news = Q(known_at__gt=OuterRef("confirmed_at") - COMMIT_DELAY)
    new_values = MeterInterval.objects.filter(
        in_group,
        is_news,
        starts_at__gte=OuterRef("starts_at"),
        starts_at__lt=OuterRef("ends_at"),
        asset__memberships__period__contains=F("starts_at"),
    )
    # Also those that were over before the start: the last version may have counted on a car that had left by then.
    new_sessions = ChargingSession.objects.filter(in_group, is_news, plug_in_at__lt=OuterRef("ends_at"))
    heat_pumps = Membership.objects.filter(aggregation_ean=OuterRef("aggregation_ean"), asset__kind=AssetKind.HEAT_PUMP)
    new_prices = BalancingSettlement.objects.filter(
        day=OuterRef("day"), received_at__gt=OuterRef("confirmed_at") - COMMIT_DELAY
    )
    newest = Delivery.objects.filter(activation=OuterRef("pk")).order_by("-version")
    return (
        Activation.objects.filter(status=Activation.Status.SETTLED, ends_at__gt=now - CORRECTIONS_AFTER)
        .annotate(day=_DUTCH_DAY, confirmed_at=Subquery(newest.values("confirmed_at")[:1]))
        .filter(
            Exists(new_values)
            | Exists(new_sessions)
            | Q(Exists(new_prices), is_balancing=True)
            | Q(Exists(heat_pumps), confirmed_at__lte=now - LIKE_DAYS_AGAIN_AFTER)
        )
        .order_by("ends_at", "pk")
    )


def balancing_days_to_ask(*, now: datetime) -> list[date]:
    """Return the Dutch days that are over, had bids that TenneT may have called, and are not settled for good.

    The day asked for longest ago comes first, so that each has its turn however slow the answers are. Days beyond
    `CORRECTIONS_AFTER` are left alone: nothing that came of them would change a delivery.
    """
    days = _days_with_balancing_bids(now=now)
    newest = {one.day: one for one in newest_balancing_settlements(days).prefetch_related(None)}
    open_days = [day for day in days if day not in newest or not newest[day].is_final]
    return sorted(open_days, key=lambda day: (newest[day].confirmed_at if day in newest else _NEVER, day))


def balancing_days_unsettled(*, now: datetime) -> list[date]:
    """Return those of them of which TenneT has said nothing yet, oldest first."""
    days = _days_with_balancing_bids(now=now)
    return sorted(set(days).difference(BalancingSettlement.objects.filter(day__in=days).values_list("day", flat=True)))


def _days_with_balancing_bids(*, now: datetime) -> list[date]:
    today = now.astimezone(MARKET_ZONE).date()
    bids = BalancingBid.objects.filter(
        status__in=BalancingBid.MAY_BE_CALLED,
        ptu_start__gte=day_interval(today - CORRECTIONS_AFTER).starts_at,
        ptu_start__lt=day_interval(today).starts_at,
    )
    return list(bids.values_list(TruncDate("ptu_start", tzinfo=MARKET_ZONE), flat=True).distinct())


def newest_balancing_settlements(days: Collection[date]) -> QuerySet[BalancingSettlement]:
    """Return what TenneT last said of some Dutch days, with its quarter hours, oldest day first."""
    newest = BalancingSettlement.objects.filter(day=OuterRef("day")).order_by("-version").values("version")[:1]
    return (
        BalancingSettlement.objects.filter(day__in=days, version=Subquery(newest))
        .order_by("day")
        .prefetch_related("ptus")
    )


def requested_by_setpoints(interval: Interval) -> dict[datetime, Requested]:
    """Return what the setpoints that reached us asked of the pool, by the start of the PTU."""
    rows = BalancingPtu.objects.filter(ptu_start__gte=interval.starts_at, ptu_start__lt=interval.ends_at)
    return {
        row.ptu_start: Requested(row.requested_reduce_ws, row.requested_increase_ws, row.lost_cycles) for row in rows
    }


def settled_day(settlement: BalancingSettlement) -> SettledDay:
    """Return a version as TenneT told it."""
    rows = sorted(settlement.ptus.all(), key=lambda row: row.ptu_start)
    return SettledDay(day=settlement.day, is_final=settlement.is_final, periods=tuple(map(_settled_period, rows)))


def _settled_period(row: BalancingSettlementPtu) -> SettledPeriod:
    return SettledPeriod(
        position=ptu_number(row.ptu_start),
        starts_at=row.ptu_start,
        reduce=SettledDirection(row.requested_reduce_mwh, row.price_reduce_eur_per_mwh, row.missed_reduce_mwh),
        increase=SettledDirection(row.requested_increase_mwh, row.price_increase_eur_per_mwh, row.missed_increase_mwh),
        amount_eur=row.amount_eur,
        penalty_eur=row.penalty_eur,
    )


def latest_deliveries(interval: Interval) -> QuerySet[Delivery]:
    """Return the newest version of every delivery with a PTU in the period, by aggregation EAN and time."""
    newest = Delivery.objects.filter(activation=OuterRef("activation")).order_by("-version").values("version")[:1]
    return (
        Delivery.objects.filter(
            version=Subquery(newest),
            activation__starts_at__lt=interval.ends_at,
            activation__ends_at__gt=interval.starts_at,
        )
        .select_related("activation__bid", "activation__aggregation_ean")
        .order_by("activation__aggregation_ean_id", "activation__starts_at", "pk")
    )


def unsettled_activations(interval: Interval) -> QuerySet[Activation]:
    """Return the activations in a period that no statement can count yet."""
    return Activation.objects.filter(
        starts_at__lt=interval.ends_at, ends_at__gt=interval.starts_at, deliveries__isnull=True
    ).order_by("starts_at", "pk")


def latest_statement(interval: Interval) -> Statement | None:
    """Return the newest version of the statement of exactly this period, if it was ever issued."""
    return Statement.objects.filter(starts_at=interval.starts_at, ends_at=interval.ends_at).order_by("-version").first()


def month_interval(year: int, month: int) -> Interval:
    """Return a calendar month in Europe/Amsterdam as UTC instants."""
    following = (year + 1, 1) if month == 12 else (year, month + 1)  # noqa: PLR2004 - December
    starts, ends = (
        datetime(first_year, first_month, 1, tzinfo=MARKET_ZONE).astimezone(UTC)
        for first_year, first_month in ((year, month), following)
    )
    return Interval(starts, ends)
