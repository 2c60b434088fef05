"""The models of departure and energy by name, for settings and commands."""

from bidding.forecast.near_stays import NearStays
from bidding.forecast.stays import StayModels

NEAREST = "nearest"
FORESTS = "forests"
NAMES = (NEAREST, FORESTS)


class StayModelUnavailable(ValueError):
    """No such model, or its extra is not installed."""


def stay_models(name: str) -> StayModels:
    """Return a model for one group of chargers: `nearest` (base install) or `forests` (extra).

    Raises:
        StayModelUnavailable: an unknown name, or scikit-learn is not installed.
    """
    if name == NEAREST:
        return NearStays
    if name != FORESTS:
        raise StayModelUnavailable(f"There is no stay model {name!r}; choose one of {', '.join(NAMES)}.")
    try:
        from bidding.forecast.stay_forests import StayForests  # noqa: PLC0415 - the optional extra, only when asked for
    except ImportError as error:
        raise StayModelUnavailable(
            f"The stay model {name!r} needs scikit-learn; install it with: pip install 'aggregator[forests]'."
        ) from error
    return StayForests()
