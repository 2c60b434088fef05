"""The cars of one window with everything about them: what the replay knows and the dispatch policy does not."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bidding.forecast.baselines import PriceCurve, arrival_kwh, present_h, price_kwh
from bidding.forecast.sessions import SessionTable
from bidding.optimisation.interface import ChargerTraits, WindowSpec

Floats = NDArray[np.float64]


DISTANT_PAST_S = 0


@dataclass(frozen=True, slots=True, eq=False)
class WindowFleet:
    """The n sessions that overlap a window of T PTUs.

    Energies are counted at the charger. `charger`, `plug_in_s`, `plug_out_s`, `energy_kwh`, `power_kw`, `floor_kw`,
    `v2g`, `before_kwh` and `after_h` have shape (n,); `baseline_kwh` and `present_h` have shape (n, T).

    Attributes:
        before_kwh: energy in at the start of the window, by the baseline.
        baseline_kwh: energy per PTU by the baseline.
        present_h: hours plugged in per PTU.
        after_h: hours plugged in after the window.
    """

    starts_s: int
    ptu_s: int
    charger: NDArray[np.int32]
    plug_in_s: NDArray[np.int64]
    plug_out_s: NDArray[np.int64]
    energy_kwh: Floats
    power_kw: Floats
    floor_kw: Floats
    v2g: NDArray[np.bool_]
    before_kwh: Floats
    baseline_kwh: Floats
    present_h: Floats
    after_h: Floats

    def __len__(self) -> int:
        return len(self.plug_in_s)

    @property
    def ptus(self) -> int:
        """Number of PTUs in the window."""
        return int(self.present_h.shape[1])

    @property
    def ptu_h(self) -> float:
        """Length of a PTU [h]."""
        return self.ptu_s / 3600

    @property
    def known_at_s(self) -> int:
        """Return when all about the window is known: every car gone, or full again however little it got in it."""
        ends_s = self.starts_s + self.ptus * self.ptu_s
        full_s = ends_s + 3600 * self.energy_kwh / self.power_kw
        return int(np.ceil(np.minimum(self.plug_out_s, full_s).max(initial=ends_s)))


def window_fleet(
    sessions: SessionTable, *, window: WindowSpec, traits: ChargerTraits, prices: PriceCurve | None
) -> WindowFleet:
    """Collect the sessions of a window with their baseline; cars that cannot pause keep the arrival baseline."""
    rows = sessions.rows_present(window.starts_s, window.ends_s)
    charger = sessions.charger[rows]
    plug_in_s, plug_out_s = sessions.plug_in_s[rows], sessions.plug_out_s[rows]
    energy_kwh, power_kw = sessions.energy_kwh[rows], sessions.power_kw[rows]
    edges_s = np.concatenate([[DISTANT_PAST_S], window.edges_s])
    drawn_kwh = arrival_kwh(plug_in_s, energy_kwh, power_kw, edges_s)
    if window.baseline == "price" and prices is not None:
        planned_kwh = price_kwh(plug_in_s, plug_out_s, energy_kwh, power_kw, edges_s, prices=prices)
        drawn_kwh = np.where(traits.floor_kw[charger][:, None] > 0, drawn_kwh, planned_kwh)
    return WindowFleet(
        starts_s=window.starts_s,
        ptu_s=window.ptu_s,
        charger=charger,
        plug_in_s=plug_in_s,
        plug_out_s=plug_out_s,
        energy_kwh=energy_kwh,
        power_kw=power_kw,
        floor_kw=np.minimum(traits.floor_kw[charger], power_kw),
        v2g=traits.v2g[charger],
        before_kwh=drawn_kwh[:, 0],
        baseline_kwh=drawn_kwh[:, 1:],
        present_h=present_h(plug_in_s, plug_out_s, window.edges_s),
        after_h=np.maximum(plug_out_s - window.ends_s, 0) / 3600,
    )
