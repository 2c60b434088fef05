"""What the played TenneT asks of bids and pays for them.

No public text fixes these numbers, so a scenario may change each; the defaults are those of other markets, or our own
knowledge (docs/mock-market.md).
"""

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Terms:
    """The terms of a scenario's aFRR market.

    Attributes:
        party_id: TenneT's own GS1 code, to which documents are addressed.
        gate_lead: how long before its PTU a bid can no longer be made, changed or cancelled.
        minimum_bid_mw: the least of one bid; bids are whole MW.
        lowest_price_eur_per_mwh: the least price that is taken.
        highest_price_eur_per_mwh: the highest.
        is_ramped: whether the setpoint runs to its target over `full_activation`, or steps there at once.
        full_activation: the time in which a ramp is complete; whole cycles.
        lost_after: after how long without measurements the bids of a BSP are unavailable; None for never.
        stale_after: how old a measurement may be when it arrives.
        settles_after: how long after the end of a Dutch day its settlement is made.
        compliance_model: by which of `compliance.MODELS` missed energy is counted.
        penalty_eur_per_mwh: what a MWh that was missed costs the BSP.
    """

    party_id: str = "8716867999983"
    gate_lead: timedelta = timedelta(minutes=25)
    minimum_bid_mw: int = 1
    lowest_price_eur_per_mwh: Decimal = Decimal(-15_000)
    highest_price_eur_per_mwh: Decimal = Decimal(15_000)
    is_ramped: bool = False
    full_activation: timedelta = timedelta(minutes=5)
    lost_after: timedelta | None = timedelta(seconds=60)
    stale_after: timedelta = timedelta(seconds=12)
    settles_after: timedelta = timedelta(hours=10)
    compliance_model: str = "acceptance_band"
    penalty_eur_per_mwh: Decimal = Decimal(0)
