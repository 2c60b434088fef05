"""Cheapest and fairest first, where drivers lose nothing by it.

The policy chooses by risk to drivers alone, and so keeps choosing the same cars of the same patient drivers. Among cars
that are alike (the same power, floor, baseline, expected draw and time to spare), who waits is then a matter of cost
and of whose turn it is: what it wears, what the driver is paid for it, and how often the driver was called before.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]

EUR_PER_KWH_OF_A_CALL = 0.02
"""What being called once more in four weeks counts, in money: at 30 cents for wear, a dozen calls weigh as much."""
LAXITY_CLASS_H = 2.0
DRAW_CLASS_KW = 1.0


def burden_eur_per_kwh(*, wear_eur_per_kwh: Floats, compensation_eur_per_kwh: Floats, calls: Floats) -> Floats:
    """Return what a kWh from each asset costs all concerned, shape (n,).

    Args:
        wear_eur_per_kwh: of the battery per kWh moved.
        compensation_eur_per_kwh: promised to whoever owns or drives it.
        calls: times the driver (or asset) was called upon in the weeks before.
    """
    return np.asarray(wear_eur_per_kwh + compensation_eur_per_kwh + EUR_PER_KWH_OF_A_CALL * calls)


def shared_fairly(
    *,
    asked_kw: Floats,
    power_kw: Floats,
    floor_kw: Floats,
    usual_kw: Floats,
    draw_kw: Floats,
    laxity_h: Floats,
    burden: Floats,
) -> Floats:
    """Return the powers with the calls handed to the least burdened of each class of like cars, shape (m,).

    In a class the same values are asked as before, of as many cars; only who is asked changes. Of two cars with an
    equal burden the one that was chosen stays.

    Args:
        asked_kw: what the policy asks of each car.
        power_kw: rated power; a car asked for it is left alone.
        floor_kw: least power of the car while charging.
        usual_kw: what it would take by its baseline.
        draw_kw: what it is expected to take when left alone; more than its baseline once it was held.
        laxity_h: time it has to spare.
        burden: as `burden_eur_per_kwh`.
    """
    kind = np.stack(
        [
            power_kw,
            floor_kw,
            np.round(usual_kw / DRAW_CLASS_KW),
            np.round(draw_kw / DRAW_CLASS_KW),
            np.floor(laxity_h / LAXITY_CLASS_H),
        ],
        axis=1,
    )
    _, of_class = np.unique(np.nan_to_num(kind, posinf=1e9, neginf=-1e9), axis=0, return_inverse=True)
    moved_kw = power_kw - asked_kw
    by_need = np.lexsort((-moved_kw, of_class))
    by_burden = np.lexsort((-moved_kw, burden, of_class))
    shared = np.empty_like(asked_kw)
    shared[by_burden] = asked_kw[by_need]
    return shared


def merit_order(burden: Floats) -> NDArray[np.intp]:
    """Return the positions of assets, cheapest first; equal ones in their own order."""
    return np.argsort(burden, kind="stable")
