"""The page of balancing energy on a phone."""

import pytest
from django.contrib.auth.models import User

from aggregator.core.ptu import PTU
from tests.integration.operator.conftest import WINDOW_START

pytestmark = pytest.mark.django_db(transaction=True)

PAGE = "/admin/bidding/balancingheadroom/overview/"


@pytest.fixture
def bids(transactional_db, evening):
    User.objects.create_superuser("operator", password="throw-away")
    groups = [evening.group(name=f"A group of long name {n}", is_sized_for_balancing=True) for n in range(3)]
    for number in range(3):
        evening.headroom(groups[0], ptu_start=WINDOW_START + number * PTU)
        evening.balancing_bid(*groups, ptu_start=WINDOW_START + number * PTU, status_reason=f"A59 (bid {'0a' * 16}).")


def test_its_tables_scroll_and_the_page_does_not(live_server, bids, page, log_in):
    log_in()
    page.set_viewport_size({"width": 390, "height": 900})
    page.goto(live_server.url + PAGE)
    page.wait_for_selector("text=Bids to TenneT")
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert page.complaints == []
