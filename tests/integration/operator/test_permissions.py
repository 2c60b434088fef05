"""Who may see and do what on the operator pages."""

import os
import re
import subprocess
import sys

import pytest
from django.contrib.auth.models import Permission
from django.test import Client

from aggregator.core.problems import server_error
from tests.shared_data import REPOSITORY

PANELS = {
    "bidding.view_announcement": "announcements",
    "bidding.view_biddutycontract": "duties",
    "bidding.view_activation": "activations",
    "bidding.view_bid": "record",
    "bidding.view_ledgerentry": "ledger",
    "assets.view_setpoint": "partners",
    "core.view_outboxmessage": "messages",
    "core.view_job": "trouble",
    "settlement.view_delivery": "money",
}
LISTS = {
    "/admin/bidding/bid/": "bidding.view_bid",
    "/admin/assets/asset/": "assets.view_asset",
    "/admin/core/auditevent/": "core.view_auditevent",
    "/admin/settlement/delivery/": "settlement.view_delivery",
}
ACTIONS = {
    "/admin/bidding/bid/": ("refuse", "bidding.view_bid", "bidding.change_bid"),
    "/admin/bidding/activation/": ("stop", "bidding.view_activation", "bidding.change_activation"),
    "/admin/core/outboxmessage/": ("send_again", "core.view_outboxmessage", "core.change_outboxmessage"),
    "/admin/assets/partner/": ("stop", "assets.view_partner", "assets.stop_partner"),
    "/admin/operator/failedlogin/": ("unlock", "operator.view_failedlogin", "operator.change_failedlogin"),
}


@pytest.mark.parametrize("path", ["/admin/", *LISTS])
def test_nobody_comes_in_without_logging_in(client, db, path):
    answer = client.get(path)
    assert answer.status_code == 302
    assert answer.url == f"/admin/login/?next={path}"


def test_somebody_without_a_staff_account_does_not_come_in(client, django_user_model, db):
    client.force_login(django_user_model.objects.create_user("driver"))
    assert client.get("/admin/").status_code == 302


def test_staff_without_permissions_sees_no_panel_and_is_told_what_to_do(client, colleague, evening):
    evening.everything()
    client.force_login(colleague())
    answer = client.get("/admin/")
    assert answer.context["panels"] == {}
    assert "Ask an administrator" in answer.content.decode()
    assert "Group 1" not in answer.content.decode()


@pytest.mark.parametrize(("permission", "panel"), PANELS.items())
def test_a_view_permission_opens_its_panel_only(client, colleague, evening, permission, panel):
    evening.everything()
    client.force_login(colleague(permission))
    assert set(client.get("/admin/").context["panels"]) == {panel}


def test_a_role_as_the_guide_describes_it_can_open_what_the_panels_link_to(client, django_user_model, evening):
    evening.everything()
    person = django_user_model.objects.create_user("night-shift", is_staff=True)
    guide = (REPOSITORY / "docs" / "operator-guide.md").read_text(encoding="utf-8").partition("## People")[2]
    kinds = re.findall(r"`([a-z ]+)`", guide)
    person.user_permissions.set(Permission.objects.filter(name__in=[f"Can view {kind}" for kind in kinds]))
    client.force_login(person)
    page = client.get("/admin/")
    assert set(page.context["panels"]) == set(PANELS.values())
    links = set(re.findall(r'href="(/admin/[^"]*)"', page.content.decode()))
    assert {link: client.get(link.replace("&amp;", "&")).status_code for link in links} == dict.fromkeys(links, 200)


@pytest.mark.parametrize(("path", "permission"), LISTS.items())
def test_lists_open_for_whoever_may_view_them(client, colleague, pages, path, permission):
    assert pages.get(path).status_code == 200  # a superuser
    client.force_login(colleague())
    assert client.get(path).status_code == 403
    client.force_login(colleague(permission))
    assert client.get(path).status_code == 200


@pytest.mark.parametrize("path", ACTIONS)
def test_acts_are_for_whoever_may_do_them(client, colleague, evening, path):
    action, view, do = ACTIONS[path]
    evening.everything()
    client.force_login(colleague(view))
    assert f'value="{action}"' not in client.get(path).content.decode()
    client.force_login(colleague(view, do))
    assert f'value="{action}"' in client.get(path).content.decode()


def test_stopping_a_partner_and_editing_it_are_two_permissions(client, colleague, evening):
    partner = evening.partner()
    page, stop = f"/admin/assets/partner/{partner.pk}/change/", {"action": "stop", "_selected_action": [partner.pk]}
    client.force_login(colleague("assets.view_partner", "assets.change_partner", "bidding.view_bid"))
    client.post("/admin/assets/partner/", stop | {"reason": "May I?"})
    partner.refresh_from_db()
    assert not partner.is_stopped
    client.force_login(colleague("assets.view_partner", "assets.stop_partner"))
    assert client.post(page, {"name": "Renamed"}).status_code == 403
    client.post("/admin/assets/partner/", stop | {"reason": "Wrong firmware."})
    partner.refresh_from_db()
    assert (partner.name, partner.is_stopped) == ("Partner 1", True)


def test_an_act_that_is_not_allowed_does_nothing(client, colleague, evening):
    evening.everything()
    partner = evening.partners[0]
    client.force_login(colleague("assets.view_partner"))
    client.post("/admin/assets/partner/", {"action": "stop", "_selected_action": [partner.pk], "reason": "Because."})
    partner.refresh_from_db()
    assert not partner.is_stopped


def test_the_menu_shows_only_what_may_be_seen(client, colleague, db):
    client.force_login(colleague("bidding.view_bid"))
    menu = client.get("/admin/").context["sidebar_navigation"]
    assert [item["title"] for group in menu for item in group["items"]] == ["What happens now", "Bids"]


def test_meter_values_need_both_permissions(client, colleague, evening):
    evening.everything()
    path = f"/admin/assets/asset/{evening.assets[0].pk}/meter-values/"
    assert client.get(path).status_code == 302
    for permissions in (("assets.view_asset",), ("assets.view_meterinterval", "bidding.view_bid", "core.view_job")):
        client.force_login(colleague(*permissions))
        assert client.get(path).status_code == 403
    client.force_login(colleague("assets.view_asset", "assets.view_meterinterval"))
    assert client.get(path).status_code == 200


def is_no_dead_end(answer, *, status, words):
    """Hold a page of refusal against what somebody needs who lands on it."""
    text = answer.content.decode()
    assert answer.status_code == status
    assert words in text
    assert '<a href="/admin/">' in text


def test_who_may_not_see_a_page_is_told_who_can_help(client, colleague, db):
    client.force_login(colleague("bidding.view_bid"))
    is_no_dead_end(client.get("/admin/core/job/"), status=403, words="Ask an administrator")


def test_an_address_that_leads_nowhere_leads_back(client, colleague, db):
    client.force_login(colleague("bidding.view_activation"))
    is_no_dead_end(client.get("/admin/bidding/activation/77/live/"), status=404, words="nothing at this address")


def test_a_form_from_before_the_last_log_in_says_what_to_do(colleague, db):
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(colleague("bidding.change_bid"))
    answer = strict.post("/admin/bidding/bid/", {"action": "approve"})
    is_no_dead_end(answer, status=403, words="Nothing was done")


def test_a_failure_of_ours_does_not_leave_people_without_a_way_on(rf):
    is_no_dead_end(server_error(rf.get("/admin/")), status=500, words="We failed")


def test_a_request_under_a_strange_name_says_what_to_do(client):
    answer = client.get("/admin/", headers={"host": "elsewhere.example"})
    is_no_dead_end(answer, status=400, words="ALLOWED_HOSTS")


def test_people_are_told_of_a_failure_where_neither_database_nor_broker_answers():
    script = (
        "import django; django.setup(); from django.test import Client; "
        "client = Client(raise_request_exception=False, headers={'host': 'localhost'}); "
        "client.cookies['sessionid'] = 'x' * 32; answer = client.get('/admin/'); "
        "print(answer.status_code, 'What you did may not have been done' in answer.content.decode())"
    )
    nowhere = {"DATABASE_URL": "postgresql://127.0.0.1:1/x", "REDIS_URL": "redis://127.0.0.1:1/0"}
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, **nowhere, "DJANGO_SETTINGS_MODULE": "aggregator.settings"},
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.stdout == "500 True\n", done.stderr
