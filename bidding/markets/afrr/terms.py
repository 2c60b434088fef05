"""What a bid for aFRR energy may be: the terms of the product, each with where it comes from.

Of TenneT's own terms no text is public. [cited] is a term that a public text gives, of the TSO or exchange named; that
it holds in the Netherlands too is assumed. [assumed] is our own. Ask TenneT for all of them before a real bid.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from aggregator.core.interval import utc
from aggregator.core.ptu import ptu_start

WATT_PER_MEGAWATT = 1_000_000


class InvalidTerms(ValueError):
    """Product terms that contradict themselves."""


@dataclass(frozen=True, slots=True)
class ProductTerms:
    """The terms. A bid holds for one PTU [cited: Fingrid], which no term changes."""

    minimum_power_w: int = WATT_PER_MEGAWATT
    """[cited: Fingrid] The least that can be bid."""
    power_step_w: int = WATT_PER_MEGAWATT
    """[cited: Fingrid] Bids are whole multiples of it; on the wire they are whole MW, so it is too."""
    gate_lead: timedelta = timedelta(minutes=25)
    """[cited: Fingrid] How long before its PTU a bid can no longer be sent, changed or taken back."""
    lowest_price_eur_per_mwh: Decimal = Decimal(-15_000)
    """[cited: ENTSO-E, as transitional until July 2026; Fingrid] What came after that is not known."""
    highest_price_eur_per_mwh: Decimal = Decimal(15_000)
    """As the lowest."""
    price_step_eur_per_mwh: Decimal = Decimal("0.01")
    """[cited: Fingrid] Prices are whole multiples of it."""
    most_bids_per_document: int = 2_000
    """[cited: Fingrid] Time series in a document; each is one bid."""

    def __post_init__(self) -> None:
        for problem, is_wrong in (
            (f"steps of {self.power_step_w} W are no whole MW", not _is_multiple(self.power_step_w, WATT_PER_MEGAWATT)),
            (
                f"a minimum of {self.minimum_power_w} W is no multiple of the step of {self.power_step_w} W",
                not _is_multiple(self.minimum_power_w, self.power_step_w),
            ),
            (f"a gate {self.gate_lead} before the PTU lies after its start", self.gate_lead < timedelta(0)),
            (f"prices in steps of {self.price_step_eur_per_mwh}", not _is_above_zero(self.price_step_eur_per_mwh)),
            (
                f"prices from {self.lowest_price_eur_per_mwh} to {self.highest_price_eur_per_mwh} EUR/MWh",
                not _is_above_zero(self.highest_price_eur_per_mwh - self.lowest_price_eur_per_mwh),
            ),
            (f"{self.most_bids_per_document} bids in a document", self.most_bids_per_document < 1),
        ):
            if is_wrong:
                raise InvalidTerms(f"These terms of aFRR cannot be met: {problem}. Correct the terms.")

    def gate_of(self, ptu: datetime) -> datetime:
        """Return from when on nothing can be sent about bids for the PTU that starts at `ptu`; raises `ValueError`."""
        return require_ptu(ptu) - self.gate_lead

    def power_to_bid_w(self, power_w: int) -> int:
        """Return the most that can be bid of `power_w`: whole steps, or 0 where that is less than the minimum."""
        whole_w = max(power_w, 0) // self.power_step_w * self.power_step_w
        return whole_w if whole_w >= self.minimum_power_w else 0


def require_ptu(instant: datetime) -> datetime:
    """Return the start of a PTU in UTC; raise `ValueError` for another instant, or one without a time zone."""
    if ptu_start(instant) != instant:
        raise ValueError(f"{instant.isoformat()} is no start of a PTU: those are at :00, :15, :30 and :45.")
    return utc(instant)


def _is_multiple(value: int, step: int) -> bool:
    return value > 0 and step > 0 and value % step == 0


def _is_above_zero(value: Decimal) -> bool:
    return value.is_finite() and value > 0
