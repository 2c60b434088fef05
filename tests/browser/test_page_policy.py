"""The content security policy in a real browser: nothing that our pages do is blocked, and a planted script is."""

import pytest
from django.contrib.auth.models import User

from assets.models import Asset
from bidding.models import Activation
from settlement.models import Statement

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def activation(evening):
    """The activation of an evening with one of everything, and somebody who may look at it."""
    User.objects.create_superuser("operator", password="throw-away")
    evening.everything()
    return f"/admin/bidding/activation/{Activation.objects.get().pk}"


@pytest.fixture
def addresses(activation):
    """One page of every kind."""
    return (
        "/admin/",
        "/admin/bidding/bid/",  # actions and filters
        "/admin/bidding/bid/add/",
        "/admin/bidding/mandate/add/",  # dates and times
        "/admin/assets/partner/",
        "/admin/core/auditevent/",
        "/admin/core/auditevent/1/change/",  # coloured JSON
        "/admin/assets/setpoint/",  # by date
        "/admin/settlement/statement/",
        f"/admin/settlement/statement/{Statement.objects.get().pk}/change/",
        f"{activation}/change/",
        f"{activation}/history/",
        f"{activation}/live/",
        f"/admin/assets/asset/{Asset.objects.get().pk}/meter-values/",
        "/admin/auth/user/add/",
        "/admin/password_change/",
    )


def test_no_page_wants_more_than_the_policy_allows(live_server, addresses, page, log_in):
    log_in()
    for address in addresses:
        assert page.goto(live_server.url + address).status == 200, address
        assert page.complaints == [], address
    page.wait_for_load_state("networkidle")
    assert page.complaints == []


def test_the_acts_of_a_live_page_can_be_done_under_the_policy(live_server, activation, page, log_in):
    live = f"{live_server.url}{activation}/live/"
    log_in()
    page.goto(live)
    page.click("button[value=hold]")
    page.fill("textarea", "The transformer hums.")
    page.click("form.op-reason-form [type=submit]")
    page.wait_for_selector("text=1 activation")
    page.goto(live)
    page.wait_for_selector("text=On hold, nothing new is planned: The transformer hums.")
    assert page.complaints == []


def test_the_description_of_the_interface_opens_under_the_policy(live_server, page):
    page.goto(f"{live_server.url}/api/docs")
    page.wait_for_selector("text=Aggregator: interface for charge point operators")
    page.click("#swagger-ui .opblock-summary-control >> nth=0")
    page.wait_for_selector(".opblock.is-open .parameters-container")
    assert page.complaints == []


@pytest.mark.parametrize("address", ["/admin/login/", "/api/docs", "/nowhere"])
def test_a_planted_script_does_not_run(live_server, page, address):
    page.goto(live_server.url + address)
    page.evaluate(
        """() => {
            const script = document.createElement('script');
            script.textContent = 'window.planted = true';
            document.body.append(script);
        }"""
    )
    assert page.evaluate("window.planted") is None
    assert any("script-src" in complaint for complaint in page.complaints)
