"""What TenneT pays for what a group delivered."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

from aggregator.core.ptu import MARKET_ZONE, dutch_time
from bidding.models import Activation
from settlement import queries
from settlement.balancing.money import mean_eur_per_mwh, paid_eur_per_mwh


class NotPriced(RuntimeError):
    """TenneT has not settled what an activation delivered."""


def price_of(activation: Activation, *, paid_wh: Mapping[datetime, int]) -> Decimal:
    """Return the price of an activation for balancing: the mean of TenneT's, by what is paid in each PTU.

    Below zero, the group pays, as for consuming more at a price above zero. Raises `NotPriced` before TenneT has
    settled the day.
    """
    days = {start.astimezone(MARKET_ZONE).date() for start in paid_wh}
    told = {
        period.starts_at: period
        for settlement in queries.newest_balancing_settlements(days)
        for period in queries.settled_day(settlement).periods
    }
    missing = [start for start in paid_wh if start not in told]
    if missing:
        raise NotPriced(
            f"TenneT has not settled {dutch_time(missing[0], '%-d %B %Y')} yet, so activation {activation.reference} "
            "has no price. It is settled by itself once TenneT has."
        )
    return mean_eur_per_mwh(
        (energy_wh, paid_eur_per_mwh(told[start], activation.direction)) for start, energy_wh in paid_wh.items()
    )
