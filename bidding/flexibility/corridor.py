"""The common form of every device: bounds on power per step and on energy since the first step, at the grid side.

Sign: consumption positive, feed-in negative. Energy is counted from the start of the first step to the end of each
step, so a device that only discharges has negative energy bounds.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bidding.flexibility.ul import TOLERANCE_KWH, Floats, InfeasibleDeviceError, Integers


@dataclass(frozen=True, slots=True)
class Corridor:
    """What n devices can do in T steps; arrays (n, T). `energy_*` bound the energy taken up to the end of each step."""

    power_min_kw: Floats
    power_max_kw: Floats
    energy_min_kwh: Floats
    energy_max_kwh: Floats

    @classmethod
    def of(
        cls,
        *,
        power_min_kw: ArrayLike,
        power_max_kw: ArrayLike,
        energy_min_kwh: ArrayLike,
        energy_max_kwh: ArrayLike,
        shape: tuple[int, int],
    ) -> Self:
        """Broadcast scalars, (T,), (n, 1) or (n, T) to the full shape."""
        lower, upper, least, most = (
            np.array(np.broadcast_to(np.asarray(value, np.float64), shape))
            for value in (power_min_kw, power_max_kw, energy_min_kwh, energy_max_kwh)
        )
        return cls(power_min_kw=lower, power_max_kw=upper, energy_min_kwh=least, energy_max_kwh=most)

    @classmethod
    def stack(cls, *corridors: "Corridor") -> Self:
        """Put groups of devices under each other."""
        return cls(
            power_min_kw=np.concatenate([corridor.power_min_kw for corridor in corridors]),
            power_max_kw=np.concatenate([corridor.power_max_kw for corridor in corridors]),
            energy_min_kwh=np.concatenate([corridor.energy_min_kwh for corridor in corridors]),
            energy_max_kwh=np.concatenate([corridor.energy_max_kwh for corridor in corridors]),
        )

    @property
    def devices(self) -> int:
        """Number of devices, n."""
        return int(self.power_min_kw.shape[0])

    @property
    def steps(self) -> int:
        """Number of steps, T."""
        return int(self.power_min_kw.shape[1])

    def select(self, rows: Integers | slice | NDArray[np.bool_]) -> "Corridor":
        """The devices chosen by a numpy index."""
        return Corridor(
            power_min_kw=self.power_min_kw[rows],
            power_max_kw=self.power_max_kw[rows],
            energy_min_kwh=self.energy_min_kwh[rows],
            energy_max_kwh=self.energy_max_kwh[rows],
        )

    def tightened(self, *, step_hours: float) -> "Corridor":
        """Energy bounds that power can follow from start to end: forward from zero, then backward from the last step.

        In the result every energy between the bounds is reached and can be continued from.

        Raises:
            InfeasibleDeviceError: a device has no profile at all.
        """
        least, most = self.energy_min_kwh.copy(), self.energy_max_kwh.copy()
        rise, fall = self.power_max_kw * step_hours, self.power_min_kw * step_hours
        lowest = highest = np.zeros(self.devices)
        for step in range(self.steps):
            lowest = least[:, step] = np.maximum(least[:, step], lowest + fall[:, step])
            highest = most[:, step] = np.minimum(most[:, step], highest + rise[:, step])
        for step in range(self.steps - 2, -1, -1):
            least[:, step] = np.maximum(least[:, step], least[:, step + 1] - rise[:, step + 1])
            most[:, step] = np.minimum(most[:, step], most[:, step + 1] - fall[:, step + 1])
        broken = np.any(least > most + TOLERANCE_KWH, axis=1) | np.any(fall > rise + TOLERANCE_KWH, axis=1)
        if np.any(broken):
            raise InfeasibleDeviceError(
                f"device(s) {np.flatnonzero(broken)[:10].tolist()} have no profile inside their bounds; "
                "check energy needed against power and stay"
            )
        return Corridor(
            power_min_kw=self.power_min_kw,
            power_max_kw=self.power_max_kw,
            energy_min_kwh=np.minimum(least, most),
            energy_max_kwh=most,
        )

    def worst_violation_kwh(self, profile_kw: Floats, *, step_hours: float) -> float:
        """How far profiles (n, T) leave the bounds, at worst over devices and steps; zero or less is inside."""
        energy = np.cumsum(profile_kw, axis=1) * step_hours
        return float(
            max(
                np.max((profile_kw - self.power_max_kw) * step_hours, initial=-np.inf),
                np.max((self.power_min_kw - profile_kw) * step_hours, initial=-np.inf),
                np.max(energy - self.energy_max_kwh, initial=-np.inf),
                np.max(self.energy_min_kwh - energy, initial=-np.inf),
            )
        )
