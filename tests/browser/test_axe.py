"""What axe, a foreign accessibility checker, finds on our pages in the light and in the dark theme: nothing."""

import pytest
from django.contrib.auth.models import User

from aggregator.core.problems import server_error
from assets.models import AggregationEan, Asset
from bidding.models import Activation, Bid
from scripts.peer_environment import PeerUnavailable, peer_python
from tests.integration.mock_gopacs.conftest import market
from tests.peers import do_without

__all__ = ["market"]

pytestmark = pytest.mark.django_db(transaction=True)

SWAGGERS_OWN = (
    "color-contrast",  # Swagger UI's colours, of badges and of addresses among others
    "heading-order",  # it goes from h1 to h3
    "region",  # its title stands outside its main part
    "nested-interactive",  # each operation is a button with a button to copy its address in it
    "target-size",  # links of 19 px between others
)
FIND = """async (leftOut) => {
  const tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
  const rules = Object.fromEntries(leftOut.map((rule) => [rule, { enabled: false }]));
  const { violations } = await axe.run({ runOnly: { type: "tag", values: tags }, rules });
  return violations.flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.html.slice(0, 200)}`));
}"""


@pytest.fixture(scope="module")
def axe():
    try:
        (script,) = peer_python("axe").parent.parent.glob("lib/*/site-packages/axe_playwright_python/axe.min.js")
    except PeerUnavailable as reason:
        do_without("axe", reason)
    return script.read_text(encoding="utf-8")


@pytest.fixture
def find_faults(page, axe):
    """Show a page in both themes and return what axe finds there."""

    def find_faults(show, *, left_out=()):
        found = {}
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            show()
            page.wait_for_load_state("networkidle")
            page.evaluate(axe)
            found[scheme] = page.evaluate(FIND, left_out)
        return found

    return find_faults


NONE = {"light": [], "dark": []}


@pytest.fixture
def addresses(evening):
    """Pages of every kind of an evening with one of everything, and somebody who may look at them."""
    User.objects.create_superuser("operator", password="throw-away")
    evening.everything()
    AggregationEan.objects.update(is_sized_for_balancing=True)
    return {
        "front page": "/admin/",
        "list": "/admin/bidding/bid/",
        "why a bid": f"/admin/bidding/bid/{Bid.objects.get().pk}/change/",
        "form": "/admin/bidding/pricingpolicy/add/",
        "live": f"/admin/bidding/activation/{Activation.objects.get().pk}/live/",
        "balancing energy": "/admin/bidding/balancingheadroom/overview/",
        "settled day": "/admin/settlement/balancingsettlement/day/2026-01-13/",
        "meter values": f"/admin/assets/asset/{Asset.objects.get().pk}/meter-values/",
    }


@pytest.mark.parametrize(
    "name",
    ["front page", "list", "why a bid", "form", "live", "balancing energy", "settled day", "meter values"],
)
def test_pages_of_operators(live_server, addresses, page, log_in, find_faults, name):
    log_in()
    assert find_faults(lambda: page.goto(live_server.url + addresses[name])) == NONE


def test_the_page_that_asks_why(live_server, addresses, page, log_in, find_faults):
    def ask_why():
        page.goto(live_server.url + addresses["live"])
        page.click("button[value=stop]")
        page.wait_for_selector("textarea")

    log_in()
    assert find_faults(ask_why) == NONE


@pytest.mark.parametrize(
    ("address", "left_out"), [("/admin/login/", ()), ("/nowhere", ()), ("/api/docs", SWAGGERS_OWN)]
)
def test_pages_for_everybody(live_server, page, find_faults, address, left_out):
    assert find_faults(lambda: page.goto(live_server.url + address), left_out=left_out) == NONE


def test_the_page_of_a_form_that_is_too_old(live_server, page, find_faults):
    def send_without_cookies():
        page.goto(f"{live_server.url}/admin/login/")
        page.context.clear_cookies()
        page.fill("[name=username]", "operator")
        page.fill("[name=password]", "throw-away")
        page.press("[name=password]", "Enter")
        page.wait_for_selector("text=This form is too old")

    assert find_faults(send_without_cookies) == NONE


@pytest.fixture
def newcomer(transactional_db):
    User.objects.create_user("operator", password="throw-away", is_staff=True)


def test_the_page_of_what_one_may_not_see(live_server, newcomer, page, log_in, find_faults):
    log_in()
    assert find_faults(lambda: page.goto(f"{live_server.url}/admin/bidding/bid/")) == NONE
    assert page.is_visible("h1:has-text('Not allowed')")


def test_the_page_of_a_failure(rf, page, find_faults):
    assert find_faults(lambda: page.set_content(server_error(rf.get("/admin/")).content.decode())) == NONE


def test_the_pages_of_the_mock_market(market, page, find_faults):
    market.placed()
    assert find_faults(lambda: page.goto(market.address)) == NONE
