import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.db.models import F
from django.test.utils import CaptureQueriesContext

from aggregator.core.interval import Interval
from aggregator.core.models import AuditEvent
from assets import operations as portfolio
from assets.models import Asset, AssetState, ChargingSession, MeterInterval, Setpoint, SetpointBatch
from bidding import tasks
from bidding.dispatch.acts import NotPossible, cap_activation, stop_activation
from bidding.dispatch.commands import Command, Sent, send_commands, standing_power_w
from bidding.dispatch.operations import run_activation
from bidding.dispatch.situation import plugs_at
from bidding.dispatch.steady import steady_resources
from bidding.models import Activation
from bidding.portfolio import group_at
from tests.field_side import charger, heat_pump, make_assets, make_partner

STARTS_AT = datetime(2026, 1, 14, 16, tzinfo=UTC)
BEFORE = STARTS_AT - timedelta(minutes=8)
PTU = timedelta(minutes=15)


def asked_w(at=STARTS_AT):
    """Return what each asset was told last for the PTU at `at`."""
    told = {}
    for setpoint in Setpoint.objects.filter(starts_at__lte=at, ends_at__gt=at).order_by("batch__revision"):
        told[setpoint.asset_id] = setpoint.power_w[(at - setpoint.starts_at) // PTU]
    return told


def test_nothing_is_planned_long_before_the_window(activation):
    assert run_activation(activation_id=activation.pk, now=STARTS_AT - timedelta(minutes=20)) == 0
    assert not SetpointBatch.objects.exists()


def test_an_activation_that_fails_stops_dispatch_of_no_other(activation, announcement, monkeypatch, caplog):
    first = Activation.objects.get()
    announcement.pk, announcement.external_id = None, "A0"
    announcement.save()
    bid = first.bid
    bid.pk, bid.reference, bid.announcement = None, uuid.uuid4(), announcement
    bid.save()
    first.pk, first.reference, first.bid, first.starts_at = None, "X0", bid, STARTS_AT - PTU
    first.save()

    def run(*, activation_id, now):
        if activation_id == first.pk:
            raise ZeroDivisionError("a bad row")
        return run_activation(activation_id=activation_id, now=now)

    monkeypatch.setattr(tasks, "clock", lambda: SimpleNamespace(now=lambda: BEFORE))
    monkeypatch.setattr(tasks, "run_activation", run)
    tasks.run_dispatch()

    activation.refresh_from_db()
    assert activation.planned_until == STARTS_AT
    (failure,) = [record for record in caplog.records if record.levelname == "ERROR"]
    assert failure.getMessage().startswith("Activation X0 was not brought up to date")
    assert "ZeroDivisionError: a bad row" in caplog.text


def test_the_first_quarter_hour_is_planned_in_the_one_before(activation, fleet):
    sent = run_activation(activation_id=activation.pk, now=BEFORE)

    told = asked_w()
    store = fleet[-1]
    assert told[store.pk] == -48_000  # 160 kWh above the floor, times 0.9, over three hours
    held = [power for asset_id, power in told.items() if asset_id != store.pk]
    assert len(told) == sent
    assert 6 <= len(held) <= 12  # the battery gives 48 kW; the rest and a reserve are cars that wait
    assert set(held) == {0}
    activation.refresh_from_db()
    assert (activation.status, activation.planned_until) == (Activation.Status.PLANNED, STARTS_AT)


def test_everything_is_told_to_the_end_but_feeding_in_lapses_unless_renewed(activation, fleet):
    run_activation(activation_id=activation.pk, now=BEFORE)

    told = Setpoint.objects.filter(ends_at__gte=activation.ends_at)
    assert told.count() == Setpoint.objects.count() > 6
    assert set(told.exclude(asset=fleet[-1]).values_list("ttl_s", flat=True)) == {None}
    assert told.get(asset=fleet[-1]).ttl_s == 1_800


def test_every_quarter_hour_what_lapses_is_told_anew_and_nothing_else_that_stays_as_it_is(activation, fleet):
    run_activation(activation_id=activation.pk, now=BEFORE)
    told = asked_w()

    for ptu in (1, 2):
        AssetState.objects.filter(asset=fleet[-1]).update(level_wh=180_000 - ptu * 13_333)
        run_activation(activation_id=activation.pk, now=BEFORE + ptu * PTU)
        renewed = Setpoint.objects.filter(starts_at=STARTS_AT + ptu * PTU)
        assert {one.asset_id for one in renewed if told.get(one.asset_id) == one.power_w[0]} <= {fleet[-1].pk}
        assert renewed.get(asset=fleet[-1]).power_w[0] == pytest.approx(-48_000, abs=100)
        told = asked_w(STARTS_AT + ptu * PTU)


def test_what_lapsed_while_nobody_steered_is_told_anew(activation, fleet):
    run_activation(activation_id=activation.pk, now=BEFORE)
    back = STARTS_AT + timedelta(minutes=40)

    assert standing_power_w(activation, STARTS_AT + PTU)[fleet[-1].pk] == -48_000
    assert fleet[-1].pk not in standing_power_w(activation, STARTS_AT + 2 * PTU)
    run_activation(activation_id=activation.pk, now=back)

    assert Setpoint.objects.filter(asset=fleet[-1], starts_at=STARTS_AT + 2 * PTU).exists()


def test_who_feeds_in_to_the_end_waits_after_it_by_a_setpoint_that_does_not_lapse(activation, group):
    [car] = make_assets(
        make_partner("Deelstroom"), [charger("v", kind="v2g_charger", category="shared_car", max_export_w=11_000)]
    )
    portfolio.enrol_assets(
        aggregation_ean=group.ean, asset_ids=[car.pk], starts_at=STARTS_AT - timedelta(days=40), now=STARTS_AT
    )
    last = activation.ends_at - PTU

    sent = send_commands(
        activation, [Command(car, -5_000, 3)], starts_at=last, ramp_s=0, now=last - timedelta(minutes=8)
    )

    assert sent == Sent(2)
    assert list(Setpoint.objects.order_by("batch_id").values_list("starts_at", "ends_at", "power_w", "ttl_s")) == [
        (last, last + PTU, [-5_000], 1_800),
        (last + PTU, last + 4 * PTU, [0, 0, 0], None),
    ]


def test_who_fed_in_and_may_not_be_told_to_wait_is_told_the_rest_with_the_reason(activation, group):
    [car] = make_assets(
        make_partner("Deelstroom"), [charger("v", kind="v2g_charger", category="shared_car", max_export_w=11_000)]
    )
    portfolio.enrol_assets(
        aggregation_ean=group.ean, asset_ids=[car.pk], starts_at=STARTS_AT - timedelta(days=40), now=STARTS_AT
    )
    portfolio.end_membership(asset_id=car.pk, ends_at=activation.ends_at, reason="it moves", now=STARTS_AT)
    last = activation.ends_at - PTU

    sent = send_commands(
        activation, [Command(car, -5_000, 3)], starts_at=last, ramp_s=0, now=last - timedelta(minutes=8)
    )

    assert (sent.setpoints, sent.left_out) == (1, frozenset())
    assert "is not a member of the group through the whole period" in sent.refused


def test_cars_do_not_all_start_again_at_once(activation, fleet):
    run_activation(activation_id=activation.pk, now=BEFORE)

    after = [(setpoint.ends_at - activation.ends_at) // PTU for setpoint in Setpoint.objects.exclude(asset=fleet[-1])]
    assert max(after.count(ptus) for ptus in range(13)) <= -(-len(after) // 2)
    assert all(0 <= ptus <= 12 for ptus in after)
    assert Setpoint.objects.get(asset=fleet[-1]).ends_at == activation.ends_at


def test_who_waits_at_the_end_starts_again_by_one_plan(activation, fleet):
    for number in range(12):
        run_activation(activation_id=activation.pk, now=BEFORE + number * PTU)

    last = activation.ends_at - PTU
    ruling = {}
    for setpoint in Setpoint.objects.filter(ends_at__gt=last).exclude(asset=fleet[-1]).order_by("batch__revision"):
        ruling[setpoint.asset_id] = setpoint
    ends = [_waits_until(one) for pk, one in ruling.items() if asked_w(last)[pk] < 11_000]
    assert len(ends) > 1
    assert max(ends.count(one) for one in ends) <= -(-len(ends) // 2)


def _waits_until(setpoint):
    """Return when a car may charge again; what comes after that only replaces older setpoints."""
    waits = [number for number, power_w in enumerate(setpoint.power_w, 1) if power_w < 11_000]
    return setpoint.starts_at + waits[-1] * PTU


def test_a_battery_charges_to_the_end_of_a_long_order(activation, fleet):
    Activation.objects.update(direction="increase")
    AssetState.objects.filter(asset=fleet[-1]).update(level_wh=50_000)
    for number in range(12):
        run_activation(activation_id=activation.pk, now=BEFORE + number * PTU)
        assert asked_w(STARTS_AT + number * PTU)[fleet[-1].pk] > 40_000


def test_cars_at_chargers_that_are_out_of_use_are_not_asked_but_others_are(activation, fleet):
    broken = fleet[:10]
    AssetState.objects.filter(asset__in=broken).update(is_available=False)

    run_activation(activation_id=activation.pk, now=BEFORE)

    told = asked_w()
    assert not told.keys() & {car.pk for car in broken}
    assert len(told) >= 6


def test_a_battery_out_of_use_is_not_asked(activation, fleet):
    group = group_at(aggregation_ean=activation.aggregation_ean, instant=BEFORE)
    window = Interval(STARTS_AT, activation.ends_at)
    movable_kw = []
    for is_available in (True, False):
        AssetState.objects.filter(asset=fleet[-1]).update(is_available=is_available)
        _, steady = steady_resources(group=group, remaining=window, direction="reduce", now=BEFORE)
        movable_kw += steady.movable_kw.tolist()

    assert movable_kw == pytest.approx([48.0, 0.0])
    run_activation(activation_id=activation.pk, now=BEFORE)
    assert fleet[-1].pk not in asked_w()


@pytest.fixture
def pump(activation, group):
    """A heat pump that takes 4 kW at this hour, with a full buffer."""
    [pump] = make_assets(make_partner("Warmte"), [heat_pump("w")])
    portfolio.enrol_assets(
        aggregation_ean=group.ean, asset_ids=[pump.pk], starts_at=STARTS_AT - timedelta(days=40), now=STARTS_AT
    )
    yesterday = STARTS_AT - timedelta(days=1)
    portfolio.maintain_partitions(now=yesterday)
    MeterInterval.objects.bulk_create(
        MeterInterval(asset=pump, starts_at=yesterday + ptu * PTU, import_wh=1_000, known_at=STARTS_AT)
        for ptu in range(12)
    )
    AssetState.objects.create(asset=pump, at=BEFORE, power_w=4_000, level_wh=100_000)
    return pump


@pytest.mark.parametrize("late_by", [timedelta(), timedelta(minutes=3, seconds=22)])
def test_a_heat_pump_counts_by_its_usual_power_also_inside_a_quarter_hour(activation, group, pump, late_by):
    _, steady = steady_resources(
        group=group_at(aggregation_ean=group, instant=STARTS_AT),
        remaining=Interval(STARTS_AT + late_by, activation.ends_at),
        direction="reduce",
        now=STARTS_AT + late_by,
    )

    assert (steady.usual_kw[-1], steady.movable_kw[-1]) == (4.0, 4.0)


def test_a_battery_and_a_heat_pump_that_are_no_longer_needed_go_back_to_their_own_ways(activation, fleet, pump):
    run_activation(activation_id=activation.pk, now=BEFORE)
    store = fleet[-1]
    assert (asked_w()[store.pk], asked_w()[pump.pk]) == (-48_000, 0)
    operator = User.objects.create_user("night-shift")
    cap_activation(activation_id=activation.pk, cap_w=0, now=STARTS_AT, actor=operator, reason="a fault")

    for number in range(2):
        run_activation(activation_id=activation.pk, now=STARTS_AT + timedelta(minutes=1 + number))
        assert (asked_w()[store.pk], asked_w()[pump.pk]) == (0, 4_000)
        assert set(asked_w(activation.ends_at - PTU).values()) == {0, 4_000, 11_000}
    assert list(activation.duties.exclude(asked_w=F("alone_w"))) == []
    assert set(SetpointBatch.objects.values_list("revision", flat=True)) == {1, 2}  # nobody is told twice


def test_the_situation_of_many_cars_is_read_in_as_many_queries_as_that_of_one(activation, fleet):
    Asset.objects.filter(kind="charger").update(kind="v2g_charger", max_export_w=11_000)
    group = group_at(aggregation_ean=activation.aggregation_ean, instant=BEFORE)
    window = Interval(STARTS_AT, activation.ends_at)
    counts, can_feed_in = [], []
    for some in (replace(group, plugs=group.plugs[:1]), group):
        with CaptureQueriesContext(connection) as queries:
            plugs = plugs_at(group=some, remaining=window, now=BEFORE, ignored_asset_ids=())
        counts.append(len(queries))
        can_feed_in.append(int(plugs.view.v2g.sum()))
    assert can_feed_in == [1, 20]
    assert counts[0] == counts[1]


def test_a_car_that_came_long_ago_has_no_more_read_of_the_others_than_since_they_came(activation, fleet):
    days = [STARTS_AT - timedelta(days=day) for day in range(1, 22)]
    portfolio.maintain_partitions(now=days[-1])
    MeterInterval.objects.bulk_create(
        MeterInterval(asset=car, starts_at=day, import_wh=1_000, known_at=BEFORE) for car in fleet[:-1] for day in days
    )
    rests = SetpointBatch.objects.create(partner=fleet[0].partner, aggregation_ean=activation.aggregation_ean,
        reason="the cable was replaced", revision=1, created_at=BEFORE,
    )  # fmt: skip
    Setpoint.objects.bulk_create(
        Setpoint(batch=rests, asset=car, starts_at=days[9], ends_at=days[9] + PTU, power_w=[0]) for car in fleet[:-1]
    )
    long_here = ChargingSession.objects.filter(asset=fleet[0], plug_out_at=None)
    long_here.update(plug_in_at=STARTS_AT - timedelta(days=20))
    read = {"assets_meterinterval": 0, "assets_setpoint": 0}

    def count(execute, sql, params, many, context):
        result = execute(sql, params, many, context)
        for table in read:
            read[table] += context["cursor"].rowcount if table in sql else 0
        return result

    with connection.execute_wrapper(count):
        plugs = plugs_at(
            group=group_at(aggregation_ean=activation.aggregation_ean, instant=BEFORE),
            remaining=Interval(STARTS_AT, activation.ends_at), now=BEFORE, ignored_asset_ids=(),
        )  # fmt: skip

    assert read == {"assets_meterinterval": 20 + 20, "assets_setpoint": 1}  # its 20 days, and a value of each of all
    energy_kwh = dict(zip(plugs.assets, (plugs.view.energy_in_kwh - 11 / 4).tolist(), strict=True))
    assert energy_kwh == dict.fromkeys(fleet[1:-1], 2.75) | {fleet[0]: 20 + 2.75}


@pytest.mark.parametrize(("told_before", "is_full"), [(timedelta(minutes=5), True), (timedelta(minutes=-5), False)])
def test_a_car_that_stays_idle_for_a_quarter_hour_in_which_nothing_holds_it_any_more_is_full(
    activation, fleet, told_before, is_full
):
    car, free_at = fleet[0], STARTS_AT - 2 * PTU
    ChargingSession.objects.filter(asset=car, plug_out_at=None).update(plug_in_at=STARTS_AT - 8 * PTU)
    MeterInterval.objects.filter(asset=car, starts_at=free_at).update(import_wh=0)
    for told_at, starts_at, power_w in ((BEFORE - 9 * PTU, STARTS_AT - 6 * PTU, 0), (None, free_at, 11_000)):
        batch = SetpointBatch.objects.create(
            partner=car.partner, aggregation_ean=activation.aggregation_ean, reason="a trial", revision=1,
            created_at=told_at or free_at - told_before,
        )  # fmt: skip
        ptus = (activation.ends_at - starts_at) // PTU
        Setpoint.objects.create(
            batch=batch, asset=car, starts_at=starts_at, ends_at=activation.ends_at, power_w=[power_w] * ptus
        )

    plugs = plugs_at(
        group=group_at(aggregation_ean=activation.aggregation_ean, instant=BEFORE),
        remaining=Interval(STARTS_AT, activation.ends_at), now=BEFORE, ignored_asset_ids=(),
    )  # fmt: skip

    assert plugs.view.is_full[plugs.assets.index(car)] == is_full


def test_a_car_said_to_be_here_for_longer_than_any_car_stays_is_not_steered(activation, fleet):
    for car, weeks in ((fleet[0], 4), (fleet[1], 5)):
        ChargingSession.objects.filter(asset=car, plug_out_at=None).update(plug_in_at=BEFORE - timedelta(weeks=weeks))

    plugs = plugs_at(
        group=group_at(aggregation_ean=activation.aggregation_ean, instant=BEFORE),
        remaining=Interval(STARTS_AT, activation.ends_at), now=BEFORE, ignored_asset_ids=(),
    )  # fmt: skip

    assert set(plugs.assets) == set(fleet[:-1]) - {fleet[1]}


def test_a_car_of_the_least_power_there_is_leaves_the_plan_to_the_others(activation, fleet):
    weak = ChargingSession.objects.filter(asset=fleet[0], plug_out_at=None)
    assert weak.update(max_import_w=1) == 1

    run_activation(activation_id=activation.pk, now=BEFORE)

    told = asked_w()
    assert told.pop(fleet[0].pk, 1) == 1
    assert sorted(told.values()) == [-48_000] + [0] * 8


def test_the_same_quarter_hour_is_planned_once(activation):
    first = run_activation(activation_id=activation.pk, now=BEFORE)
    again = run_activation(activation_id=activation.pk, now=BEFORE + timedelta(minutes=1))
    assert first > 0
    assert again == 0
    assert SetpointBatch.objects.count() == 1


def test_assets_that_do_not_follow_are_replaced(activation, fleet):
    run_activation(activation_id=activation.pk, now=BEFORE)
    failing = Setpoint.objects.exclude(asset=fleet[-1]).order_by("pk").first()
    failing.status = Setpoint.Status.NOT_FOLLOWED
    failing.save()
    AssetState.objects.update(at=BEFORE + PTU)

    run_activation(activation_id=activation.pk, now=BEFORE + PTU)

    newest = SetpointBatch.objects.order_by("-revision").first()
    assert newest.revision == 2
    assert failing.asset_id not in newest.setpoints.values_list("asset_id", flat=True)
    waiting = [a for a, power in asked_w(STARTS_AT + PTU).items() if power == 0 and a != failing.asset_id]
    assert len(waiting) >= 6


def test_a_partner_that_is_stopped_does_not_keep_the_order_from_running(activation, fleet, group):
    other = make_partner("Deelstroom")
    extra = make_assets(other, [charger("x", pausing="can_pause")])[0]
    portfolio.enrol_assets(
        aggregation_ean=group.ean, asset_ids=[extra.pk], starts_at=STARTS_AT - timedelta(days=40), now=STARTS_AT
    )
    portfolio.stop_partner(partner_id=other.pk, reason="test", now=BEFORE)

    assert run_activation(activation_id=activation.pk, now=BEFORE) > 0
    assert not Setpoint.objects.filter(asset=extra).exists()


def test_an_operator_stops_it_and_everything_goes_its_own_way(activation, fleet, group):
    run_activation(activation_id=activation.pk, now=BEFORE)
    during = STARTS_AT + timedelta(minutes=20)
    feeding_in = make_assets(
        make_partner("Deelstroom"),
        [charger(f"v{n}", kind="v2g_charger", category="shared_car", max_export_w=11_000) for n in range(8)],
    )
    portfolio.enrol_assets(
        aggregation_ean=group.ean, asset_ids=[car.pk for car in feeding_in], starts_at=STARTS_AT - PTU, now=STARTS_AT
    )
    commands = [Command(car, -11_000) for car in feeding_in]
    assert send_commands(activation, commands, starts_at=STARTS_AT + PTU, ramp_s=0, now=during) == Sent(8)
    operator = User.objects.create_user("night-shift")

    stop_activation(activation_id=activation.pk, now=during, actor=operator, reason="a driver rang")

    free = [sum(power == 11_000 for power in asked_w(STARTS_AT + ptus * PTU).values()) for ptus in range(1, 5)]
    at_once = asked_w(STARTS_AT + PTU)
    assert at_once[fleet[-1].pk] == 0  # the battery rests at once
    assert {at_once[car.pk] for car in feeding_in} == {0}  # and so do cars that fed in, before they charge
    assert len({_free_from(car) for car in feeding_in}) > 1
    assert free == sorted(free)
    assert free[0] < free[-1] == len(asked_w(STARTS_AT + PTU)) - 1  # cars start one after the other within the hour
    assert AuditEvent.objects.get(action="bidding.activation.stopped").reason == "a driver rang"
    assert run_activation(activation_id=activation.pk, now=during) == 0
    with pytest.raises(NotPossible, match="already stopped"):
        stop_activation(activation_id=activation.pk, now=during, actor=operator, reason="again")


def _free_from(car):
    """Return from which quarter hour of the stop on a car may charge."""
    return Setpoint.objects.filter(asset=car).latest("batch__revision").power_w.index(11_000)


@pytest.mark.parametrize(
    ("minutes", "status"), [(-30, "ordered"), (-8, "planned"), (1, "running"), (179, "running"), (180, "finished")]
)
def test_the_status_follows_the_clock(activation, minutes, status):
    run_activation(activation_id=activation.pk, now=STARTS_AT + timedelta(minutes=minutes))
    activation.refresh_from_db()
    assert activation.status == status


def test_every_setpoint_stays_within_its_asset(activation):
    for ptu in range(12):
        run_activation(activation_id=activation.pk, now=BEFORE + ptu * PTU)
    for setpoint in Setpoint.objects.select_related("asset"):
        asset: Asset = setpoint.asset
        assert all(-asset.max_export_w <= power <= asset.max_import_w for power in setpoint.power_w)
