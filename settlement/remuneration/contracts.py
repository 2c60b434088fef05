"""A contract's money beside the energy that was moved: what availability earns, what a shortfall costs. Pure.

No public text fixes either, so this is our reading [I]: the fee is for a calendar month, by days of the month on which
the contract holds; the penalty is for each Wh that was ordered and not delivered, PTU by PTU. Both are on cents.
"""

import calendar
from collections.abc import Iterable
from datetime import date
from decimal import Decimal

from aggregator.core.money import Money
from settlement.remuneration.shares import amount_eur

PTUS_PER_HOUR = 4


def penalty_eur(shortfalls_w: Iterable[int], penalty_eur_per_mwh: Decimal) -> Decimal:
    """Return what shortfalls cost, one per PTU; below zero counts as none.

    >>> penalty_eur([40_000, -10_000], Decimal("240.00"))
    Decimal('2.40')
    """
    missing_wh = sum(max(shortfall_w, 0) // PTUS_PER_HOUR for shortfall_w in shortfalls_w)
    return Money(amount_eur(missing_wh, penalty_eur_per_mwh)).rounded().amount


def availability_eur(
    fee_eur_per_month: Decimal, *, month: date, active_from: date, active_until: date | None
) -> Decimal:
    """Return the fee for the month that `month` is the first day of.

    >>> availability_eur(Decimal(310), month=date(2026, 1, 1), active_from=date(2026, 1, 22), active_until=None)
    Decimal('100.00')
    """
    days = calendar.monthrange(month.year, month.month)[1]
    first = max(active_from, month)
    last = min(active_until or date.max, month.replace(day=days))
    active_days = max((last - first).days + 1, 0)
    return Money(fee_eur_per_month * active_days / days).rounded().amount
