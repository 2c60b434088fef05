"""What TenneT pays for what a group delivered."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from aggregator.core.ptu import MARKET_ZONE, dutch_time
from bidding.models import Activation
from settlement import queries
from settlement.balancing.money import paid_eur_per_mwh


class NotPriced(RuntimeError):
    """TenneT has not settled what an activation delivered."""


def prices_of(activation: Activation, *, ptu_starts: Sequence[datetime]) -> dict[datetime, Decimal]:
    """Return the price of an activation for balancing in each PTU [EUR/MWh], as TenneT last settled it.

    Below zero, the group pays, as for consuming more at a price above zero. Raises `NotPriced` before TenneT has
    settled the day.
    """
    days = {start.astimezone(MARKET_ZONE).date() for start in ptu_starts}
    told = {
        period.starts_at: period
        for settlement in queries.newest_balancing_settlements(days)
        for period in queries.settled_day(settlement).periods
    }
    missing = [start for start in ptu_starts if start not in told]
    if missing:
        raise NotPriced(
            f"TenneT has not settled {dutch_time(missing[0], '%-d %B %Y')} yet, so activation {activation.reference} "
            "has no price. It is settled by itself once TenneT has."
        )
    return {start: paid_eur_per_mwh(told[start], activation.direction) for start in ptu_starts}
