"""What people who do not see a page, or see it badly, need of each: one heading, named fields, pictures in words."""

from html.parser import HTMLParser

import pytest
from django.contrib.auth.models import User

from aggregator.core.problems import server_error
from assets.models import AggregationEan, Asset, Partner
from bidding.models import Activation
from tests.integration.operator.test_lists import MODELS, address

NOT_TYPED_IN = {"hidden", "submit", "button", "image", "reset"}


def is_hidden(has):
    return has.get("type") in NOT_TYPED_IN or "hidden" in has.get("class", "").split()


class Page(HTMLParser):
    """Notes the headings of a page, its fields without a name and its pictures without words."""

    def __init__(self, text) -> None:
        super().__init__()
        self.headings, self.labels, self.fields, self.mute = 0, set(), {}, []
        self._inside_label = 0
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        has = dict(attrs)
        is_named = any(has.get(name) for name in ("aria-label", "aria-labelledby", "title"))
        self.headings += tag == "h1"
        if tag == "label":
            self._inside_label += 1
            self.labels.add(has.get("for"))
        if tag in {"input", "select", "textarea"} and not is_hidden(has):
            is_search = has.get("type") == "search" or has.get("id") == "searchbar"  # named by its placeholder alone
            is_named = is_named or self._inside_label > 0 or (is_search and bool(has.get("placeholder")))
            self.fields[has.get("id") or has.get("name")] = is_named
        if tag in {"canvas", "svg"} and not is_named and has.get("aria-hidden") != "true":
            self.mute.append(has)
        if tag == "img" and "alt" not in has:
            self.mute.append(has)

    def handle_endtag(self, tag):
        self._inside_label -= tag == "label"

    @property
    def nameless(self):
        return {one for one, is_named in self.fields.items() if not is_named} - self.labels


def find_faults(pages, addresses):
    faults = {}
    for one in addresses:
        answer = pages.get(one)
        assert answer.status_code in {200, 400, 403, 404}, one
        page = Page(answer.content.decode())
        if (page.headings, page.nameless, page.mute) != (1, set(), []):
            faults[one] = (page.headings, page.nameless, page.mute)
    return faults


@pytest.mark.parametrize("kind", ["changelist", "change", "add"])
def test_every_list_and_form_has_one_heading_and_names_for_all(pages, evening, kind):
    evening.everything()
    rows = [(model, model.objects.first()) for model in MODELS]
    asked = {
        address(model, kind, *([row.pk] if kind == "change" else [])) for model, row in rows if row or kind == "add"
    }
    assert find_faults(pages, asked) == {}


def test_every_page_of_our_own_has_one_heading_and_names_for_all(pages, evening):
    evening.everything()
    AggregationEan.objects.update(is_sized_for_balancing=True)
    activation = f"/admin/bidding/activation/{Activation.objects.get().pk}"
    own = (
        "/admin/",
        "/admin/bidding/",
        "/admin/bidding/balancingheadroom/overview/",
        "/admin/settlement/balancingsettlement/overview/",
        "/admin/settlement/balancingsettlement/day/2026-01-13/",
        f"{activation}/live/",
        f"{activation}/history/",
        f"/admin/assets/asset/{Asset.objects.get().pk}/meter-values/",
        f"/admin/auth/user/{User.objects.first().pk}/password/",
        "/admin/password_change/",
        "/nowhere",
    )
    assert find_faults(pages, own) == {}


def test_a_page_that_asks_why_has_one_heading_and_names_for_all(pages, evening):
    evening.everything()
    partner = Partner.objects.get()
    page = Page(
        pages.post("/admin/assets/partner/", {"action": "stop", "_selected_action": [partner.pk]}).content.decode()
    )
    assert (page.headings, page.nameless, page.mute) == (1, set(), [])
    assert "id_reason" in page.fields


def test_log_in_and_the_page_of_a_failure_have_one_heading_and_names_for_all(client, db, rf):
    for answer in (client.get("/admin/login/"), server_error(rf.get("/admin/"))):
        page = Page(answer.content.decode())
        assert (page.headings, page.nameless, page.mute) == (1, set(), [])
