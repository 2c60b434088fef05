import json
from collections import Counter

from aggregator.core.ean import Ean13, Ean18
from assets.simulator.portfolio import build_portfolio


def test_the_fleet_has_the_counts_of_the_programme():
    portfolio = build_portfolio(seed=1)
    counts = Counter((asset.kind, asset.category) for _, asset in portfolio.assets())
    assert counts == {
        ("charger", "public"): 700,
        ("charger", "home"): 300,
        ("charger", "workplace"): 150,
        ("v2g_charger", "shared_car"): 310,
        ("bus_charger", "depot"): 68,
        ("battery", "depot"): 1,
        ("heat_pump", "heat"): 120,
    }
    assert len(portfolio.partners) == 3
    assert len({asset.external_id for _, asset in portfolio.assets()}) == 1649


def test_codes_are_valid_and_every_asset_is_in_a_known_group():
    portfolio = build_portfolio(seed=1, scale=0.1)
    groups = {Ean18(group.ean) for group in portfolio.groups}
    assert len(groups) == 4
    assert {asset.aggregation_ean for _, asset in portfolio.assets()} == groups
    assert len({Ean18(asset.connection_ean) for _, asset in portfolio.assets()}) == len(list(portfolio.assets()))
    assert {Ean13(area.grid_operator) for area in portfolio.areas} == {"8716892000005"}
    postcodes = {area.code: area.postcodes for area in portfolio.areas}
    assert all(group.postcode in postcodes[group.area_code] for group in portfolio.groups)


def test_the_same_seed_makes_the_same_fleet_and_another_seed_another():
    assert build_portfolio(seed=1, scale=0.2) == build_portfolio(seed=1, scale=0.2)
    assert build_portfolio(seed=1, scale=0.2) != build_portfolio(seed=2, scale=0.2)


def test_a_few_chargers_do_not_do_what_they_are_told():
    behaviour = Counter(asset.behaviour for _, asset in build_portfolio(seed=1).assets())
    assert 10 < behaviour["ignores"] < 60
    assert 4 < behaviour["rejects"] < 40


def test_what_is_registered_does_not_tell_what_only_the_simulation_knows():
    portfolio = build_portfolio(seed=1, scale=0.05)
    rows = [asset.registration() for _, asset in portfolio.assets()]
    assert not {"behaviour", "can_pause", "heat", "aggregation_ean"} & set().union(*rows)
    hidden = {asset.can_pause for _, asset in build_portfolio(seed=1).assets() if asset.pausing == "unknown"}
    assert hidden == {True, False}


def test_the_portfolio_is_a_json_document():
    document = json.loads(build_portfolio(seed=1, scale=0.01).to_json())
    assert [partner["key"] for partner in document["partners"]] == ["stadsladen", "deelstroom", "remise"]
