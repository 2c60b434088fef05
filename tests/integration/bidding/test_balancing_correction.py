"""What a group is asked of balancing energy follows what it is seen to bring."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import IntegrityError

from assets.models import AssetState, SetpointBatch
from bidding.dispatch.balancing.correction import TOLERANCE_W
from bidding.dispatch.balancing.orders import give_orders
from bidding.dispatch.balancing.runs import keep_runs
from bidding.dispatch.balancing.signals import note_setpoint
from bidding.dispatch.intent import aim_w
from bidding.dispatch.operations import run_activation
from bidding.dispatch.watching import look
from bidding.markets.afrr.real_time import Setpoint
from bidding.models import Activation, DispatchAlarm
from tests.integration.bidding.balancing_side import MINUTE, MW, PART_W, PTU, make_bid
from tests.integration.bidding.evening import STARTS_AT, asked_w

SECOND = timedelta(seconds=1)


class Call:
    """A call of all that the group has in the bid, minute by minute; its battery gives `part` of what it is told."""

    def __init__(self, fleet) -> None:
        self.cars, self.battery = fleet[:-1], fleet[-1]
        self.part, self.asked_w, self.is_seen = 1.0, PART_W, True

    def minute(self, number):
        """Let a minute pass; return what is brought [W]."""
        now = STARTS_AT + number * MINUTE
        told = asked_w(now)
        power_w = {car.pk: told.get(car.pk, 11_000) for car in self.cars}
        power_w[self.battery.pk] = round(self.part * told.get(self.battery.pk, 0))
        if self.is_seen:
            for pk, watts in power_w.items():
                AssetState.objects.filter(asset=pk).update(at=now, power_w=watts)
        heard = Setpoint(number, now, Decimal(self.asked_w) / MW, is_valid=True)
        note_setpoint(heard, longest_age=timedelta(seconds=70))
        give_orders(delta_w=heard.delta_w, now=now)
        self.run(now + SECOND)
        return 11_000 * len(self.cars) - sum(power_w.values())

    def run(self, now):
        run_activation(activation_id=Activation.objects.get().pk, now=now)

    def off_w(self, minutes):
        return [self.minute(number) - self.asked_w for number in minutes]


@pytest.fixture
def call(group, fleet, settings):
    settings.AFRR_SETPOINT_LONGEST_AGE = timedelta(seconds=70)
    for number in range(2):
        make_bid(STARTS_AT + number * PTU, {group: PART_W})
    keep_runs(now=STARTS_AT - MINUTE)
    return Call(fleet)


def aim_share():
    return Activation.objects.get().aim_share


def test_too_much_and_then_too_little_are_corrected_within_minutes_and_then_left_in_peace(call):
    call.part = 1.3
    assert call.off_w([0, 1])[-1] > 35_000
    assert max(map(abs, call.off_w(range(2, 7)))) <= TOLERANCE_W
    batches = SetpointBatch.objects.count()
    assert max(map(abs, call.off_w(range(7, 10)))) <= TOLERANCE_W
    assert SetpointBatch.objects.count() == batches

    call.part = 1.0
    assert call.minute(10) < PART_W - TOLERANCE_W
    call.off_w(range(11, 14))
    assert max(map(abs, call.off_w(range(14, 21)))) <= TOLERANCE_W
    assert not DispatchAlarm.objects.filter(kind="not_enough").exists()


def test_a_look_corrects_once_whoever_comes_second_and_what_it_changed_gets_time_to_show(call):
    call.part = 1.3
    call.off_w([0, 1])
    corrected, batches = aim_share(), SetpointBatch.objects.count()
    assert corrected < 1
    now = STARTS_AT + MINUTE
    call.run(now + SECOND)
    AssetState.objects.update(at=now + 30 * SECOND)  # still too much, as nobody can have answered
    call.run(now + 31 * SECOND)
    call.run(now + 31 * SECOND)
    assert (aim_share(), SetpointBatch.objects.count()) == (corrected, batches)


def test_who_told_nothing_since_it_is_asked_for_more_is_taken_to_bring_it(call):
    call.asked_w = PART_W // 2
    call.off_w(range(5))
    call.asked_w = PART_W
    call.minute(5)  # all tell what they do, and then are asked for more
    now, car = STARTS_AT + 7 * MINUTE, call.cars[0]
    AssetState.objects.filter(asset=car).update(at=now, power_w=asked_w(now).get(car.pk, 11_000))
    seen = look(Activation.objects.get(), now=now)
    assert seen.assumed_w > 0
    assert seen.brought_w + seen.assumed_w == seen.sample.asked_w


def test_without_readings_nothing_is_corrected(call):
    call.is_seen = False
    call.part = 1.3
    call.off_w(range(12))
    assert Activation.objects.get().samples.exists()  # the loop looked, at what it assumes
    assert aim_share() == 1.0


def test_a_correction_ends_with_what_is_asked(call):
    call.part = 1.3
    call.off_w(range(5))
    assert aim_share() < 1
    call.asked_w = 0
    call.minute(5)
    assert aim_share() == 1.0


@pytest.mark.parametrize(
    ("ordered_w", "acts", "aimed_w"),
    [(40_000, {}, 60_000), (40_000, {"cap_w": 50_000}, 50_000), (40_000, {"stop_reason": "A driver called."}, 0)],
)
def test_a_correction_never_passes_an_operators_cap_or_stop(ordered_w, acts, aimed_w):
    assert aim_w(Activation(is_balancing=True, aim_share=1.5, **acts), ordered_w) == aimed_w


def test_only_orders_for_balancing_energy_are_corrected(activation):
    with pytest.raises(IntegrityError, match="only_balancing_is_corrected"):
        Activation.objects.filter(pk=activation.pk).update(aim_share=0.9)
