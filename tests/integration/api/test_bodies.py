import gzip
import json

import pytest

from assets.models import Asset, ChargingSession, Membership, MeterInterval
from tests.field_side import charger, enrol, make_area, make_assets, make_group


def _value(**fields):
    return {"asset": "a", "starts_at": "2026-01-14T15:00:00Z", "import_wh": 2_000, **fields}


@pytest.mark.parametrize(
    ("fields", "field", "code", "hint"),
    [
        pytest.param({"connection_ean": "871685900012636542"}, "connection_ean", "wrong-ean", "is 3", id="ean"),
        pytest.param({"max_import_kw": 11}, "max_import_kw", "unknown-field", "Give max_import_w", id="unit"),
        pytest.param({"max_inport_w": 1}, "max_inport_w", "unknown-field", "Did you mean max_import_w?", id="typo"),
        pytest.param({"max_import_w": 11.5}, "max_import_w", "not-an-integer", "whole watt", id="fraction"),
        pytest.param({"max_import_w": True}, "max_import_w", "not-an-integer", "digits", id="boolean"),
        pytest.param({"max_import_w": None}, "max_import_w", "required", "Every row needs it", id="missing"),
        pytest.param({"max_export_w": 1}, "max_export_w", "cannot-feed-in", "v2g_charger", id="export"),
        pytest.param({"kind": "battery"}, "capacity_wh", "required", "size of its storage", id="capacity"),
        pytest.param({"min_import_w": 11_001}, "min_import_w", "above-maximum", "max_import_w", id="minimum"),
        pytest.param({"round_trip_efficiency": "92"}, "round_trip_efficiency", "out-of-range", '"0.92"', id="percent"),
        pytest.param({"external_id": "\ud800"}, "external_id", "not-text", "Remove it", id="surrogate"),
        pytest.param({"kind": "toaster"}, "kind", "not-a-choice", "heat_pump", id="kind"),
    ],
)
def test_a_bad_asset_is_explained_and_not_stored(call, fields, field, code, hint):
    answer = call("PUT", "/assets", {"assets": [charger("fine"), charger("bad") | fields]})

    assert answer.status_code == 400
    assert answer["Content-Type"] == "application/problem+json"
    problem = answer.json()
    assert (problem["status"], problem["code"]) == (400, "invalid-rows")
    [error] = problem["errors"]
    assert (error["index"], error["field"], error["code"]) == (1, field, code)
    assert hint in error["message"]
    assert not Asset.objects.exists()


@pytest.mark.parametrize(
    ("fields", "field", "code", "hint"),
    [
        pytest.param({"plug_in_at": "2026-01-14T08:00:00"}, "plug_in_at", "naive-instant", "no time zone", id="naive"),
        pytest.param({"plug_in_at": "yesterday"}, "plug_in_at", "not-an-instant", "Write 2026", id="words"),
        pytest.param({"plug_in_at": 1_768_377_600}, "plug_in_at", "not-an-instant", "Write text like", id="epoch"),
        pytest.param(
            {"plug_out_at": "2026-01-14T07:00:00Z"},
            "plug_out_at",
            "ends-before-it-starts",
            "Check plug_in_at",
            id="order",
        ),
        pytest.param({"energy_wh": -1}, "energy_wh", "negative", "in each direction", id="negative"),
        pytest.param({"max_import_w": 0}, "max_import_w", "out-of-range", "at least 1 W", id="power"),
        pytest.param({"energy_kwh": 1}, "energy_kwh", "unknown-field", "Give energy_wh", id="unit"),
        pytest.param({"asset": "unknown"}, "asset", "unknown-asset", "Register it first", id="asset"),
        pytest.param({"asset": ["a"]}, "asset", "not-text", "not text", id="list"),
    ],
)
def test_a_bad_session_is_explained_and_not_stored(call, partner, fields, field, code, hint):
    make_assets(partner, [charger("a")])
    session = {
        "asset": "a",
        "external_id": "s",
        "plug_in_at": "2026-01-14T08:00:00+00:00",
        "plug_out_at": "2026-01-14T12:00:00Z",
        "energy_wh": 9_000,
        "max_import_w": 7_400,
    }

    answer = call("POST", "/sessions", {"sessions": [session | fields]})

    assert answer.status_code == 400
    [error] = answer.json()["errors"]
    assert (error["index"], error["field"], error["code"]) == (0, field, code)
    assert hint in error["message"]
    assert not ChargingSession.objects.exists()


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        pytest.param({"starts_at": "2026-01-14T15:01:00Z"}, "off-grid", id="grid"),
        pytest.param({"import_wh": -1}, "negative", id="negative"),
        pytest.param({"import_wh": 10**30}, "out-of-range", id="huge"),
        pytest.param({"revision": 10_001}, "out-of-range", id="revision"),
        pytest.param({"quality": 1}, "not-a-choice", id="quality"),
        pytest.param({"starts_at": "2026-01-14T16:15:00Z"}, "in-the-future", id="future"),
        pytest.param({"starts_at": "0001-01-01T00:00:00+14:00"}, "not-an-instant", id="before-time"),
    ],
)
def test_a_bad_meter_value_is_named_by_its_rule(call, partner, fields, code):
    make_assets(partner, [charger("a")])

    answer = call("POST", "/meter-values", {"values": [_value(**fields)]})

    assert answer.status_code == 400
    assert [error["code"] for error in answer.json()["errors"]] == [code]
    assert not MeterInterval.objects.exists()


def test_the_first_hundred_errors_are_listed_and_the_rest_counted(call):
    answer = call("PUT", "/assets", {"assets": [{"external_id": f"a{number}"} for number in range(50)]})

    problem = answer.json()
    assert len(problem["errors"]) == 100
    assert problem["detail"] == (
        "50 rows are not acceptable; nothing was stored. The first 100 of 150 errors are listed."
    )


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(json.dumps({"values": [_value()]}), id="json"),
        pytest.param("asset,starts_at,import_wh\r\na,2026-01-14T15:00:00Z,2000\r\n", id="csv"),
    ],
)
@pytest.mark.parametrize("is_packed", [pytest.param(False, id="plain"), pytest.param(True, id="gzip")])
def test_meter_values_come_as_json_or_csv_plain_or_packed(call, partner, body, is_packed):
    make_assets(partner, [charger("a")])
    content_type = "application/json" if body.startswith("{") else "text/csv"

    answer = call(
        "POST",
        "/meter-values",
        gzip.compress(body.encode()) if is_packed else body,
        content_type=content_type,
        headers={"Content-Encoding": "gzip"} if is_packed else {},
    )

    assert (answer.status_code, answer.json()) == (200, {"stored": 1, "duplicates": 0})
    assert MeterInterval.objects.get().import_wh == 2_000


def test_a_parcel_in_several_parts_is_read_whole(call, partner):
    make_assets(partner, [charger("a")])
    lines = ("asset,starts_at,import_wh\n", "a,2026-01-14T15:00:00Z,2000\n", "a,2026-01-14T15:15:00Z,1\n")

    answer = call(
        "POST",
        "/meter-values",
        b"".join(gzip.compress(line.encode()) for line in lines),
        content_type="text/csv",
        headers={"Content-Encoding": "gzip"},
    )

    assert answer.json() == {"stored": 2, "duplicates": 0}


def test_a_table_is_judged_by_the_same_rules(call, partner):
    make_assets(partner, [charger("a")])
    table = "asset,starts_at,import_wh,energy_kwh\na,2026-01-14T15:00:00,1.5,3\na,2026-01-14T15:00:00Z,-1,\n"

    answer = call("POST", "/meter-values", table, content_type="text/csv")

    assert answer.status_code == 400
    assert [(error["index"], error["field"], error["code"]) for error in answer.json()["errors"]] == [
        (0, "energy_kwh", "unknown-field"),
        (0, "import_wh", "not-an-integer"),
        (0, "starts_at", "naive-instant"),
        (1, "import_wh", "negative"),
    ]


@pytest.mark.parametrize(
    ("body", "options", "status", "code"),
    [
        pytest.param("{", {}, 400, "not-json", id="broken"),
        pytest.param(b"\xff", {}, 400, "not-json", id="not-utf8"),
        pytest.param("[" * 100_000, {}, 400, "not-json", id="deep"),
        pytest.param('{"values": [NaN]}', {}, 400, "not-json", id="nan"),
        pytest.param("", {}, 400, "no-rows", id="empty"),
        pytest.param("[]", {}, 400, "no-rows", id="list"),
        pytest.param('{"values": []}', {}, 400, "no-rows", id="no-rows"),
        pytest.param('{"values": {"a": 1}}', {}, 400, "no-rows", id="object"),
        pytest.param('{"rows": []}', {}, 400, "unknown-field", id="other-name"),
        pytest.param('{"values": [1]}', {}, 400, "invalid-rows", id="number"),
        pytest.param("x", {"content_type": "text/plain"}, 415, "unsupported-media-type", id="text"),
        pytest.param("x", {"headers": {"Content-Encoding": "br"}}, 415, "unknown-encoding", id="brotli"),
        pytest.param("x", {"headers": {"Content-Encoding": "gzip"}}, 400, "not-gzip", id="not-gzip"),
        pytest.param(
            gzip.compress(b"{}")[:-4], {"headers": {"Content-Encoding": "gzip"}}, 400, "not-gzip", id="cut-off"
        ),
        pytest.param('"', {"content_type": "text/csv"}, 400, "not-csv", id="broken-csv"),
    ],
)
def test_a_body_that_cannot_be_read_is_refused(call, body, options, status, code):
    answer = call("POST", "/meter-values", body, **options)

    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_too_many_rows_are_refused(call):
    answer = call("POST", "/meter-values", {"values": [_value()] * 20_001})

    assert (answer.status_code, answer.json()["code"]) == (413, "too-many-rows")


def test_a_small_parcel_that_unpacks_to_a_huge_one_is_refused(call, settings):
    settings.REQUEST_BODY_LIMIT_BYTES = 1_000_000

    answer = call("POST", "/meter-values", gzip.compress(bytes(1_000_001)), headers={"Content-Encoding": "gzip"})

    assert (answer.status_code, answer.json()["code"]) == (413, "body-too-large")


def test_assets_are_listed_page_by_page_with_their_group(call, partner, django_assert_num_queries):
    assets = make_assets(partner, [charger("a"), charger("b"), charger("c")])
    group = make_group(make_area())
    enrol(group, assets[:1])

    with django_assert_num_queries(2):  # the token with its partner; the page
        first = call("GET", "/assets?limit=2").json()
    second = call("GET", f"/assets?limit=2&after={first['next_after']}").json()

    assert [(asset["external_id"], asset["aggregation_ean"]) for asset in first["assets"]] == [
        ("a", group.ean),
        ("b", None),
    ]
    assert ([asset["external_id"] for asset in second["assets"]], second["next_after"]) == (["c"], None)
    assert call("GET", "/assets/a").json() == first["assets"][0]
    assert Membership.objects.count() == 1


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "limit=x", "limit=²"])
def test_a_page_size_out_of_range_is_refused(call, query):
    assert call("GET", f"/assets?{query}").status_code == 400


def test_a_partner_that_calls_too_often_is_told_to_wait(call, settings):
    settings.PARTNER_REQUESTS_PER_MINUTE = 0

    answer = call("GET", "/assets")

    assert (answer.status_code, answer.json()["code"]) == (429, "throttled")
    assert 1 <= int(answer["Retry-After"]) <= 60


def test_a_partner_has_a_rate_of_its_own(call, partner, settings, monkeypatch):
    monkeypatch.setattr("aggregator.core.rates.time.time", lambda: 1_000_000.0)  # no minute ends between the two
    settings.PARTNER_REQUESTS_PER_MINUTE = 0
    partner.requests_per_minute = 1
    partner.save()

    assert [call("GET", "/assets").status_code for _ in range(2)] == [200, 429]
