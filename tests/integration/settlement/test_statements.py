"""Statements of a period, their versions, and how they are shown."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from rich.console import Console

from aggregator.core.interval import Interval
from aggregator.core.models import AuditEvent, Job
from aggregator.core.ptu import PTU
from bidding.markets.exchange.orders import order_state
from bidding.models import Activation, Bid
from bidding.operations.orders import follow_order
from settlement import tasks
from settlement.delivery import operations as delivery
from settlement.models import Statement
from settlement.queries import month_interval
from settlement.statements.document import statement_csv, statement_document, statement_page
from settlement.statements.operations import issue_statement
from tests.integration.settlement.conftest import EAN, WINDOW_START
from tests.waiting import in_turn

NOW = datetime(2026, 2, 1, 9, tzinfo=UTC)
JANUARY = month_interval(2026, 1)


def lines(statement):
    rows = statement.lines.order_by("pk").select_related("partner")
    return [(row.partner.name if row.partner else None, row.delivered_wh, str(row.amount_eur)) for row in rows]


@pytest.fixture
def settled(world):
    """Two partners' chargers that would each take 10 kW and wait: 2500 and 1300 Wh in one PTU, paid up to 3500."""
    own, shared = world.asset("own"), world.asset("shared", partner="Deelauto")
    for charger in (own, shared):
        world.session(charger)
    activation = world.activation(14_000)
    world.meter(own, 0)
    world.meter(shared, 1_200)
    delivery.settle(activation_id=activation.pk, now=NOW)
    world.chargers = {"own": own, "shared": shared}
    return world


@pytest.mark.usefixtures("settled")
def test_a_statement_splits_the_money_of_an_ean():
    # given 3500 Wh at 180 EUR/MWh, 0.63 EUR, delivered 2500 : 1300, 70 % for partners
    statement = issue_statement(interval=JANUARY, now=NOW)
    # then 2303 Wh are 0.290 EUR, 1197 Wh are 0.151 EUR and the aggregator keeps 0.189 EUR: on cents 0.29, 0.15, 0.19
    assert (statement.version, statement.total_eur) == (1, Decimal("0.63"))
    assert lines(statement) == [("Laadkracht", 2_303, "0.29"), ("Deelauto", 1_197, "0.15"), (None, 0, "0.19")]
    assert AuditEvent.objects.filter(action="settlement.statement.issue-success").count() == 1


@pytest.mark.usefixtures("settled")
def test_issuing_again_without_news_returns_the_same_statement():
    first = issue_statement(interval=JANUARY, now=NOW)
    assert issue_statement(interval=JANUARY, now=NOW + timedelta(days=1)) == first
    assert Statement.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_who_issues_while_somebody_does_gets_the_same_statement(settled):
    in_turn(lambda: issue_statement(interval=JANUARY, now=NOW), lambda: issue_statement(interval=JANUARY, now=NOW))
    assert Statement.objects.get().version == 1


def test_a_correction_makes_a_new_version_and_keeps_the_old(settled):
    first = issue_statement(interval=JANUARY, now=NOW)
    settled.meter(settled.chargers["own"], 2_500, revision=1)
    delivery.settle(activation_id=Activation.objects.get().pk, now=NOW)
    second = issue_statement(interval=JANUARY, now=NOW)
    assert (second.version, lines(second)) == (
        2,
        [("Laadkracht", 0, "0.00"), ("Deelauto", 1_300, "0.16"), (None, 0, "0.07")],
    )
    assert lines(first) == [("Laadkracht", 2_303, "0.29"), ("Deelauto", 1_197, "0.15"), (None, 0, "0.19")]


def test_an_order_that_cleared_in_parts_is_paid_what_its_parts_are_worth(world):
    # given 20 MW that cleared at € 180.00 and 10 MW at € 180.01, delivered in full for four hours
    depot = world.asset("depot", max_import_w=30_000_000)
    world.session(depot, energy_wh=240_000_000, power_w=30_000_000)
    activation = world.activation(*[30_000_000] * 16)
    world.meter(depot, *[0] * 16)
    Bid.objects.update(status=Bid.Status.SUBMITTED, power_w=30_000_000, cleared_power_w=0)
    fills = [{"quantity": Decimal(20), "price": Decimal(180)}, {"quantity": Decimal(10), "price": Decimal("180.01")}]
    order = {"id": "order-1", "orderType": "SELL", "clearedQuantity": 30, "status": "CLEARED", "final": True}
    follow_order(bid_id=activation.bid_id, state=order_state({**order, "fills": fills}), now=NOW)

    delivery.settle(activation_id=activation.pk, now=NOW)
    statement = issue_statement(interval=JANUARY, now=NOW)

    # then 80 MWh at € 180.00 and 40 at € 180.01 are paid, not 120 at their mean on cents
    assert statement.total_eur == Decimal("21600.40")
    assert statement_document(statement)["deliveries"][0]["price_eur_per_mwh"] == "180.00333333"


def test_a_delivery_across_midnight_is_split_over_its_months(world):
    # given an order for the last PTU of January and the first of February, delivered in full
    charger = world.asset("charger")
    start = JANUARY.ends_at - PTU
    world.session(charger, plug_in_at=start, power_w=4_000, energy_wh=4_000)
    activation = world.activation(4_000, 4_000, start=start, price="100000.00")
    world.meter(charger, 0, 500, start=start)
    delivery.settle(activation_id=activation.pk, now=NOW)
    january, february = (issue_statement(interval=month_interval(2026, month), now=NOW) for month in (1, 2))
    assert (january.total_eur, february.total_eur) == (Decimal("100.00"), Decimal("50.00"))


@pytest.mark.django_db
def test_a_period_without_deliveries_has_an_empty_statement():
    statement = issue_statement(interval=month_interval(2025, 12), now=NOW)
    assert (statement.total_eur, lines(statement)) == (Decimal(0), [])


def test_two_activations_of_an_ean_share_their_lines(settled):
    second = settled.activation(14_000, reference="order-2", start=WINDOW_START + PTU, price="90.00")
    settled.meter(settled.chargers["own"], 0, start=WINDOW_START + PTU)
    settled.meter(settled.chargers["shared"], 2_500, start=WINDOW_START + PTU)
    delivery.settle(activation_id=second.pk, now=NOW)
    statement = issue_statement(interval=JANUARY, now=NOW)
    # then 0.63 EUR and 2500 Wh at 90 EUR/MWh, 0.225 EUR, are rounded together: 0.855 is 0.86 (half to even)
    assert statement.total_eur == Decimal("0.86")
    assert lines(statement) == [("Laadkracht", 4_803, "0.45"), ("Deelauto", 1_197, "0.15"), (None, 0, "0.26")]
    assert statement.deliveries.count() == 2


@pytest.mark.usefixtures("settled")
def test_the_document_holds_what_the_money_is_for():
    document = statement_document(issue_statement(interval=JANUARY, now=NOW))
    assert document["total_eur"] == "0.63"
    assert document["lines"][0] == {
        "aggregation_ean": EAN,
        "group": "Utrecht public",
        "partner": "Laadkracht",
        "delivered_wh": 2_303,
        "amount_eur": "0.29",
    }
    (entry,) = document["deliveries"]
    assert entry["delivered_wh"] == 3_500
    assert entry["completeness"] == "1.0000"
    assert entry["price_eur_per_mwh"] == "180.00"
    assert entry["baseline_method"] == "session_counterfactual"
    assert statement_csv(document).splitlines()[-1] == (
        f"2025-12-31T23:00:00+00:00,2026-01-31T23:00:00+00:00,1,{EAN},aggregator,0,0.19"
    )


def test_a_delivery_at_several_prices_is_told_quarter_hour_by_quarter_hour(settled, django_assert_num_queries):
    # given a third quarter hour in which nothing was delivered, so that its price counts for nothing
    settled.activation(14_000, 14_000, 14_000, reference="order-2", start=WINDOW_START + PTU)
    settled.meter(settled.chargers["own"], 0, 0, 2_500, start=WINDOW_START + PTU)
    settled.meter(settled.chargers["shared"], 2_500, 2_500, 2_500, start=WINDOW_START + PTU)
    second = delivery.settle(activation_id=Activation.objects.get(reference="order-2").pk, now=NOW)
    starts = [WINDOW_START + number * PTU for number in (1, 2, 3)]
    for start, price in zip(starts, ("-20.50", "100", "9999"), strict=True):
        second.ptus.filter(ptu_start=start).update(price_eur_per_mwh=Decimal(price))
    statement = issue_statement(interval=JANUARY, now=NOW)
    with django_assert_num_queries(4):
        document = statement_document(statement)
    one, several = document["deliveries"]
    assert (one["price_eur_per_mwh"], one["prices"]) == ("180.00", [])
    assert several["price_eur_per_mwh"] is None
    assert several["prices"] == [
        {"ptu_start": starts[0].isoformat(), "delivered_wh": 2_500, "price_eur_per_mwh": "-20.50"},
        {"ptu_start": starts[1].isoformat(), "delivered_wh": 2_500, "price_eur_per_mwh": "100.00"},
    ]
    page = StringIO()
    Console(file=page, width=200).print(statement_page(statement, document))
    assert "-20.50 to 100.00" in page.getvalue()


def test_a_delivery_of_nothing_has_the_price_that_it_would_have_been_paid(world):
    charger = world.asset("charger")
    world.session(charger)
    activation = world.activation(10_000)
    world.meter(charger, 2_500)
    delivery.settle(activation_id=activation.pk, now=NOW)
    (entry,) = statement_document(issue_statement(interval=JANUARY, now=NOW))["deliveries"]
    assert (entry["delivered_wh"], entry["price_eur_per_mwh"], entry["prices"]) == (0, "180.00", [])


def test_the_command_prints_a_page_and_names_what_is_not_in_it(settled):
    settled.activation(14_000, reference="order-2", start=WINDOW_START + PTU)
    out = StringIO()
    call_command("statement", "--month", "2026-01", stdout=out)
    page = out.getvalue()
    for text in ("01-01-2026 00:00 to 01-02-2026 00:00", "Laadkracht", "[kWh]", "0.63", "order-1", "100.0 %"):
        assert text in page
    assert "amounts without VAT" in page
    assert "Not in it yet: 1 activation(s)" in page


@pytest.mark.usefixtures("settled")
def test_the_command_exports_json_and_csv(tmp_path):
    out = StringIO()
    call_command("statement", "--month", "2026-01", "--json", "--csv", str(tmp_path / "january.csv"), stdout=out)
    assert json.loads(out.getvalue())["total_eur"] == "0.63"
    assert len((tmp_path / "january.csv").read_text().splitlines()) == 4


@pytest.mark.parametrize("text", ["2026", "2026-13", "0000-01", "9999-12", "januari"])
def test_a_month_that_is_none_is_refused(text):
    with pytest.raises(CommandError, match="write it as YYYY-MM"):
        call_command("statement", "--month", text)


@pytest.mark.usefixtures("settled")
def test_a_table_that_cannot_be_written_is_told_and_the_statement_is_there_to_be_asked_for_again(tmp_path):
    with pytest.raises(CommandError, match=r"The statement is issued, but .*january\.csv cannot be written"):
        call_command("statement", "--month", "2026-01", "--csv", str(tmp_path / "no_folder" / "january.csv"))
    assert Statement.objects.count() == 1


def test_the_tick_settles_what_is_due_and_leaves_a_job_row(world):
    world.activation(14_000)
    tasks.settle_due(unknown_keyword=1)
    (row,) = Job.objects.filter(kind="settlement.settle_due")
    assert (row.status, row.summary) == (Job.Status.DONE, str(Activation.objects.get().deliveries.get()))
    tasks.settle_due()
    assert Job.objects.count() == 1


@pytest.mark.usefixtures("settled")
def test_a_statement_can_be_of_any_period():
    day = Interval(WINDOW_START - timedelta(hours=18), WINDOW_START + timedelta(hours=6))
    assert issue_statement(interval=day, now=NOW).total_eur == Decimal("0.63")
