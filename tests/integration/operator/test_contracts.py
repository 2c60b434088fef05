"""Contracts with grid operators, and offers under them, as operators enter, end and take them back."""

from datetime import date, time
from decimal import Decimal

import pytest

from aggregator.core.models import AuditEvent, OutboxMessage
from bidding.markets.uftp.codec import serialise
from bidding.models import Contract, UftpMessage, UftpParticipant
from bidding.uftp.own_keys import make_own_key
from tests.conformance.uftp.samples import AGR, OFFER
from tests.integration.operator.test_actions import NOW, act, last_event

CONTRACTS = "/admin/bidding/contract/"


@pytest.fixture
def dso(db):
    values = {"domain": "dso.example.com", "source": UftpParticipant.Source.BY_HAND}
    UftpParticipant.objects.create(role="AGR", **values)
    return UftpParticipant.objects.create(role="DSO", **values)


@pytest.fixture
def terms(evening, dso):
    return {
        "contract_id": "CLC-1", "kind": "CLC-A", "dso": dso.pk, "aggregation_ean": evening.group().pk,
        "congestion_point": "", "volume_w": 400_000, "power_meaning": "limit", "zero_side": "import",
        "window_starts": "17:00", "window_ends": "21:00", "call_days_before": 1, "price_eur_per_mwh": "95.00",
        "availability_fee_eur_per_month": 0, "penalty_eur_per_mwh": 0,
        "offered_shares": "1", "min_activation_factor": "1", "active_from": "2026-01-01",
    }  # fmt: skip


def test_a_contract_is_entered_on_a_page_as_by_the_command(pages, evening, dso, terms):
    text = pages.get(CONTRACTS + "add/").content.decode()
    assert "Volume (W)" in text
    assert "DSO dso.example.com" in text
    assert "AGR dso.example.com" not in text

    assert pages.post(CONTRACTS + "add/", terms).status_code == 302
    contract = Contract.objects.get()
    assert (contract.dso, contract.congestion_point) == (dso, evening.groups[0].ean)
    assert (contract.volume_w, contract.price_eur_per_mwh) == (400_000, Decimal(95))
    assert (contract.window_starts, contract.active_from) == (time(17), date(2026, 1, 1))
    assert last_event()[:2] == ("bidding.contract.entered", "operator")


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"volume_w": 0}, "A contract over 0 W cannot be called"),
        ({"kind": "CLC-T"}, "Give a limit for CLC-T and time-block contracts"),
        ({"window_ends": ""}, "Give both ends of the daily window"),
        ({"active_until": "2025-12-31"}, "last day lies before its first"),
        ({"congestion_point": "871685200000008514"}, "EAN"),
        ({"aggregation_ean": ""}, "This field is required"),
        ({"offered_shares": "1,0.5"}, "A limit cannot be offered or ordered in part"),
        ({"offered_shares": "1,2", "power_meaning": "delta"}, "less than or equal to 1"),
    ],
)
def test_what_is_wrong_is_said_on_the_form(pages, terms, wrong, words):
    answer = pages.post(CONTRACTS + "add/", terms | wrong)
    assert answer.status_code == 200
    assert words in answer.content.decode()
    assert not Contract.objects.exists()


def test_a_contract_is_corrected_until_its_first_call(pages, evening, terms):
    pages.post(CONTRACTS + "add/", terms)
    page = f"{CONTRACTS}{Contract.objects.get().pk}/change/"
    assert pages.post(page, terms | {"volume_w": 300_000}).status_code == 302
    assert Contract.objects.get().volume_w == 300_000
    assert last_event()[:2] == ("bidding.contract.changed", "operator")
    twice = pages.post(CONTRACTS + "add/", terms)
    assert twice.status_code == 200, "the same id again is no change by accident"

    called = evening.called_contract(evening.group(), number=9)
    page = f"{CONTRACTS}{called.pk}/change/"
    assert pages.get(page).status_code == 200
    assert pages.post(page, terms).status_code == 403


def test_a_contract_ends_with_a_day_and_a_reason_but_not_under_a_call(pages, evening):
    contract = evening.called_contract(evening.group(), number=1)  # called for the 14th
    text = act(pages, CONTRACTS, "end", contract, reason="Sold the depot.", last_day="2026-01-13").content.decode()
    assert "It is called for 2026-01-14, and that call stands" in text
    act(pages, CONTRACTS, "end", contract, reason="Sold the depot.", last_day="2026-01-31")
    contract.refresh_from_db()
    assert contract.active_until == date(2026, 1, 31)
    assert last_event() == ("bidding.contract.ended", "operator", "Sold the depot.")
    assert AuditEvent.objects.latest("pk").after == {"active_until": "2026-01-31"}
    text = act(pages, CONTRACTS, "end", contract, reason="Later.", last_day="2026-02-28").content.decode()
    assert "It ends on 2026-01-31 already" in text


def test_days_and_hours_of_a_contract_are_written_as_everywhere_else(pages, evening):
    evening.everything()
    Contract.objects.update(window_starts=time(16), window_ends=time(21, 30))
    contract = Contract.objects.get()
    page = pages.get(f"{CONTRACTS}{contract.pk}/change/").content.decode()
    for words in ("16:00", "21:30", "2025-06-01"):
        assert words in page
    assert "p.m." not in page
    assert "2025-06-01" in pages.get(CONTRACTS).content.decode()


def test_an_accepted_offer_is_taken_back_with_a_reason(pages, evening, settings):
    settings.UFTP_DOMAIN, settings.UFTP_BROKER_URL = AGR, "https://broker.example/message"
    contract = evening.called_contract(evening.group(), number=1)
    make_own_key(now=NOW, signs_from=NOW)
    offer = UftpMessage.objects.create(
        participant=contract.dso, way=UftpMessage.Way.SENT, element="FlexOffer", message_id=OFFER.message_id,
        conversation_id=OFFER.conversation_id, document=serialise(OFFER), result=UftpMessage.Result.ACCEPTED, at=NOW,
    )  # fmt: skip
    act(pages, "/admin/bidding/uftpmessage/", "revoke", offer, reason="Cars left.")
    assert UftpMessage.objects.get(element="FlexOfferRevocation").refers_to == OFFER.message_id
    assert OutboxMessage.objects.count() == 1
    assert last_event() == ("bidding.uftp-offer.revoked", "operator", "Cars left.")
    text = act(pages, "/admin/bidding/uftpmessage/", "revoke", offer, reason="Again.").content.decode()
    assert "neither ordered nor revoked, can be taken back" in text


def test_only_an_accepted_offer_of_ours_is_taken_back(pages, evening):
    evening.called_contract(evening.group(), number=1)
    order = UftpMessage.objects.get()
    text = act(pages, "/admin/bidding/uftpmessage/", "revoke", order, reason="Cars left.").content.decode()
    assert "This is no offer of ours" in text
