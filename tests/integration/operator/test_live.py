"""The live page of an activation: what it shows, to whom, and the acts it offers."""

from datetime import timedelta

import pytest

from bidding.models import Activation, ActivationSample, Cause, Duty
from tests.integration.operator.conftest import NOW
from tests.integration.operator.test_actions import act, last_event

MINUTE = timedelta(minutes=1)


@pytest.fixture
def activation(evening):
    group = evening.group()
    made = evening.activation(evening.bid(announcement=evening.announcement("call"), group=group, power_w=300_000))
    for number in range(3):
        ActivationSample.objects.create(
            activation=made, at=NOW - number * MINUTE, ordered_w=300_000, asked_w=320_000,
            delivered_w=310_000 - (30_000 if number == 0 else 0), seen=9, members=10, lost_by_cause={"ignored": 25_000},
        )  # fmt: skip
    asset = evening.asset(group=group, partner=evening.partner(name="Stadsladen"))
    Duty.objects.create(
        activation=made, asset=asset, asked_w=0, alone_w=11_000, usual_w=9_000, judged_from=NOW, measured_w=11_000,
        cause=Cause.IGNORED, failed_at=NOW,
    )  # fmt: skip
    return made


def live(pages, activation, query=""):
    return pages.get(f"/admin/bidding/activation/{activation.pk}/live/{query}")


def test_the_page_says_what_is_delivered_and_why_not_more(pages, activation):
    text = live(pages, activation).content.decode()
    assert "280 kW delivered of 300 kW ordered at 17:20, seen at 9 of 10 assets." in text
    assert "Accepted and not followed" in text
    assert "Stadsladen" in text
    assert 'http-equiv="refresh"' not in text
    assert 'http-equiv="refresh"' in live(pages, activation, "?refresh=1").content.decode()


def test_who_catches_up_under_a_limit_does_not_look_short(pages, activation):
    ActivationSample.objects.filter(at=NOW).update(ordered_w=-60_000, asked_w=-55_000, delivered_w=-55_000)
    response = live(pages, activation)
    assert response.context["state"]["tone"] == "good"
    text = response.content.decode()
    assert "-55 kW delivered of 0 kW ordered at 17:20, seen at 9 of 10 assets. The limit leaves 60 kW" in text


def test_a_quarter_hour_that_just_began_has_missed_nothing_yet(pages, activation):
    assert "17:15\N{EN DASH}17:30" in live(pages, activation).content.decode()
    ActivationSample.objects.all().delete()
    text = live(pages, activation).content.decode()
    assert "17:00\N{EN DASH}17:15" in text
    assert "17:15\N{EN DASH}17:30" not in text


def test_a_called_limit_is_told_before_anything_is_measured(pages, activation):
    ActivationSample.objects.all().delete()
    assert "A called limit" not in live(pages, activation).content.decode()
    activation.ptus.update(max_import_w=60_000)
    told = "A called limit: all of the group together may take at most {}."
    assert told.format("60 kW") in live(pages, activation).content.decode()
    activation.ptus.filter(pk=activation.ptus.latest("ptu_start").pk).update(max_import_w=0)
    assert told.format("0 to 60 kW, depending on the quarter hour") in live(pages, activation).content.decode()


def test_what_can_be_done_depends_on_how_it_stands(pages, activation):
    assert 'value="hold"' in live(pages, activation).content.decode()
    act(pages, "/admin/bidding/activation/", "hold", activation, reason="The transformer hums.")
    text = live(pages, activation).content.decode()
    assert "On hold, nothing new is planned: The transformer hums." in text
    assert 'value="resume"' in text
    assert 'value="hold"' not in text
    Activation.objects.update(stop_reason="Over.")
    assert 'name="action"' not in live(pages, activation).content.decode()


def test_each_act_is_done_once_and_kept_with_its_reason(pages, activation):
    for action, done, fields in (
        ("hold", "held", {}),
        ("resume", "resumed", {}),
        ("cap", "capped", {"cap_kw": "200"}),
        ("stop", "stopped", {}),
    ):
        act(pages, "/admin/bidding/activation/", action, activation, reason="Because.", **fields)
        assert last_event() == (f"bidding.activation.{done}", "operator", "Because.")
    activation.refresh_from_db()
    assert (activation.cap_w, activation.hold_reason, activation.stop_reason) == (200_000, "", "Because.")


def test_an_empty_cap_lifts_it(pages, activation):
    Activation.objects.update(cap_w=100_000)
    act(pages, "/admin/bidding/activation/", "cap", activation, reason="The work is done.", cap_kw="")
    activation.refresh_from_db()
    assert activation.cap_w is None


def test_a_cap_that_no_column_can_hold_is_asked_for_again(pages, activation):
    answer = act(pages, "/admin/bidding/activation/", "cap", activation, reason="A slip.", cap_kw="1" + "0" * 17)
    assert "less than or equal to 1000000000" in answer.content.decode()


def test_who_may_change_activations_sees_the_buttons_of_what_may_be_done(client, colleague, activation):
    client.force_login(colleague("bidding.view_activation", "bidding.change_activation"))
    assert 'value="stop"' in live(client, activation).content.decode()


def test_who_may_not_act_sees_no_buttons_and_who_may_not_look_sees_nothing(client, colleague, activation):
    client.force_login(colleague("bidding.view_activation"))
    assert 'name="action"' not in live(client, activation).content.decode()
    client.force_login(colleague("bidding.view_bid", "bidding.view_nobid"))
    assert live(client, activation).status_code == 403
