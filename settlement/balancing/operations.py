"""Asking TenneT what it settles of the days with our bids, and keeping every version of its answer."""

import logging
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Protocol

from django.db import transaction

from aggregator.core import audit, locks
from aggregator.core.isolation import failing_alone
from aggregator.core.ptu import MARKET_ZONE
from bidding.markets.afrr.client import NotSettledYet, TennetUnavailable
from bidding.markets.afrr.settlement import SettledDay, SettledDirection, SettledPeriod
from settlement import queries
from settlement.models import BalancingSettlement, BalancingSettlementPtu

logger = logging.getLogger(__name__)

TELL_AFTER = timedelta(days=10)
"""After so long without any settlement of a day people are told; how long TenneT takes is not public [I]."""
_BALANCING = -2  # activations lock their own number, statements zero, operators' settlements -1


class FinerThanKept(ValueError):
    """TenneT gave a number with more decimals than are kept, so that it could not be kept as it was told."""


class SettlesDays(Protocol):
    """What is needed of TenneT's market."""

    def fetch_settlement(self, day: date) -> SettledDay:
        """Return the settlement of a Dutch day; raise `NotSettledYet`, or `TennetUnavailable`."""
        ...


def fetch_due(*, tennet: SettlesDays, now: datetime) -> list[BalancingSettlement]:
    """Ask for every day with our bids that has no final settlement; return the new versions.

    That TenneT has not settled a day is no news. Whatever else goes wrong is logged once for the whole round, and tried
    again in the next. When nothing answers, the other days are not asked for: they would fare no better.
    """
    made, failures = [], []
    for day in queries.balancing_days_to_ask(now=now):
        try:
            settled = tennet.fetch_settlement(day)
        except NotSettledYet:
            continue
        except TennetUnavailable as failure:
            failures.append(f"{day}: {failure}")
            if failure.answer is None or failure.answer.can_be_retried:
                break
            continue
        with failing_alone(
            logger, "TenneT's settlement of %s could not be kept; it is asked for again. Mend the cause.", day
        ):
            version = keep(settled=settled, asked_at=now, now=now)
            made += [version] if version else []
    if failures:
        logger.warning(
            "TenneT did not tell what it settles; it is asked again in the next round. If that goes on for hours, "
            "look at TENNET_URL and the key, then call TenneT. %s",
            "; ".join(failures),
        )
    _tell_of_late(now)
    return made


@transaction.atomic
def keep(*, settled: SettledDay, asked_at: datetime, now: datetime) -> BalancingSettlement | None:
    """Store what TenneT told of a day when it was asked at `asked_at`.

    Returns:
        The new version; None when it says what the last one says, or when somebody who asked later was quicker.

    Raises:
        FinerThanKept: a number has more decimals than the table.
    """
    locks.take(locks.AdvisoryLock.SETTLEMENT, _BALANCING)
    last = BalancingSettlement.objects.filter(day=settled.day).order_by("-version").first()
    if last and last.confirmed_at > asked_at:
        return None
    if last and queries.settled_day(last) == settled:
        last.confirmed_at = now
        last.save(update_fields=["confirmed_at"])
        return None
    version = BalancingSettlement.objects.create(
        day=settled.day,
        version=last.version + 1 if last else 1,
        is_final=settled.is_final,
        received_at=now,
        confirmed_at=now,
    )
    BalancingSettlementPtu.objects.bulk_create(_row(version, period) for period in settled.periods)
    audit.record(
        now=now,
        action="settlement.balancing.receive-success",
        subject=version,
        before={"version": last.version, "is_final": last.is_final} if last else None,
        after={"version": version.version, "is_final": version.is_final, "amount_eur": str(_amount(settled.periods))},
    )
    return version


def _row(version: BalancingSettlement, period: SettledPeriod) -> BalancingSettlementPtu:
    row = BalancingSettlementPtu(
        settlement=version,
        ptu_start=period.starts_at,
        **_direction("reduce", period.reduce),
        **_direction("increase", period.increase),
        amount_eur=period.amount_eur,
        penalty_eur=period.penalty_eur,
    )
    for field in row._meta.fields:  # noqa: SLF001 - Django's documented API
        value = getattr(row, field.attname)
        if isinstance(value, Decimal) and round(value, field.decimal_places) != value:  # type: ignore[attr-defined]
            raise FinerThanKept(
                f"{field.name} at {period.starts_at:%Y-%m-%dT%H:%MZ} is {value}, but {field.decimal_places} decimals "  # type: ignore[attr-defined]
                "are kept. Widen the column."
            )
    return row


def _direction(way: str, told: SettledDirection) -> dict[str, Decimal]:
    return {
        f"requested_{way}_mwh": told.requested_mwh,
        f"missed_{way}_mwh": told.missed_mwh,
        f"price_{way}_eur_per_mwh": told.price_eur_per_mwh,
    }


def _amount(periods: Iterable[SettledPeriod]) -> Decimal:
    return sum((period.amount_eur for period in periods), Decimal(0))


def _tell_of_late(now: datetime) -> None:
    last_day = (now - TELL_AFTER).astimezone(MARKET_ZONE).date()
    late = [day.isoformat() for day in queries.balancing_days_unsettled(now=now) if day <= last_day]
    if late:
        logger.warning(
            "TenneT has not settled %s, %s days or more ago: what groups delivered then waits for its prices. Ask "
            "TenneT when it will.",
            ", ".join(late),
            TELL_AFTER.days,
        )
