"""Setpoints and prices of any cycle, worked out from what is stored: demand, bids, and who was heard when.

Pure, and nothing ticks: one cycle asked for twice is the same, however often or seldom anybody looks. What arrives in a
cycle counts from the next one on, so that what was sent in a cycle stays true.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Decimal

from mock_gopacs.tennet.cycles import CYCLE, CYCLES_PER_PTU
from mock_gopacs.tennet.ladder import Clearing, Direction, Offer, clear, merit_order
from mock_gopacs.tennet.terms import Terms

KILOWATT = Decimal("0.001")
"""Setpoints are sent in whole kW."""


@dataclass(frozen=True, slots=True)
class Activation:
    """The market over a stretch of time.

    Attributes:
        terms: of the market.
        demand: cycles at which the demand changes, in order, with the MW from then on; before the first it is 0.
        offers: the frozen bids by PTU, each PTU numbered by its first cycle.
        heard: for each BSP that must be heard, the cycles in which measurements came, in order.
    """

    terms: Terms
    demand: Sequence[tuple[int, Decimal]]
    offers: Mapping[int, Sequence[Offer]]
    heard: Mapping[str, Sequence[int]]
    _known: dict[tuple[int, Decimal, frozenset[str]], Clearing] = field(default_factory=dict)

    def clearing(self, cycle: int) -> Clearing:
        """Return what the demand of a cycle takes."""
        ptu = cycle - cycle % CYCLES_PER_PTU
        key = (ptu, self.demand_mw(cycle), self.unavailable(cycle))
        if key not in self._known:
            self._known[key] = clear(self.offers.get(ptu, ()), demand_mw=key[1], unavailable=key[2])
        return self._known[key]

    def demand_mw(self, cycle: int) -> Decimal:
        """Return the demand in a cycle."""
        place = bisect_right(self.demand, cycle, key=lambda change: change[0])
        return self.demand[place - 1][1] if place else Decimal(0)

    def unavailable(self, cycle: int) -> frozenset[str]:
        """Return the BSPs of which nothing was heard for too long when a cycle starts."""
        if self.terms.lost_after is None:
            return frozenset()
        earliest = cycle - self.terms.lost_after // CYCLE
        return frozenset(
            bsp for bsp, cycles in self.heard.items() if bisect_left(cycles, earliest) == bisect_left(cycles, cycle)
        )

    def setpoints_mw(self, bsp: str, cycles: range) -> list[Decimal]:
        """Return a BSP's signed setpoint in each cycle.

        A ramp is the mean of the targets over the full activation time: a step becomes a straight line of that length,
        also beyond the end of a PTU, and what a cycle is told never depends on more than that.
        """
        memory = self.memory
        targets = [self.clearing(cycle).target_mw(bsp) for cycle in range(cycles.start - memory, cycles.stop)]
        if not memory:
            return targets
        setpoints, total = [], sum(targets[:memory], Decimal(0))
        for number in range(memory, len(targets)):
            total += targets[number]
            setpoints.append((total / (memory + 1)).quantize(KILOWATT, ROUND_HALF_EVEN) + 0)  # no -0.000
            total -= targets[number - memory]
        return setpoints

    def price_eur_per_mwh(self, ptu: int, direction: Direction) -> Decimal:
        """Return a PTU's price of a direction: the dearest for the grid of the cycles that its setpoints come from.

        Without activation it is the price at which the direction would have begun, or 0 where nobody bids.
        """
        cycles = range(ptu - self.memory, ptu + CYCLES_PER_PTU)
        clearings = {id(clearing): clearing for clearing in map(self.clearing, cycles)}.values()
        prices = [
            clearing.price_eur_per_mwh
            for clearing in clearings
            if clearing.direction is direction and clearing.price_eur_per_mwh is not None
        ]
        if not prices:
            prices = [offer.price_eur_per_mwh for offer in merit_order(self.offers.get(ptu, ()), direction)[:1]]
        return max(prices, key=lambda price: direction.sign * price, default=Decimal(0))

    @property
    def memory(self) -> int:
        """How many cycles before its own a setpoint comes from."""
        return memory_of(self.terms)


def memory_of(terms: Terms) -> int:
    """Return how many earlier cycles a setpoint under these terms comes from."""
    return terms.full_activation // CYCLE - 1 if terms.is_ramped else 0
