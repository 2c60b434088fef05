"""The pages of what TenneT settles of balancing energy."""

import csv
import json
from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from aggregator.core.ptu import PTU, day_interval, ptus_of_day
from assets.models import AggregationEan
from bidding.models import BalancingBid, BalancingPtu, Direction
from settlement.balancing.operations import keep
from settlement.balancing.reading import adjustments, days_with_balancing
from settlement.models import DeliveryPtu
from tests.balancing_settlements import DAY, settled_day
from tests.integration.operator.conftest import NOW
from tests.integration.settlement.balancing_side import MW, balancing_activation, balancing_bid

PAGE = "/admin/settlement/balancingsettlement/overview/"
YESTERDAY = DAY - timedelta(days=1)
NOON = 48
START = day_interval(YESTERDAY).starts_at + NOON * PTU
ASKED = {
    NOON: {
        "reduce": (Decimal("0.200000"), Decimal("80.00")),
        "increase": (Decimal("0.100000"), Decimal("20.00")),
        "missed": (Decimal("0.012"), Decimal(0)),
        "penalty_eur": Decimal("1.20"),
    }
}
TO = "\N{EN DASH}"


@pytest.fixture
def groups(evening):
    return [evening.group(name=name) for name in ("North", "South")]


def told(*, day=YESTERDAY, at=NOW, **changes):
    return keep(settled=settled_day(day, **changes), asked_at=at, now=at)


def bids(groups, *, start=START):
    balancing_bid(start, parts=dict.fromkeys(groups, MW))
    balancing_bid(start, parts={groups[0]: MW}, direction=Direction.INCREASE)


def delivered(evening, group, energy_wh, *, direction=Direction.REDUCE, price="80.00", start=START):
    activation = balancing_activation(group, MW, start=start, direction=direction)
    return evening.delivery(activation, paid_wh={evening.partner(): energy_wh}, price=price)


def texts(table):
    return [[cell["text"] for cell, _ in row] for row in table["rows"]]


def page_of(pages, day=YESTERDAY):
    answer = pages.get(f"/admin/settlement/balancingsettlement/day/{day}/")
    assert answer.status_code == 200
    return answer.context


def settled_yesterday(evening, groups):
    """200 kWh up and 100 down were asked; North delivered 150 up and 60 down, South 40 up."""
    bids(groups)
    delivered(evening, groups[0], 150_000)
    delivered(evening, groups[1], 40_000)
    delivered(evening, groups[0], 60_000, direction=Direction.INCREASE, price="-20.00")
    told(asked=ASKED, is_final=False)


def test_a_day_is_told_with_its_money_and_what_to_look_at(pages, evening, groups):
    settled_yesterday(evening, groups)
    [row] = texts(pages.get(PAGE).context["table"])
    assert row == [
        "Tue 13 Jan 2026", "provisional, version 1", "0.200", "0.190", "0.100", "0.060", "€ 14.00", "€ 14.00",
        "€ 1.20", "-€ 1.20", "1 quarter hour",
    ]  # fmt: skip
    page = page_of(pages)
    assert page["findings"] == [
        "In 1 quarter hour TenneT found energy missing.",
        "In 1 quarter hour meters show less than was asked of us.",
    ]
    assert [line["amount"] for line in page["money"]] == ["€ 14.00", "-€ 15.20", "€ 1.20", "-€ 1.20", "-€ 1.20"]
    assert texts(page["table"]) == [
        [
            f"12:00 {TO} 12:15", "200.000", "190.000", "€ 80.00", "100.000", "60.000", "€ 20.00", "€ 14.00", "€ 1.20",
            "TenneT misses 12.0 kWh up; meters show 60.0 kWh down of 100.0 kWh asked",
        ]
    ]  # fmt: skip


def test_a_group_receives_and_pays_the_prices_of_the_quarter_hours_it_delivered_in(pages, evening, groups):
    # given 10 kWh up at 400 EUR/MWh, then 10 at -80
    balancing_bid(START, parts={groups[0]: MW})
    delivery = delivered(evening, groups[0], 10_000, price="400.00")
    evening.delivered_ptu(delivery, START + PTU, paid_wh={evening.partner(): 10_000}, price="-80.00")
    asked = zip((NOON, NOON + 1), ("400.00", "-80.00"), strict=True)
    told(asked={number: {"reduce": (Decimal("0.010000"), Decimal(price))} for number, price in asked})
    page = page_of(pages)
    assert [line["amount"] for line in page["money"]] == ["€ 3.20", "-€ 4.00", "€ 0.80", "€ 0.00", "€ 0.00"]
    assert [row[2:4] for row in texts(page["table"])] == [["10.000", "€ 400.00"], ["10.000", "-€ 80.00"]]


def test_a_corrected_delivery_counts_once_and_the_newest_settlement_alone(pages, evening, groups):
    settled_yesterday(evening, groups)
    up = DeliveryPtu.objects.order_by("pk").first().delivery.activation
    evening.delivery(up, paid_wh={evening.partner(): 160_000}, version=2, price="80.00")
    told(at=NOW + timedelta(hours=1), asked={NOON: ASKED[NOON] | {"amount_eur": Decimal("14.50")}})
    [day] = days_with_balancing(YESTERDAY, YESTERDAY)
    assert (day.settlement.version, day.delivered_wh("reduce"), day.money.amount_eur) == (2, 200_000, Decimal("14.50"))
    assert day.money.groups_receive_eur == Decimal("16.00")
    assert "In 1 quarter hour the amount is not the requested energy times its price." in page_of(pages)["findings"]


def test_what_the_setpoints_asked_is_held_against_what_tennet_settles(pages, evening, groups):
    settled_yesterday(evening, groups)
    BalancingPtu.objects.create(
        ptu_start=START, requested_reduce_ws=196_000 * 3_600, requested_increase_ws=99_001 * 3_600, cycles=220,
        lost_cycles=5, updated_at=NOW,
    )  # fmt: skip
    assert "In 1 quarter hour TenneT counts other energy than its setpoints asked of us." in page_of(pages)["findings"]
    [row] = texts(page_of(pages)["table"])
    assert "200.0 kWh up, its setpoints told us 196.0 kWh; 5 cycles did not reach us; TenneT misses" in row[-1]
    assert "told us 99" not in row[-1]


def test_what_is_not_settled_yet_is_no_zero(pages, evening, groups):
    bids(groups)
    delivered(evening, groups[0], 150_000)
    balancing_activation(groups[1], MW, MW, start=START)
    told(asked=ASKED)
    page = page_of(pages)
    assert page["waiting"] == "1 part of groups not settled yet"
    assert texts(page["table"])[0][2] == "—"
    assert json.loads(page["chart"].data)["datasets"][1]["data"][NOON] is None
    assert "meters show" not in str(texts(page["table"]))
    [row] = texts(pages.get(PAGE).context["table"])
    assert (row[3], row[5], row[9], page["money"][-1]["amount"]) == ("—",) * 4


@pytest.mark.parametrize(("back", "state"), [(9, "not settled by TenneT yet"), (10, "not settled after 10 days: ask")])
def test_a_day_that_tennet_has_not_settled_is_named(pages, groups, back, state):
    day = DAY - timedelta(days=back)
    bids(groups, start=day_interval(day).starts_at)
    [row] = texts(pages.get(PAGE).context["table"])
    assert row[1].startswith(state)
    page = page_of(pages, day)
    assert (page["is_settled"], page["findings"]) == (False, [])


def test_the_running_day_is_not_listed_and_earlier_days_are_a_click_away(pages, groups):
    bids(groups, start=day_interval(DAY).starts_at)
    assert texts(pages.get(PAGE).context["table"]) == []
    old = DAY - timedelta(days=20)
    bids(groups, start=day_interval(old).starts_at)
    page = pages.get(PAGE).context
    assert (texts(page["table"]), page["is_latest"]) == ([], True)
    earlier = pages.get(PAGE + page["earlier"]).context
    assert (len(earlier["table"]["rows"]), earlier["is_latest"]) == (1, False)
    assert pages.get(PAGE + "?until=nonsense").context["is_latest"]
    assert pages.get(PAGE + "?until=1970-01-01").status_code == 200


@pytest.mark.parametrize("address", ["day/2026-01-12/", "day/nonsense/", "day/2026-01-12/by-brp.csv"])
def test_a_day_without_balancing_has_no_page(pages, db, address):
    assert pages.get(f"/admin/settlement/balancingsettlement/{address}").status_code == 404


@pytest.mark.parametrize(("number", "quarter"), [(8, "02:00 CEST"), (12, "02:00 CET")])
def test_the_hour_that_comes_twice_can_be_told_apart(pages, groups, number, quarter):
    day = date(2025, 10, 26)
    start = ptus_of_day(day)[number]
    bids(groups, start=start)
    told(day=day, asked={number: ASKED[NOON]})
    [row] = texts(page_of(pages, day)["table"])
    assert row[0].startswith(quarter)
    assert len(json.loads(page_of(pages, day)["chart"].data)["labels"]) == 100


def test_the_csv_splits_what_was_asked_over_brps_by_their_parts(pages, evening, groups):
    AggregationEan.objects.filter(pk=groups[1].pk).update(brp="8716871000002")
    parts = {groups[0]: 2 * MW, groups[1]: MW, evening.group(name="East"): MW}
    balancing_bid(START, parts=parts)
    balancing_bid(START + PTU, parts=parts, status=BalancingBid.Status.REFUSED)
    told(asked={NOON: {"reduce": (Decimal("0.100001"), Decimal(80))}, NOON + 1: ASKED[NOON]})
    answer = pages.get(f"/admin/settlement/balancingsettlement/day/{YESTERDAY}/by-brp.csv")
    assert answer["Content-Type"].startswith("text/csv")
    rows = list(csv.DictReader(answer.content.decode().splitlines()))
    others = AggregationEan.objects.get(pk=groups[0].pk).brp
    assert [(row["quarter_hour_utc"], row["direction"], row["brp"], row["requested_wh"]) for row in rows] == [
        ("2026-01-13T11:00:00Z", "up", "8716871000002", "25000"),
        ("2026-01-13T11:00:00Z", "up", others, "75001"),
        ("2026-01-13T11:15:00Z", "up", "", "200000"),
        ("2026-01-13T11:15:00Z", "down", "", "100000"),
    ]
    assert "our reading" in rows[0]["basis"]
    assert "without a bid" in rows[2]["basis"]
    assert sum(row.requested_wh for row in adjustments(YESTERDAY)) == 400_001


def test_the_queries_do_not_grow_with_days_groups_and_quarter_hours(pages, evening, groups):
    addresses = [PAGE, f"/admin/settlement/balancingsettlement/day/{YESTERDAY}/"]
    addresses.append(f"{addresses[1]}by-brp.csv")

    def queries(address):
        with CaptureQueriesContext(connection) as captured:
            assert pages.get(address).status_code == 200
        return len(captured)

    settled_yesterday(evening, groups)
    before = [queries(address) for address in addresses for _ in range(2)][1::2]
    for number in range(1, 5):
        bids(groups, start=START + number * PTU)
        delivered(evening, groups[0], 10_000, start=START + number * PTU)
        balancing_activation(groups[1], MW, start=START + number * PTU)
        BalancingPtu.objects.create(ptu_start=START + number * PTU, cycles=225, lost_cycles=0, updated_at=NOW)
        day = YESTERDAY - timedelta(days=number)
        bids(groups, start=day_interval(day).starts_at)
        told(day=day, asked=ASKED)
    assert [queries(address) for address in addresses] == before


def test_the_menu_leads_to_the_page_for_whoever_may_see_it(client, colleague, evening, groups):
    settled_yesterday(evening, groups)
    day = f"/admin/settlement/balancingsettlement/day/{YESTERDAY}/"
    client.force_login(colleague("settlement.view_delivery"))
    assert [client.get(one).status_code for one in (PAGE, day, f"{day}by-brp.csv")] == [403] * 3
    client.force_login(colleague("settlement.view_balancingsettlement", "settlement.view_delivery"))
    assert f'href="{PAGE}"' in client.get("/admin/").content.decode()
    assert f'href="{day}"' in client.get(PAGE).content.decode()
    assert f'href="{day}by-brp.csv"' in client.get(day).content.decode()
    assert [client.post(one).status_code for one in (PAGE, day, f"{day}by-brp.csv")] == [405] * 3
