"""Learning which cars wake up again after a pause, and choosing whom to test.

Some cars never charge on after their current went to zero (the field found enough of them to halve what charging can
shift), so a car is only paused once it has shown that it wakes. Every test is a short pause of a car that is known well
and has time enough; its outcome moves a Beta distribution that starts from what is known of its model, or of cars
in general.
"""

from dataclasses import dataclass
from enum import StrEnum
from math import comb

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]
Integers = NDArray[np.int64]

PRIOR_WOKE = 4
PRIOR_FAILED = 1
"""Four of five cars wake: the field's order of size, and weak enough to be overruled by a few tests."""
MOST_FROM_MODEL = 8
"""Tests of other cars of a model count at most as this many of the car itself."""
WAKES_RELIABLY = 0.8
SURE_ENOUGH = 0.8
HOPELESS = 0.1

LEAST_SESSIONS = 5
LEAST_LAXITY_H = 3.0


class State(StrEnum):
    """What may be done with a car; unknown counts as cannot."""

    UNKNOWN = "unknown"
    CAN_PAUSE = "can_pause"
    CANNOT_PAUSE = "cannot_pause"


@dataclass(frozen=True, slots=True)
class Belief:
    """A Beta distribution of the chance that a car wakes after a pause, with whole-numbered parameters."""

    woke: int = PRIOR_WOKE
    failed: int = PRIOR_FAILED

    def after(self, *, woke: int, failed: int) -> "Belief":
        """Return the belief after some tests."""
        return Belief(self.woke + woke, self.failed + failed)

    @property
    def mean(self) -> float:
        """The expected chance to wake."""
        return self.woke / (self.woke + self.failed)

    def chance_above(self, share: float) -> float:
        """Return the probability that the chance to wake is above `share` (the regularised incomplete beta function).

        For whole parameters it is a sum of a binomial distribution of a + b - 1 draws: those with fewer than a hits.
        """
        draws = self.woke + self.failed - 1
        return sum(comb(draws, hits) * share**hits * (1 - share) ** (draws - hits) for hits in range(self.woke))

    @property
    def state(self) -> State:
        """What follows from it."""
        reliable = self.chance_above(WAKES_RELIABLY)
        if reliable >= SURE_ENOUGH:
            return State.CAN_PAUSE
        return State.CANNOT_PAUSE if reliable <= HOPELESS else State.UNKNOWN


def belief_of(*, car: tuple[int, int], model: tuple[int, int] = (0, 0)) -> Belief:
    """Return the belief about a car from its own tests and those of others of its model, each (woke, failed).

    What the model showed is scaled down to at most `MOST_FROM_MODEL` tests, so that a car can differ from its model.
    """
    tests = sum(model)
    if tests > MOST_FROM_MODEL:
        failed = -(-model[1] * MOST_FROM_MODEL // tests)  # a failure is never rounded away
        model = (MOST_FROM_MODEL - failed, failed)
    return Belief().after(woke=model[0] + car[0], failed=model[1] + car[1])


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """Cars that charge now at chargers whose car may pause or not, shape (n,) each.

    Attributes:
        sessions: how often the car was seen in the weeks before; an occasional user is never tested.
        laxity_h: time to spare, cautiously.
        power_kw: what it takes now.
        is_settled: its state is known already.
        is_due: it was not tested of late.
    """

    sessions: Integers
    laxity_h: Floats
    power_kw: Floats
    is_settled: Booleans
    is_due: Booleans


def chosen_for_test(cars: Candidates, *, is_quiet: bool, has_order: bool, most_kw: float) -> NDArray[np.intp]:
    """Return the positions of the cars to pause in this round, most often seen first, up to `most_kw` in total.

    Nobody outside the quiet hours, nobody while an order runs or is near, no occasional user, and nobody who could
    miss the energy.
    """
    if not is_quiet or has_order:
        return np.zeros(0, dtype=np.intp)
    may = (cars.sessions >= LEAST_SESSIONS) & (cars.laxity_h >= LEAST_LAXITY_H) & ~cars.is_settled & cars.is_due
    may &= cars.power_kw > 0
    order = np.flatnonzero(may)
    order = order[np.argsort(-cars.sessions[order], kind="stable")]
    return order[np.cumsum(cars.power_kw[order]) <= most_kw]


TOOK_NOTHING_WH = 50
BACK_SHARE = 0.5


def pause_outcome(*, before_wh: int, paused_wh: int, after_wh: int, stayed: bool, wanted_more: bool) -> bool | None:
    """Return whether the car woke, from its energy in the quarter before, in, and after the pause; None: no evidence.

    It tells nothing when the car left or had enough, when it was not charging before, or when it never paused.
    """
    if not stayed or before_wh <= TOOK_NOTHING_WH or paused_wh > max(before_wh * BACK_SHARE, TOOK_NOTHING_WH):
        return None
    if after_wh >= before_wh * BACK_SHARE:
        return True
    return False if wanted_more else None
