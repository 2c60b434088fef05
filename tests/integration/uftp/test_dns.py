"""Operators that are looked up in DNS, asked from a real server on a real port."""

import socket
import threading
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

from bidding.markets.uftp.transport import MESSAGE_PATH
from bidding.markets.uftp.vocabulary import Role
from bidding.models import UftpParticipant
from bidding.uftp.address_book import keys_of
from tests.conformance.uftp.samples import DSO, NOW, ORDER_ID, REQUEST
from tests.integration.uftp.operator_side import KEY, OTHER_KEY, post, sealed

pytestmark = pytest.mark.django_db
KEYS, HOST, VERSION = f"_dso._usef.{DSO}.", f"_http._dso._usef.{DSO}.", f"_usef.{DSO}."


@dataclass
class Zone:
    """What a validating resolver knows, and whether it could prove it."""

    records: dict = field(default_factory=dict)
    is_proven: bool = True
    rcode: dns.rcode.Rcode = dns.rcode.NOERROR
    asked: list = field(default_factory=list)

    def answer(self, wire):
        query = dns.message.from_wire(wire)
        question = query.question[0]
        answer = dns.message.make_response(query)
        answer.flags |= dns.flags.AD if self.is_proven else 0
        answer.set_rcode(self.rcode)
        name = str(question.name)
        self.asked.append(name)
        if name in self.records:
            kind, *texts = self.records[name]
            answer.answer.append(dns.rrset.from_text(question.name, 300, "IN", kind, *texts))
        return answer.to_wire()


@pytest.fixture
def zone(settings):
    zone = Zone(
        {
            KEYS: ("TXT", f'"cs1.{KEY.public_key}"'),
            HOST: ("CNAME", "uftp.dso.example.com."),
            VERSION: ("TXT", '"3.1.0"'),
        }
    )
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 0))
    server.settimeout(0.05)
    is_over = threading.Event()

    def serve():
        while not is_over.is_set():
            with suppress(TimeoutError):
                wire, address = server.recvfrom(4096)
                server.sendto(zone.answer(wire), address)

    thread = threading.Thread(target=serve)
    thread.start()
    settings.UFTP_DNS_RESOLVER = f"127.0.0.1:{server.getsockname()[1]}"
    yield zone
    is_over.set()
    thread.join()
    server.close()


def test_a_stranger_with_keys_in_dns_is_known_with_its_host_and_version(client, zone):
    assert post(client, sealed(REQUEST)).status_code == 200

    participant = UftpParticipant.objects.get()
    assert (participant.source, participant.fetched_at, participant.version) == ("dns", NOW, "3.1.0")
    assert participant.endpoint == f"https://uftp.dso.example.com{MESSAGE_PATH}"
    assert zone.asked == [KEYS, HOST, VERSION]


NEW, OLD = f"cs1.{OTHER_KEY.public_key}", f"cs1.{KEY.public_key}"


@pytest.mark.parametrize("records", [[f'"{NEW} {OLD}"'], [f'"{NEW}"', f'"{OLD}"']], ids=["in one record", "in two"])
def test_two_keys_hold_while_they_rotate(client, zone, records):
    zone.records[KEYS] = ("TXT", *records)
    assert post(client, sealed(REQUEST)).status_code == 200
    assert post(client, sealed(replace(REQUEST, message_id=ORDER_ID), key=OTHER_KEY)).status_code == 200
    # what is no longer there holds for a day
    zone.records[KEYS] = ("TXT", f'"cs1.{OTHER_KEY.public_key}"')
    assert len(keys_of(domain=DSO, role=Role.DSO, now=NOW, refresh=True)) == 2
    assert keys_of(domain=DSO, role=Role.DSO, now=NOW + timedelta(days=1)) == [OTHER_KEY.public_key]


@pytest.mark.parametrize(
    ("changes", "warning"),
    [
        ({"is_proven": False}, "not proven by DNSSEC"),
        ({"rcode": dns.rcode.SERVFAIL}, "DNS did not answer"),
        ({"records": {KEYS: ("TXT", '"v=spf1 -all"')}}, "no usable key"),
    ],
)
def test_what_is_not_proven_or_not_a_key_does_not_count(client, zone, caplog, changes, warning):
    for name, value in changes.items():
        setattr(zone, name, value)
    assert post(client, sealed(REQUEST)).status_code == 419
    assert warning in caplog.text
    assert not UftpParticipant.objects.exists()


@pytest.mark.parametrize("rcode", [dns.rcode.NXDOMAIN, dns.rcode.NOERROR])
def test_who_has_no_keys_there_is_unknown_and_asked_for_once_a_minute(client, zone, rcode):
    zone.records, zone.rcode = {}, rcode
    assert [post(client, sealed(REQUEST)).status_code for _ in range(3)] == [419] * 3
    assert zone.asked == [KEYS]


def test_where_there_is_an_address_book_dns_is_not_asked(client, zone, settings, other_side):
    settings.UFTP_ADDRESS_BOOK_URL = other_side.address
    assert post(client, sealed(REQUEST)).status_code == 200
    assert zone.asked == []
