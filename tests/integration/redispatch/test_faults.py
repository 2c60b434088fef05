"""Whatever the market's side of the wire does: no order is lost, doubled, or sent late."""

from datetime import timedelta
from decimal import Decimal

import pytest

from aggregator.core.http import READ_TIMEOUT_SECONDS, HttpClient
from aggregator.core.models import AuditEvent, OutboxMessage
from aggregator.operator.display import period
from aggregator.operator.panels.market import announcements
from bidding import services, tasks
from bidding.markets.gopacs.announcements import read_announcement
from bidding.markets.gopacs.client import fetch_announcements
from bidding.models import Activation, Announcement, Bid, Commitment, LedgerEntry, OrderChange, SurplusOrder
from bidding.operations.announcements import record_announcements
from bidding.operations.approvals import approve
from bidding.operations.order_changes import change, withdraw
from bidding.services import exchange
from tests.integration.mock_gopacs.market_process import ms, scenario_document, utc, wait_until
from tests.integration.redispatch.conftest import GATE, NOW

ORDERS = "/public-api/2.0/electricity/orders/gopacs"
FAULTS = {
    "401 in mid-flight": {"kind": "status", "status": 401},
    "403 without a reason": {"kind": "status", "status": 403},
    "404 by a server in front": {"kind": "status", "status": 404},
    "429": {"kind": "status", "status": 429, "retry_after": 5},
    "500": {"kind": "status", "status": 500},
    "503 after it was processed": {"kind": "status_after", "status": 503},
    "answer lost after it was processed": {"kind": "reply_lost"},
    "connection reset": {"kind": "reset"},
    "timeout": {"kind": "delay", "seconds": 0.8},
    "body that never ends": {"kind": "slow_body", "seconds": 1.2},
    "5 MB of nothing": {"kind": "huge_body"},
}
PATIENCE_SECONDS = 0.4
WINDOW = period(utc(16), utc(19))
pytestmark = pytest.mark.django_db(transaction=True)


def suffer(field, fault, **where):
    """Have the market misbehave; where it is slow, we give up before it answers (and on a busy machine too soon)."""
    if "seconds" in fault:
        field.http._read_timeout_seconds = PATIENCE_SECONDS
    field.fault(**fault, **where)


def is_on_the_book():
    return Bid.objects.filter(status=Bid.Status.SUBMITTED).exists()


def assert_one_order_in_time(field):
    (order,) = field.orders()
    bid = field.bid()
    assert (order["quantity"], order["price"], order["orderType"]) == (0.3, 180.25, "SELL")
    assert order["metaData"]["clientOrderId"] == str(bid.reference)
    assert (bid.status, bid.exchange_order_id) == (Bid.Status.SUBMITTED, order["id"])
    assert order["createdTimestamp"] < ms(GATE)
    assert committed() == {300_000}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_one_announcement_becomes_one_order_and_one_duty(field, fault):
    # every kind of request meets the fault: polling, placing, looking for what was placed
    suffer(field, fault, method="GET", path="/public/announcements")
    suffer(field, fault, method="POST", path=ORDERS, times=2)
    suffer(field, fault, method="GET", path=ORDERS)
    field.tick_until(is_on_the_book)
    assert_one_order_in_time(field)
    assert Announcement.objects.count() == 1
    # and hearing of the clearing
    suffer(field, fault, method="GET", path=ORDERS, times=2)
    field.at(utc(15, 10), tick=False)
    field.tick_until(Activation.objects.exists, step=timedelta(minutes=1))
    assert field.now() <= utc(15, 14) or "seconds" in fault
    activation = Activation.objects.get()
    assert (field.bid().status, field.bid().cleared_power_w) == (Bid.Status.CLEARED, 300_000)
    assert set(activation.ptus.values_list("ordered_w", flat=True)) == {300_000}


def lose_the_order(field):
    """Have the market take our order only when its switches are cleared, long after we gave up waiting."""
    field.http._read_timeout_seconds = PATIENCE_SECONDS
    field.fault(kind="delay", seconds=600, method="POST", path=ORDERS)
    field.at(NOW)
    assert (field.orders(), field.bid().status) == ([], Bid.Status.APPROVED)
    field.http._read_timeout_seconds = READ_TIMEOUT_SECONDS


def take_the_lost_order(field):
    before = len(field.orders())
    field.market.control("DELETE", "faults")
    assert wait_until(lambda: len(field.orders()) == before + 1)


def test_an_order_that_the_exchange_takes_after_our_time_limit_is_placed_once(field):
    lose_the_order(field)
    for seconds in (21, 42, 63, 84, 105):
        field.at(NOW + timedelta(seconds=seconds))
        assert (field.bid().status, committed()) == (Bid.Status.APPROVED, {300_000})
    take_the_lost_order(field)
    field.at(NOW + timedelta(minutes=2, seconds=10))
    assert_one_order_in_time(field)
    assert len(requests_of(field, "POST")) == 1


def test_an_order_that_was_lost_and_may_still_arrive_at_the_gate_is_closed_out(field):
    field.at(GATE - timedelta(minutes=1), tick=False)
    field.http._read_timeout_seconds = PATIENCE_SECONDS
    field.fault(kind="delay", seconds=600, method="POST", path=ORDERS)
    field.tick()
    for seconds in (-30, 0, 30):
        field.at(GATE + timedelta(seconds=seconds))
        assert committed() == {300_000}
    assert field.bid().status == Bid.Status.SOUGHT
    field.at(GATE + exchange().in_flight)
    assert (field.bid().status, committed()) == (Bid.Status.FAILED, {0})


@pytest.mark.parametrize("arrives", [False, True])
def test_an_order_that_was_lost_right_before_the_gate_is_not_repeated_and_people_are_told_in_time(field, arrives):
    field.at(GATE - timedelta(seconds=100), tick=False)
    field.http._read_timeout_seconds = PATIENCE_SECONDS
    field.fault(kind="delay", seconds=600, method="POST", path=ORDERS)
    field.tick()
    field.http._read_timeout_seconds = READ_TIMEOUT_SECONDS
    told = (
        f"Centre: nobody knows whether the exchange has the order of 300 kW for {WINDOW}. It is not sent again, as it "
        "may still arrive and the gate {gate}. Call the exchange and ask for our reference {reference}: if it has the "
        "order, that is a duty, also where this page does not show it. The power stays sold until it is known."
    )
    reference = field.bid().reference

    def alarms():
        return [line["text"] for line in announcements(now=field.now())["attention"]]

    assert alarms() == [told.format(gate="closes in 1 min", reference=reference)]
    field.at(GATE - timedelta(seconds=70))
    assert OutboxMessage.objects.get().last_error == (
        "Sent at 2026-01-14 16:43 Dutch time, neither answered nor found since. It may still arrive until after "
        "its deadline at 2026-01-14 16:45, so it is not sent again: ask the receiver whether it has it."
    )
    if arrives:
        take_the_lost_order(field)
        field.at(GATE - timedelta(seconds=40))
        assert_one_order_in_time(field)
    else:
        field.at(GATE + timedelta(seconds=30))
        assert field.bid().status == Bid.Status.SOUGHT
        assert alarms() == [told.format(gate="closed at 16:45", reference=reference)]
        field.at(GATE + exchange().in_flight)
        assert (field.orders(), field.bid().status, committed()) == ([], Bid.Status.FAILED, {0})
    assert alarms() == []
    assert len(requests_of(field, "POST")) == (1 if arrives else 0)  # logged when it is answered


@pytest.mark.parametrize("cleared", [False, True])
def test_a_second_order_under_our_reference_is_taken_out_and_told(field, caplog, cleared):
    lose_the_order(field)
    field.at(NOW + exchange().in_flight)
    assert_one_order_in_time(field)
    if cleared:
        field.at(utc(15, 11))
        assert field.bid().status == Bid.Status.CLEARED
    take_the_lost_order(field)
    (_, surplus) = sorted(field.orders(), key=lambda order: order["id"] != field.bid().exchange_order_id)
    for seconds in (21, 42, 63):
        field.at(field.now() + timedelta(seconds=seconds))

    assert {order["id"]: order["status"] for order in field.orders()} == {
        field.bid().exchange_order_id: "CLEARED" if cleared else "OPEN",
        surplus["id"]: "CANCELLED",
    }
    assert SurplusOrder.objects.get().is_final
    assert committed() == {300_000}
    (told,) = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert told.startswith(f"Order {surplus['id']} is in the book beside order {field.bid().exchange_order_id} of bid")
    assert AuditEvent.objects.get(action="bidding.bid.surplus-order").reason == told


def ask_change(field, operator):
    change(
        bid_id=field.bid().pk, power_w=200_000, price_eur_per_mwh=Decimal("150.50"), exchange=exchange(),
        now=field.now(), actor=operator, reason="Two cars left.",
    )  # fmt: skip


def ask_withdrawal(field, operator):
    withdraw(bid_id=field.bid().pk, now=field.now(), actor=operator, reason="Grid test.")


def committed():
    return set(LedgerEntry.objects.values_list("committed_w", flat=True))


def requests_of(field, method):
    return [entry for entry in field.market.control("GET", "log", params={"path": ORDERS}) if entry["method"] == method]


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_change_of_an_order_is_made_once_and_frees_what_it_gives_up(field, operator, fault):
    field.at(NOW)
    ask_change(field, operator)
    suffer(field, fault, method="PUT", path=ORDERS, times=2)
    field.tick_until(lambda: not OrderChange.objects.filter(status=OrderChange.Status.ASKED).exists())

    (order,) = field.orders()
    bid = field.bid()
    assert (order["quantity"], order["price"], order["status"]) == (0.2, 150.5, "OPEN")
    assert (bid.power_w, bid.price_eur_per_mwh, bid.status) == (200_000, Decimal("150.50"), Bid.Status.SUBMITTED)
    assert OrderChange.objects.get().status == OrderChange.Status.DONE
    assert len({entry["requestBody"] for entry in requests_of(field, "PUT")}) == 1
    assert committed() == {200_000}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_withdrawal_cancels_once_and_frees_the_power(field, operator, fault):
    field.at(NOW)
    ask_withdrawal(field, operator)
    suffer(field, fault, method="DELETE", path=ORDERS, times=2)
    # polling may tell that it is gone before the request is answered, which is then overtaken and no error
    field.tick_until(
        OutboxMessage.objects.filter(idempotency_key__startswith="withdraw", delivered_at__isnull=False).exists
    )

    (order,) = field.orders()
    assert (order["status"], order["version"], field.bid().status) == ("CANCELLED", 2, Bid.Status.WITHDRAWN)
    assert not OutboxMessage.objects.filter(delivered_at=None).exists()
    assert committed() == {0}


def withdrawal():
    return OutboxMessage.objects.get(idempotency_key__startswith="withdraw")


def test_a_withdrawal_answered_with_404_by_a_server_in_front_is_asked_again_while_the_order_may_be_open(
    field, operator
):
    field.at(NOW)
    ask_withdrawal(field, operator)
    field.fault(kind="status", status=404, method="DELETE", path=ORDERS, times=2)
    field.at(NOW + timedelta(seconds=21), tick=False)
    tasks.send_market_messages()
    field.fault(kind="status", status=404, method="GET", path=ORDERS)  # the search's too
    field.at(NOW + timedelta(seconds=42), tick=False)
    tasks.send_market_messages()
    assert (withdrawal().attempts, withdrawal().delivered_at, field.orders()[0]["status"]) == (2, None, "OPEN")

    field.at(NOW + timedelta(seconds=63))
    assert (field.orders()[0]["status"], field.bid().status) == ("CANCELLED", Bid.Status.WITHDRAWN)


@pytest.mark.parametrize("is_asked_in_front", [True, False])
def test_a_withdrawal_of_an_order_that_the_exchange_does_not_have_is_done(field, operator, is_asked_in_front):
    field.at(NOW)
    ask_withdrawal(field, operator)
    field.load()  # empties the book
    if is_asked_in_front:
        field.fault(kind="status", status=404, method="DELETE", path=ORDERS)
    field.tick()
    assert (withdrawal().attempts, withdrawal().delivered_at) == (1, NOW)


@pytest.mark.parametrize(
    ("kind", "ask", "method", "reached"),
    [
        ("reset", ask_change, "PUT", (0.3, "EXPIRED", Bid.Status.NOT_CLEARED)),
        ("reply_lost", ask_change, "PUT", (0.2, "EXPIRED", Bid.Status.NOT_CLEARED)),
        ("reset", ask_withdrawal, "DELETE", (0.3, "EXPIRED", Bid.Status.NOT_CLEARED)),
        ("reply_lost", ask_withdrawal, "DELETE", (0.3, "CANCELLED", Bid.Status.WITHDRAWN)),
    ],
)
def test_what_cannot_be_said_before_the_gate_is_not_said_after_it(field, operator, kind, ask, method, reached):
    document = scenario_document()
    document["announcements"][0]["clears_at"] = []
    field.market.load(document)
    field.at(NOW)
    field.at(GATE - timedelta(minutes=1), tick=False)
    ask(field, operator)
    field.fault(kind=kind, method=method, path=ORDERS, times=10_000)
    for seconds in (-60, -35, -10):
        field.at(GATE + timedelta(seconds=seconds))
    field.market.control("DELETE", "faults")
    for minutes in (0, 1, 3):
        field.at(GATE + timedelta(minutes=minutes))

    (order,) = field.orders()
    assert (order["quantity"], order["status"], field.bid().status) == reached
    sent = requests_of(field, method)
    assert sent
    assert all(entry["receivedAt"] < ms(GATE) for entry in sent)
    answer = OrderChange.Status.DONE if order["quantity"] == 0.2 else OrderChange.Status.REFUSED
    assert set(OrderChange.objects.values_list("status", flat=True)) <= {answer}
    assert committed() == {0}


@pytest.mark.parametrize("lock_at", [NOW, utc(15, 4), utc(15, 43)])
def test_a_book_that_is_locked_holds_an_order_up_but_never_past_the_gate(field, lock_at):
    field.at(lock_at, tick=False)
    field.market.control("POST", "faults", json={"kind": "lock", "seconds": 240})
    field.tick_until(is_on_the_book)
    if lock_at + timedelta(seconds=240) < GATE:
        assert_one_order_in_time(field)
        return
    # the lock outlasts the gate: nobody has the order, so its power is free again
    assert field.bid().status == Bid.Status.SOUGHT
    field.at(GATE + timedelta(minutes=2))
    assert (field.orders(), field.bid().status) == ([], Bid.Status.FAILED)
    assert committed() == {0}


def test_a_withdrawal_waits_for_a_locked_book_and_accepts_what_was_cleared(field, operator):
    field.tick_until(is_on_the_book)
    field.at(utc(15, 5), tick=False)  # the book is locked for the clearing at 16:10 local time
    withdraw(bid_id=field.bid().pk, now=field.now(), actor=operator, reason="Grid test.")
    field.tick()
    assert field.bid().is_locked
    field.at(utc(15, 10))
    for second in (30, 59):
        field.at(utc(15, 10) + timedelta(seconds=second))
    assert (field.bid().status, field.orders()[0]["status"]) == (Bid.Status.CLEARED, "CLEARED")
    assert Activation.objects.count() == 1
    assert not OutboxMessage.objects.filter(delivered_at=None).exists()  # overtaken is not an error


class Killed(BaseException):
    """Ends a worker like SIGKILL: nothing of what it did not commit remains."""


@pytest.mark.parametrize("comes_back_after_the_gate", [False, True])
def test_a_worker_that_dies_between_sending_and_writing_loses_nothing(field, monkeypatch, comes_back_after_the_gate):
    def die(*_):
        raise Killed

    with monkeypatch.context() as dying:
        dying.setattr(tasks, "_answered", die)
        with pytest.raises(Killed):
            field.tick()
    assert (len(field.orders()), OutboxMessage.objects.get().attempts) == (1, 0)
    # when a worker starts again
    field.at(GATE + timedelta(minutes=1) if comes_back_after_the_gate else NOW + timedelta(minutes=1))
    # then it finds the order instead of placing another, or of taking it for lost
    assert len(field.orders()) == 1
    if comes_back_after_the_gate:
        assert field.bid().status == Bid.Status.CLEARED
        assert Activation.objects.count() == 1
    else:
        assert_one_order_in_time(field)


def test_a_change_whose_sender_died_counts_as_made_where_the_exchange_made_it(field, operator, monkeypatch):
    def die(*_):
        raise Killed

    field.at(NOW)
    ask_change(field, operator)
    with monkeypatch.context() as dying:
        dying.setattr(tasks, "_answered", die)
        with pytest.raises(Killed):
            field.tick()
    field.at(utc(15, 11))  # the next worker comes after the clearing

    bid = field.bid()
    assert (bid.status, bid.cleared_power_w) == (Bid.Status.CLEARED, 200_000)
    assert (bid.power_w, bid.price_eur_per_mwh) == (200_000, Decimal("150.50"))
    assert OrderChange.objects.get().status == OrderChange.Status.DONE


def test_a_poller_that_asked_earlier_and_writes_later_takes_nothing_back(field):
    asked_earlier = fetch_announcements(http=field.http, base_url=field.market.address)
    field.at(NOW + timedelta(seconds=20))
    field.market.control("POST", f"announcements/{Announcement.objects.get().external_id}/withdraw")
    field.at(NOW + timedelta(seconds=40))
    received = [read_announcement(document) for document in asked_earlier.documents]
    assert record_announcements(received=received, now=field.now()) == []
    assert Announcement.objects.latest("revision").is_withdrawn


def test_an_order_waits_while_our_settings_forbid_to_call_the_exchange(field, monkeypatch):
    with monkeypatch.context() as misconfigured:
        misconfigured.setattr(services, "http_client", HttpClient)
        misconfigured.setattr(tasks, "market_polls", lambda: field.http)  # announcements are at an address we may call
        exchange.cache_clear()
        field.tick()
        assert "HTTP_ALLOWED_PRIVATE_HOSTS" in OutboxMessage.objects.get().last_error
        assert field.bid().status == Bid.Status.APPROVED
    exchange.cache_clear()
    field.at(NOW + timedelta(minutes=1))
    assert_one_order_in_time(field)


def test_an_exchange_that_is_away_until_the_gate_gets_nothing_late(field):
    field.fault(kind="reset", path=ORDERS, times=10_000)
    field.tick_until(is_on_the_book, step=timedelta(minutes=5))
    field.market.control("DELETE", "faults")
    for minutes in (0, 1, 3):
        field.at(GATE + timedelta(minutes=minutes))
    assert field.orders() == []
    assert (field.bid().status, Commitment.objects.filter(released_at=None).count()) == (Bid.Status.FAILED, 0)
    assert all(entry["receivedAt"] < ms(GATE) for entry in requests_of(field, "POST"))


@pytest.mark.parametrize("skew", [timedelta(minutes=-1), timedelta(minutes=1)], ids=["ours is slow", "ours is fast"])
def test_a_minute_between_the_clocks_is_no_harm_before_the_gate(field, skew):
    # half a minute before the gate on the clock that is ahead
    field.skew = skew
    field.at(GATE - timedelta(seconds=30) - max(skew, timedelta(0)))
    assert_one_order_in_time(field)


def test_our_slow_clock_cannot_place_after_the_markets_gate(field, group, operator):
    group.autonomy = "approve"
    group.save()
    field.skew = timedelta(minutes=-1)
    field.at(GATE - timedelta(minutes=5))
    field.at(GATE + timedelta(seconds=30), tick=False)
    ours = field.now() + field.skew
    approve(bid_id=field.bid().pk, exchange=exchange(), now=ours, actor=operator, reason="By our clock in time.")
    field.tick()
    assert field.orders() == []
    bid = field.bid()
    assert bid.status == Bid.Status.FAILED
    assert "EXPIRATION_PAST" in bid.status_reason
    assert committed() == {0}


@pytest.mark.parametrize(
    ("local_date", "midnight", "hours"),
    [("2026-03-29", utc(23, day=28, month=3), 2), ("2026-10-25", utc(22, day=24, month=10), 4)],
)
def test_on_a_day_of_the_clock_change_the_order_covers_the_real_hours(field, local_date, midnight, hours):
    document = scenario_document()
    document["date"] = local_date
    document["announcements"][0].update(publish_at="00:15", starts_at="01:00", ends_at="04:00", clears_at=["00:40"])
    document["foreign_orders"][0].update(starts_at="01:00", ends_at="04:00", placed_at="00:15")
    field.market.set_clock(midnight)
    field.market.load(document)
    field.at(midnight + timedelta(minutes=16))
    (order,) = field.orders()
    starts_at = midnight + timedelta(hours=1)
    assert (order["start"], order["end"]) == (ms(starts_at), ms(starts_at + timedelta(hours=hours)))
    field.at(midnight + timedelta(minutes=41))
    assert Activation.objects.get().ptus.count() == hours * 4
    assert field.bid().cleared_power_w == 300_000


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("path", [ORDERS, "/public/announcements"])
def test_a_market_that_asks_to_be_left_alone_is_not_polled_meanwhile(field, path, status):
    field.at(NOW)
    field.fault(kind="status", status=status, retry_after=45, method="GET", path=path)
    field.at(NOW + timedelta(seconds=20))

    def asked_since(seconds):
        log = field.market.control("GET", "log")
        return {
            entry["path"].removesuffix(field.bid().exchange_order_id).rstrip("/")
            for entry in log
            if entry["receivedAt"] > ms(NOW + timedelta(seconds=seconds)) and entry["method"] == "GET"
        }

    field.at(NOW + timedelta(seconds=40))
    field.at(NOW + timedelta(seconds=64))
    assert asked_since(20) == set()
    field.at(NOW + timedelta(seconds=66))
    assert asked_since(20) == {ORDERS, "/public/announcements"}
