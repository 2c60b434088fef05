"""An activation played minute by minute."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from math import isnan

from aggregator.core.interval import Interval
from assets.models import AssetState, Setpoint
from assets.simulator.setpoints import Schedule
from assets.simulator.setpoints import Setpoint as Received
from bidding.dispatch.operations import run_activation
from bidding.models import DispatchAlarm

STARTS_AT = datetime(2026, 1, 14, 16, tzinfo=UTC)
BEFORE = STARTS_AT - timedelta(minutes=8)
PTU = timedelta(minutes=15)
MINUTE = timedelta(minutes=1)


def asked_w(at=STARTS_AT):
    """Return what each asset was told last for the PTU at `at`."""
    told = {}
    for setpoint in Setpoint.objects.filter(starts_at__lte=at, ends_at__gt=at).order_by("batch__revision"):
        told[setpoint.asset_id] = setpoint.power_w[(at - setpoint.starts_at) // PTU]
    return told


def received_of(setpoint, asset):
    """Return a stored setpoint as its asset receives it."""
    return Received(
        setpoint.pk,
        asset.external_id,
        int(setpoint.starts_at.timestamp()),
        int(setpoint.ends_at.timestamp()),
        tuple(setpoint.power_w),
        setpoint.start_early_s,
        setpoint.end_late_s,
        setpoint.ttl_s,
    )


def limits_w(asset, moments):
    """Return what an asset that got every setpoint may take at each moment; None when nothing rules it any more."""
    evening = Interval(STARTS_AT - timedelta(hours=1), STARTS_AT + timedelta(hours=12))
    schedule = Schedule(period=evening, positions={asset.external_id: 0})
    for one in Setpoint.objects.filter(asset=asset).select_related("batch").order_by("batch_id"):
        received = received_of(one, asset)
        schedule.apply(one.batch_id, (received,), came_at=int(one.batch.created_at.timestamp()))
    found = [float(schedule.at(int(at.timestamp()))[0]) for at in moments]
    return [None if isnan(kw) else round(kw * 1_000) for kw in found]


def let_go_at(assets, *, since, minutes):
    """Return how many assets that are held at `since` may take all again from each minute after it on, if told no more.

    Who is held to the last of them is not among them.
    """
    found = Counter()
    for asset in assets:
        limits = limits_w(asset, [since + number * MINUTE for number in range(minutes + 1)])
        is_held = [limit is not None and limit < asset.max_import_w for limit in limits]
        if is_held[0] and not is_held[-1]:
            found[since + (minutes - is_held[::-1].index(True) + 1) * MINUTE] += 1
    return found


class Evening:
    """Plays minutes: every asset does as told, but for those that `disobey`, a set of asset ids."""

    def __init__(self, activation, fleet) -> None:
        self.activation, self.fleet = activation, fleet
        self.disobey, self.silent = set(), set()

    def plan(self):
        run_activation(activation_id=self.activation.pk, now=BEFORE)
        return self

    def minute(self, number):
        now = STARTS_AT + number * MINUTE
        told = asked_w(now)
        for asset in self.fleet:
            alone = 0 if asset.kind == "battery" else 11_000
            power = alone if asset.pk in self.disobey else told.get(asset.pk, alone)
            if asset.pk not in self.silent:
                AssetState.objects.filter(asset=asset).update(at=now, power_w=power)
        sent = run_activation(activation_id=self.activation.pk, now=now + timedelta(seconds=5))
        self.activation.refresh_from_db()
        return sent

    def held(self):
        """Return the cars told to wait now, surest first."""
        return [pk for pk, power in asked_w().items() if power < 11_000 and pk != self.fleet[-1].pk]

    def alarms(self):
        return set(DispatchAlarm.objects.filter(cleared_at=None).values_list("kind", flat=True))
