"""What the dispatcher sees of the cars at the start of a quarter hour."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bidding.forecast.outlook import Outlook

Floats = NDArray[np.float64]

FULL_KWH = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class DispatchView:
    """What is known at the start of a PTU of the m cars plugged in then; arrays of shape (m,).

    Attributes:
        ptu_h: length of a PTU [h].
        left_in_window_h: hours to the end of the window.
        elapsed_h: hours since plug-in.
        power_kw: rated power; a car asked for it is left alone.
        takes_kw: what it takes of that when it may.
        floor_kw: least power while charging, 0 when the car can pause.
        v2g: whether it may discharge.
        energy_in_kwh: what the session holds now.
        left_kwh: what the session still wants, as the car or its driver tells the charge point; NaN when untold.
        planned_kwh: the baseline of this PTU where the baseline is a plan; None when it is charging on arrival.
        outlook: samples of stay and energy, shape (m, k).
        is_limit: whether what all take together is limited: who waits may then take it back within the window.
    """

    ptu_h: float
    left_in_window_h: float
    elapsed_h: Floats
    power_kw: Floats
    takes_kw: Floats
    floor_kw: Floats
    v2g: NDArray[np.bool_]
    energy_in_kwh: Floats
    left_kwh: Floats
    planned_kwh: Floats | None
    outlook: Outlook
    is_limit: bool = False

    @property
    def held_h(self) -> Floats:
        """How long a car that is held waits, shape (m,): to the end of the window.

        Under a limit, to the end of this PTU at least: who tells what it still wants is given it within the window, in
        time. Who does not tell might wait behind cars that want nothing any more.
        """
        waits_h = np.full(len(self.power_kw), self.left_in_window_h)
        if self.is_limit:
            waits_h[~np.isnan(self.left_kwh)] = min(self.ptu_h, self.left_in_window_h)
        return waits_h

    @property
    def is_full(self) -> NDArray[np.bool_]:
        """Whether a car is known to want nothing more."""
        return np.asarray(self.left_kwh <= FULL_KWH)
