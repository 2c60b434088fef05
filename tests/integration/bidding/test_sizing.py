"""Sizing on what the database knows: sessions with their cards, and the model the settings name."""

import pytest
from django.core import checks

from assets.models import ChargingSession
from bidding.forecast.sessions import NO_CARD
from bidding.operations import sizing
from bidding.portfolio import group_at, plug_history
from tests.integration.bidding.conftest import BEFORE

HELD_KW = 11


def test_sessions_carry_their_cards_by_number_and_what_was_not_told(fleet, group):
    cars = group_at(aggregation_ean=group, instant=BEFORE).plugs
    first, second = cars[0], cars[1]
    ChargingSession.objects.filter(asset=first).update(driver_token="a" * 64)
    ChargingSession.objects.filter(asset=second, plug_out_at=None).update(driver_token="a" * 64)

    history = plug_history(plugs=cars, now=BEFORE)

    of_first = history.asset_ids.index(first.pk)
    past = history.sessions.card[history.sessions.charger == of_first]
    assert len(set(past.tolist())) == 1
    assert past[0] != NO_CARD
    here = dict(zip(history.plugged_in.charger.tolist(), history.plugged_in.card.tolist(), strict=True))
    assert here[of_first] == here[history.asset_ids.index(second.pk)] == past[0]
    others = history.sessions.card[history.sessions.charger != of_first]
    assert set(others.tolist()) == {NO_CARD}


@pytest.mark.parametrize("model", ["nearest", "forests"])
def test_the_setting_names_the_model_that_forecasts(fleet, group, announcement, settings, model):
    if model == "forests":
        pytest.importorskip("sklearn", reason="the extra is not installed: pip install 'aggregator[forests]'")
    settings.STAY_MODEL = model
    sizing._stays.cache_clear()
    try:
        sized = sizing.size(announcement=announcement, aggregation_ean=group, now=BEFORE)
    finally:
        sizing._stays.cache_clear()
    assert sized.bid_w > 5 * HELD_KW * 1000, sized.reason


def test_a_model_that_is_not_there_is_told_at_the_start(settings):
    settings.STAY_MODEL = "oracle"
    (message,) = checks.run_checks(app_configs=None, tags=None)
    assert (message.id, "nearest, forests" in message.msg) == ("bidding.E001", True)
