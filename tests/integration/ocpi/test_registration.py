"""Versions and credentials, both ways (credentials, version_information_endpoint)."""

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from aggregator.core.models import AuditEvent
from assets.models import OcpiConnection, OcpiToken
from assets.ocpi import tokens
from assets.ocpi.connections import AlreadyRegistered, NotRegistered, new_registration_token, open_connection
from assets.ocpi.handshake import RegistrationFailed, register_with, renew_with
from tests.field_side import NOW, make_partner
from tests.integration.ocpi.cpo_platform import TOKEN_B, location
from tests.integration.ocpi.turns import pull_due

OUR_ENDPOINTS = [
    {"identifier": "credentials", "role": "RECEIVER", "url": "https://aggregator.example/ocpi/2.2.1/credentials"},
    {"identifier": "sessions", "role": "RECEIVER", "url": "https://aggregator.example/ocpi/2.2.1/sessions"},
    {"identifier": "locations", "role": "RECEIVER", "url": "https://aggregator.example/ocpi/2.2.1/locations"},
    {
        "identifier": "chargingprofiles",
        "role": "SENDER",
        "url": "https://aggregator.example/ocpi/2.2.1/chargingprofiles",
    },
]


def test_the_way_from_registration_token_to_endpoints(as_token, token_a):
    answer = as_token(token_a)("GET", "/versions", headers={"X-Request-ID": "r-1", "X-Correlation-ID": "c-1"})

    assert answer.status_code == 200
    assert answer.json() == {
        "data": [{"version": "2.2.1", "url": "https://aggregator.example/ocpi/2.2.1"}],
        "status_code": 1000,
        "timestamp": "2026-01-14T16:07:00Z",
    }
    assert (answer["X-Request-ID"], answer["X-Correlation-ID"]) == ("r-1", "c-1")
    assert "OCPI-from-party-id" not in answer
    details = as_token(token_a)("GET", "/2.2.1/").json()["data"]
    assert details == {"version": "2.2.1", "endpoints": OUR_ENDPOINTS}


def test_a_peer_registers_and_its_registration_token_is_dead(as_token, token_a, platform, partner):
    answer = as_token(token_a)("POST", "/2.2.1/credentials", platform.own_credentials())

    ours = answer.json()["data"]
    assert answer.status_code == 200
    assert ours["url"] == "https://aggregator.example/ocpi/versions"
    assert ours["roles"] == [
        {"role": "SCSP", "party_id": "AGG", "country_code": "NL", "business_details": {"name": "Aggregator"}}
    ]
    assert [(one.method, one.path) for one in platform.received] == [
        ("GET", "/ocpi/versions"),
        ("GET", "/ocpi/2.2.1"),
    ]
    connection = OcpiConnection.objects.get(pk=partner.pk)
    assert connection.registered_at == NOW
    assert list(map(str, connection.parties.all())) == ["NL*STA"]
    assert connection.endpoints["chargingprofiles/RECEIVER"] == f"{platform.url}/ocpi/2.2.1/chargingprofiles"
    assert as_token(token_a)("GET", "/versions").status_code == 401
    assert as_token(ours["token"])("GET", "/versions").status_code == 200
    assert AuditEvent.objects.filter(action="assets.ocpi.registered").count() == 1


def test_no_token_can_be_read_from_the_database(connection):
    kept = str(list(OcpiToken.objects.values_list())) + str(OcpiConnection.objects.values_list().get(pk=connection.pk))

    assert connection.token_c.partition(".")[2] not in kept
    assert TOKEN_B not in kept
    assert TOKEN_B.encode() not in bytes(connection.peer_token_sealed)
    assert tokens.opened(connection.peer_token_sealed) == TOKEN_B


def test_credentials_can_be_read_back_although_no_token_is_kept(call, connection):
    assert call("GET", "/2.2.1/credentials").json()["data"]["token"] == connection.token_c


@pytest.mark.parametrize(
    "header",
    [
        pytest.param("", id="none"),
        pytest.param("Bearer abc", id="other scheme"),
        pytest.param("Token bm90LW91cnM=", id="unknown"),
        pytest.param("Token é", id="not ascii"),
    ],
)
def test_without_a_valid_token_everything_is_401(client, db, header):
    for path in ("/ocpi/versions", "/ocpi/2.2.1/credentials", "/ocpi/2.2.1/sessions/NL/STA/S1", "/ocpi/elsewhere"):
        answer = client.get(path, headers={"Authorization": header})
        assert (answer.status_code, answer["WWW-Authenticate"]) == (401, "Token")
        assert answer.json()["status_code"] == 2000


def test_a_registration_token_opens_nothing_but_registration(as_token, token_a):
    answer = as_token(token_a)("PUT", "/2.2.1/sessions/NL/STA/S1", {})

    assert answer.status_code == 401


def test_a_token_is_understood_without_base64_and_with_a_line_feed_in_it(client, as_token, token_a):
    raw = client.get("/ocpi/versions", headers={"Authorization": f"Token {token_a}"})

    assert raw.status_code == 200
    assert as_token(f"{token_a}\n")("GET", "/versions").status_code == 200


def test_posting_twice_and_changing_before_registering_are_405(as_token, token_a, platform, call):
    again = call("POST", "/2.2.1/credentials", platform.own_credentials())
    other_token = open_connection(partner=make_partner("Other"), now=NOW)[1]

    assert again.status_code == 405
    for method in ("PUT", "DELETE"):
        assert as_token(other_token)(method, "/2.2.1/credentials", platform.own_credentials()).status_code == 405


def test_a_token_changes_and_the_old_one_lives_until_the_new_one_is_used(as_token, call, platform, connection):
    platform.token = "second-token"
    new = call("PUT", "/2.2.1/credentials", platform.own_credentials()).json()["data"]["token"]

    assert call("GET", "/versions").status_code == 200
    assert as_token(new)("GET", "/versions").status_code == 200
    assert call("GET", "/versions").status_code == 401
    connection.refresh_from_db()
    assert tokens.opened(connection.peer_token_sealed) == "second-token"


def test_a_registration_ends(as_token, call, connection):
    assert call("DELETE", "/2.2.1/credentials").status_code == 200

    connection.refresh_from_db()
    assert connection.registered_at is None
    assert not connection.peer_token_sealed
    assert call("GET", "/versions").status_code == 401


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        pytest.param({"token": "with space"}, 2001, id="token with a space"),
        pytest.param({"token": None}, 2001, id="no token"),
        pytest.param({"roles": []}, 2001, id="no roles"),
        pytest.param({"url": "ftp://cpo.example/versions"}, 3001, id="no http address"),
        pytest.param({"url": "http://10.0.0.1/versions"}, 3001, id="private network"),
        pytest.param({"url": "http://127.0.0.1:1/versions"}, 3001, id="nobody there"),
        pytest.param({"token": "not-the-one-it-takes"}, 3001, id="its own token refused"),
    ],
)
def test_credentials_that_do_not_work_register_nothing(as_token, token_a, platform, partner, changes, status):
    answer = as_token(token_a)("POST", "/2.2.1/credentials", platform.own_credentials(**changes))

    assert (answer.status_code, answer.json()["status_code"]) == (200, status)
    assert OcpiConnection.objects.get(pk=partner.pk).registered_at is None
    assert as_token(token_a)("GET", "/versions").status_code == 200


def test_a_platform_without_our_version_or_with_endpoints_elsewhere_is_refused(as_token, token_a, platform):
    platform.versions = [{"version": "2.1.1", "url": f"{platform.url}/ocpi/2.1.1"}]
    old = as_token(token_a)("POST", "/2.2.1/credentials", platform.own_credentials()).json()
    platform.versions = [{"version": "2.2.1", "url": "https://elsewhere.example/ocpi/2.2.1"}]
    elsewhere = as_token(token_a)("POST", "/2.2.1/credentials", platform.own_credentials()).json()

    assert (old["status_code"], elsewhere["status_code"]) == (3002, 3001)
    assert "elsewhere.example" in elsewhere["status_message"]


def test_a_party_speaks_through_one_platform(as_token, call, platform):
    other_token = open_connection(partner=make_partner("Impostor"), now=NOW)[1]

    answer = as_token(other_token)("POST", "/2.2.1/credentials", platform.own_credentials()).json()

    assert answer["status_code"] == 2001
    assert "registered by another platform" in answer["status_message"]


def test_we_register_with_a_platform_that_gave_us_its_token(partner, token_a, platform, http):
    registration_token = platform.token
    platform.credentials = platform.own_credentials(token="what-we-shall-use")

    register_with(
        partner_id=partner.pk, versions_url=platform.versions_url, token=registration_token, http=http, now=NOW
    )

    sent = platform.received[-1]
    assert (sent.method, sent.path) == ("POST", "/ocpi/2.2.1/credentials")
    assert tokens.find([sent.body["token"]]).connection_id == partner.pk
    connection = OcpiConnection.objects.get(pk=partner.pk)
    assert tokens.opened(connection.peer_token_sealed) == "what-we-shall-use"
    with pytest.raises(AlreadyRegistered):
        register_with(partner_id=partner.pk, versions_url=platform.versions_url, token="x", http=http, now=NOW)


def test_a_registration_of_ours_that_fails_leaves_nothing(partner, token_a, platform, http):
    platform.credentials = {"token": "no-roles"}
    before = OcpiToken.objects.count()

    with pytest.raises(RegistrationFailed, match="roles is missing"):
        register_with(
            partner_id=partner.pk, versions_url=platform.versions_url, token=platform.token, http=http, now=NOW
        )

    assert OcpiToken.objects.count() == before
    assert OcpiConnection.objects.get(pk=partner.pk).registered_at is None


def test_a_new_registration_token_ends_what_was(as_token, call, connection):
    token = new_registration_token(partner_id=connection.pk, now=NOW)

    assert call("GET", "/versions").status_code == 401
    assert as_token(token)("GET", "/versions").status_code == 200


def test_we_change_tokens_both_ways_and_lock_nobody_out(as_token, call, platform, connection, http):
    platform.credentials = platform.own_credentials(token="what-we-shall-use-now")

    renew_with(partner_id=connection.pk, http=http, now=NOW)

    sent = platform.received[-1]
    assert (sent.method, sent.path) == ("PUT", "/ocpi/2.2.1/credentials")
    connection.refresh_from_db()
    assert tokens.opened(connection.peer_token_sealed) == "what-we-shall-use-now"
    assert call("GET", "/versions").status_code == 200  # the old one, until the new one is used
    assert as_token(sent.body["token"])("GET", "/versions").status_code == 200
    assert call("GET", "/versions").status_code == 401


def test_a_change_of_tokens_that_fails_leaves_the_old_ones_good(call, platform, connection, http):
    platform.credentials = {"token": "no-roles"}

    with pytest.raises(RegistrationFailed, match="roles is missing"):
        renew_with(partner_id=connection.pk, http=http, now=NOW)

    connection.refresh_from_db()
    assert tokens.opened(connection.peer_token_sealed) == TOKEN_B
    assert call("GET", "/versions").status_code == 200


def test_nobody_changes_tokens_before_registering(partner, token_a, http):
    with pytest.raises(NotRegistered):
        renew_with(partner_id=partner.pk, http=http, now=NOW)


def test_a_platform_that_calls_too_often_is_told_to_wait(call, settings):
    settings.OCPI_REQUESTS_PER_MINUTE = 0

    answer = call("GET", "/versions")

    assert (answer.status_code, answer.json()["status_code"]) == (429, 2000)
    assert 1 <= int(answer["Retry-After"]) <= 60


def test_a_partner_on_rest_gets_a_connection_from_the_shell_once(partner, capsys):
    call_command("partner", "ocpi-open", partner.name, "--rate-unit", "A", "--v2g", "--raw-token")

    lines = capsys.readouterr().out.splitlines()
    opened = OcpiConnection.objects.get(partner=partner)
    assert lines[0] == "versions url       https://aggregator.example/ocpi/versions"
    assert lines[1].startswith(f"registration token {opened.tokens.get().lookup_id}.")
    assert (opened.rate_unit, opened.is_v2g_agreed, opened.sends_raw_token) == ("A", True, True)
    assert AuditEvent.objects.get(action="assets.ocpi.opened").after["sends_raw_token"] is True
    with pytest.raises(CommandError, match="has an OCPI connection already"):
        call_command("partner", "ocpi-open", partner.name)


def test_a_platform_that_reads_raw_tokens_is_registered_and_fetched_from(as_token, partner, platform, clock, http):
    platform.takes_raw_token, platform.locations = True, [location()]
    _, token = open_connection(partner=partner, now=NOW, sends_raw_token=True)

    answer = as_token(token)("POST", "/2.2.1/credentials", platform.own_credentials()).json()
    pull_due(clock=clock, http=http)

    assert answer["status_code"] == 1000, answer
    opened = OcpiConnection.objects.get(partner=partner)
    assert (opened.pull_error, opened.evses.count()) == ("", 1)
