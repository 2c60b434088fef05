"""What is believed of the cars at chargers: may they be paused? Made of pause tests, read by the engine.

A car is known by its driver's card. What other cars of its model showed counts as well; where no model is told, those
of the same power stand for it. A partner that registers a charger as one whose car can pause, or cannot, is believed.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence

from django.db.models import OuterRef, Subquery

from assets.models import Asset, ChargingSession
from bidding.dispatch.allocation.pausing import State, belief_of
from bidding.models import PauseTest

Outcome = PauseTest.Outcome


def pausing_states(assets: Sequence[Asset]) -> dict[int, State]:
    """Return what may be done with the car that is at each asset now, in two queries; no car counts as unknown."""
    told = {
        Asset.Pausing.CAN_PAUSE: State.CAN_PAUSE,
        Asset.Pausing.CANNOT_PAUSE: State.CANNOT_PAUSE,
    }
    states = {asset.pk: told.get(Asset.Pausing(asset.pausing), State.UNKNOWN) for asset in assets}
    open_ids = [pk for pk, state in states.items() if state == State.UNKNOWN]
    here = {
        asset_id: (car, model or power_w)
        for asset_id, car, model, power_w in ChargingSession.objects.filter(
            asset__in=open_ids, plug_out_at__isnull=True
        ).values_list("asset_id", "driver_token", "car_model", "max_import_w")
        if car
    }
    if not here:
        return states
    of_car, of_model = _evidence()
    for asset_id, (car, model) in here.items():
        own = of_car[car]
        alike = of_model[model] - own
        states[asset_id] = belief_of(
            car=(own[Outcome.WOKE], own[Outcome.FAILED]), model=(alike[Outcome.WOKE], alike[Outcome.FAILED])
        ).state
    return states


def _evidence() -> tuple[dict[str, Counter[str]], dict[str | int, Counter[str]]]:
    """Return the outcomes of all tests by car, and by its model or the power that stands for it."""
    of_car: dict[str, Counter[str]] = defaultdict(Counter)
    of_model: dict[str | int, Counter[str]] = defaultdict(Counter)
    tested = ChargingSession.objects.filter(asset=OuterRef("asset"), plug_in_at__lte=OuterRef("starts_at"))
    rows = PauseTest.objects.filter(outcome__in=[Outcome.WOKE, Outcome.FAILED]).annotate(
        model=Subquery(tested.order_by("-plug_in_at").values("car_model")[:1])
    )
    for car, model, power_w, outcome in rows.values_list("car", "model", "car_power_w", "outcome"):
        of_car[car][outcome] += 1
        of_model[model or power_w][outcome] += 1
    return of_car, of_model
