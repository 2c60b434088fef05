"""TenneT's settlements of balancing energy, as tests need them."""

from datetime import date
from decimal import Decimal

from aggregator.core.ptu import ptus_of_day
from bidding.markets.afrr.settlement import SettledDay, SettledDirection, SettledPeriod
from settlement.balancing.money import worth_eur

DAY = date(2026, 1, 14)
NOTHING = (Decimal(0), Decimal(0))


def settled_period(
    number,
    *,
    day=DAY,
    reduce=NOTHING,
    increase=NOTHING,
    missed=(Decimal(0), Decimal(0)),
    amount_eur=None,
    penalty_eur=Decimal(0),
):
    """Return the PTU of a day at `number`, from 0; energy [MWh] and price by direction; the amount fits if not told."""
    both = [SettledDirection(*told, gone) for told, gone in zip((reduce, increase), missed, strict=True)]
    period = SettledPeriod(number + 1, ptus_of_day(day)[number], *both, Decimal(0), penalty_eur)
    fitting_eur = worth_eur(period).quantize(Decimal("0.01"))
    amount_eur = fitting_eur if amount_eur is None else amount_eur
    return SettledPeriod(number + 1, period.starts_at, *both, amount_eur, penalty_eur)


def settled_day(day=DAY, *, is_final=True, asked=None):
    """Return a day of which nothing was asked but what `asked` says by the number of the PTU, from 0."""
    asked = asked or {}
    numbers = range(len(ptus_of_day(day)))
    return SettledDay(day, is_final, tuple(settled_period(one, day=day, **asked.get(one, {})) for one in numbers))
