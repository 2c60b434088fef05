"""The terms on which groups bid, and approvals by two people, as operators meet them."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from aggregator.core.models import AuditEvent, OutboxMessage
from bidding.models import Bid, Mandate, OrderChange, PricingPolicy
from tests.integration.operator.test_actions import TOMORROW, act, configured_exchange  # noqa: F401 - a fixture

NOW = datetime(2026, 1, 14, 16, 20, tzinfo=UTC)
MANDATE = {
    "automatic_up_to_w": 500_000, "automatic_up_to_eur": "1000", "two_people_above_w": 800_000,
    "active_from_0": "2026-01-14", "active_from_1": "17:10:00",
}  # fmt: skip
POLICY = {
    "rebound_hours": 8, "rebound_share": 1, "round_trip_efficiency": "0.85", "wear_eur_per_kwh": "0.045",
    "energy_tax_eur_per_kwh": 0, "taxed_twice_share": 0, "drivers_eur_per_mwh": "12.50", "margin_eur_per_mwh": 5,
    "active_from_0": "2026-01-15", "active_from_1": "00:00:00",
}  # fmt: skip


def add(pages, model, group, values):
    return pages.post(f"/admin/bidding/{model}/add/", {"aggregation_ean": group.pk} | values)


def test_a_mandate_that_was_typed_slowly_holds_from_now_and_is_audited(pages, evening, operator):
    group = evening.group()
    assert add(pages, "mandate", group, MANDATE).status_code == 302
    mandate = Mandate.objects.get()
    assert (mandate.active_from, mandate.entered_at, mandate.entered_by) == (NOW, NOW, operator)
    event = AuditEvent.objects.latest("pk")
    assert (event.action, event.actor_name) == ("bidding.mandate.added", "operator")
    # and it cannot be changed afterwards
    page = f"/admin/bidding/mandate/{mandate.pk}/change/"
    assert pages.get(page).status_code == 200
    assert pages.post(page, MANDATE | {"automatic_up_to_w": 9}).status_code == 403


def test_terms_of_the_past_are_refused_in_the_rules_words(pages, evening):
    answer = add(pages, "mandate", evening.group(), MANDATE | {"active_from_0": "2026-01-13"})
    assert "A mandate cannot begin before now" in answer.content.decode()
    assert not Mandate.objects.exists()


def test_a_policy_is_entered_in_its_units(pages, evening):
    text = pages.get("/admin/bidding/pricingpolicy/add/").content.decode()
    assert "Wear (€ per kWh)" in text
    assert "Margin (€ per MWh)" in text
    assert add(pages, "pricingpolicy", evening.group(), POLICY).status_code == 302
    policy = PricingPolicy.objects.get()
    assert (policy.wear_eur_per_kwh, policy.active_from) == (Decimal("0.0450"), datetime(2026, 1, 14, 23, tzinfo=UTC))
    assert "€ 0.0450" in pages.get("/admin/bidding/pricingpolicy/").content.decode()


@pytest.fixture
def large_bid(evening):
    call = evening.announcement("call", starts_at=TOMORROW, ends_at=TOMORROW + timedelta(hours=1))
    made = evening.bid(announcement=call, group=evening.group(), status=Bid.Status.PROPOSED, people_needed=2)
    evening.commit(made, sellable_w=300_000)
    return made


def test_two_people_approve_and_the_first_is_told_to_ask_another(pages, client, large_bid, django_user_model):
    bids = "/admin/bidding/bid/"
    act(pages, bids, "approve", large_bid, reason="Price is right.")
    assert "waits for a second person" in pages.get("/admin/").content.decode()
    text = act(pages, bids, "approve", large_bid, reason="Again.").content.decode()
    assert "One of its size needs another person" in text
    assert not OutboxMessage.objects.exists()

    client.force_login(django_user_model.objects.create_superuser("colleague"))
    act(client, bids, "approve", large_bid, reason="I agree.")
    large_bid.refresh_from_db()
    assert large_bid.status == Bid.Status.APPROVED
    assert OutboxMessage.objects.count() == 1


def test_an_order_is_changed_on_a_page_that_asks_power_price_and_why(pages, large_bid):
    Bid.objects.filter(pk=large_bid.pk).update(people_needed=0, status=Bid.Status.SUBMITTED, exchange_order_id="7")
    asked = act(pages, "/admin/bidding/bid/", "change_order", large_bid).content.decode()
    assert 'name="power_kw"' in asked
    values = {"reason": "Two cars left.", "power_kw": 100, "price_eur_per_mwh": "150.50"}
    act(pages, "/admin/bidding/bid/", "change_order", large_bid, **values)
    change = OrderChange.objects.get()
    assert (change.power_w, change.price_eur_per_mwh, change.asked_by.username) == (
        100_000,
        Decimal("150.50"),
        "operator",
    )
    text = act(pages, "/admin/bidding/bid/", "change_order", large_bid, **values).content.decode()
    assert "has not answered the last request" in text


def test_a_bid_shows_what_its_price_is_made_of(pages, large_bid):
    parts = {"parts": [["energy", "80.00", "bought again: 1 x € 80.00"], ["margin", "5.00", "set by the policy"]]}
    Bid.objects.filter(pk=large_bid.pk).update(price_parts=parts, price_eur_per_mwh=Decimal(85))
    text = pages.get(f"/admin/bidding/bid/{large_bid.pk}/change/").content.decode()
    for words in ("Price made of", "€ 80.00", "bought again: 1 x € 80.00", "€ 85.00"):
        assert words in text
