"""What scenarios of cars offer in a window, and the most that can be held in every PTU of it.

The energy that cars take in a set of PTUs has a least and a most, which add up over cars (`flexibility.subsets`); what
can be held in every PTU follows from those of all sets. `offer_totals` makes offers of sessions.

Source: docs/flexibility.md.
"""

from dataclasses import dataclass
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray

from bidding.flexibility.stays import StayVectors
from bidding.flexibility.subsets import subset_sizes, subset_sums
from bidding.flexibility.window import Window

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Direction = Literal["reduce", "increase"]

MOST_BLOCKS = 12
"""4,096 sets of them; each block more doubles the work."""

SETS_AT_ONCE = 2**17
"""Sets of scenarios gone over at once: temporaries of 1 MB stay in the processor's cache."""


@dataclass(frozen=True, slots=True)
class Blocks:
    """A window of T PTUs, cut in at most `MOST_BLOCKS` blocks in which every car holds one power.

    Up to three hours a block is a PTU and nothing is lost. In longer ones a car that comes or goes within a block
    cannot hold one power in it: it charges at full power there, and counts in its own PTUs. The last block may reach
    beyond the window, where nothing is promised.
    """

    ptus: int
    ptu_h: float

    @property
    def ptus_each(self) -> int:
        """Length of a block in PTUs."""
        return -(-self.ptus // MOST_BLOCKS)

    @property
    def window(self) -> Window:
        """The window with a block for a step."""
        return Window(steps=-(-self.ptus // self.ptus_each), step_hours=self.ptus_each * self.ptu_h)

    @property
    def set_hours(self) -> Floats:
        """Hours in every set of blocks but the empty one, (2^B - 1,)."""
        return subset_sizes(self.window.steps)[1:] * self.window.step_hours

    def limiting_ptus(self, baseline_kwh: Floats, direction: Direction) -> NDArray[np.intp]:
        """Return the PTU of each block in which a baseline (S, T) leaves least room, (S, B)."""
        starts = range(0, self.ptus, self.ptus_each)
        find = np.argmin if direction == "reduce" else np.argmax
        return np.stack(
            [start + find(baseline_kwh[:, start : start + self.ptus_each], axis=1) for start in starts], axis=1
        )


@dataclass(frozen=True, slots=True, eq=False)
class Offer:
    """What the cars of S scenarios offer in a window of T PTUs and B blocks; offers of different cars add up.

    Attributes:
        baseline_kwh: what they draw in each PTU when nobody intervenes, (S, T).
        vectors: what they can take, by the blocks in which they are plugged in.
        uneven_kwh: by how much what cannot move lies above the mean of its block in each PTU, (S, T); 0 in a block of
            one PTU.
        fed_in_kwh: what V2G cars can feed in during any k blocks, (S, B + 1).
        rated_kwh: the most their ratings allow in each PTU while they are plugged in, twice for V2G, (S, T).
        departures_kw: what they must take in the window because they leave too soon after it, its mean, (S,).
        pause_floor_kw: what they draw because they cannot pause, mean of the window, (S,).
    """

    baseline_kwh: Floats
    vectors: StayVectors
    uneven_kwh: Floats
    fed_in_kwh: Floats
    rated_kwh: Floats
    departures_kw: Floats
    pause_floor_kw: Floats

    def __add__(self, other: "Offer") -> "Offer":
        return Offer(
            baseline_kwh=self.baseline_kwh + other.baseline_kwh,
            vectors=self.vectors + other.vectors,
            uneven_kwh=self.uneven_kwh + other.uneven_kwh,
            fed_in_kwh=self.fed_in_kwh + other.fed_in_kwh,
            rated_kwh=self.rated_kwh + other.rated_kwh,
            departures_kw=self.departures_kw + other.departures_kw,
            pause_floor_kw=self.pause_floor_kw + other.pause_floor_kw,
        )

    def take(self, scenarios: NDArray[np.intp]) -> "Offer":
        """Return the chosen scenarios."""
        return Offer(
            baseline_kwh=self.baseline_kwh[scenarios],
            vectors=self.vectors.select(scenarios),
            uneven_kwh=self.uneven_kwh[scenarios],
            fed_in_kwh=self.fed_in_kwh[scenarios],
            rated_kwh=self.rated_kwh[scenarios],
            departures_kw=self.departures_kw[scenarios],
            pause_floor_kw=self.pause_floor_kw[scenarios],
        )

    @property
    def reference_kwh(self) -> Floats:
        """The baseline without what is uneven in it: what powers held through a block are measured from, (S, T)."""
        return self.baseline_kwh - self.uneven_kwh

    def bound_kwh(self, direction: Direction) -> Floats:
        """Return the least energy they can take in every set of blocks, or for an increase the most, (S, 2^B)."""
        if direction == "increase":
            return self.vectors.most_kwh()
        return self.vectors.least_kwh() - self.fed_in_kwh[:, subset_sizes(self.vectors.steps).astype(np.intp)]


@dataclass(frozen=True, slots=True, eq=False)
class Room:
    """By how much S scenarios can depart from their baseline in every PTU, and where each has least room.

    Attributes:
        least_kw: the most that can be held in every PTU, (S,); negative where not even the baseline can.
        limiting_set: the set of blocks that allows no more, (S,).
        limiting_ptu: the PTU of each block in which the baseline leaves least room, (S, B).
    """

    blocks: Blocks
    direction: Direction
    least_kw: Floats
    limiting_set: NDArray[np.intp]
    limiting_ptu: NDArray[np.intp]

    @classmethod
    def of(cls, offer: Offer, blocks: Blocks, direction: Direction, *, added_kw: Floats | float = 0.0) -> Self:
        """Return the room of all cars, and of other assets that add a power in each PTU, (S, T)."""
        sign, hours = _SIGNS[direction], blocks.set_hours
        reference_kwh = offer.reference_kwh + sign * np.asarray(added_kw) * blocks.ptu_h
        limiting_ptu = blocks.limiting_ptus(reference_kwh, direction)
        scenarios = len(reference_kwh)
        least_kw, limiting_set = np.empty(scenarios), np.empty(scenarios, dtype=np.intp)
        for start in range(0, scenarios, at_once := max(SETS_AT_ONCE >> blocks.window.steps, 1)):
            some = np.arange(start, min(start + at_once, scenarios))
            sets_kwh = _over_sets(reference_kwh[some], limiting_ptu[some], blocks)
            mean_kw = sign * (sets_kwh - offer.take(some).bound_kwh(direction))[:, 1:] / hours
            place = np.argmin(mean_kw, axis=1)
            least_kw[some], limiting_set[some] = mean_kw[np.arange(len(some)), place], 1 + place
        return cls(blocks, direction, least_kw, limiting_set, limiting_ptu)

    def part_kw(self, part: Offer, scenarios: NDArray[np.intp]) -> Floats:
        """Return what some of the cars bring to `least_kw` in some scenarios; they and `added_kw` add up to it."""
        chosen = part.take(scenarios)
        sets_kwh = _over_sets(chosen.reference_kwh, self.limiting_ptu[scenarios], self.blocks)
        return self._where_least(_SIGNS[self.direction] * (sets_kwh - chosen.bound_kwh(self.direction)), scenarios)

    def mean_kw(self, energy_kwh: Floats, scenarios: NDArray[np.intp]) -> Floats:
        """Return the mean power of energy per PTU, (S, T), in the PTUs with least room, in some scenarios."""
        sets_kwh = _over_sets(energy_kwh[scenarios], self.limiting_ptu[scenarios], self.blocks)
        return self._where_least(sets_kwh, scenarios)

    def _where_least(self, sets_kwh: Floats, scenarios: NDArray[np.intp]) -> Floats:
        """Return the mean power over the set of blocks that limits each scenario."""
        limiting = self.limiting_set[scenarios]
        return np.asarray(sets_kwh[np.arange(len(scenarios)), limiting] / self.blocks.set_hours[limiting - 1])


_SIGNS: dict[Direction, float] = {"reduce": 1.0, "increase": -1.0}


def _over_sets(energy_kwh: Floats, ptu: NDArray[np.intp], blocks: Blocks) -> Floats:
    """Return the energy in every set of blocks, (S, 2^B), when one PTU of each block stands for all of its PTUs."""
    return subset_sums(np.take_along_axis(energy_kwh, ptu, axis=1) * blocks.ptus_each)
