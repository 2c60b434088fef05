"""Which cars may be paused: tested in quiet hours on regular users' cars, believed, and read by the engine."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from django.core.management import call_command

from aggregator.celery import app
from aggregator.core.ean import Ean18
from aggregator.core.interval import Interval
from assets.models import AggregationEan, Asset, AssetState, ChargingSession, MeterInterval, Setpoint
from bidding import tasks
from bidding.dispatch import pause_tests
from bidding.dispatch.allocation.pausing import State
from bidding.dispatch.pause_tests import judge_pause_tests, start_pause_tests
from bidding.dispatch.pausing import pausing_states
from bidding.dispatch.situation import plugs_at
from bidding.models import Activation, PauseTest
from bidding.portfolio import group_at

AT_NIGHT = datetime(2026, 1, 15, 1, 20, tzinfo=UTC)  # 2:20 in the Netherlands
STARTS_AT = datetime(2026, 1, 15, 1, 30, tzinfo=UTC)
PTU = timedelta(minutes=15)
Outcome = PauseTest.Outcome


@pytest.fixture
def cars(fleet):
    """Three cars at chargers of which nothing is told: a regular's, an occasional user's, and one without a card."""
    cars = fleet[:3]
    Asset.objects.filter(pk__in=[car.pk for car in cars]).update(pausing="unknown", min_import_w=4_140)
    AssetState.objects.update(at=AT_NIGHT, power_w=11_000)
    for car, token, before in zip(cars, ("regular", "occasional", ""), (8, 2, 28), strict=True):
        ChargingSession.objects.filter(asset=car, plug_out_at=None).update(
            driver_token=token,
            declared_energy_wh=90_000,
            declared_departure_at=AT_NIGHT + timedelta(hours=14),
            energy_wh=5_000,
        )
        earlier = ChargingSession.objects.filter(asset=car, plug_out_at__isnull=False).order_by("-plug_in_at")
        ChargingSession.objects.filter(pk__in=earlier.values("pk")[:before]).update(driver_token=token)
    for car in cars:
        car.refresh_from_db()
    return cars


def judge(now):
    return judge_pause_tests(now=now)


def meter(car, *import_wh):
    for number, value in enumerate(import_wh):
        starts_at = STARTS_AT + (number - 1) * PTU
        MeterInterval.objects.create(asset=car, starts_at=starts_at, import_wh=value, known_at=starts_at + PTU)


def test_in_quiet_hours_a_regular_users_car_is_paused_for_a_quarter_hour(cars):
    assert start_pause_tests(now=AT_NIGHT) == 1
    setpoint = Setpoint.objects.get()
    assert (setpoint.asset, setpoint.power_w, setpoint.starts_at, setpoint.ends_at) == (
        cars[0], [0], STARTS_AT, STARTS_AT + PTU,
    )  # fmt: skip
    assert setpoint.batch.reason.startswith("Pause test")
    test = PauseTest.objects.get()
    assert (test.car, test.car_power_w, test.outcome) == ("regular", 11_000, "")
    assert start_pause_tests(now=AT_NIGHT + timedelta(minutes=1)) == 0


def test_nobody_is_tested_by_day(cars):
    assert start_pause_tests(now=AT_NIGHT - timedelta(hours=6)) == 0
    assert not PauseTest.objects.exists()


def test_nobody_is_tested_while_an_order_is_near(cars, activation):
    Activation.objects.update(starts_at=AT_NIGHT + timedelta(hours=1), ends_at=AT_NIGHT + timedelta(hours=2))
    assert start_pause_tests(now=AT_NIGHT) == 0


def test_a_group_that_fails_keeps_no_other_from_its_tests(cars, group, area, monkeypatch, caplog):
    failing = AggregationEan.objects.create(
        ean=Ean18.from_body("87168510000000000"), name="Failing", congestion_area=area, brp=group.brp
    )

    def look_up(*, aggregation_ean, instant):
        if aggregation_ean == failing:
            raise ZeroDivisionError("a bad row")
        return group_at(aggregation_ean=aggregation_ean, instant=instant)

    monkeypatch.setattr(pause_tests, "group_at", look_up)
    assert start_pause_tests(now=AT_NIGHT) == 1
    assert f"No cars of group {failing.ean} were tested" in caplog.text
    assert "ZeroDivisionError: a bad row" in caplog.text


def test_a_test_that_cannot_be_judged_keeps_no_other_from_its_verdict(cars, monkeypatch, caplog):
    for car in cars[:2]:
        PauseTest.objects.create(asset=car, car="regular", car_power_w=11_000, starts_at=STARTS_AT)
        meter(car, 2_000, 0, 2_000)
    bad, good = PauseTest.objects.order_by("pk")
    outcome = pause_tests._outcome

    def judged(test, now):
        if test == bad:
            raise ZeroDivisionError("a bad row")
        return outcome(test, now)

    monkeypatch.setattr(pause_tests, "_outcome", judged)
    assert judge(STARTS_AT + 3 * PTU) == 1
    assert PauseTest.objects.get(judged_at__isnull=False) == good
    assert f"Pause test {bad.pk} was not judged" in caplog.text


def test_a_car_that_has_no_time_to_spare_is_not_tested(cars):
    ChargingSession.objects.filter(driver_token="regular", plug_out_at=None).update(
        declared_departure_at=AT_NIGHT + timedelta(hours=8)
    )
    assert start_pause_tests(now=AT_NIGHT) == 0


@pytest.mark.parametrize(
    ("import_wh", "outcome"),
    [((2_750, 0, 2_750), Outcome.WOKE), ((2_750, 0, 0), Outcome.FAILED), ((2_750, 2_750, 2_750), Outcome.NOTHING)],
)
def test_the_meter_tells_what_a_test_showed(cars, import_wh, outcome):
    start_pause_tests(now=AT_NIGHT)
    assert judge(STARTS_AT + 2 * PTU) == 0  # not metered yet
    meter(cars[0], *import_wh)
    assert judge(STARTS_AT + 2 * PTU) == 1
    assert PauseTest.objects.get().outcome == outcome
    assert judge(STARTS_AT + 3 * PTU) == 0


def test_a_test_that_is_never_metered_showed_nothing(cars):
    start_pause_tests(now=AT_NIGHT)
    judge(STARTS_AT + timedelta(hours=6))
    assert PauseTest.objects.get().outcome == Outcome.NOTHING


def shown(car, outcome, times, *, driver="regular"):
    PauseTest.objects.bulk_create(
        PauseTest(
            asset=car, car=driver, car_power_w=11_000, starts_at=STARTS_AT - timedelta(days=day + 10), outcome=outcome,
            judged_at=STARTS_AT,
        )
        for day in range(times)
    )  # fmt: skip


def test_the_engine_pauses_a_car_once_it_is_believed_to_wake(cars, group):
    def floors_kw():
        remaining = Interval(STARTS_AT, STARTS_AT + PTU)
        seen = plugs_at(
            group=group_at(aggregation_ean=group, instant=AT_NIGHT), remaining=remaining, now=AT_NIGHT,
            ignored_asset_ids=(),
        )  # fmt: skip
        return {asset.pk: floor for asset, floor in zip(seen.assets, seen.view.floor_kw.tolist(), strict=True)}

    assert floors_kw()[cars[0].pk] == pytest.approx(4.14)
    shown(cars[0], Outcome.WOKE, 5)
    assert pausing_states(cars)[cars[0].pk] == State.CAN_PAUSE
    assert floors_kw()[cars[0].pk] == 0
    assert floors_kw()[cars[2].pk] == pytest.approx(4.14)


def test_cars_that_sleep_on_are_believed_unable_and_tested_no_more(cars):
    shown(cars[0], Outcome.FAILED, 3)
    assert pausing_states(cars)[cars[0].pk] == State.CANNOT_PAUSE
    assert start_pause_tests(now=AT_NIGHT) == 0


def test_what_other_cars_of_its_power_showed_counts_for_a_car_less_than_its_own_tests(cars):
    shown(cars[1], Outcome.WOKE, 20, driver="somebody else")
    assert pausing_states(cars)[cars[0].pk] == State.CAN_PAUSE
    shown(cars[0], Outcome.FAILED, 4)
    assert pausing_states(cars)[cars[0].pk] != State.CAN_PAUSE


def test_where_a_model_is_told_only_cars_of_it_count(cars):
    for car, model in zip(cars, ("Renault 5 E-Tech", "Renault 5 E-Tech", "Fiat 500e"), strict=True):
        ChargingSession.objects.filter(asset=car).update(car_model=model)
    shown(cars[2], Outcome.WOKE, 20, driver="another model's")
    assert pausing_states(cars)[cars[0].pk] == State.UNKNOWN
    shown(cars[1], Outcome.WOKE, 20, driver="the same model's")
    assert pausing_states(cars)[cars[0].pk] == State.CAN_PAUSE


def test_tests_go_when_knowledge_of_drivers_goes_by_schedule_or_by_hand(cars, settings, monkeypatch, capsys):
    def at_that_time():
        return SimpleNamespace(now=lambda: STARTS_AT + timedelta(days=78))

    for door in ("bidding.tasks", "bidding.management.commands.forget_driver_data"):
        monkeypatch.setattr(f"{door}.clock", at_that_time)
    settings.KEEP_DRIVER_DATA = timedelta(days=90)
    shown(cars[0], Outcome.WOKE, 5)
    assert app.conf.task_routes[tasks.forget_driver_data.name] == {"queue": "default"}

    tasks.forget_driver_data()
    assert PauseTest.objects.count() == 3  # the others are more than ninety days old
    call_command("forget_driver_data", "--days", "89")
    assert PauseTest.objects.count() == 2
    assert "and 1 pause test older than 89 days" in capsys.readouterr().out
    assert (
        not ChargingSession.objects.exclude(driver_token="")
        .filter(plug_in_at__lt=STARTS_AT - timedelta(days=11))
        .exists()
    )
