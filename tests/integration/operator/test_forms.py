"""What is refused on a form is refused in the same words as by the API and the CSV import, never by a 500."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import IntegrityError

from aggregator.core.models import AuditEvent
from aggregator.operator.admin.refusals import words_of
from assets.models import (
    AggregationEan,
    Asset,
    ChargingSession,
    CongestionArea,
    Membership,
    OcpiConnection,
    SteeringLimit,
)
from assets.validation import kinds
from assets.validation.rows import InvalidRows
from bidding.models import Bid, LedgerEntry

NOW = datetime(2026, 1, 14, 16, 20, tzinfo=UTC)
EAN = "871685900012636543"
TOMORROW = datetime(2026, 1, 15, 16, tzinfo=UTC)
ASSET = {
    "external_id": "new",
    "kind": "charger",
    "category": "public",
    "connection_ean": "",
    "max_import_w": 11_000,
    "max_export_w": 0,
    "min_import_w": 0,
    "pausing": "unknown",
    "capacity_wh": "",
    "min_level_wh": 0,
    "round_trip_efficiency": "1",
    "is_active": "on",
}


def errors(answer):
    assert answer.status_code == 200, answer
    form = answer.context["adminform"].form
    return {name: list(messages) for name, messages in form.errors.items()}


def api_words(kind, row):
    with pytest.raises(InvalidRows) as refused:
        kind.read([row])
    return [error.message for error in refused.value.errors]


@pytest.fixture
def partner(evening):
    return evening.partner()


@pytest.fixture
def add_asset(pages, partner):
    return lambda **fields: pages.post("/admin/assets/asset/add/", ASSET | {"partner": partner.pk} | fields)


@pytest.mark.parametrize(
    "ean", ["871685200000008514", "87168520000000851", "8716852000000085133", "87168520000000851X"]
)
def test_a_wrong_ean_is_refused_as_by_the_api(pages, add_asset, ean):
    refused = errors(add_asset(connection_ean=ean))
    limit = {"connection_ean": ean, "max_import_w": 100_000, "reason": "the contract"}
    assert errors(pages.post("/admin/assets/steeringlimit/add/", limit)) == refused
    row = {"external_id": "new", "kind": "charger", "category": "public", "max_import_w": 11_000, "connection_ean": ean}
    assert refused == {"connection_ean": api_words(kinds.ASSET, row)}
    assert not Asset.objects.exists()


@pytest.mark.parametrize(
    ("fields", "field", "words"),
    [
        ({"min_import_w": 12_000}, "min_import_w", kinds.MIN_ABOVE_MAX),
        ({"max_export_w": 11_000}, "max_export_w", kinds.FEED_IN_WITHOUT_STORAGE),
        ({"kind": "battery"}, "capacity_wh", kinds.STORAGE_WITHOUT_CAPACITY),
        (
            {"kind": "battery", "capacity_wh": 5, "min_level_wh": 6},
            "min_level_wh",
            kinds.MIN_LEVEL_ABOVE_CAPACITY,
        ),
    ],
)
def test_an_impossible_asset_is_refused_once_and_as_by_the_api(add_asset, fields, field, words):
    assert errors(add_asset(**fields)) == {field: [words]}


def test_an_asset_is_added_with_the_moment_and_an_audit_event(add_asset, operator):
    assert add_asset().status_code == 302
    asset = Asset.objects.get()
    assert asset.registered_at == NOW
    event = AuditEvent.objects.get()
    assert (event.action, event.actor_id, event.subject_id) == ("assets.asset.added", operator.pk, str(asset.pk))
    assert event.after["max_import_w"] == 11_000


def test_a_change_is_audited_with_before_and_after(pages, evening, partner):
    asset = evening.asset(group=evening.group(), partner=partner)
    inlines = {f"{name}-{count}_FORMS": 0 for name in ("state", "memberships") for count in ("TOTAL", "INITIAL")}
    values = ASSET | inlines | {"partner": partner.pk, "external_id": asset.external_id, "max_import_w": 7_400}
    assert pages.post(f"/admin/assets/asset/{asset.pk}/change/", values).status_code == 302
    event = AuditEvent.objects.get()
    assert (event.action, event.before, event.after) == (
        "assets.asset.changed",
        {"max_import_w": 11_000},
        {"max_import_w": 7_400},
    )


def test_what_a_connection_carries_is_given_in_watts_and_for_a_connection(pages):
    def add(**fields):
        return pages.post("/admin/assets/steeringlimit/add/", {"reason": "the contract", "connection_ean": ""} | fields)

    assert "Less than 1000 W is no connection" in str(errors(add(max_import_w=100, connection_ean=EAN)))
    assert "Name its EAN" in str(errors(add(max_export_w=0)))
    assert add(max_import_w=100_000, max_export_w=0, connection_ean=EAN).status_code == 302
    assert SteeringLimit.objects.values_list("max_import_w", "max_export_w").get() == (100_000, 0)
    form = pages.get("/admin/assets/steeringlimit/add/").content.decode()
    assert "Max ramp (W per minute)" in form
    assert "what cars take by themselves is not held back" in form


def test_how_a_partner_is_told_and_how_often_it_may_call_are_settings(pages, partner):
    address = f"/admin/assets/partner/{partner.pk}/change/"
    values = {"name": partner.name, "callback_url": "", "divides_itself": "on", "requests_per_minute": 60}
    assert pages.post(address, values | {"is_active": "on"}).status_code == 302
    partner.refresh_from_db()
    assert (partner.divides_itself, partner.requests_per_minute, partner.is_active) == (True, 60, True)
    event = AuditEvent.objects.get()
    assert (event.before, event.after) == (
        {"divides_itself": False, "requests_per_minute": None},
        {"divides_itself": True, "requests_per_minute": 60},
    )


AGREED = {
    "rate_unit": "A",
    "is_v2g_agreed": "on",
    "sends_raw_token": "on",
    "pull_minutes": 5,
    "seconds_between_profiles": 120,
    "parties-TOTAL_FORMS": 0,
    "parties-INITIAL_FORMS": 0,
}


def test_what_was_agreed_over_ocpi_is_changed_and_audited(pages, partner):
    connection = OcpiConnection.objects.create(partner=partner, versions_url="https://cpo.example", pull_error="late")
    address = f"/admin/assets/ocpiconnection/{connection.pk}/change/"
    assert pages.post(address, AGREED | {"versions_url": "https://elsewhere.example"}).status_code == 302
    kept = OcpiConnection.objects.values(*list(AGREED)[:5], "versions_url", "pull_error").get()
    assert tuple(kept.values()) == ("A", True, True, 5, 120, "https://cpo.example", "late")
    event = AuditEvent.objects.get()
    assert (event.action, event.before["pull_minutes"], event.after["pull_minutes"]) == (
        "assets.ocpiconnection.changed",
        15,
        5,
    )
    assert list(errors(pages.post(address, AGREED | {"pull_minutes": 0}))) == ["pull_minutes"]


def test_a_page_saves_only_what_was_typed_in_where_processes_write_too(pages, partner, monkeypatch):
    connection = OcpiConnection.objects.create(partner=partner)
    address = f"/admin/assets/ocpiconnection/{connection.pk}/change/"
    saved = OcpiConnection.save

    def save_after_a_fetch(self, **options):
        OcpiConnection.objects.update(pull_error="meanwhile")
        saved(self, **options)

    monkeypatch.setattr(OcpiConnection, "save", save_after_a_fetch)
    assert pages.post(address, AGREED).status_code == 302
    assert OcpiConnection.objects.get().pull_error == "meanwhile"


def session(asset, **fields):
    return {
        "asset": asset.pk,
        "external_id": "s1",
        "plug_in_at_0": "2026-01-14",
        "plug_in_at_1": "15:00",
        "energy_wh": 1_000,
        "max_import_w": 11_000,
        **fields,
    }


@pytest.fixture
def asset(evening, partner):
    return evening.asset(group=evening.group(), partner=partner)


def test_a_session_that_ends_before_it_starts_is_refused_as_by_the_api(pages, asset):
    ends = {"plug_out_at_0": "2026-01-14", "plug_out_at_1": "14:00"}
    answer = pages.post("/admin/assets/chargingsession/add/", session(asset, **ends))
    assert errors(answer) == {"plug_out_at": [kinds.SESSION_ENDS_BEFORE_START]}
    assert not ChargingSession.objects.exists()


def test_a_session_of_tomorrow_is_refused_as_by_the_api(pages, asset):
    answer = pages.post("/admin/assets/chargingsession/add/", session(asset, plug_in_at_0="2026-01-15"))
    (message,) = errors(answer)["plug_in_at"]
    assert message.startswith("2026-01-15T14:00:00+00:00 has not happened yet.")


def test_a_session_is_read_in_dutch_time(pages, asset):
    assert pages.post("/admin/assets/chargingsession/add/", session(asset)).status_code == 302
    stored = ChargingSession.objects.get()
    assert stored.plug_in_at == datetime(2026, 1, 14, 14, tzinfo=UTC)
    assert stored.known_at == NOW


def test_a_moment_that_the_dutch_clock_skips_or_has_twice_is_refused(pages, asset):
    for date, time in (("2025-03-30", "02:30"), ("2025-10-26", "02:30")):
        answer = pages.post("/admin/assets/chargingsession/add/", session(asset, plug_in_at_0=date, plug_in_at_1=time))
        (message,) = errors(answer)["plug_in_at"]
        assert "interpreted in time zone Europe/Amsterdam" in message
    assert not ChargingSession.objects.exists()


def test_a_form_of_fifty_megabytes_is_refused(add_asset):
    answer = add_asset(external_id="x" * 50_000_000)

    assert answer.status_code == 413
    assert "at most 33554432 are accepted" in answer.json()["detail"]
    assert not Asset.objects.exists()


def membership(asset, group, *, start="2026-01-15 00:00", end=""):
    date, time = start.split()
    end_date, end_time = end.split() if end else ("", "")
    return {
        "asset": asset.pk,
        "aggregation_ean": group.pk,
        "starts_at_0": date,
        "starts_at_1": time,
        "ends_at_0": end_date,
        "ends_at_1": end_time,
    }


def test_an_overlapping_membership_is_refused_on_the_form(pages, evening, asset):
    answer = pages.post("/admin/assets/membership/add/", membership(asset, evening.group()))
    assert errors(answer) == {"__all__": [kinds.MEMBERSHIP_OVERLAPS]}
    assert Membership.objects.count() == 1


@pytest.mark.parametrize(
    ("period", "field", "words"),
    [
        ({"start": "2026-01-15 00:05"}, "starts_at", kinds.MEMBERSHIP_OFF_GRID),
        ({"end": "2026-01-16 00:05"}, "ends_at", kinds.MEMBERSHIP_OFF_GRID),
        (
            {"end": "2026-01-14 00:00"},
            "ends_at",
            "The membership ends before it starts. Check both moments.",
        ),
    ],
)
def test_a_membership_keeps_to_quarter_hours_and_ends_after_it_starts(pages, evening, asset, period, field, words):
    answer = pages.post("/admin/assets/membership/add/", membership(asset, evening.group(), **period))
    assert errors(answer) == {field: [words]}


def test_an_asset_changes_groups_by_ending_one_membership_with_a_reason(pages, evening, asset, operator):
    first = Membership.objects.get()
    page = f"/admin/assets/membership/{first.pk}/change/"
    ended = {"ends_at_0": "2026-01-15", "ends_at_1": "00:00", "reason": "Moves to another area."}
    assert pages.post(page, ended).status_code == 302
    assert pages.post("/admin/assets/membership/add/", membership(asset, evening.group())).status_code == 302
    first.refresh_from_db()
    assert first.period.upper == datetime(2026, 1, 14, 23, tzinfo=UTC)
    event = AuditEvent.objects.get(action="assets.membership.ended")
    assert (event.reason, event.actor_id) == ("Moves to another area.", operator.pk)
    assert Membership.objects.count() == 2


def test_a_membership_cannot_end_before_it_began(pages, asset):
    page = f"/admin/assets/membership/{Membership.objects.get().pk}/change/"
    answer = pages.post(page, {"ends_at_0": "2020-01-15", "ends_at_1": "00:00", "reason": "Never was."})
    (message,) = errors(answer)["__all__"]
    assert "is in no aggregation EAN just before 2020-01-14T23:00:00+00:00" in message


@pytest.fixture
def call(evening):
    return evening.announcement("call", starts_at=TOMORROW, ends_at=TOMORROW + timedelta(hours=1))


@pytest.fixture
def add_bid(pages, evening, call):
    group = evening.group()

    def post(**fields):
        values = {"announcement": call.pk, "aggregation_ean": group.pk, "power_kw": 200, "price_eur_per_mwh": "180"}
        return pages.post("/admin/bidding/bid/add/", values | fields)

    return post


def test_a_bid_by_hand_is_proposed_and_takes_its_power(add_bid, operator):
    assert add_bid().status_code == 302
    bid = Bid.objects.get()
    assert (bid.status, bid.power_w, bid.starts_at) == ("proposed", 200_000, TOMORROW)
    assert list(LedgerEntry.objects.values_list("committed_w", flat=True)) == [200_000] * 4
    event = AuditEvent.objects.get(action="bidding.bid.proposed")
    assert event.actor_id == operator.pk


def test_a_bid_that_no_column_can_hold_is_refused_on_the_form(add_bid):
    answer = add_bid(power_kw=10**17)
    assert errors(answer)["power_kw"] == ["Ensure this value is less than or equal to 1000000000."]


@pytest.mark.parametrize(("power_kw", "constraint"), [(50, "bid_at_least_the_minimum"), (150, "bid_in_whole_steps")])
def test_a_bid_that_breaks_the_product_is_refused_on_the_form(add_bid, power_kw, constraint):
    words = {one.name: one.get_violation_error_message() for one in Bid._meta.constraints}
    assert words[constraint] in errors(add_bid(power_kw=power_kw))["__all__"]
    assert not Bid.objects.exists()


def test_a_double_sale_is_refused_on_the_form_and_leaves_nothing(add_bid, evening, call):
    again = evening.announcement("other", starts_at=TOMORROW, ends_at=TOMORROW + timedelta(hours=1))
    assert add_bid().status_code == 302
    answer = add_bid(announcement=again.pk, power_kw=100)
    words = "This power is already sold in that quarter hour. Offer less, or another window."
    assert errors(answer) == {"__all__": [words]}
    assert Bid.objects.count() == 1
    assert list(LedgerEntry.objects.values_list("committed_w", flat=True)) == [200_000] * 4


def test_a_second_bid_for_the_same_call_is_refused_on_the_form(add_bid):
    assert add_bid().status_code == 302
    assert "__all__" in errors(add_bid())
    assert Bid.objects.count() == 1


def test_a_group_elsewhere_cannot_answer_the_call(add_bid, evening):
    evening.everything()
    elsewhere = AggregationEan.objects.last()
    CongestionArea.objects.filter(code="area-2").update(postcodes=["9711"])
    AggregationEan.objects.filter(pk=elsewhere.pk).update(congestion_area=CongestionArea.objects.get(code="area-2"))
    refused = errors(add_bid(aggregation_ean=elsewhere.pk))
    assert refused == {
        "aggregation_ean": ["This group cannot help with the announcement. Choose one in the area that it is about."]
    }


def test_a_call_whose_gate_closed_cannot_be_chosen(add_bid, evening):
    assert "announcement" in errors(add_bid(announcement=evening.announcement("now").pk))


def test_a_refusal_of_the_database_without_words_still_says_something():
    assert words_of(IntegrityError("?")).startswith("The database refused this")


def test_a_groups_ean_is_checked_and_then_stays(pages, evening):
    values = {
        "ean": "871685100000000016",
        "name": "New",
        "congestion_area": evening.area.pk,
        "brp": "8716892000005",
        "autonomy": "approve",
        "reliability": "0.95",
        "min_bid_w": 100_000,
        "bid_step_w": 100_000,
        "max_bid_w": 60_000_000,
        "price_eur_per_mwh": "180",
        "partner_share": "0.7",
    }
    wrong = pages.post("/admin/assets/aggregationean/add/", values)
    assert errors(wrong) == {"ean": [_ean_words("871685100000000016")]}
    assert pages.post("/admin/assets/aggregationean/add/", values | {"ean": "871685100000000015"}).status_code == 302
    page = "/admin/assets/aggregationean/871685100000000015/change/"
    assert pages.post(page, values | {"name": "Newer"}).status_code == 302
    assert list(AggregationEan.objects.values_list("ean", "name")) == [("871685100000000015", "Newer")]


def _ean_words(ean):
    row = {"external_id": "new", "kind": "charger", "category": "public", "max_import_w": 1, "connection_ean": ean}
    return api_words(kinds.ASSET, row)[0]
