"""The operator pages in a real browser: they work without the network and without an error on the console."""

from decimal import Decimal

import pytest
from django.contrib.auth.models import User

from aggregator.core.ean import Ean13, Ean18
from aggregator.core.ptu import MARKET_ZONE, PTU, day_interval
from assets.models import AggregationEan, ChargingSession, CongestionArea
from bidding.models import Activation, Bid, LedgerEntry
from tests.integration.operator.conftest import NOW

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def portfolio(transactional_db):
    """A group that can sell 300 kW in an hour of today, and somebody who may look at it."""
    User.objects.create_superuser("operator", password="throw-away")
    area = CongestionArea.objects.create(
        code="centrum", name="Utrecht Centrum", grid_operator=Ean13("8716892000005"), postcodes=["3511"]
    )
    group = AggregationEan.objects.create(
        ean=Ean18.from_body("87168510000000001"),
        name="Centrum op straat",
        congestion_area=area,
        brp=Ean13.from_body("871999900001"),
        price_eur_per_mwh=Decimal(180),
    )
    midnight = day_interval(NOW.astimezone(MARKET_ZONE).date()).starts_at
    LedgerEntry.objects.bulk_create(
        LedgerEntry(aggregation_ean=group, ptu_start=midnight + n * PTU, direction="reduce", sellable_w=300_000)
        for n in range(40, 44)
    )
    return group


def test_an_operator_logs_in_and_looks_around_without_an_error(live_server, portfolio, page):
    page.goto(f"{live_server.url}/admin/")
    page.fill("[name=username]", "operator")
    page.fill("[name=password]", "throw-away")
    page.click("[type=submit]")

    page.wait_for_selector("text=Sold against sellable, today")
    assert page.evaluate("document.querySelectorAll('canvas.chart').length") == 1
    page.wait_for_function("Chart.getChart(document.querySelector('canvas.chart'))")  # drawn once the page is ready
    assert page.evaluate("Chart.getChart(document.querySelector('canvas.chart')).data.datasets.length") == 2
    assert page.get_attribute("canvas.chart", "aria-label").startswith("Sold power of Centrum op straat")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")

    page.click("text=The same in numbers")
    assert page.is_visible("text=10:00")

    page.click("nav a:has-text('Aggregation EANs'), #nav-sidebar a:has-text('Aggregation EANs')")
    page.wait_for_selector("text=Centrum op straat")

    assert page.complaints == []


def test_the_page_can_be_walked_with_the_keyboard_on_a_small_screen(live_server, portfolio, page):
    page.set_viewport_size({"width": 420, "height": 800})
    page.goto(f"{live_server.url}/admin/")
    page.fill("[name=username]", "operator")
    page.fill("[name=password]", "throw-away")
    page.press("[name=password]", "Enter")
    page.wait_for_selector("text=Sold against sellable, today")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")

    page.focus(".op-as-of a")
    page.keyboard.press("Tab")
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline != "none"
    assert page.complaints == []


@pytest.fixture
def settlements(evening):
    User.objects.create_superuser("operator", password="throw-away")
    evening.everything()


def test_on_a_small_screen_a_wide_table_is_moved_and_not_the_page(live_server, settlements, page, log_in):
    log_in()
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{live_server.url}/admin/settlement/balancingsettlement/overview/")
    table = page.locator(".op-scroll")
    assert table.evaluate("part => part.scrollWidth > part.clientWidth")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


@pytest.fixture
def addresses(evening):
    User.objects.create_superuser("operator", password="throw-away")
    evening.everything()
    ChargingSession.objects.update(driver_token="5" * 64)
    return {
        "bids": "/admin/bidding/bid/",
        "why": f"/admin/bidding/bid/{Bid.objects.get().pk}/change/",
        "activation": f"/admin/bidding/activation/{Activation.objects.get().pk}/change/",
        "session": f"/admin/assets/chargingsession/{ChargingSession.objects.get().pk}/change/",
    }


def test_no_page_of_a_row_is_wider_than_a_phone_also_when_it_is_turned(live_server, addresses, page, log_in):
    log_in()
    for name in ("why", "session"):
        page.set_viewport_size({"width": 844, "height": 390})
        page.goto(live_server.url + addresses[name])
        page.wait_for_load_state("networkidle")
        page.set_viewport_size({"width": 390, "height": 844})
        page.wait_for_function("innerWidth === 390 && document.documentElement.scrollWidth === 390", timeout=5000)


def test_the_names_of_values_on_a_phone_begin_with_a_capital_and_keep_their_units(live_server, addresses, page, log_in):
    page.set_viewport_size({"width": 390, "height": 844})
    log_in()
    page.goto(live_server.url + addresses["bids"])
    how = {
        label: page.evaluate(
            "label => getComputedStyle(document.querySelector(`td[data-label='${label}']`), '::before').textTransform",
            label,
        )
        for label in ("direction", "Power (kW)")
    }
    assert how == {"direction": "capitalize", "Power (kW)": "none"}


def test_a_link_among_values_looks_like_one(live_server, addresses, page, log_in):
    log_in()
    page.goto(live_server.url + addresses["activation"])
    link = page.get_by_role("link", name="Minute by minute, and what can be done")
    assert link.evaluate("link => getComputedStyle(link).textDecorationLine") == "underline"
