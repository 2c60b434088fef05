import json
import uuid
from datetime import time, timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from bidding.markets.uftp import messages as m
from bidding.markets.uftp.answers import respond
from bidding.markets.uftp.vocabulary import Role
from bidding.models import Contract, ContractCall, OwnKey, UftpMessage, UftpParticipant
from bidding.uftp.own_keys import signing_key
from tests.conformance.uftp.samples import DSO, NOW, metadata
from tests.integration.uftp.operator_side import KEY, OTHER_KEY, limit_request, post, sealed

pytestmark = pytest.mark.django_db
CONTRACT = (
    "--id", "CLC-1", "--dso", DSO, "--kind", "CLC-A", "--volume-w", "500000", "--price-eur-per-mwh", "95.00",
    "--active-from", "2026-01-01", "--window-starts", "17:00", "--window-ends", "21:00",
)  # fmt: skip


def run(*arguments):
    out = StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue()


def test_a_second_key_signs_a_day_later():
    first = json.loads(run("uftp_keypair", "--json"))["public_key"]
    second = json.loads(run("uftp_keypair", "--json"))["public_key"]

    assert str(signing_key(now=NOW).public_key) == first
    assert str(signing_key(now=NOW + timedelta(hours=24)).public_key) == second


def test_the_private_key_is_not_in_the_database_in_the_clear(own_key):
    assert signing_key(now=NOW).raw[:32] not in bytes(OwnKey.objects.get().sealed_private_key)


def test_a_participant_and_a_contract_are_entered_from_a_script(group):
    for key in (KEY, OTHER_KEY):
        run("uftp_participant", "--domain", DSO, "--role", "DSO", "--public-key", str(key.public_key),
            "--endpoint", "https://dso.example.com/shapeshifter/api/v3/message")  # fmt: skip
    said = [run("contract", *CONTRACT, "--aggregation-ean", group.ean) for _ in range(2)]

    assert UftpParticipant.objects.get().public_keys.filter(valid_until=None).get().text == str(OTHER_KEY.public_key)
    assert UftpParticipant.objects.get().public_keys.count() == 2
    contract = Contract.objects.get()
    assert (contract.congestion_point, contract.window_starts) == (group.ean, time(17))
    assert said == ["CLC-A CLC-1 is entered.\n", "CLC-A CLC-1 is changed.\n"]


def participant(*options):
    return run("uftp_participant", "--domain", DSO, "--role", "DSO", *options)


def test_a_sender_is_barred_and_let_in_again(contract, say, tick, other_side):
    assert participant("--barred") == "DSO dso.example.com is barred.\n"
    say(limit_request())
    tick()
    assert participant("--not-barred") == "DSO dso.example.com is not barred.\n"
    say(limit_request(message_id=str(uuid.uuid4()), revision=2))
    tick()
    answers = [message for message in other_side.messages() if isinstance(message, m.FlexRequestResponse)]
    assert [answer.rejection_reason for answer in answers] == ["Barred Sender", None]


def test_a_new_key_leaves_a_barred_sender_barred(operator):
    participant("--barred")
    participant("--public-key", str(OTHER_KEY.public_key))
    assert UftpParticipant.objects.get().is_barred


def test_a_key_in_wrong_hands_ends_at_once(client, contract):
    participant("--public-key", str(OTHER_KEY.public_key))
    assert post(client, sealed(limit_request())).status_code == 200  # the old key holds for a day
    assert participant("--revoke-old-key") == "1 old key holds no longer.\n"
    later = limit_request(message_id=str(uuid.uuid4()), revision=2)
    assert post(client, sealed(later)).status_code == 401
    assert post(client, sealed(later, key=OTHER_KEY)).status_code == 200


def test_what_says_nothing_about_a_participant_is_refused(operator):
    for options in ((), ("--endpoint", "https://dso.example/m", "--barred")):
        with pytest.raises(CommandError, match="Give the --public-key"):
            participant(*options)
    with pytest.raises(CommandError, match=r"No CRO dso\.example\.com is known"):
        run("uftp_participant", "--domain", DSO, "--role", "CRO", "--barred")


def test_a_test_goes_out_and_its_answer_is_noted(operator, say, tick, other_side):
    said = run("uftp_test", "--domain", DSO)
    tick()
    (test,) = other_side.messages()
    row = UftpMessage.objects.get()
    assert (test.element, said) == ("TestMessage", f"TestMessage {test.message_id} is on its way.\n")
    assert (row.way, row.result) == ("sent", "open")

    say(m.TestMessageResponse(**metadata(Role.DSO)))  # of another conversation
    tick()
    row.refresh_from_db()
    assert row.result == "open"
    say(respond(test, message_id=str(uuid.uuid4()), now=NOW))
    tick()
    row.refresh_from_db()
    assert row.result == "accepted"


def test_a_test_without_an_operator_or_a_key_says_what_is_missing(operator):
    with pytest.raises(CommandError, match=r"No operator other\.example is known"):
        run("uftp_test", "--domain", "other.example")
    OwnKey.objects.all().delete()
    with pytest.raises(CommandError, match="There is no key to sign with"):
        run("uftp_test", "--domain", DSO)


def test_a_called_contract_keeps_its_terms(group, operator):
    command = ("contract", *CONTRACT, "--aggregation-ean", group.ean)
    run(*command)
    ContractCall.objects.create(
        contract=Contract.objects.get(), order_reference="o", day=NOW.date(), direction="reduce", starts_at=NOW,
        ends_at=NOW + timedelta(hours=1), called_at=NOW,
    )  # fmt: skip
    for change in (("--price-eur-per-mwh", "94.99"), ("--volume-w", "400000"), ("--active-until", "2026-12-31")):
        with pytest.raises(CommandError, match="was called, so its terms stay"):
            run(*command, *change)
    run(*command, "--sends-metering")
    contract = Contract.objects.get()
    assert (contract.sends_metering, contract.volume_w, contract.active_until) == (True, 500_000, None)


def test_what_is_wrong_is_said(group, operator):
    ean = ("--aggregation-ean", group.ean)
    with pytest.raises(CommandError, match="is not base64"):
        run("uftp_participant", "--domain", DSO, "--role", "DSO", "--public-key", "nonsense!")
    with pytest.raises(CommandError, match=r"No operator other\.example is known\. Enter it first"):
        run("contract", *CONTRACT, *ean, "--dso", "other.example")
    with pytest.raises(CommandError, match="0 W cannot be called"):
        run("contract", *CONTRACT, *ean, "--volume-w", "0")
    with pytest.raises(CommandError, match="last day lies before its first"):
        run("contract", *CONTRACT, *ean, "--active-until", "2025-12-31")
    with pytest.raises(CommandError, match="aggregation_ean"):
        run("contract", *CONTRACT, "--aggregation-ean", "871685900000000017")
    assert not Contract.objects.exists()
