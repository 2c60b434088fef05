"""Acts of operators: each asks why, does one thing per row, and is audited with who and why."""

from datetime import UTC, datetime, timedelta

import pytest

from aggregator.core import audit
from aggregator.core.http import HttpClient
from aggregator.core.models import AuditEvent, OutboxMessage
from aggregator.operator.admin import bidding as bid_pages
from bidding import services
from bidding.markets.exchange.client import Exchange
from bidding.models import Bid

NOW = datetime(2026, 1, 14, 16, 20, tzinfo=UTC)
TOMORROW = datetime(2026, 1, 15, 16, tzinfo=UTC)


@pytest.fixture(autouse=True)
def configured_exchange(monkeypatch):
    market = Exchange(
        http=HttpClient(),
        polls=HttpClient(),
        base_url="http://exchange.example",
        participant_id="7f3c1f5a-7a52-4f3c-8a43-0d6a7d6f4a11",
        api_key="key",
    )
    monkeypatch.setattr(bid_pages, "exchange", lambda: market)


@pytest.fixture
def bid(evening):
    call = evening.announcement("call", starts_at=TOMORROW, ends_at=TOMORROW + timedelta(hours=1))
    made = evening.bid(announcement=call, group=evening.group(), status=Bid.Status.PROPOSED)
    evening.commit(made, sellable_w=300_000)
    return made


@pytest.fixture
def unconfigured_exchange(monkeypatch):
    monkeypatch.setattr(bid_pages, "exchange", services.exchange)
    services.exchange.cache_clear()
    yield
    services.exchange.cache_clear()


def act(pages, path, action, *rows, **fields):
    selected = {"action": action, "_selected_action": [row.pk for row in rows]}
    return pages.post(path, selected | fields, follow=True)


def last_event():
    event = AuditEvent.objects.latest("pk")
    return event.action, event.actor_name, event.reason


def test_an_act_first_asks_why_and_does_nothing(pages, bid):
    answer = act(pages, "/admin/bidding/bid/", "refuse", bid)
    text = answer.content.decode()
    assert "Refuse these bids" in text
    assert f"bid of 200 kW for {bid.aggregation_ean_id} from 2026-01-15 17:00" in text
    assert f'name="_selected_action" value="{bid.pk}"' in text
    bid.refresh_from_db()
    assert bid.status == "proposed"


def test_an_activation_to_act_on_is_named_by_its_group_and_its_window(pages, evening):
    activation = evening.activation(evening.bid(announcement=evening.announcement("now"), group=evening.group()))
    text = act(pages, "/admin/bidding/activation/", "stop", activation).content.decode()
    assert f"of {activation.aggregation_ean_id} from 2026-01-14 17:00" in text


@pytest.mark.parametrize("reason", ["", "   "])
def test_an_act_without_a_reason_asks_again(pages, bid, reason):
    answer = act(pages, "/admin/bidding/bid/", "refuse", bid, reason=reason)
    assert "Say why: the audit trail keeps the reason." in answer.content.decode()
    bid.refresh_from_db()
    assert bid.status == "proposed"


@pytest.mark.parametrize(
    ("action", "before", "after", "event"),
    [
        ("approve", "proposed", "approved", "bidding.bid.approved"),
        ("refuse", "proposed", "refused", "bidding.bid.refused"),
        ("withdraw", "submitted", "submitted", "bidding.bid.withdrawal-asked"),
    ],
)
def test_bids_are_decided_upon_with_a_reason(pages, bid, action, before, after, event):
    Bid.objects.filter(pk=bid.pk).update(status=before, exchange_order_id="7")
    act(pages, "/admin/bidding/bid/", action, bid, reason="Price is right.")
    bid.refresh_from_db()
    assert bid.status == after
    assert last_event() == (event, "operator", "Price is right.")


def test_a_bid_somebody_else_decided_upon_is_told_and_the_others_go_on(pages, evening, bid):
    call = evening.announcement("late", starts_at=TOMORROW, ends_at=TOMORROW + timedelta(hours=1))
    done = evening.bid(announcement=call, group=evening.group(), status=Bid.Status.REFUSED)
    text = act(pages, "/admin/bidding/bid/", "refuse", bid, done, reason="Price.").content.decode()
    assert "1 bid refused." in text
    assert "The bid is “Refused by an operator”, not “Waits for approval”." in text


def test_a_bid_after_the_gate_is_not_approved(pages, evening):
    late = evening.bid(announcement=evening.announcement("now"), group=evening.group(), status=Bid.Status.PROPOSED)
    text = act(pages, "/admin/bidding/bid/", "approve", late, reason="Go.").content.decode()
    assert "until 2026-01-14 16:45 Dutch time; that has passed" in text
    late.refresh_from_db()
    assert late.status == "proposed"


def test_an_activation_is_stopped_with_a_reason_once(pages, evening):
    activation = evening.activation(evening.bid(announcement=evening.announcement("now"), group=evening.group()))
    act(pages, "/admin/bidding/activation/", "stop", activation, reason="Fire at the depot.")
    activation.refresh_from_db()
    assert activation.stop_reason == "Fire at the depot."
    assert last_event() == ("bidding.activation.stopped", "operator", "Fire at the depot.")
    text = act(pages, "/admin/bidding/activation/", "stop", activation, reason="Again.").content.decode()
    assert "nothing is left to change" in text


def test_partners_are_stopped_and_resumed_with_a_reason(pages, evening):
    partner = evening.partner()
    assert ">sent<" in pages.get("/admin/assets/partner/").content.decode()
    shown = act(pages, "/admin/assets/partner/", "stop", partner, reason="Wrong firmware.").content.decode()
    assert "1 partner stopped." in shown
    assert ">stopped<" in shown
    partner.refresh_from_db()
    assert partner.is_stopped
    assert last_event() == ("assets.partner.stopped", "operator", "Wrong firmware.")
    act(pages, "/admin/assets/partner/", "resume", partner, reason="Mended.")
    partner.refresh_from_db()
    assert not partner.is_stopped
    assert last_event() == ("assets.partner.resumed", "operator", "Mended.")


def test_dead_messages_get_another_hour_with_a_reason(pages, evening):
    dead, waiting = evening.message("dead", dead_at=NOW), evening.message("waiting")
    act(pages, "/admin/core/outboxmessage/", "send_again", dead, waiting, reason="The market is back.")
    dead.refresh_from_db()
    assert (dead.dead_at, dead.deadline_at) == (None, NOW + timedelta(hours=1))
    assert OutboxMessage.objects.get(pk=waiting.pk).deadline_at == waiting.deadline_at
    assert last_event() == ("core.message.resent", "operator", "The market is back.")


def test_a_message_goes_out_again_only_with_its_entry_in_the_audit_trail(pages, evening, monkeypatch):
    dead = evening.message("dead", dead_at=NOW)

    def die(**_event):
        raise SystemExit("the process dies here")

    monkeypatch.setattr(audit, "record", die)
    with pytest.raises(SystemExit):
        act(pages, "/admin/core/outboxmessage/", "send_again", dead, reason="The market is back.")
    dead.refresh_from_db()
    assert dead.dead_at == NOW


@pytest.mark.parametrize("action", ["approve", "change_order"])
def test_without_an_exchange_the_page_says_what_to_configure(pages, bid, unconfigured_exchange, settings, action):
    settings.EXCHANGE_URL = ""
    text = act(pages, "/admin/bidding/bid/", action, bid, reason="Go.").content.decode()
    assert "to trade on the exchange." in text
    bid.refresh_from_db()
    assert bid.status == "proposed"


def test_a_bid_explains_what_its_record_changed(pages, bid):
    bid.explanation |= {
        "reliability": 0.95,
        "margin": {
            "realised_share": 0.9, "trust": 0.75, "recent_mean_kw": 180.0, "miss_share": 0.034, "drift": 0.2,
            "windows": 41, "windows_with_bid": 38,
        },
        "margin_history": [0.05, 0.045, 0.041, 0.038, 0.036, 0.035],
    }  # fmt: skip
    bid.save()
    text = pages.get(f"/admin/bidding/bid/{bid.pk}/change/").content.decode()
    for words in ("What the record says", "41", "90.0%", "5.0%", "3.40%", "4.50%, 4.10%, 3.80%, 3.60%, 3.50%"):
        assert words in text


@pytest.mark.parametrize(
    ("drivers", "words"),
    [
        ({"most_risk": 0.3, "windows": 0, "missed_share": None}, "Nothing is known yet of what drivers missed"),
        (
            {"most_risk": 0.1204, "windows": 23, "missed_share": 0.00412},
            "Drivers missed 0.41% of the energy they came for on the last 23 days with a call; promised is less",
        ),
    ],
)
def test_a_bid_tells_what_drivers_missed_and_how_much_risk_that_leaves(pages, bid, drivers, words):
    bid.explanation |= {"drivers": drivers}
    bid.save()
    page = pages.get(f"/admin/bidding/bid/{bid.pk}/change/").content.decode()
    assert words in page
    assert f"leaves before it could catch up is at most {drivers['most_risk']:.0%}." in page


def test_a_group_tells_what_drivers_missed_and_a_new_one_does_not_ask_for_it(pages, bid):
    page = pages.get(f"/admin/assets/aggregationean/{bid.aggregation_ean_id}/change/").content.decode()
    assert "What drivers missed" in page
    assert "Nothing is known yet" in page
    assert "is at most 30%." in page
    assert "What drivers missed" not in pages.get("/admin/assets/aggregationean/add/").content.decode()


def test_a_bid_explains_itself(pages, bid):
    text = pages.get(f"/admin/bidding/bid/{bid.pk}/change/").content.decode()
    for words in ("200 kW holds in 95 % of the scenarios.", "95.0%", "210.5", "Power against probability"):
        assert words in text
