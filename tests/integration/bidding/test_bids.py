import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction

from aggregator.core.interval import Interval
from aggregator.core.models import AuditEvent, Job, OutboxMessage
from bidding import tasks
from bidding.markets.exchange.orders import OrderState
from bidding.markets.gopacs.announcements import ReceivedAnnouncement
from bidding.models import Announcement, Bid, Commitment, LedgerEntry, NoBid
from bidding.operations import approvals, bids, duties, order_changes, orders
from bidding.operations.announcements import record_announcements
from bidding.queries import announcements_to_answer
from bidding.uftp.demands import Demand
from tests import called_contracts
from tests.waiting import in_turn


def offer(announcement, group, sized, exchange, now):
    return bids.offer(announcement=announcement, aggregation_ean=group, sized=sized, exchange=exchange, now=now)


@pytest.fixture
def call(group, now):
    """Have a contract called for two quarter hours in the middle of the announced window."""

    def take(called_w):
        starts_at = datetime(2026, 1, 14, 17, tzinfo=UTC)
        demands = [Demand(starts_at + n * timedelta(minutes=15), -called_w) for n in range(2)]
        called_contracts.call(called_contracts.make_contract(group, volume_w=called_w), demands, now=now)

    return take


def test_an_automatic_group_offers_approves_and_enqueues_one_order(announcement, group, exchange, sized, now):
    bid = offer(announcement, group, sized(), exchange, now)

    assert bid.status == Bid.Status.APPROVED
    assert list(LedgerEntry.objects.values_list("committed_w", flat=True)) == [300_000] * 12
    message = OutboxMessage.objects.get()
    assert (message.method, message.deadline_at) == ("POST", announcement.starts_at - timedelta(minutes=15))
    assert json.loads(bytes(message.body)) == {
        "orderType": "SELL",
        "participantId": exchange.participant_id,
        "quantity": 0.3,
        "start": 1768406400000,
        "end": 1768417200000,
        "price": 180.0,
        "ean": group.ean,
        "marketBased": True,
        "customExpirationTime": 1768405500000,  # when the gate closes
        "metaData": {"clientOrderId": str(bid.reference)},
    }
    assert bid.nominations.count() == 12
    assert "key" not in json.dumps(message.headers)


def test_a_group_that_wants_approval_waits_for_it(announcement, group, exchange, sized, now):
    group.autonomy = "approve"
    group.save()
    operator = User.objects.create_user("night-shift")

    bid = offer(announcement, group, sized(), exchange, now)
    assert bid.status == Bid.Status.PROPOSED
    assert not OutboxMessage.objects.exists()

    approvals.approve(bid_id=bid.pk, exchange=exchange, now=now, actor=operator, reason="looks right")
    assert OutboxMessage.objects.count() == 1
    assert AuditEvent.objects.get(action="bidding.bid.approved").actor_name == "night-shift"
    with pytest.raises(approvals.NotInState, match="not “Waits for approval”"):
        approvals.approve(bid_id=bid.pk, exchange=exchange, now=now, actor=operator)


def test_refusing_a_bid_frees_its_power(announcement, group, exchange, sized, now):
    group.autonomy = "approve"
    group.save()
    bid = offer(announcement, group, sized(), exchange, now)

    approvals.refuse(bid_id=bid.pk, now=now, actor=User.objects.create_user("op"), reason="grid test tonight")

    assert set(LedgerEntry.objects.values_list("committed_w", flat=True)) == {0}
    assert Bid.objects.get().status_reason == "grid test tonight"


def test_after_the_gate_there_is_no_bid_but_a_reason(announcement, group, exchange, sized):
    gate = announcement.starts_at - timedelta(minutes=15)

    answer = offer(announcement, group, sized(), exchange, gate)

    assert isinstance(answer, NoBid)
    assert answer.reason == "The gate closed before the bid was ready."
    assert not LedgerEntry.objects.exists()


def test_nothing_sure_enough_is_recorded_once_and_answers_the_announcement(announcement, group, exchange, sized, now):
    assert announcements_to_answer(gate=exchange.gate, now=now) == [(announcement, group)]

    offer(announcement, group, sized(bid_w=0, reason="No bid: too little."), exchange, now)
    with pytest.raises(bids.AlreadyAnswered):
        offer(announcement, group, sized(), exchange, now)

    assert NoBid.objects.get().reason == "No bid: too little."
    assert announcements_to_answer(gate=exchange.gate, now=now) == []


@pytest.mark.parametrize(
    ("power_w", "constraint"), [(50_000, "bid_at_least_the_minimum"), (150_000, "bid_in_whole_steps")]
)
def test_the_database_refuses_a_bid_off_the_product(announcement, group, exchange, sized, now, power_w, constraint):
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        offer(announcement, group, sized(bid_w=power_w), exchange, now)
    assert not LedgerEntry.objects.exists()


@pytest.fixture
def other(announcement):
    """Another announcement of the same window."""
    made = Announcement.objects.get(pk=announcement.pk)
    made.pk, made.external_id = None, "A2"
    made.save()
    return made


def committed():
    return set(LedgerEntry.objects.values_list("committed_w", flat=True))


@pytest.mark.parametrize("sized_w", [100_000, 300_000])
def test_no_kw_is_sold_twice(announcement, other, group, exchange, sized, now, sized_w):
    offer(announcement, group, sized(), exchange, now)

    answer = offer(other, group, sized(bid_w=sized_w), exchange, now)

    assert answer.reason == (
        "Bids and contracts hold 300 kW in this window; beside that, less than the product's minimum of 100 kW is left "
        f"of {sized_w // 1000} kW."
    )
    assert Bid.objects.count() == 1
    assert committed() == {300_000}
    assert announcements_to_answer(gate=exchange.gate, now=now) == []


def test_a_second_announcement_gets_what_the_first_left(announcement, other, group, exchange, sized, now):
    offer(announcement, group, sized(), exchange, now)
    assert offer(other, group, sized(bid_w=550_000), exchange, now).power_w == 200_000
    assert committed() == {500_000}


def test_what_was_sold_in_other_hours_is_not_taken_off(announcement, other, group, exchange, sized, now):
    offer(announcement, group, sized(), exchange, now)
    later = revise(other, starts_at=announcement.ends_at, ends_at=announcement.ends_at + timedelta(hours=3))
    assert offer(later, group, sized(), exchange, now).power_w == 300_000


def test_an_answer_waits_while_the_exchange_is_asked_to_give_power_back(
    announcement, other, group, exchange, sized, now, monkeypatch
):
    bid = offer(announcement, group, sized(), exchange, now)
    orders.follow_order(bid_id=bid.pk, state=OrderState("X1", "", 0, None, False, False), now=now)
    order_changes.withdraw(bid_id=bid.pk, now=now, actor=None, reason="The announcement changed.")
    monkeypatch.setattr(tasks, "clock", lambda: SimpleNamespace(now=lambda: now))
    monkeypatch.setattr(tasks, "exchange", lambda: exchange)
    monkeypatch.setattr(tasks, "size", lambda **_: sized())

    for _ in range(2):  # the second round sizes nothing: nothing has changed
        tasks.offer_bids()
    waits = (
        "Bids and contracts hold 300 kW in this window. A bid among them is being withdrawn, and the answer waits "
        "until the exchange confirms that."
    )
    assert (Job.objects.get().summary, announcements_to_answer(gate=exchange.gate, now=now)) == (
        waits,
        [(other, group)],
    )
    with transaction.atomic():
        duties.close_gates(gate=exchange.gate, now=announcement.starts_at - exchange.gate)
        assert NoBid.objects.get(announcement=other).reason == f"No answer was ready before the gate closed: {waits}"
        transaction.set_rollback(True)

    orders.follow_order(bid_id=bid.pk, state=OrderState("X1", "", 0, None, True, True), now=now)
    tasks.offer_bids()
    assert Bid.objects.get(announcement=other).power_w == 300_000


@pytest.mark.parametrize(("cleared_w", "left_w"), [(0, 300_000), (100_000, 200_000), (300_000, 0)])
def test_an_answer_waits_for_the_end_of_an_order_whose_gate_comes_sooner(
    announcement, other, group, exchange, sized, now, cleared_w, left_w
):
    bid = offer(announcement, group, sized(), exchange, now)
    an_hour = timedelta(hours=1)
    later = revise(other, starts_at=announcement.starts_at + an_hour, ends_at=announcement.ends_at + an_hour)
    with pytest.raises(bids.PowerNotBackYet, match="300 kW in this window"):
        offer(later, group, sized(), exchange, now)

    price = Decimal(180) if cleared_w else None
    orders.follow_order(bid_id=bid.pk, state=OrderState("X1", "", cleared_w, price, True, False), now=now)
    answer = offer(later, group, sized(), exchange, now)
    assert (answer.power_w if left_w else answer.reason[:30]) == (left_w or "Bids and contracts hold 300 kW")


@pytest.mark.django_db(transaction=True)
def test_two_workers_at_once_sell_the_same_power_once(announcement, other, group, exchange, sized, now):
    answer = in_turn(
        lambda: offer(announcement, group, sized(), exchange, now), lambda: offer(other, group, sized(), exchange, now)
    )

    assert (type(answer), Bid.objects.count()) == (NoBid, 1)
    assert committed() == {300_000}


@pytest.mark.parametrize(("called_w", "bid_w"), [(100_000, 200_000), (150_000, 100_000), (200_001, 0), (900_000, 0)])
def test_what_contracts_called_is_not_offered(announcement, group, exchange, sized, now, call, called_w, bid_w):
    call(called_w)

    answer = offer(announcement, group, sized(), exchange, now)

    if bid_w:
        assert (answer.power_w, answer.commitments.count()) == (bid_w, 12)
    else:
        assert answer.reason.startswith(
            f"Bids and contracts hold {called_w / 1000:,.0f} kW in this window; beside that, less"
        )
    assert announcements_to_answer(gate=exchange.gate, now=now) == []


@pytest.mark.django_db(transaction=True)
def test_a_call_while_a_bid_is_cleared_waits_for_it(announcement, group, exchange, sized, now, call):
    bid = offer(announcement, group, sized(), exchange, now)
    cleared = OrderState("X1", "", 100_000, Decimal(180), True, False)

    def take_on():
        with transaction.atomic():
            call(100_000)

    # What is cleared becomes an order, and that refers to the group, which the call has locked by then.
    in_turn(lambda: orders.follow_order(bid_id=bid.pk, state=cleared, now=now), take_on)

    assert committed() == {100_000, 200_000}


def test_raw_sql_cannot_oversell_either(announcement, group, exchange, sized, now):
    offer(announcement, group, sized(), exchange, now)
    with (
        pytest.raises(IntegrityError, match="never_sell_a_kw_twice"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute("UPDATE bidding_commitment SET power_w = power_w + 1")


@pytest.mark.django_db(transaction=True)
def test_two_workers_at_once_make_one_bid(announcement, group, exchange, sized, now):
    def work():
        offer(announcement, group, sized(), exchange, now)

    with pytest.raises(bids.AlreadyAnswered):
        in_turn(work, work)

    assert Bid.objects.count() == 1
    assert OutboxMessage.objects.count() == 1
    assert Commitment.objects.count() == 12


def revise(announcement, **changes):
    """Write down another revision of an announcement."""
    newer = Announcement.objects.get(pk=announcement.pk)
    newer.pk, newer.revision = None, newer.revision + 1
    for name, value in changes.items():
        setattr(newer, name, value)
    newer.save()
    return newer


CHANGED = [
    ({"is_open": False, "is_withdrawn": True}, "Announcement A1 was withdrawn meanwhile."),
    ({"is_open": False}, "Announcement A1 is no longer open."),
    ({"terms": 2}, "Announcement A1 changed meanwhile: its period, side or place is another."),
]


@pytest.mark.parametrize(("changes", "reason"), CHANGED)
def test_what_was_sized_before_its_announcement_changed_is_not_offered(
    announcement, group, exchange, sized, now, changes, reason
):
    revise(announcement, **changes)
    with pytest.raises(bids.AnnouncementChanged) as refusal:
        offer(announcement, group, sized(), exchange, now)
    assert str(refusal.value).startswith(reason)
    assert not Bid.objects.exists()
    assert not NoBid.objects.exists()
    assert not LedgerEntry.objects.exists()


@pytest.mark.parametrize(("changes", "reason"), CHANGED)
def test_a_bid_by_hand_is_not_taken_once_its_announcement_changed(announcement, group, now, changes, reason):
    bid = bids.fill_in(
        bid=Bid(), announcement=announcement, aggregation_ean=group, power_w=300_000, price_eur_per_mwh=Decimal(150),
        now=now,
    )  # fmt: skip
    revise(announcement, **changes)
    with pytest.raises(ValidationError) as refusal:
        bids.propose_by_hand(bid=bid, now=now, actor=User.objects.create_user("op"))
    assert refusal.value.messages[0].startswith(reason)
    assert not Bid.objects.exists()


def test_an_announcement_that_needs_less_by_now_still_gets_what_was_sized(announcement, group, exchange, sized, now):
    revise(announcement, required_power_w=[400_000] * 12)
    assert offer(announcement, group, sized(), exchange, now).status == Bid.Status.APPROVED


@pytest.mark.django_db(transaction=True)
def test_an_offer_waits_for_the_withdrawal_that_is_being_written_down(announcement, group, exchange, sized, now):
    withdrawn = ReceivedAnnouncement(
        "A1", "reduce", Interval(announcement.starts_at, announcement.ends_at), (), frozenset({"3511"}),
        is_mandatory=False, is_open=False, is_withdrawn=True, document={"state": "withdrawn"},
    )  # fmt: skip

    with pytest.raises(bids.AnnouncementChanged, match=r"A1 was withdrawn meanwhile\. Make no bid for it\."):
        in_turn(
            lambda: record_announcements(received=[withdrawn], now=now),
            lambda: offer(announcement, group, sized(), exchange, now),
        )

    assert not Bid.objects.exists()


def test_a_round_of_bids_goes_on_and_says_why_it_made_none(
    announcement, group, exchange, sized, now, monkeypatch, caplog
):
    def size(**_):
        revise(announcement, is_open=False, is_withdrawn=True)
        return sized()

    monkeypatch.setattr(tasks, "clock", lambda: SimpleNamespace(now=lambda: now))
    monkeypatch.setattr(tasks, "exchange", lambda: exchange)
    monkeypatch.setattr(tasks, "size", size)
    tasks.offer_bids()

    job = Job.objects.get()
    assert (job.status, job.summary) == ("done", "Announcement A1 was withdrawn meanwhile. Make no bid for it.")
    assert not [record for record in caplog.records if record.levelname == "ERROR"]
    assert not Bid.objects.exists()


def test_an_order_the_exchange_refused_frees_its_power(announcement, group, exchange, sized, now):
    bid = offer(announcement, group, sized(), exchange, now)
    orders.note_failed(reference=str(bid.reference), reason="HTTP 412: EAN_NOT_REGISTERED", now=now)

    bid.refresh_from_db()
    assert (bid.status, bid.status_reason) == (Bid.Status.FAILED, "HTTP 412: EAN_NOT_REGISTERED")
    assert set(LedgerEntry.objects.values_list("committed_w", flat=True)) == {0}


def test_the_price_of_an_order_keeps_its_cents(announcement, group, exchange, sized, now):
    group.price_eur_per_mwh = Decimal("183.07")
    group.save()
    offer(announcement, group, sized(), exchange, now)
    assert json.loads(bytes(OutboxMessage.objects.get().body), parse_float=Decimal)["price"] == Decimal("183.07")
