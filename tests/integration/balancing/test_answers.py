"""What becomes of balancing energy that was offered to TenneT: taken, refused, unanswered, not sent or taken back."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User

from aggregator.core.models import AuditEvent, DeliveryAttempt, OutboxMessage
from bidding import services, tasks
from bidding.markets.afrr.acknowledgement import Acknowledgement, Verdict
from bidding.markets.afrr.client import Outcome, Sent
from bidding.models import BalancingBid, LedgerEntry
from bidding.operations import tennet_messages
from bidding.operations.approvals import GateClosed, NotInState
from bidding.operations.balancing_answers import note_answer
from bidding.operations.balancing_bids import BEFORE_GATE, take_back
from tests.integration.balancing.conftest import GATE, MW, SIZED_AT, parts_w

pytestmark = pytest.mark.django_db(transaction=True)

Status = BalancingBid.Status


@pytest.fixture
def operator():
    return User.objects.create_user("operator")


def offered(field, portfolio, *, up_w=2 * MW, down_w=0):
    portfolio.sized(portfolio.group(), up_w=up_w)
    if down_w:
        portfolio.sized(portfolio.group(), down_w=down_w)
    tasks.offer_balancing()


def assert_ended(field, status, reason):
    [bid] = field.bids().values()
    assert bid.status == status
    assert reason in bid.status_reason
    assert parts_w(bid) == {}
    assert set(LedgerEntry.objects.values_list("committed_w", flat=True)) == {0}


def test_what_is_refused_is_free_again_and_not_tried_again(field, portfolio, settings, caplog):
    settings.AFRR_MOST_UP_MW = 40  # TenneT has prequalified 20
    for _ in range(3):
        portfolio.sized(portfolio.group(), up_w=10 * MW)
    field.tick()
    field.tick()
    assert_ended(field, Status.REFUSED, "A59")
    assert "TenneT refused the balancing bid" in caplog.text
    assert OutboxMessage.objects.get().delivered_at is not None


def test_what_comes_after_tennets_gate_is_refused_and_free_again(field, portfolio):
    offered(field, portfolio)
    field.market.set_clock(GATE)  # its clock is ahead of ours
    tasks.send_balancing_messages()
    assert_ended(field, Status.REFUSED, "A57")


def test_of_a_document_that_is_taken_in_part_the_named_bids_are_refused(field, portfolio):
    offered(field, portfolio, down_w=3 * MW)
    up, down = (field.bids()[way] for way in ("reduce", "increase"))
    answer = Acknowledgement("a", up.document_mrid, Verdict.IN_PART, (down.mrid,), ())
    sent = Sent(Outcome.DONE_IN_PART, "TenneT answers: in part.", answer)
    note_answer(document_mrid=up.document_mrid, sent=sent, tennet=services.tennet(), now=SIZED_AT)
    bids = field.bids()
    assert [(bids[way].status, parts_w(bids[way])) for way in ("reduce", "increase")] == [
        (Status.STANDS, {"Group 1": 2 * MW}), (Status.REFUSED, {}),
    ]  # fmt: skip


@pytest.mark.parametrize("fault", [{"kind": "reply_lost"}, {"kind": "status_after", "status": 503}, {"kind": "reset"}])
def test_after_a_lost_answer_the_same_document_goes_out_again(field, portfolio, fault):
    offered(field, portfolio)
    field.fault(**fault)
    tasks.send_balancing_messages()
    [bid] = field.bids().values()
    assert (bid.status, parts_w(bid)) == (Status.SENDING, {"Group 1": 2 * MW})
    field.at(SIZED_AT + timedelta(minutes=1))
    tasks.send_balancing_messages()
    assert field.bids()["reduce"].status == Status.STANDS
    assert field.merit_order()["up"] == [(2, 90.0)]


def test_tennet_is_left_alone_as_long_as_it_asks(field, portfolio):
    offered(field, portfolio)
    field.fault(kind="status", status=429, retry_after=50)
    for seconds, status in ((0, Status.SENDING), (45, Status.SENDING), (51, Status.STANDS)):
        field.at(SIZED_AT + timedelta(seconds=seconds))
        tasks.send_balancing_messages()
        assert field.bids()["reduce"].status == status


def test_what_stays_unanswered_until_the_gate_stays_sold(field, portfolio):
    offered(field, portfolio)
    field.fault(kind="reply_lost")
    tasks.send_balancing_messages()
    field.at(GATE)
    tasks.send_balancing_messages()
    [bid] = field.bids().values()
    assert (bid.status, parts_w(bid)) == (Status.UNKNOWN, {"Group 1": 2 * MW})
    assert bid.status_reason.startswith("The deadline passed.")


@pytest.mark.parametrize("hindrance", ["told to wait", "no connection", "not tried"])
def test_what_surely_never_arrived_by_the_gate_is_free_again(field, portfolio, settings, hindrance):
    offered(field, portfolio)
    if hindrance == "no connection":
        settings.TENNET_URL = "http://127.0.0.1:1"
        services.tennet.cache_clear()
        OutboxMessage.objects.update(url=settings.TENNET_URL)
    if hindrance != "not tried":
        field.fault(kind="status", status=429)
        tasks.send_balancing_messages()
        assert DeliveryAttempt.objects.count() == 1
    field.at(GATE)
    tasks.send_balancing_messages()
    assert_ended(field, Status.NOT_SENT, "The deadline passed.")
    assert field.merit_order()["up"] == []


def test_a_worker_that_dies_over_a_send_leaves_the_power_sold(field, portfolio, monkeypatch):
    offered(field, portfolio)

    class Killed(BaseException):
        pass

    def die(**_request):
        raise Killed

    monkeypatch.setattr(field.http, "request", die)
    with pytest.raises(Killed):
        tasks.send_balancing_messages()
    assert DeliveryAttempt.objects.get().may_have_arrived
    monkeypatch.undo()
    field.at(GATE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tennet_messages, "note_answer", None)
        tennet_messages.send(tennet=services.tennet(), clock=_stopped_at(GATE))
    [bid] = field.bids().values()
    assert (bid.status, parts_w(bid)) == (Status.UNKNOWN, {"Group 1": 2 * MW})


def test_a_worker_that_dies_before_a_send_leaves_it_to_the_next(field, portfolio):
    offered(field, portfolio)  # and no more: it is in the outbox by then
    field.at(SIZED_AT + timedelta(minutes=1))
    tasks.send_balancing_messages()
    assert field.bids()["reduce"].status == Status.STANDS


def _stopped_at(instant):
    return type("Stopped", (), {"now": lambda _self: instant})()


def test_a_bid_is_taken_back_and_its_power_is_free_again_once_tennet_says_so(field, portfolio, operator):
    offered(field, portfolio, down_w=3 * MW)
    tasks.send_balancing_messages()
    up = field.bids()["reduce"]
    take_back(bid_id=up.pk, tennet=services.tennet(), now=SIZED_AT, actor=operator, reason="The depot is on fire.")
    assert parts_w(field.bids()["reduce"]) == {"Group 1": 2 * MW}
    with pytest.raises(NotInState, match="asked already"):
        take_back(bid_id=up.pk, tennet=services.tennet(), now=SIZED_AT, actor=operator, reason="Again.")
    field.tick()
    bids = field.bids()
    assert [(bid.status, bid.status_reason) for bid in bids.values()] == [
        (Status.TAKEN_BACK, "The depot is on fire."), (Status.STANDS, ""),
    ]  # fmt: skip
    assert (parts_w(bids["reduce"]), parts_w(bids["increase"])) == ({}, {"Group 2": 3 * MW})
    assert field.merit_order() == {"up": [], "down": [(3, -90.0)]}
    event = AuditEvent.objects.get(action="bidding.balancing-bid.take-back-asked")
    assert (event.actor_name, event.reason) == ("operator", "The depot is on fire.")
    with pytest.raises(NotInState, match="nothing to take back"):
        take_back(bid_id=up.pk, tennet=services.tennet(), now=SIZED_AT, actor=operator, reason="Again.")


def test_a_bid_that_waits_for_an_answer_is_taken_back_once_it_stands(field, portfolio, operator):
    offered(field, portfolio)
    bid = field.bids()["reduce"]
    take_back(bid_id=bid.pk, tennet=services.tennet(), now=SIZED_AT, actor=operator, reason="Too much.")
    assert OutboxMessage.objects.count() == 1
    tasks.send_balancing_messages()
    tasks.send_balancing_messages()
    assert_ended(field, Status.TAKEN_BACK, "Too much.")
    assert field.merit_order()["up"] == []


@pytest.mark.parametrize(("is_sent", "status"), [(True, Status.UNKNOWN), (False, Status.STANDS)])
def test_a_bid_of_which_nobody_knows_whether_it_was_taken_back_stays_sold(field, portfolio, operator, is_sent, status):
    offered(field, portfolio)
    tasks.send_balancing_messages()
    bid = field.bids()["reduce"]
    take_back(bid_id=bid.pk, tennet=services.tennet(), now=SIZED_AT, actor=operator, reason="Too much.")
    if is_sent:
        field.fault(kind="reply_lost")
        tasks.send_balancing_messages()
    field.at(GATE)
    tasks.send_balancing_messages()
    bid = field.bids()["reduce"]
    assert (bid.status, parts_w(bid)) == (status, {"Group 1": 2 * MW})
    assert bid.status_reason.startswith("Not taken back. The deadline passed.")


def test_nothing_is_taken_back_when_the_gate_is_near(field, portfolio, operator):
    offered(field, portfolio)
    tasks.send_balancing_messages()
    late = GATE - BEFORE_GATE
    with pytest.raises(GateClosed, match="are final from"):
        take_back(bid_id=field.bids()["reduce"].pk, tennet=services.tennet(), now=late, actor=operator, reason="Late.")


def test_a_document_that_was_refused_is_not_sent_again_by_a_person(field, portfolio):
    offered(field, portfolio)
    message = OutboxMessage.objects.get()
    BalancingBid.objects.update(status=Status.REFUSED)
    tasks.send_balancing_messages()
    message.refresh_from_db()
    assert message.last_error == "Its bids are decided, so it must not be sent any more."
    assert field.merit_order()["up"] == []
