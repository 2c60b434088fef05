import gzip
import io
import json

import pytest
from django.core.management import CommandError, call_command

from assets import operations
from assets.models import Asset, ChargingSession, Membership, Partner
from assets.ocpi import tokens
from assets.validation import kinds
from tests.field_side import GROUP_EAN, charger, make_assets

_PORTFOLIO = f"""\
external_id,kind,category,max_import_w,connection_ean,aggregation_ean,member_from
a,charger,public,11000,,{GROUP_EAN},2026-01-14T00:00:00+01:00
b,charger,home,7400,871685900012636543,,
"""
_SESSIONS = """\
asset,external_id,plug_in_at,plug_out_at,energy_wh,max_import_w,declared_departure_at
a,s1,2026-01-13T08:00:00+01:00,2026-01-13T17:00:00+01:00,21000,7400,
a,s2,2026-01-14T08:00:00+01:00,2026-01-14T09:00:00+01:00,900,7400,2026-01-14T17:00:00+01:00
"""


def _run(*arguments):
    out, err = io.StringIO(), io.StringIO()
    try:
        call_command(*arguments, stdout=out, stderr=err)
    except CommandError as error:
        return out.getvalue(), err.getvalue(), str(error)
    return out.getvalue(), err.getvalue(), ""


def _file(tmp_path, content):
    path = tmp_path / "table.csv"
    path.write_text(content, encoding="utf-8")
    return str(path)


def test_a_partner_is_created_and_its_secrets_shown_once(db):
    out, _, error = _run("partner", "create", "Stroom", "--callback-url", "https://cpo.example/setpoints", "--json")

    shown = json.loads(out)
    assert error == ""
    assert set(shown) == {"partner", "client_id", "client_secret", "token_url", "callback_secret"}
    partner = Partner.objects.get(name="Stroom")
    assert partner.application.client_id == shown["client_id"]
    assert partner.application.client_secret != shown["client_secret"]
    assert partner.callback_url == "https://cpo.example/setpoints"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param(["create", "Stroom Utrecht"], "already registered", id="name-taken"),
        pytest.param(["create", "New", "--callback-url", "cpo"], "valid URL", id="address"),
        pytest.param(["stop", "Nobody", "--reason", "x"], "Registered: Stroom Utrecht.", id="unknown"),
        pytest.param(["stop", "Stroom Utrecht", "--reason", " "], "Say why", id="no-reason"),
    ],
)
def test_a_wrong_partner_command_says_what_to_do(partner, arguments, words):
    assert words in _run("partner", *arguments)[2]
    assert list(Partner.objects.values_list("name", "is_stopped")) == [("Stroom Utrecht", False)]


def test_partners_are_stopped_and_resumed(partner, other_partner):
    _run("partner", "stop", partner.name, "--reason", "odd switching")
    assert set(Partner.objects.filter(is_stopped=True)) == {partner}

    assert "Stopped 1 partner." in _run("partner", "stop-all", "--reason", "alarm")[0]
    assert Partner.objects.filter(is_stopped=True).count() == 2

    _run("partner", "resume", partner.name, "--reason", "explained")
    assert set(Partner.objects.filter(is_stopped=True)) == {other_partner}


def test_a_portfolio_is_imported_with_its_groups_and_again_without_effect(partner, group, tmp_path):
    file = _file(tmp_path, _PORTFOLIO)

    first = _run("import_portfolio", file, "--partner", partner.name)
    again = _run("import_portfolio", file, "--partner", partner.name)

    assert first == ("2 assets created, 0 updated, 0 unchanged; 1 enrolled.\n", "", "")
    assert again == ("0 assets created, 0 updated, 2 unchanged; 0 enrolled.\n", "", "")
    membership = Membership.objects.get()
    assert (membership.asset.external_id, membership.aggregation_ean) == ("a", group)
    assert membership.period.lower.isoformat() == "2026-01-13T23:00:00+00:00"


def test_a_portfolio_with_bad_rows_lists_them_and_stores_nothing(partner, group, tmp_path):
    table = _PORTFOLIO + (
        "c,charger,public,11,871685900012636542,,\n"
        "d,charger,public,-1,,,\n"
        f"e,charger,public,11000,,{GROUP_EAN},2026-01-14T00:00:00\n"
        f"f,charger,public,11000,,{GROUP_EAN},\n"
    )

    out, err, error = _run("import_portfolio", _file(tmp_path, table), "--partner", partner.name)

    lines = [line.rsplit(" ", 1)[-1] + " " + line.split(":")[0] for line in err.strip().splitlines()]
    assert lines == [
        "[wrong-ean] line 4, connection_ean",
        "[negative] line 5, max_import_w",
        "[naive-instant] line 6, member_from",
    ]
    assert (out, error) == ("", "3 rows are not acceptable; nothing was stored.")
    assert not Asset.objects.exists()


def test_half_a_membership_is_refused(partner, group, tmp_path):
    table = _PORTFOLIO + f"f,charger,public,11000,,{GROUP_EAN},\n"

    _, err, _ = _run("import_portfolio", _file(tmp_path, table), "--partner", partner.name)

    assert (
        err
        == "line 4, member_from: aggregation_ean and member_from belong together. Give both, or neither. [required]\n"
    )


def test_an_overlapping_membership_is_refused_in_the_words_of_the_database(partner, group, tmp_path):
    _run("import_portfolio", _file(tmp_path, _PORTFOLIO), "--partner", partner.name)
    other = operations.create_aggregation_ean(
        ean="871685900012636550",
        name="Other",
        congestion_area=group.congestion_area,
        brp=group.brp,
        now=partner.created_at,
    )
    table = _PORTFOLIO.replace(GROUP_EAN, other.ean).replace("11000", "22000")

    _, err, _ = _run("import_portfolio", _file(tmp_path, table), "--partner", partner.name)

    assert err == f"line 2, aggregation_ean: {kinds.MEMBERSHIP_OVERLAPS} [overlapping-membership]\n"
    assert Asset.objects.get(external_id="a").max_import_w == 11_000


def test_an_unknown_group_is_named(partner, tmp_path):
    _, err, _ = _run("import_portfolio", _file(tmp_path, _PORTFOLIO), "--partner", partner.name)

    assert f"No aggregation EAN {GROUP_EAN} is registered." in err
    assert not Asset.objects.exists()


def test_sessions_are_imported_packed_or_plain(partner, tmp_path):
    make_assets(partner, [charger("a")])
    packed = tmp_path / "sessions.csv.gz"
    packed.write_bytes(gzip.compress(_SESSIONS.encode()))

    assert _run("import_sessions", str(packed), "--partner", partner.name)[0] == (
        "2 sessions created, 0 updated, 0 unchanged.\n"
    )
    assert _run("import_sessions", _file(tmp_path, _SESSIONS), "--partner", partner.name)[0] == (
        "0 sessions created, 0 updated, 2 unchanged.\n"
    )
    assert ChargingSession.objects.count() == 2


def test_sessions_with_bad_rows_are_listed_and_none_stored(partner, tmp_path):
    make_assets(partner, [charger("a")])
    table = _SESSIONS.replace("2026-01-14T09:00:00+01:00", "2026-01-14T07:00:00+01:00").replace("a,s1", "z,s1")
    backwards = _run("import_sessions", _file(tmp_path, table), "--partner", partner.name)[1]

    assert backwards == f"line 3, plug_out_at: {kinds.SESSION_ENDS_BEFORE_START} [ends-before-it-starts]\n"
    unknown = _run("import_sessions", _file(tmp_path, _SESSIONS.replace("a,s1", "z,s1")), "--partner", partner.name)[1]
    assert unknown.startswith("line 2, asset: No asset 'z' is registered for this partner.")
    assert not ChargingSession.objects.exists()


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        pytest.param("x.csv", b"\xff\xfe", "not a comma-separated table in UTF-8", id="encoding"),
        pytest.param("x.csv.gz", b"plain", "Not a gzipped file", id="packing"),
    ],
)
def test_a_file_that_is_no_table_is_refused(partner, tmp_path, name, content, words):
    (tmp_path / name).write_bytes(content)

    assert words in _run("import_sessions", str(tmp_path / name), "--partner", partner.name)[2]


def test_a_column_in_another_unit_is_refused_with_the_one_to_give(partner, tmp_path):
    table = _PORTFOLIO.replace("max_import_w", "max_import_kw")

    _, err, error = _run("import_portfolio", _file(tmp_path, table), "--partner", partner.name)

    assert "Give max_import_w as a whole number of watt: 11 kW is 11000. [unknown-field]" in err
    assert "nothing was stored" in error
    assert not Asset.objects.exists()


@pytest.mark.parametrize("name", ["large.csv", "large.csv.gz"])
def test_fifty_megabytes_are_refused_packed_or_plain(partner, tmp_path, name):
    content = bytes(50_000_000)
    (tmp_path / name).write_bytes(gzip.compress(content, 1) if name.endswith(".gz") else content)

    assert _run("import_sessions", str(tmp_path / name), "--partner", partner.name)[2].endswith(
        "has more than 33554432 bytes, unpacked. Split it into several files."
    )


def test_a_partner_with_ocpi_is_shown_where_and_with_what_to_register(db):
    out, _, error = _run("partner", "create", "Stadsladen", "--ocpi", "--base-url", "https://agg.example/", "--json")

    shown = json.loads(out)
    assert error == ""
    assert shown["versions_url"] == "https://agg.example/ocpi/versions"
    token = tokens.find([shown["registration_token"]])
    assert (token.purpose, token.connection.partner.name) == ("registration", "Stadsladen")
    assert (token.connection.is_v2g_agreed, token.connection.rate_unit) == (False, "W")


def test_a_new_registration_token_replaces_the_one_before(db):
    out, _, _ = _run("partner", "create", "Stadsladen", "--ocpi", "--v2g", "--rate-unit", "A", "--json")
    new, _, error = _run("partner", "ocpi-token", "Stadsladen")

    assert error == ""
    assert tokens.find([json.loads(out)["registration_token"]]) is None
    connection = tokens.find([new.split()[-1]]).connection
    assert (connection.is_v2g_agreed, connection.rate_unit) == (True, "A")


def test_registering_with_a_platform_that_is_not_there_says_why(db):
    _run("partner", "create", "Stadsladen", "--ocpi")

    arguments = ("--versions-url", "http://127.0.0.1:1/versions", "--token", "t")
    _, _, error = _run("partner", "ocpi-register", "Stadsladen", *arguments)

    assert "No registration with http://127.0.0.1:1/versions" in error


def test_a_table_that_is_not_there_is_told_without_numbers_of_the_machine(partner, tmp_path):
    path = tmp_path / "nowhere.csv"
    error = _run("import_sessions", str(path), "--partner", partner.name)[2]
    assert error == f"{path} cannot be read: No such file or directory."
