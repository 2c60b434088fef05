"""The aFRR part of a scenario document."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from mock_gopacs.scenario import read_scenario
from mock_gopacs.scenario_values import InvalidScenario
from mock_gopacs.tennet.ladder import Direction
from mock_gopacs.tennet.plans import read_tennet
from mock_gopacs.tennet.terms import Terms

DAY = date(2026, 1, 14)
BSP = {
    "party_id": "8712345000004", "name": "ours", "api_key": "key", "prequalified_up_mw": 20, "prequalified_down_mw": 10,
}  # fmt: skip


def plan(day=DAY, **part):
    return read_tennet({"tennet": part}, day)


def test_a_scenario_without_tennet_has_the_usual_terms_and_nobody():
    scenario = read_scenario({"name": "bare", "seed": 1, "date": "2026-01-14", "areas": {}}, {})
    assert scenario.tennet.terms == Terms()
    assert (scenario.tennet.bsps, scenario.tennet.competitors, scenario.tennet.demand) == ((), (), ())


def test_terms_are_read_by_their_names():
    terms = plan(
        terms={
            "gate_lead_minutes": 30, "lost_after_seconds": None, "is_ramped": True, "full_activation_seconds": 60,
            "lowest_price_eur_per_mwh": -10000, "penalty_eur_per_mwh": "12.5", "settles_after_hours": 1,
            "compliance_model": "none", "stale_after_seconds": 600, "minimum_bid_mw": 2,
        }
    ).terms  # fmt: skip
    assert terms == Terms(
        gate_lead=timedelta(minutes=30), lost_after=None, is_ramped=True, full_activation=timedelta(seconds=60),
        lowest_price_eur_per_mwh=Decimal(-10000), penalty_eur_per_mwh=Decimal("12.5"),
        settles_after=timedelta(hours=1), compliance_model="none", stale_after=timedelta(seconds=600), minimum_bid_mw=2,
    )  # fmt: skip


@pytest.mark.parametrize(("day", "ptus"), [(DAY, 96), (date(2026, 3, 29), 92), (date(2026, 10, 25), 100)])
def test_a_competitor_bids_in_every_ptu_of_the_day(day, ptus):
    bids = plan(day, competitors=[{"direction": "down", "mw": 50, "price_eur_per_mwh": -5.5}]).competitors
    assert len(bids) == ptus
    assert (bids[0].direction, bids[0].quantity_mw, bids[0].price_eur_per_mwh) == (Direction.DOWN, 50, Decimal("-5.5"))


def test_a_competitor_may_bid_in_a_part_of_the_day():
    entry = {"direction": "up", "mw": 5, "price_eur_per_mwh": 1, "starts_at": "17:00", "ends_at": "17:30"}
    assert [bid.ptu.hour * 60 + bid.ptu.minute for bid in plan(competitors=[entry]).competitors] == [960, 975]


def test_demand_is_a_trace_by_local_time():
    trace = [{"at": "17:00", "mw": 12.5}, {"at": "17:00:04", "mw": -3}]
    assert plan(demand=trace).demand == (
        (datetime(2026, 1, 14, 16, tzinfo=UTC), Decimal("12.5")),
        (datetime(2026, 1, 14, 16, 0, 4, tzinfo=UTC), Decimal(-3)),
    )


@pytest.mark.parametrize(
    ("part", "said"),
    [
        ({"terms": {"gate": 1}}, "have no"),
        ({"terms": {"gate_lead_minutes": -1}}, "not be negative"),
        ({"terms": {"full_activation_seconds": 6}}, "multiple of 4"),
        ({"terms": {"full_activation_seconds": 0}}, "multiple of 4"),
        ({"terms": {"lost_after_seconds": 3}}, "at least 4"),
        ({"terms": {"compliance_model": "strict"}}, "compliance model"),
        ({"terms": {"is_ramped": "yes"}}, "true or false"),
        ({"bsps": [{**BSP, "prequalified_up_mw": 1.5}]}, "whole MW"),
        ({"bsps": [{**BSP, "prequalified_up_mw": "NaN"}]}, "whole MW"),
        ({"terms": {"penalty_eur_per_mwh": "NaN"}}, "price of NaN"),
        ({"competitors": [{"direction": "up", "mw": 1, "price_eur_per_mwh": 1.001}]}, "finer than a cent"),
        ({"competitors": [{"direction": "left", "mw": 1, "price_eur_per_mwh": 1}]}, "direction"),
        ({"demand": [{"at": "17:00:03", "mw": 1}]}, "no cycle"),
        ({"demand": [{"at": "17:00", "mw": "NaN"}]}, "demand of NaN"),
        ({"demand": [{"at": "17:00", "mw": 0.0001}]}, "finer than a kW"),
    ],
)
def test_what_cannot_be_played_is_refused_in_words(part, said):
    with pytest.raises(InvalidScenario, match=said):
        plan(**part)


def test_a_party_with_a_wrong_check_digit_is_refused():
    document = {
        "name": "wrong", "seed": 1, "date": "2026-01-14", "areas": {},
        "tennet": {"bsps": [{**BSP, "party_id": "8712345000005"}]},
    }  # fmt: skip
    with pytest.raises(InvalidScenario, match="check digit"):
        read_scenario(document, {})
