"""How much risk a driver may be put to, steered by what drivers really went without.

The policy's limit on risk is a forecast; forecasts err. So the limit follows the outcome: a window in which less was
lost than the target allows raises it a little, a loss lowers it in proportion. While the limit stays off its ends the
steps cancel over n windows of equal energy, so their lost share differs from the target by
target * ln(first / last limit) / (STEP * n). That is a tendency over all windows together, learned late; it is no
guarantee for a short run or for a limit already at its lowest.
The same idea as adaptive conformal inference (Gibbs and Candès, 2021), on energy instead of coverage.
"""

from math import exp

TARGET_SHARE = 0.0028
"""Energy lost to drivers, of what all drivers of a day came for. Under the 0.5 % promised: losses come in lumps, and
a short run must stay under as well."""

FIRST_RISK = 0.3
STEP = 0.035
LOWEST_RISK = 0.05
HIGHEST_RISK = 0.8
"""Four times out of five the driver would lose it: there a driver comes before any promise."""

KEEPING_FACTOR = 1.25
"""A promise is kept at a quarter more risk than it was sized with: broken ones often miss by little, and what keeping
them costs drivers lowers the limit of later ones."""


class DriverBudget:
    """Holds the current limit `most_risk`, lost kWh per kWh brought, that bids are sized with."""

    def __init__(self) -> None:
        self.most_risk = FIRST_RISK
        self._energy_kwh = 0.0
        self._windows = 0

    @property
    def most_risk_to_keep(self) -> float:
        """Limit to keep a promise with that was sized with `most_risk`."""
        return KEEPING_FACTOR * self.most_risk

    def record(self, *, unserved_kwh: float, energy_kwh: float) -> None:
        """Learn from a window: what drivers went without, of what all drivers of the day came for."""
        self._energy_kwh += energy_kwh
        self._windows += 1
        if self._energy_kwh <= 0:
            return
        allowed_kwh = TARGET_SHARE * energy_kwh
        usual_kwh = TARGET_SHARE * self._energy_kwh / self._windows
        changed = self.most_risk * exp(STEP * (allowed_kwh - unserved_kwh) / usual_kwh)
        self.most_risk = min(max(changed, LOWEST_RISK), HIGHEST_RISK)
