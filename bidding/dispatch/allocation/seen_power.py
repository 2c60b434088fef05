"""What cars at chargers really take, where it is less than their chargers offer. Pure.

A car with a small charger on board takes 7.4 kW, or less, of a charge point's 11 kW. Counted at 11 kW it seems to give
more than it does when it waits. Such a car is known by two quarter hours in a row in which nothing of ours held it and
it took the same: one alone may be that in which it began, was full or was let go, and a wrong value rarely comes twice.
Its power is then the most that it took in any quarter hour. So it stays what it was while the car fills up more slowly
towards its end, and a quarter hour in which the car takes more corrects what was found too low.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Booleans = NDArray[np.bool_]
Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

ALIKE_SHARE = 0.1
"""By which two quarter hours may differ: a charger starts within a minute, which is 7 % of a quarter hour."""
LEAST_KW = 1.3
"""Less is not charging: a car takes 6 A on one phase at least, 1.38 kW [cited: IEC 61851]."""
LEAST_H = 5 / 60
"""In the quarter hour in which a car came; of less, a late plug-in makes anything."""


@dataclass(frozen=True, slots=True, eq=False)
class Quarters:
    """n quarter hours of m cars, by car and then by time, shape (n,).

    Attributes:
        car: which car it is of, from 0 on.
        number: of the quarter hour; the next has the next number.
        here_h: for how long of it the car was here.
        taken_kwh: what was metered of it, without what it fed in.
        is_free: whether it was measured, and nothing of ours held the car in any part of it.
    """

    car: Integers
    number: Integers
    here_h: Floats
    taken_kwh: Floats
    is_free: Booleans


def seen_power_kw(*, rated_kw: Floats, quarters: Quarters) -> Floats:
    """Return what each car takes when it may, shape (m,): what it was seen to take, at most its rated power.

    Rated power too where it was not seen for long enough.
    """
    counts = quarters.here_h >= LEAST_H
    car, number, is_free = quarters.car[counts], quarters.number[counts], quarters.is_free[counts]
    mean_kw = quarters.taken_kwh[counts] / quarters.here_h[counts]
    is_charging = is_free & (mean_kw >= LEAST_KW)
    is_next = (car[1:] == car[:-1]) & (number[1:] == number[:-1] + 1)
    is_alike = np.abs(mean_kw[1:] - mean_kw[:-1]) <= ALIKE_SHARE * np.maximum(mean_kw[1:], mean_kw[:-1])
    is_seen = np.zeros(len(rated_kw), dtype=np.bool_)
    is_seen[car[1:][is_next & is_alike & is_charging[1:] & is_charging[:-1]]] = True
    most_kw = np.zeros(len(rated_kw))
    np.maximum.at(most_kw, car, mean_kw)
    return np.where(is_seen, np.minimum(most_kw, rated_kw), rated_kw)
