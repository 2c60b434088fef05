"""Day-ahead prices in, and what a group's policy makes of them."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.core.management import CommandError, call_command
from django.db import ProgrammingError, transaction

from aggregator.core.interval import Interval
from aggregator.core.ptu import PTU
from assets.models import Asset, Membership
from bidding.forecast.price_files import price_curve, read_prices
from bidding.forecast.timed_values import ValuesInvalid
from bidding.models import Bid, DayAheadPrice, NoBid, PricingPolicy
from bidding.operations import bids
from bidding.operations.pricing import NotPriceable, quote
from bidding.operations.terms import set_terms
from bidding.operations.timed_values import store_values
from tests.field_side import make_partner

WINDOW = Interval(datetime(2026, 1, 14, 16, tzinfo=UTC), datetime(2026, 1, 14, 19, tzinfo=UTC))
COMEBACK = [WINDOW.ends_at + n * PTU for n in range(4)]


def file_of(*rows):
    return ["utc,eur_per_mwh", *rows]


@pytest.fixture
def policy(group, now):
    return set_terms(
        PricingPolicy, aggregation_ean=group, now=now - timedelta(hours=1), rebound_hours=1,
        drivers_eur_per_mwh=Decimal("12.50"), margin_eur_per_mwh=Decimal("5.00"), storage_share=Decimal(0),
    )  # fmt: skip


def ask(group, now, direction="reduce"):
    return quote(aggregation_ean=group, direction=direction, period=WINDOW, now=now)


def test_hours_fill_their_quarters_and_offsets_are_read():
    prices = read_prices(file_of("2026-01-14T20:00:00+01:00,80.10", "2026-01-14T20:00:00Z,70"))
    assert list(prices.values()) == [Decimal("80.10")] * 4 + [Decimal(70)] * 4
    assert min(prices) == datetime(2026, 1, 14, 19, tzinfo=UTC)


def test_quarters_are_taken_as_they_are():
    prices = read_prices(file_of("2026-01-14T19:00Z,1", "2026-01-14T19:15Z,-2.5", "2026-01-14T21:00Z,3"))
    assert list(prices.values()) == [Decimal(1), Decimal("-2.5"), Decimal(3)]


def test_as_a_curve_each_price_holds_until_the_next():
    curve = price_curve(read_prices(file_of("2026-01-14T19:15Z,-2.5", "2026-01-14T19:00Z,1", "2026-01-14T20:00Z,3")))
    assert curve.starts_s == datetime(2026, 1, 14, 19, tzinfo=UTC).timestamp()
    assert curve.eur_per_mwh.tolist() == [1.0, -2.5, -2.5, -2.5, 3.0]


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        (["2026-01-14T19:00,1"], "line 2: 2026-01-14T19:00 has no offset"),
        (["2026-01-14T19:00Z,1", "2026-01-14T19:07Z,1"], "line 3: 2026-01-14T19:07Z is not on a quarter hour"),
        (["2026-01-14T19:00Z,1", "2026-01-14T20:00+01:00,2"], "line 3: .* stands in an earlier line"),
        (["soon,1"], "line 2: 'soon', '1' is not a time and a price"),
        (["2026-01-14T19:00Z"], "line 2: .* is not a time and a price"),
        (["2026-01-14T19:00Z,NaN"], "line 2: NaN is not a price"),
        (["2026-01-14T19:00Z,1e9"], "line 2: .* is not a price between"),
        (["2026-01-14T19:00Z,1.005"], "at most 2 decimals"),
        (["2026-01-14T19:00Z,1"], "neither consecutive quarter hours nor consecutive hours"),
        (["2026-01-14T19:00Z,1", "2026-01-14T19:30Z,1"], "neither consecutive"),
        (["2026-01-14T19:00Z,83,21", "2026-01-14T20:00Z,83,21"], "line 2: .* more values than columns"),
        (
            ["2026-01-14T18:00Z,1", "2026-01-14T19:00Z,1", "2026-01-14T19:15Z,1"],
            "an hour later, that from 2026-01-14T18:00:00.00:00, others are quarter hours",
        ),
        ([], "no prices below"),
    ],
)
def test_what_is_wrong_with_a_file_is_named_by_line(rows, says):
    with pytest.raises(ValuesInvalid, match=says):
        read_prices(file_of(*rows))


def test_a_file_without_its_columns_is_refused():
    with pytest.raises(ValuesInvalid, match="lacks eur_per_mwh"):
        read_prices(["utc,price", "2026-01-14T19:00Z,1"])


def test_a_bad_file_stores_nothing(db, tmp_path):
    path = tmp_path / "prices.csv"
    path.write_text("utc,eur_per_mwh\n2026-01-14T19:00Z,1\n2026-01-14T19:15Z,x\n", encoding="utf-8")
    with pytest.raises(CommandError, match=r"line 3: .* Nothing was stored\."):
        call_command("import_day_ahead_prices", str(path))
    assert not DayAheadPrice.objects.exists()


def test_a_file_that_is_not_there_is_told_without_numbers_of_the_machine(db, tmp_path):
    words = r"nowhere\.csv cannot be read: No such file or directory\. Nothing was stored\."
    with pytest.raises(CommandError, match=words):
        call_command("import_day_ahead_prices", str(tmp_path / "nowhere.csv"))


def test_a_file_comes_in_once_and_a_correction_keeps_what_was_known(db, tmp_path, capsys, now):
    path = tmp_path / "prices.csv"
    path.write_text("utc,eur_per_mwh\n2026-01-14T19:00Z,1\n2026-01-14T20:00Z,2\n", encoding="utf-8")
    for expected in ("8 quarter hours stored, 0 known", "0 quarter hours stored, 8 known"):
        call_command("import_day_ahead_prices", str(path))
        assert expected in capsys.readouterr().out
    known_at = DayAheadPrice.objects.latest("pk").known_at
    store_values(
        DayAheadPrice, values={COMEBACK[0]: Decimal(9)}, source="correction", now=known_at + timedelta(hours=1)
    )
    assert DayAheadPrice.objects.filter(starts_at=COMEBACK[0]).count() == 2
    with pytest.raises(ProgrammingError, match="Cannot update"), transaction.atomic():
        DayAheadPrice.objects.update(price_eur_per_mwh=0)


def test_a_policy_prices_on_what_was_known_then(group, policy, now):
    store_values(
        DayAheadPrice, values=dict.fromkeys(COMEBACK, Decimal(80)), source="auction", now=now - timedelta(hours=2)
    )
    store_values(DayAheadPrice, values={COMEBACK[0]: Decimal(100)}, source="correction", now=now + timedelta(minutes=1))
    assert ask(group, now).price_eur_per_mwh == Decimal("97.50")
    assert ask(group, now + timedelta(minutes=1)).price_eur_per_mwh == Decimal("102.50")
    assert ask(group, now, "increase").price_eur_per_mwh == Decimal("-62.50")


def test_a_gap_in_the_prices_is_named_and_becomes_the_reason_for_no_bid(
    announcement, group, policy, exchange, sized, now
):
    store_values(
        DayAheadPrice, values=dict.fromkeys(COMEBACK[:3], Decimal(80)), source="auction", now=now - timedelta(hours=2)
    )
    with pytest.raises(NotPriceable, match=r"1 of the 4 quarter hours .* the first 2026-01-14 20:45"):
        ask(group, now)
    answer = bids.offer(announcement=announcement, aggregation_ean=group, sized=sized(), exchange=exchange, now=now)
    assert isinstance(answer, NoBid)
    assert "Bring them in with manage.py import_day_ahead_prices" in answer.reason


def test_a_bid_carries_the_parts_of_its_price(announcement, group, policy, exchange, sized, now):
    store_values(
        DayAheadPrice, values=dict.fromkeys(COMEBACK, Decimal(80)), source="auction", now=now - timedelta(hours=2)
    )
    bid = bids.offer(announcement=announcement, aggregation_ean=group, sized=sized(), exchange=exchange, now=now)
    assert isinstance(bid, Bid)
    amounts = [Decimal(amount) for _, amount, _ in bid.price_parts["parts"]]
    assert (bid.price_eur_per_mwh, sum(amounts)) == (Decimal("97.50"), Decimal("97.50"))
    assert bid.price_parts["policy"] == policy.pk


def test_a_group_without_a_policy_asks_its_fixed_price(group, now):
    asked = ask(group, now)
    assert asked.price_eur_per_mwh == Decimal("180.00")
    assert asked.parts["parts"][0][0] == "fixed price"


def test_the_storages_part_follows_from_the_power_of_the_members(group, now):
    partner = make_partner("P")
    for name, kind, import_w, export_w in (("a", "charger", 11_000, 0), ("b", "v2g_charger", 11_000, 10_000)):
        asset = Asset.objects.create(
            partner=partner, external_id=name, kind=kind, category="public", max_import_w=import_w,
            max_export_w=export_w, registered_at=now,
        )  # fmt: skip
        Membership.objects.create(asset=asset, aggregation_ean=group, period=(now - timedelta(days=1), None))
    set_terms(PricingPolicy, aggregation_ean=group, now=now, rebound_hours=1, wear_eur_per_kwh=Decimal("0.10"))
    store_values(DayAheadPrice, values=dict.fromkeys(COMEBACK, Decimal(0)), source="auction", now=now)
    parts = {name: how for name, _, how in ask(group, now).parts["parts"]}
    assert parts["wear"] == "0.3125 through storage x € 0.1000 per kWh"  # 10 of 32 kW
    parts = {name: how for name, _, how in ask(group, now, "increase").parts["parts"]}
    assert parts["wear"] == "0.5000 through storage x € 0.1000 per kWh"  # 11 of 22 kW
