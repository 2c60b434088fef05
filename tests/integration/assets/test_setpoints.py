import json
from datetime import timedelta

import pytest
from standardwebhooks import Webhook

from aggregator.core.clock import VirtualClock
from aggregator.core.messaging.operations import TooLate, resend
from aggregator.core.models import AuditEvent, OutboxMessage
from assets import operations, queries
from assets.control import operations as control
from assets.control.operations import (
    PlannedSetpoint,
    SetpointRefused,
    deliver_setpoints,
    record_setpoint_results,
    send_setpoints,
)
from assets.models import Setpoint, SetpointBatch
from assets.staging import staged
from tests.field_side import GROUP_EAN, NOW, at, battery, charger, enrol, make_assets, make_partner


@pytest.fixture
def pushed_partner(db, callback):
    return make_partner("Pushed", callback_url=callback.url)


def _plan(asset, power_w=(1_380, 1_380), start="17:00", end="17:30"):
    return PlannedSetpoint(asset_id=asset.pk, starts_at=at(start), ends_at=at(end), power_w=list(power_w))


def _send(*plan, **fields):
    order = {"order_reference": "order-1", "reason": "", "revision": 1, "deadline_at": at("17:30")}
    return send_setpoints(now=NOW, aggregation_ean=GROUP_EAN, plan=plan, **{**order, **fields})


def _record(partner, *rows):
    return record_setpoint_results(partner_id=partner.pk, rows=list(rows), now=at("18:00"))


def test_each_partner_gets_one_batch_with_its_own_assets(partner, other_partner, group):
    mine, mine_too = make_assets(partner, [charger("a"), battery("b")])
    [theirs] = make_assets(other_partner, [charger("c")])
    enrol(group, [mine, mine_too, theirs])

    batches = _send(_plan(mine), _plan(theirs), _plan(mine_too, power_w=[-100_000, 0]))

    assert [(batch.partner, batch.setpoints.count()) for batch in batches] == [(partner, 2), (other_partner, 1)]
    feed = queries.setpoint_batches_of_partner(partner=partner, after=0, limit=10)
    assert [(batch, [(one.asset, one.power_w) for one in setpoints]) for batch, setpoints in feed] == [
        (batches[0], [("a", [1_380, 1_380]), ("b", [-100_000, 0])])
    ]
    assert not OutboxMessage.objects.exists()  # neither partner has a callback address


def test_a_batch_is_pushed_signed_and_its_answer_kept(pushed_partner, group, callback, clock, http):
    first, second = make_assets(pushed_partner, [charger("a"), charger("b")])
    enrol(group, [first, second])
    [batch] = _send(_plan(first), _plan(second))
    one, other = batch.setpoints.order_by("id")
    callback.answer = json.dumps(
        {
            "results": [
                {"setpoint_id": one.pk, "status": "accepted", "reason": ""},
                {"setpoint_id": other.pk, "status": "rejected", "reason": "in maintenance"},
            ]
        }
    ).encode()

    report = deliver_setpoints(clock=clock, http=http)

    assert (report.delivered, report.failed, report.dead) == (1, 0, 0)
    [(headers, body)] = callback.received
    assert headers["webhook-id"] == f"setpoint-batch-{batch.pk}"
    Webhook(pushed_partner.callback_secret).verify(body, dict(headers))  # a library that is not ours
    assert json.loads(body) == {
        "batch_id": batch.pk,
        "aggregation_ean": GROUP_EAN,
        "order_reference": "order-1",
        "reason": "",
        "revision": 1,
        "sent_at": "2026-01-14T16:07:00Z",
        "group_setpoint": {
            "assets": 2,
            "starts_at": "2026-01-14T17:00:00Z",
            "ends_at": "2026-01-14T17:30:00Z",
            "power_w": [2_760, 2_760],
            "ramp_s": 0,
            "fallback": "own_default",
            "ttl_s": None,
        },
        "setpoints": [
            {
                "setpoint_id": setpoint.pk,
                "asset": name,
                "starts_at": "2026-01-14T17:00:00Z",
                "ends_at": "2026-01-14T17:30:00Z",
                "power_w": [1_380, 1_380],
                "start_early_s": 0,
                "end_late_s": 0,
                "fallback": "charge_normally",
                "ttl_s": None,
            }
            for setpoint, name in ((one, "a"), (other, "b"))
        ],
    }
    assert list(Setpoint.objects.order_by("id").values_list("status", "result_at", "result_reason")) == [
        ("accepted", NOW, ""),
        ("rejected", NOW, "in maintenance"),
    ]


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"OK", id="not-json"),
        pytest.param(b"[" * 100_000, id="deep"),
        pytest.param(b'{"results": [7]}', id="not-objects"),
        pytest.param(b'{"results": [{"setpoint_id": 1000000, "status": "accepted"}]}', id="unknown-setpoint"),
    ],
)
def test_an_unusable_answer_leaves_setpoints_unanswered(pushed_partner, group, callback, clock, http, answer):
    [asset] = make_assets(pushed_partner, [charger("a")])
    enrol(group, [asset])
    _send(_plan(asset))
    callback.answer = answer

    assert deliver_setpoints(clock=clock, http=http).delivered == 1

    assert Setpoint.objects.get().status == "pending"


def test_a_failed_push_is_repeated_with_the_same_bytes(pushed_partner, group, callback, clock, http, tmp_path):
    [asset] = make_assets(pushed_partner, [charger("a")])
    enrol(group, [asset])
    _send(_plan(asset))
    callback.status = 503
    assert deliver_setpoints(clock=clock, http=http).failed == 1
    callback.status = 200
    later = VirtualClock.create(tmp_path / "later", starts_at=NOW + timedelta(minutes=1), speed=0)

    assert deliver_setpoints(clock=later, http=http).delivered == 1

    (_, first), (_, second) = callback.received
    assert first == second


def test_a_push_that_is_given_up_says_so_at_its_setpoints(pushed_partner, group, callback, clock, http):
    [asset] = make_assets(pushed_partner, [charger("a")])
    enrol(group, [asset])
    _send(_plan(asset))
    callback.status = 400

    assert deliver_setpoints(clock=clock, http=http).dead == 1

    setpoint = Setpoint.objects.get()
    assert (setpoint.status, setpoint.result_reason[:14]) == ("pending", "Not delivered:")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        pytest.param({"power_w": [11_001, 0]}, "above-limit", id="import"),
        pytest.param({"power_w": [0, -1]}, "above-limit", id="export"),
        pytest.param({"power_w": [0]}, "wrong-length", id="length"),
        pytest.param({"start": "17:05", "end": "17:35"}, "off-grid", id="grid"),
        pytest.param({"start": "15:00", "end": "15:30"}, "past", id="past"),
        pytest.param({"start": "00:00", "end": "48:00"}, "too-long", id="long"),
    ],
)
def test_what_an_asset_may_not_be_asked_is_refused_and_nothing_sent(partner, group, change, code):
    fine, asset = make_assets(partner, [charger("a"), charger("b")])
    enrol(group, [fine, asset])

    with pytest.raises(SetpointRefused) as refusal:
        _send(_plan(fine), _plan(asset, **change))

    assert [(one.asset_id, one.code) for one in refusal.value.refusals] == [(asset.pk, code)]
    assert not SetpointBatch.objects.exists()


def test_an_asset_that_leaves_during_the_period_is_refused(partner, group):
    [asset] = make_assets(partner, [charger("a")])
    enrol(group, [asset])
    operations.end_membership(asset_id=asset.pk, ends_at=at("17:15"), reason="sold", now=NOW)

    with pytest.raises(SetpointRefused) as refusal:
        _send(_plan(asset))

    assert [one.code for one in refusal.value.refusals] == ["not-a-member"]


def test_unknown_inactive_and_repeated_assets_are_refused(partner, group):
    asset, inactive = make_assets(partner, [charger("a"), charger("b")])
    enrol(group, [asset, inactive])
    type(inactive).objects.filter(pk=inactive.pk).update(is_active=False)
    unknown = type(asset)(pk=10**9)

    with pytest.raises(SetpointRefused) as refusal:
        _send(_plan(asset), _plan(asset), _plan(inactive), _plan(unknown))

    assert [one.code for one in refusal.value.refusals] == ["repeated-asset", "inactive", "unknown-asset"]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        pytest.param({"order_reference": "", "reason": " "}, "order it serves, or an operator's reason", id="no-cause"),
        pytest.param({"deadline_at": NOW}, "has passed", id="late"),
    ],
)
def test_a_request_without_cause_or_time_is_refused(partner, group, fields, words):
    [asset] = make_assets(partner, [charger("a")])
    enrol(group, [asset])

    with pytest.raises(SetpointRefused, match=words):
        _send(_plan(asset), **fields)


def test_a_revision_is_sent_once(partner, group):
    [asset] = make_assets(partner, [charger("a")])
    enrol(group, [asset])
    _send(_plan(asset))

    with pytest.raises(SetpointRefused, match="next revision"):
        _send(_plan(asset))

    assert len(_send(_plan(asset), revision=2)) == 1


def test_a_stopped_partner_is_sent_and_shown_nothing(pushed_partner, group, callback, clock, http):
    [asset] = make_assets(pushed_partner, [charger("a")])
    enrol(group, [asset])
    _send(_plan(asset))

    stopped = operations.stop_partner(partner_id=pushed_partner.pk, reason="odd switching seen", now=NOW)

    assert deliver_setpoints(clock=clock, http=http).delivered == 0
    assert callback.received == []
    assert queries.setpoint_batches_of_partner(partner=stopped, after=0, limit=10) == []
    with pytest.raises(SetpointRefused) as refusal:
        _send(_plan(asset), revision=2)
    assert [one.code for one in refusal.value.refusals] == ["partner-stopped"]
    event = AuditEvent.objects.get(action="assets.partner.stopped")
    assert (event.reason, event.before, event.after) == (
        "odd switching seen",
        {"is_stopped": False},
        {"is_stopped": True},
    )

    resumed = operations.resume_partner(partner_id=pushed_partner.pk, reason="explained", now=NOW)
    assert queries.setpoint_batches_of_partner(partner=resumed, after=0, limit=10) == []
    [anew] = _send(_plan(asset), revision=2)
    [(batch, [setpoint])] = queries.setpoint_batches_of_partner(partner=resumed, after=0, limit=1)
    assert (batch, setpoint.setpoint_id) == (anew, anew.setpoints.get().pk)
    assert deliver_setpoints(clock=clock, http=http).delivered == 1


@pytest.mark.parametrize("is_given_up_before", [True, False])
def test_what_was_withdrawn_is_not_sent_again_by_hand_either(pushed_partner, group, is_given_up_before):
    [asset] = make_assets(pushed_partner, [charger("a")])
    enrol(group, [asset])
    _send(_plan(asset))
    if is_given_up_before:
        OutboxMessage.objects.update(dead_at=NOW)

    operations.stop_partner(partner_id=pushed_partner.pk, reason="odd switching seen", now=NOW)
    operations.resume_partner(partner_id=pushed_partner.pk, reason="explained", now=NOW)

    message = OutboxMessage.objects.get()
    assert message.dead_at == NOW
    with pytest.raises(TooLate):
        resend(now=NOW + timedelta(minutes=1), message_id=message.pk, deadline_at=at("17:00"))


def test_the_kill_switch_calls_nothing_back_that_was_delivered(pushed_partner, group, callback, clock, http):
    [asset] = make_assets(pushed_partner, [charger("a")])
    enrol(group, [asset])
    _send(_plan(asset))
    deliver_setpoints(clock=clock, http=http)

    operations.stop_partner(partner_id=pushed_partner.pk, reason="odd switching seen", now=NOW)

    assert deliver_setpoints(clock=clock, http=http).delivered == 0
    assert (len(callback.received), OutboxMessage.objects.count()) == (1, 1)
    assert Setpoint.objects.get().ends_at == at("17:30")


def test_the_newest_result_is_kept_and_foreign_setpoints_are_unknown(partner, other_partner, group):
    [asset] = make_assets(partner, [charger("a")])
    enrol(group, [asset])
    [batch] = _send(_plan(asset))
    [setpoint] = batch.setpoints.all()

    def result(status, minute):
        return {"setpoint_id": setpoint.pk, "status": status, "at": at(f"17:{minute}")}

    assert _record(partner, result("followed", 10), result("accepted", 5)) == 1
    assert _record(partner, result("not_followed", 9)) == 0
    with pytest.raises(operations.InvalidRows):
        _record(other_partner, result("rejected", 20))

    setpoint.refresh_from_db()
    assert (setpoint.status, setpoint.result_at) == ("followed", at("17:10"))


@pytest.mark.parametrize("batch_first", [True, False])
def test_of_a_batch_answered_whole_the_setpoints_named_apart_keep_their_own_answer(partner, group, batch_first):
    assets = make_assets(partner, [charger("a"), charger("b")])
    enrol(group, assets)
    [batch] = _send(*(_plan(asset) for asset in assets))
    [one, _] = batch.setpoints.order_by("id")
    rows = [
        {"batch_id": batch.pk, "status": "accepted", "at": at("17:05")},
        {"setpoint_id": one.pk, "status": "rejected", "at": at("17:05"), "reason": "in maintenance"},
    ]

    _record(partner, *(rows if batch_first else reversed(rows)))

    answers = batch.setpoints.order_by("id").values_list("status", "result_reason")
    assert list(answers) == [("rejected", "in maintenance"), ("accepted", "")]


def test_a_batch_answered_over_and_over_in_one_request_is_read_once(partner, group, monkeypatch):
    assets = make_assets(partner, [charger(f"a{number}") for number in range(50)])
    enrol(group, assets)
    [batch] = _send(*(_plan(asset) for asset in assets))
    staged_rows = []

    def counted(name, columns, rows):
        kept = list(rows)
        staged_rows.append(len(kept))
        return staged(name, columns, kept)

    monkeypatch.setattr(control, "staged", counted)
    rows = [{"batch_id": batch.pk, "status": "accepted", "at": at("17:05")}] * 1_000

    assert _record(partner, *rows, {**rows[0], "status": "rejected"}) == 50

    assert staged_rows == [50]
    assert set(batch.setpoints.values_list("status", flat=True)) == {"rejected"}


def test_a_result_from_the_future_is_refused_as_it_would_hide_all_that_come_after_it(partner, group):
    [asset] = make_assets(partner, [charger("a")])
    enrol(group, [asset])
    [batch] = _send(_plan(asset))

    with pytest.raises(operations.InvalidRows) as refusal:
        _record(partner, {"batch_id": batch.pk, "status": "accepted", "at": at("18:06")})

    [error] = refusal.value.errors
    assert (error.index, error.field, error.code) == (0, "at", "in-the-future")
    assert _record(partner, {"batch_id": batch.pk, "status": "rejected", "at": at("18:05")}) == 1


def test_sending_takes_as_many_queries_for_many_assets_as_for_few(partner, group, django_assert_max_num_queries):
    assets = make_assets(partner, [charger(f"a{number}") for number in range(500)])
    enrol(group, assets)

    with django_assert_max_num_queries(15):
        _send(*(_plan(asset) for asset in assets))

    assert Setpoint.objects.count() == 500
