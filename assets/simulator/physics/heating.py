"""Houses with a heat pump and a buffer: one thermal mass each (1R1C), a modulating thermostat, comfort first.

C dT/dt = cop(T_out) P - (T - T_out) / R, in steps of a minute; the buffer is part of the mass C. Range of validity:
hours to days; the fast dynamics of floor and radiators are not there.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

THERMOSTAT_PER_HOUR = 0.5
"""Share of the temperature error that the thermostat removes in an hour."""
LEAST_COP = 1.8
COP_PER_KELVIN = 0.06
COP_RATED_AT_C = 7.0


@dataclass(frozen=True, slots=True)
class HeatTraits:
    """n houses, each (n,); heat in kW and kWh thermal, `max_import_kw` electrical."""

    loss_kw_per_kelvin: Floats
    capacity_kwh_per_kelvin: Floats
    comfort_c: Floats
    band_kelvin: Floats
    nominal_cop: Floats
    max_import_kw: Floats

    @property
    def lowest_c(self) -> Floats:
        """The temperature under which comfort goes before any setpoint."""
        return self.comfort_c - self.band_kelvin

    def cop(self, outdoor_c: float) -> Floats:
        """Return the coefficient of performance at an outdoor temperature."""
        return np.maximum(self.nominal_cop + COP_PER_KELVIN * (outdoor_c - COP_RATED_AT_C), LEAST_COP)

    def level_kwh(self, indoor_c: Floats) -> Floats:
        """Return the heat stored above the lowest temperature, within the band."""
        above = (indoor_c - self.lowest_c) * self.capacity_kwh_per_kelvin
        return np.clip(above, 0.0, 2 * self.band_kelvin * self.capacity_kwh_per_kelvin)


def step(*, indoor_c: Floats, traits: HeatTraits, limit_kw: Floats, outdoor_c: float, hours: float) -> Floats:
    """Move the indoor temperatures (n,) in place through one step and return the electrical power, (n,).

    `limit_kw` caps the thermostat where it is not NaN; a heat pump cannot feed in, so below zero means off. It runs
    nevertheless where the house would fall below its comfort band.
    """
    cop = traits.cop(outdoor_c)
    loss_kw = (indoor_c - outdoor_c) * traits.loss_kw_per_kelvin

    def power_towards(target_c: Floats, share_per_hour: float) -> Floats:
        heat_kw = loss_kw + (target_c - indoor_c) * traits.capacity_kwh_per_kelvin * share_per_hour
        return np.clip(heat_kw / cop, 0.0, traits.max_import_kw)

    thermostat = power_towards(traits.comfort_c, THERMOSTAT_PER_HOUR)
    limit = np.where(np.isnan(limit_kw), np.inf, np.maximum(limit_kw, 0.0))
    power = np.maximum(np.minimum(thermostat, limit), power_towards(traits.lowest_c, 1 / hours))
    indoor_c += (cop * power - loss_kw) * hours / traits.capacity_kwh_per_kelvin
    return power
