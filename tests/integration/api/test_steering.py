"""What partners read of setpoints and groups, how they answer, and the communication test."""

from datetime import timedelta

import pytest
from django.utils.dateparse import parse_datetime

from aggregator.core.clock import VirtualClock
from aggregator.core.services import clock
from assets import operations, queries
from assets.control import operations as control
from assets.control.operations import PlannedSetpoint, send_setpoints
from assets.models import CommunicationTest, Partner, Setpoint
from tests.field_side import GROUP_EAN, NOW, at, battery, charger, enrol, make_area, make_assets, make_group

EVENING = "from=2026-01-14T16:45:00Z&to=2026-01-14T17:45:00Z"


@pytest.fixture
def fleet(partner):
    """A charger and a battery in a group."""
    assets = make_assets(partner, [charger("a"), battery("b")])
    enrol(make_group(make_area()), assets)
    return assets


def _told(*plan, revision=1):
    return send_setpoints(
        now=NOW,
        aggregation_ean=GROUP_EAN,
        order_reference="order-1",
        reason="",
        revision=revision,
        plan=plan,
        deadline_at=at("18:00"),
    )[0]


def _plan(asset, *power_w, start="17:00", **offsets):
    starts_at = at(start)
    ends_at = starts_at + timedelta(minutes=15) * len(power_w)
    return PlannedSetpoint(asset.pk, starts_at, ends_at, list(power_w), **offsets)


def _state(call, asset, power_w, at_):
    answer = call("POST", "/states", {"states": [{"asset": asset, "at": at_.isoformat(), "power_w": power_w}]})
    assert answer.status_code == 200, answer.content


def test_a_batch_carries_the_groups_sum_and_what_each_asset_falls_back_to(call, fleet):
    first, second = fleet
    _told(
        _plan(first, 1_380, 1_380, 1_380, start_early_s=40, end_late_s=25),
        _plan(second, -50_000, start="17:15", end_late_s=70),
    )

    [batch] = call("GET", "/setpoints").json()["batches"]

    assert batch["group_setpoint"] == {
        "assets": 2,
        "starts_at": "2026-01-14T17:00:00Z",
        "ends_at": "2026-01-14T17:45:00Z",
        "power_w": [1_380, -48_620, 1_380],
        "ramp_s": 40,
        "fallback": "own_default",
        "ttl_s": 1_800,
    }
    assert [(one["asset"], one["fallback"], one["ttl_s"]) for one in batch["setpoints"]] == [
        ("a", "charge_normally", None),
        ("b", "idle", 1_800),
    ]


def test_a_partner_that_divides_by_itself_is_told_the_sum_and_answers_the_batch(call, partner, fleet):
    Partner.objects.update(divides_itself=True)
    batch = _told(_plan(fleet[0], 1_380), _plan(fleet[1], -50_000))
    result = {"batch_id": batch.pk, "status": "accepted", "at": "2026-01-14T16:08:00Z", "achieved_w": -48_000}

    [read] = call("GET", "/setpoints").json()["batches"]
    answer = call("POST", "/setpoints/results", {"results": [result]})

    assert (read["setpoints"], read["group_setpoint"]["power_w"]) == ([], [-48_620])
    assert answer.json() == {"updated": 2}
    assert set(Setpoint.objects.values_list("status", "achieved_w")) == {("accepted", -48_000)}


@pytest.mark.parametrize(
    ("names", "field", "code"),
    [
        pytest.param({}, "setpoint_id", "required", id="neither"),
        pytest.param({"setpoint_id": 1, "batch_id": 1}, "setpoint_id", "required", id="both"),
        pytest.param({"batch_id": 999}, "batch_id", "unknown-setpoint", id="unknown-batch"),
    ],
)
def test_a_result_names_one_thing_that_was_sent(call, fleet, names, field, code):
    answer = call(
        "POST", "/setpoints/results", {"results": [{"status": "accepted", "at": "2026-01-14T16:08:00Z", **names}]}
    )

    assert [(error["field"], error["code"]) for error in answer.json()["errors"]] == [(field, code)]


def test_the_plan_over_a_period_is_the_newest_word_for_each_asset(call, fleet):
    first, second = fleet
    _told(_plan(first, 1_380, 1_380), _plan(second, -50_000))
    _told(_plan(first, 4_140, start="17:15"), revision=2)

    of_group = call("GET", f"/setpoints/plan?aggregation_ean={GROUP_EAN}&{EVENING}").json()["ptus"]
    of_asset = call("GET", f"/setpoints/plan?asset=a&{EVENING}").json()["ptus"]

    assert of_group == [
        {"starts_at": "2026-01-14T17:00:00Z", "assets": 2, "power_w": -48_620},
        {"starts_at": "2026-01-14T17:15:00Z", "assets": 1, "power_w": 4_140},
    ]
    assert [ptu["power_w"] for ptu in of_asset] == [1_380, 4_140]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        pytest.param(f"asset=a&aggregation_ean={GROUP_EAN}&{EVENING}", "required", id="both"),
        pytest.param(EVENING, "required", id="neither"),
        pytest.param("asset=a&from=2026-01-14T16:45:00Z", "required", id="no-end"),
        pytest.param("asset=a&from=2026-01-14T16:46:00Z&to=2026-01-14T17:45:00Z", "off-grid", id="grid"),
        pytest.param("asset=a&from=2026-01-14T16:45:00&to=2026-01-14T17:45:00Z", "naive-instant", id="naive"),
        pytest.param("asset=a&from=2026-01-14T16:45:00Z&to=2026-01-14T16:45:00Z", "out-of-range", id="empty"),
        pytest.param("asset=a&from=2026-01-14T16:45:00Z&to=2026-01-21T17:00:00Z", "out-of-range", id="long"),
    ],
)
def test_a_period_that_cannot_be_read_is_refused(call, fleet, query, code):
    answer = call("GET", f"/setpoints/plan?{query}")

    assert (answer.status_code, answer.json()["code"]) == (400, code)


def test_a_setpoint_shows_its_result_and_the_measured_response(call, partner, fleet):
    batch = _told(_plan(fleet[0], 1_380, 1_380))
    setpoint = batch.setpoints.get()
    rows = [
        {"asset": "a", "starts_at": at("17:00") + timedelta(minutes=minute), "power_w": power_w}
        for minute, power_w in enumerate((11_000, 1_380, 1_380, 1_380))
    ]
    operations.store_readings(partner_id=partner.pk, rows=rows, now=at("18:00"))
    result = {"setpoint_id": setpoint.pk, "status": "followed", "at": at("17:20"), "achieved_w": 1_380}
    control.record_setpoint_results(partner_id=partner.pk, rows=[result], now=at("18:00"))

    shown = call("GET", f"/setpoints/{setpoint.pk}").json()

    assert (shown["status"], shown["achieved_w"], shown["result_at"]) == ("followed", 1_380, "2026-01-14T17:20:00Z")
    assert shown["response"] == [
        {"starts_at": "2026-01-14T17:00:00Z", "asked_w": 1_380, "measured_w": 3_785, "minutes": 4},
        {"starts_at": "2026-01-14T17:15:00Z", "asked_w": 1_380, "measured_w": None, "minutes": 0},
    ]


def test_a_partner_sees_its_own_part_of_a_group_only(call, other_partner, fleet):
    strangers = make_assets(other_partner, [charger("x")])
    operations.enrol_assets(
        aggregation_ean=GROUP_EAN, asset_ids=[strangers[0].pk], starts_at=at("00:00", day=1), now=NOW
    )
    for partner_id, name in ((fleet[0].partner_id, "a"), (other_partner.pk, "x")):
        value = {"asset": name, "starts_at": at("15:45"), "import_wh": 2_000}
        operations.store_meter_values(partner_id=partner_id, rows=[value], now=NOW)
    _state(call, "a", 8_000, NOW)

    [group] = call("GET", "/groups").json()["groups"]
    energy = call("GET", f"/groups/{GROUP_EAN}/energy?from=2026-01-14T15:45:00Z&to=2026-01-14T16:15:00Z").json()

    assert group == call("GET", f"/groups/{GROUP_EAN}").json()
    assert group == {
        "aggregation_ean": GROUP_EAN,
        "name": "Utrecht public",
        "is_sandbox": False,
        "assets": 2,
        "max_import_w": 111_000,
        "max_export_w": 100_000,
        "reporting": 1,
        "power_w": 8_000,
    }
    assert [
        (ptu["import_wh"], ptu["expected"], ptu["received"], ptu["missing"], ptu["read_import_wh"])
        for ptu in energy["ptus"]
    ] == [(2_000, 2, 1, ["b"], None), (None, 2, 0, ["a", "b"], None)]


def test_a_communication_test_reports_the_answer_and_the_movement(call, fleet, tmp_path):
    _state(call, "a", 11_000, NOW)

    [started] = call("POST", "/communication-tests", {"tests": [{"asset": "a", "power_w": 1_380}]}).json()["tests"]
    address = f"/communication-tests/{started['test_id']}"
    waiting = call("GET", address).json()
    accepted = {"setpoint_id": started["setpoint_id"], "status": "accepted", "at": "2026-01-14T16:07:02Z"}
    call("POST", "/setpoints/results", {"results": [accepted]})
    VirtualClock.create(tmp_path / "clock", starts_at=NOW + timedelta(minutes=3), speed=0)
    clock.cache_clear()
    _state(call, "a", 11_000, NOW + timedelta(minutes=1))
    _state(call, "a", 1_400, NOW + timedelta(minutes=2))
    _state(call, "a", 1_380, NOW + timedelta(minutes=3))
    moved = call("GET", address).json()

    assert (waiting["verdict"], waiting["answer"], waiting["before_w"]) == ("waiting", "pending", 11_000)
    assert (waiting["starts_at"], waiting["ends_at"]) == ("2026-01-14T16:00:00Z", "2026-01-14T16:15:00Z")
    assert (moved["verdict"], moved["answer"], moved["moved_w"], moved["moved_after_s"]) == (
        "moved",
        "accepted",
        1_400,
        120,
    )
    assert parse_datetime(moved["moved_at"]) == NOW + timedelta(minutes=2)


def test_a_movement_shows_in_readings_too(call, partner, fleet):
    _state(call, "a", 11_000, NOW)
    call("POST", "/communication-tests", {"tests": [{"asset": "a", "power_w": 0}]})
    rows = [
        {"asset": "a", "starts_at": NOW + timedelta(minutes=minute), "power_w": power_w}
        for minute, power_w in enumerate((9_000, 0, 0), start=1)
    ]

    operations.store_readings(partner_id=partner.pk, rows=rows, now=at("17:00"))

    assert CommunicationTest.objects.get().moved_at == NOW + timedelta(minutes=3)


def test_a_test_without_a_movement_ends_as_such(call, fleet, tmp_path):
    _state(call, "a", 11_000, NOW)
    [started] = call("POST", "/communication-tests", {"tests": [{"asset": "a", "power_w": 0}]}).json()["tests"]
    VirtualClock.create(tmp_path / "clock", starts_at=at("16:25"), speed=0)
    clock.cache_clear()

    assert call("GET", f"/communication-tests/{started['test_id']}").json()["verdict"] == "not_moved"


@pytest.mark.parametrize(
    ("tests", "field", "code"),
    [
        pytest.param([{"asset": "nobody", "power_w": 0}], "asset", "unknown-asset", id="unknown"),
        pytest.param([{"asset": "free", "power_w": 0}], "asset", "in-no-group", id="no-group"),
        pytest.param([{"asset": "b", "power_w": 0}], "asset", "under-order", id="order"),
        pytest.param([{"asset": "quiet", "power_w": 0}], "asset", "no-state", id="no-state"),
        pytest.param([{"asset": "a", "power_w": 10_900}], "power_w", "nothing-to-see", id="nothing-to-see"),
        pytest.param([{"asset": "a", "power_w": -1}], "power_w", "above-limit", id="limit"),
        pytest.param([{"asset": "a", "power_w": 0}] * 2, "asset", "repeated-row", id="twice"),
    ],
)
def test_a_test_that_cannot_show_anything_is_refused_and_nothing_sent(call, partner, fleet, tests, field, code):
    [quiet, _] = make_assets(partner, [charger("quiet"), charger("free")])
    operations.enrol_assets(aggregation_ean=GROUP_EAN, asset_ids=[quiet.pk], starts_at=at("00:00", day=1), now=NOW)
    _told(_plan(fleet[1], 0, start="16:15"))
    _state(call, "a", 11_000, NOW)
    _state(call, "b", 50_000, NOW)

    answer = call("POST", "/communication-tests", {"tests": tests})

    assert answer.status_code == 400, answer.content
    assert (answer.json()["errors"][0]["field"], answer.json()["errors"][0]["code"]) == (field, code)
    assert not CommunicationTest.objects.exists()
    assert Setpoint.objects.count() == 1


def test_the_same_test_under_one_key_is_started_once(call, fleet):
    _state(call, "a", 11_000, NOW)
    answers = [
        call(
            "POST",
            "/communication-tests",
            {"tests": [{"asset": "a", "power_w": 0}]},
            headers={"Idempotency-Key": "test-1"},
        ).json()
        for _ in range(2)
    ]

    assert answers[0] == answers[1]
    assert CommunicationTest.objects.count() == 1


@pytest.mark.parametrize(
    "path",
    [
        "/groups/%00",
        "/groups/%00/energy?from=2026-01-14T16:00:00Z&to=2026-01-14T18:00:00Z",
        "/setpoints/plan?from=2026-01-14T16:00:00Z&to=2026-01-14T18:00:00Z&aggregation_ean=%00",
    ],
)
def test_a_group_that_no_text_column_can_name_is_not_found(call, path):
    assert call("GET", path).status_code == 404


def test_a_page_of_the_feed_ends_where_it_holds_enough_setpoints(call, partner, fleet, monkeypatch):
    monkeypatch.setattr(queries, "SETPOINTS_PER_PAGE", 2)
    batches = [_told(_plan(asset, 0), revision=revision) for revision, asset in enumerate(fleet[:1] * 3, start=1)]

    first = call("GET", "/setpoints").json()
    second = call("GET", f"/setpoints?after={first['next_after']}").json()

    assert [one["batch_id"] for one in first["batches"]] == [batch.pk for batch in batches[:2]]
    assert [one["batch_id"] for one in second["batches"]] == [batches[2].pk]
