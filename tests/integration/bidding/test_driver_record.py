"""What drivers missed when their group was called steers how much risk they are put to, in bids and in dispatch."""

from datetime import timedelta
from decimal import Decimal
from itertools import count

import pytest
from django.core.cache import cache
from django.db.models import F

from assets.models import AggregationEan, AssetKind, ChargingSession, Membership, Setpoint, SetpointBatch
from bidding.dispatch.allocation.driver_budget import FIRST_RISK, LOWEST_RISK, DriverBudget
from bidding.dispatch.operations import run_activation
from bidding.driver_record import driver_record
from bidding.models import Activation, Announcement, Bid
from bidding.operations import sizing
from bidding.portfolio import HISTORY
from tests.field_side import charger, make_assets, make_partner
from tests.integration.bidding.conftest import BEFORE, PTU, WINDOW_STARTS_AT
from tests.integration.bidding.evening import asked_w

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
WINDOW = 3 * HOUR
MIDNIGHT = WINDOW_STARTS_AT.replace(hour=23) - DAY  # in Amsterdam, when the day of `BEFORE` begins
CARS, CAME_FOR_WH = 20, 50_000
_NUMBERS = count()


def call(group, *days_ago, after=timedelta(), lasts=WINDOW, direction="reduce", asked=AssetKind.CHARGER):
    """Let a group have been called, so many days before the evening of `BEFORE`, `after` the usual hour.

    One asset of the kind `asked` was told to take nothing; none when that is None.
    """
    for days in days_ago:
        starts_at = WINDOW_STARTS_AT - days * DAY + after
        window = {"direction": direction, "starts_at": starts_at, "ends_at": starts_at + lasts}
        name = f"past-{next(_NUMBERS)}"
        announcement = Announcement.objects.create(
            external_id=name, revision=1, known_at=starts_at - DAY, congestion_area=group.congestion_area,
            required_power_w=[], document={}, **window,
        )  # fmt: skip
        bid = Bid.objects.create(
            announcement=announcement, aggregation_ean=group, power_w=100_000, min_power_w=100_000, step_w=100_000,
            price_eur_per_mwh=Decimal(180), reliability=group.reliability, explanation={}, status=Bid.Status.CLEARED,
            created_at=starts_at - DAY, updated_at=starts_at - DAY, **window,
        )  # fmt: skip
        Activation.objects.create(
            reference=name, bid=bid, aggregation_ean=group, status=Activation.Status.SETTLED,
            ordered_at=starts_at - DAY, updated_at=starts_at, **window,
        )  # fmt: skip
        for one in Membership.objects.filter(aggregation_ean=group, asset__kind=asked).order_by("pk")[:1]:
            batch = SetpointBatch.objects.create(
                partner_id=one.asset.partner_id, aggregation_ean=group, order_reference=name, revision=1,
                created_at=starts_at,
            )  # fmt: skip
            Setpoint.objects.create(
                batch=batch, asset=one.asset, starts_at=starts_at, ends_at=starts_at + lasts,
                power_w=[0] * (lasts // PTU), status=Setpoint.Status.FOLLOWED,
            )  # fmt: skip


def sessions_of(days_ago, *, cars=CARS):
    chosen = ChargingSession.objects.filter(external_id__endswith=f"-{days_ago}").order_by("asset")[:cars]
    return ChargingSession.objects.filter(pk__in=list(chosen.values_list("pk", flat=True)))


def lose(*days_ago, cars=5, missed_wh=10_000):
    """Let drivers have left without a part of what they came for."""
    for days in days_ago:
        sessions_of(days, cars=cars).update(energy_wh=F("energy_wh") - missed_wh)


def record_at(group, now=BEFORE):
    return driver_record(aggregation_ean=group, now=now)


def limit_after(*missed_kwh, energy_kwh=CARS * CAME_FOR_WH / 1000):
    budget = DriverBudget()
    for missed in missed_kwh:
        budget.record(unserved_kwh=missed, energy_kwh=energy_kwh)
    return budget.most_risk


@pytest.fixture
def told(fleet):
    """The cars of the past five weeks, whose partner told what each could have taken: 1,000 kWh a day."""
    ChargingSession.objects.filter(plug_out_at__isnull=False).update(required_energy_wh=CAME_FOR_WH)
    return fleet


@pytest.fixture
def neighbours(area, told):
    """Another group in the same area, of one charger that was never in `group`."""
    other = AggregationEan.objects.create(
        ean="871685100000000028", name="Naast", congestion_area=area, brp="8719999000015", price_eur_per_mwh=180
    )
    (asset,) = make_assets(make_partner("Andersladen"), [charger("n")])
    Membership.objects.create(asset=asset, aggregation_ean=other, period=(WINDOW_STARTS_AT - 40 * DAY, None))
    came = WINDOW_STARTS_AT - 3 * DAY
    ChargingSession.objects.create(
        asset=asset, external_id="n-3", plug_in_at=came, plug_out_at=came + 14 * HOUR, energy_wh=10_000,
        required_energy_wh=CAME_FOR_WH, max_import_w=11_000, known_at=came + 14 * HOUR,
    )  # fmt: skip
    call(other, 3)
    return other


def test_a_group_without_a_record_has_the_first_limit(group, told):
    nothing = record_at(group)
    assert (nothing.most_risk, nothing.windows, nothing.missed_share) == (FIRST_RISK, 0, None)


def test_calls_without_loss_raise_the_limit_and_losses_lower_it(group, told):
    call(group, 5, 4, 3)
    lose(3)
    record = record_at(group)
    assert record.most_risk == pytest.approx(limit_after(0.0, 0.0, 50.0))
    assert record.most_risk < FIRST_RISK < record_at(group, BEFORE - 2 * DAY).most_risk == limit_after(0.0, 0.0)
    assert (record.windows, record.missed_share) == (3, pytest.approx(50 / 3000))


@pytest.mark.parametrize("asked", [None, AssetKind.BATTERY])
def test_an_order_in_which_no_car_was_asked_anything_teaches_nothing(group, told, asked):
    call(group, 5, 4, asked=asked)  # stopped before it began, or a limit that was never reached
    assert record_at(group).windows == 0


def test_losses_of_days_without_a_call_and_of_other_groups_do_not_count(group, neighbours):
    call(group, 5, 3)
    lose(4)
    assert record_at(group).most_risk == limit_after(0.0, 0.0)
    assert record_at(neighbours).missed_share == 0.8


def test_what_a_charger_does_in_another_group_counts_there(group, neighbours, told):
    call(group, 5, 3)
    lose(3, cars=1)
    before = Membership.objects.get(asset=sessions_of(3, cars=1).get().asset_id)
    moves_at = WINDOW_STARTS_AT - 2 * DAY
    Membership.objects.filter(pk=before.pk).update(aggregation_ean=neighbours, period=(before.period.lower, moves_at))
    Membership.objects.create(asset=before.asset, aggregation_ean=group, period=(moves_at, None))
    assert record_at(group).missed_wh == 0
    assert record_at(neighbours).missed_wh == 10_000 + 40_000


def test_nothing_is_learned_before_all_is_known(group, told):
    call(group, 2, 1)
    lose(2, 1)
    ChargingSession.objects.filter(external_id__endswith="-now").delete()
    still_here, gone_since = sessions_of(2, cars=2)
    ChargingSession.objects.filter(pk=still_here.pk).update(plug_out_at=None)
    ChargingSession.objects.filter(pk=gone_since.pk).update(plug_out_at=MIDNIGHT + HOUR)
    sessions_of(1, cars=1).update(plug_out_at=MIDNIGHT - HOUR)

    record = record_at(group)

    assert record.windows == 1  # the cars of yesterday evening may charge on
    assert (record.missed_wh, record.energy_wh) == (3 * 10_000, (CARS - 2) * CAME_FOR_WH)
    assert record_at(group, BEFORE + DAY).missed_wh == (4 + 5) * 10_000


def test_a_session_of_which_nobody_told_what_it_could_have_taken_says_nothing(group, told):
    call(group, 4, 3)
    lose(3)
    sessions_of(3, cars=5).update(required_energy_wh=None)
    sessions_of(4).update(required_energy_wh=None)
    assert record_at(group).most_risk == limit_after(0.0, energy_kwh=750.0)


def test_more_than_was_needed_makes_up_for_nobody(group, told):
    call(group, 3)
    lose(3, cars=1)
    sessions_of(3).filter(energy_wh=CAME_FOR_WH).update(energy_wh=2 * CAME_FOR_WH)
    assert record_at(group).missed_wh == 10_000


def test_the_limit_is_the_same_all_day(group, told):
    call(group, 3)
    first = record_at(group, MIDNIGHT)
    lose(3)
    assert record_at(group, MIDNIGHT + DAY - timedelta(seconds=1)) == first
    assert record_at(group, MIDNIGHT + DAY).most_risk < first.most_risk


def test_what_is_kept_for_the_day_are_plain_numbers_that_the_code_after_an_upgrade_can_read(group, told):
    call(group, 5, 3)
    lose(3)
    record_at(group)
    assert cache.get(f"missed-when-called:{group.ean}:2026-01-14") == [(0, 1_000_000), (50_000, 1_000_000)]


def test_several_calls_of_a_day_and_calls_that_overlap_are_one_window(group, told):
    call(group, 5, 3)
    call(group, 5, after=HOUR)  # overlaps
    call(group, 3, after=-6 * HOUR, lasts=HOUR)
    call(group, 3, after=5 * HOUR, lasts=4 * HOUR)  # to one o'clock at night
    call(group, 2, after=-timedelta(hours=15, minutes=30), lasts=HOUR)  # from half past one
    call(group, 2, after=-timedelta(hours=16, minutes=30), lasts=HOUR)  # overlaps the night before
    lose(3)
    record = record_at(group)
    assert (record.windows, record.missed_wh) == (2, 50_000)
    assert record.most_risk == pytest.approx(limit_after(0.0, 50.0))


def test_a_car_that_stays_for_days_is_missed_once(group, told):
    call(group, 5, 4, 3)
    lose(5, cars=1)
    stays, *_ = sessions_of(5, cars=1)
    ChargingSession.objects.filter(pk=stays.pk).update(plug_out_at=WINDOW_STARTS_AT - 3 * DAY + 4 * HOUR)
    record = record_at(group)
    assert (record.missed_wh, record.energy_wh) == (10_000, 3 * CARS * CAME_FOR_WH)


def test_losses_are_of_who_was_there_and_their_measure_is_what_the_day_came_for(group, told):
    call(group, 3)
    lose(3, cars=3)
    before, long_since, _ = sessions_of(3, cars=3)
    window = WINDOW_STARTS_AT - 3 * DAY
    ChargingSession.objects.filter(pk=before.pk).update(plug_in_at=window - 9 * HOUR, plug_out_at=window)
    ChargingSession.objects.filter(pk=long_since.pk).update(plug_in_at=window - 21 * HOUR - timedelta(seconds=1))
    record = record_at(group)
    assert (record.missed_wh, record.energy_wh) == (2 * 10_000, (CARS - 1) * CAME_FOR_WH)


def test_taking_more_puts_no_driver_to_a_risk(group, told):
    call(group, 3, direction="increase")
    lose(3)
    assert record_at(group).windows == 0


def test_what_is_older_than_the_sessions_of_a_bid_is_forgotten(group, told):
    ChargingSession.objects.filter(external_id__endswith="-30").update(
        plug_in_at=F("plug_in_at") - HISTORY + 28 * DAY, plug_out_at=F("plug_out_at") - HISTORY + 28 * DAY
    )
    Membership.objects.update(period=(WINDOW_STARTS_AT - 100 * DAY, None))
    long_ago = HISTORY // DAY + 2
    call(group, long_ago, 3)
    lose(30)
    assert record_at(group, BEFORE - 3 * DAY).missed_wh == 50_000
    assert (record_at(group).missed_wh, record_at(group).windows) == (0, 1)


def test_two_queries_read_any_record_once_a_day(group, told, django_assert_num_queries):
    call(group, 3)
    with django_assert_num_queries(2):
        record_at(group, BEFORE - DAY)
    call(group, *range(4, 30))
    with django_assert_num_queries(2):
        assert record_at(group).windows == 27
    with django_assert_num_queries(0):
        record_at(group)


@pytest.fixture
def leaving_early(told):
    """Each car leaves early on one day in five: too soon to charge after a window what it was held for."""
    for number, car in enumerate(told[:-1]):
        for day in range(1, 36):
            if (day + number) % 5 == 0:
                ChargingSession.objects.filter(asset=car, external_id=f"{car.pk}-{day}").update(
                    plug_out_at=F("plug_in_at") + 5 * HOUR
                )
    return told


CALLED = (7, 6, 5, 4, 3)


@pytest.mark.parametrize(
    ("lost_days", "most_risk", "bid_w"), [((), limit_after(*[0.0] * 5), 200_000), (CALLED, LOWEST_RISK, 0)]
)
def test_what_drivers_missed_decides_what_is_offered(group, leaving_early, announcement, lost_days, most_risk, bid_w):
    call(group, *CALLED)
    lose(*lost_days)
    sized = sizing.size(announcement=announcement, aggregation_ean=group, now=BEFORE)
    assert sized.explanation["drivers"] == {
        "most_risk": pytest.approx(most_risk), "windows": 5, "missed_share": 0.05 if lost_days else 0.0
    }  # fmt: skip
    assert sized.bid_w == bid_w


@pytest.mark.parametrize(("lost_days", "holds_cars"), [((), True), (CALLED, False)])
def test_what_drivers_missed_decides_who_is_held_to_keep_a_promise(
    group, leaving_early, activation, lost_days, holds_cars
):
    call(group, *CALLED)
    lose(*lost_days)
    run_activation(activation_id=activation.pk, now=BEFORE)
    store = leaving_early[-1].pk
    assert store in asked_w()
    assert bool(asked_w().keys() - {store}) == holds_cars
