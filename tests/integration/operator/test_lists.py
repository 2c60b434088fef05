"""Every list and every page of the admin, over all registered models."""

import re

import pytest
from django.apps import apps
from django.contrib import admin
from django.db import connection
from django.db.models import DateTimeField
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from aggregator.operator.admin.base import HistoryAdmin
from aggregator.operator.display import moment
from aggregator.operator.navigation import _GROUPS

MODELS = sorted(admin.site._registry, key=lambda model: model._meta.label)


def address(model, page="changelist", *args):
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=args)


def queries(pages, model):
    with CaptureQueriesContext(
        connection,
    ) as captured:
        assert pages.get(address(model)).status_code == 200
    return len(captured)


def test_lists_do_not_query_per_row(pages, evening):
    # given two of everything, and every list opened once so that nothing is fetched for the first time
    evening.everything()
    evening.everything()
    before = {}
    for model in MODELS:
        pages.get(address(model))
        before[model] = queries(pages, model)
    # when there are three times as many rows
    for _ in range(4):
        evening.everything()
    # then no list needs more queries
    grown = {model._meta.label: (before[model], queries(pages, model)) for model in MODELS}
    assert all(model.objects.count() >= 6 for model in MODELS if model._meta.label != "auth.Group")
    assert {label: counts for label, counts in grown.items() if counts[1] > counts[0]} == {}


def test_every_row_has_a_page(pages, evening):
    evening.everything()
    for model in MODELS:
        row = model.objects.first()
        if row is not None:
            answer = pages.get(address(model, "change", row.pk))
            assert answer.status_code == 200, model


def _moments_of(row):
    return {getattr(row, field.name) for field in row._meta.fields if isinstance(field, DateTimeField)} - {None}


def _rows_named_by(row):
    return {getattr(row, field.name) for field in row._meta.fields if field.is_relation} - {None}


def test_what_a_row_is_called_is_in_dutch_time(evening):
    """The title of its page stands right above its moments."""
    evening.everything()
    titles = {}
    for row in (row for model in MODELS for row in model.objects.all()):
        shown = {moment(instant) for one in (row, *_rows_named_by(row)) for instant in _moments_of(one)}
        for written in re.findall(r"\d{4}-\d\d-\d\d(?: \d\d:\d\d)?.*?(?=$|[, ])", str(row)):
            titles[str(row)] = any(instant.startswith(written) for instant in shown)
    assert len(titles) > 15
    assert [title for title, is_dutch in titles.items() if not is_dutch] == []


def test_the_menu_leads_to_every_list():
    shown = {label for group in _GROUPS.values() for label, *_ in group}
    assert shown == {model._meta.label for model in MODELS}


def test_every_model_of_ours_has_a_list():
    """Meter values and readings have composite keys, which the admin cannot show: the asset's page does."""
    ours = [
        model for app in ("core", "assets", "bidding", "settlement") for model in apps.get_app_config(app).get_models()
    ]
    composite = {"assets.MeterInterval", "assets.MinuteReading", "assets.ReadingQuarter"}
    assert {model._meta.label for model in ours} - {model._meta.label for model in MODELS} == composite


def test_every_list_can_be_searched_or_filtered(pages, evening):
    evening.everything()
    for model in MODELS:
        options = admin.site._registry[model]
        assert options.search_fields or options.list_filter, model
        if options.search_fields:
            assert pages.get(address(model), {"q": "8716"}).status_code == 200, model


@pytest.mark.parametrize(
    "model", [model for model in MODELS if isinstance(admin.site._registry[model], HistoryAdmin)], ids=str
)
def test_history_is_not_rewritten(pages, evening, model):
    evening.everything()
    row = model.objects.first()
    before = model.objects.filter(pk=row.pk).values().get()

    changed = pages.post(address(model, "change", row.pk), {})
    deleted = pages.post(address(model, "delete", row.pk), {"post": "yes"})

    assert changed.status_code == 403
    assert deleted.status_code == 403
    if model._meta.label != "bidding.Bid":  # the one kind that may be made by hand, never changed
        assert pages.get(address(model, "add")).status_code == 403
    assert model.objects.filter(pk=row.pk).values().get() == before


@pytest.mark.parametrize("page", ["changelist", "change"])
def test_every_page_has_one_main_part_and_spells_abbreviations_in_capitals(pages, evening, page):
    evening.everything()
    rows = {model: model.objects.first() for model in MODELS}
    shown = {
        model._meta.label: pages.get(address(model, page, *([row.pk] if page == "change" else []))).content.decode()
        for model, row in rows.items()
        if row is not None
    }
    assert {label: text.count("<main") for label, text in shown.items()} == dict.fromkeys(shown, 1)
    assert all(text.index("<main") < text.index("</main>") for text in shown.values())
    small = re.compile(r">\s*((?:[A-Z][a-z ]* (?:ean|ptu|brp|url|ocpi)s?|Ean|Ptu|Brp|Url|Ocpi)\b[^<]*)<")
    words = {label: small.findall(text) for label, text in shown.items()}
    assert {label: found for label, found in words.items() if found} == {}


def test_lists_speak_in_kilowatts_and_dutch_time(pages, evening):
    evening.everything()
    text = pages.get("/admin/bidding/bid/").content.decode()
    assert "Power (kW)" in text
    assert ">200<" in text
    assert "2026-01-14 17:00" in text  # 16:00 UTC


def test_a_search_for_an_asset_finds_each_once_and_in_order(pages, evening):
    """Without an order a page of results may repeat what an earlier one had, and leave others out."""
    group, partner = evening.group(), evening.partner()
    made = [evening.asset(group=group, partner=partner) for _ in range(25)]
    asked = {"app_label": "assets", "model_name": "membership", "field_name": "asset"}
    found = [
        one["text"]
        for page in (1, 2)
        for one in pages.get("/admin/autocomplete/", asked | {"page": page}).json()["results"]
    ]
    assert found == sorted(str(asset) for asset in made)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ("/admin/bidding/mandate/", "No mandates yet Add the first one ."),
        ("/admin/settlement/delivery/", "No deliveries yet Nobody adds them on this page: they come in by themselves"),
        ("/admin/settlement/delivery/?q=centrum", "Nothing fits what you look for Look for less, or show all ."),
        ("/admin/core/job/?status__exact=failed", "Nothing fits what you look for Look for less, or show all ."),
    ],
)
def test_an_empty_list_says_how_rows_come_into_it(pages, asked, words):
    says = re.sub(r"<[^>]+>", " ", pages.get(asked).content.decode())
    assert words in " ".join(says.split())


def test_columns_of_one_name_are_told_apart_by_their_unit(pages, evening):
    evening.everything()
    text = pages.get("/admin/bidding/mandate/").content.decode()
    assert all(heading in text for heading in ("Two people above (kW)", "Two people above (€)"))
