from base64 import b64encode
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bidding.markets.safe_xml import InvalidXml
from bidding.markets.uftp.envelope import BodyTooLarge, SignatureRefused, open_envelope, read_envelope, seal
from bidding.markets.uftp.keys import InvalidKey, PrivateKey, PublicKey, key_from_seed
from bidding.markets.uftp.problems import InvalidMessage
from bidding.markets.uftp.vocabulary import Role

KEY, OTHER_KEY = key_from_seed(b"k" * 32), key_from_seed(b"o" * 32)
DOCUMENT = "<FlexOffer  Odd='ß' ></FlexOffer>\n".encode()
BODY = seal(DOCUMENT, sender_domain="agr.example.com", sender_role=Role.AGR, private_key=KEY)


def test_the_exact_bytes_come_out():
    envelope = read_envelope(BODY)
    assert (envelope.sender_domain, envelope.sender_role) == ("agr.example.com", Role.AGR)
    assert open_envelope(envelope, public_keys=[KEY.public_key]) == DOCUMENT


def test_while_keys_rotate_either_one_opens():
    assert open_envelope(read_envelope(BODY), public_keys=[OTHER_KEY.public_key, KEY.public_key]) == DOCUMENT


@pytest.mark.parametrize("keys", [[], [OTHER_KEY.public_key]])
def test_signature_by_no_known_key_is_refused(keys):
    with pytest.raises(SignatureRefused, match=r"not by any known key of agr\.example\.com"):
        open_envelope(read_envelope(BODY), public_keys=keys)


def test_a_changed_byte_is_refused():
    sealed = bytearray(read_envelope(BODY).sealed)
    sealed[-3] ^= 1
    body = BODY.replace(b64encode(read_envelope(BODY).sealed), b64encode(sealed))
    with pytest.raises(SignatureRefused):
        open_envelope(read_envelope(body), public_keys=[KEY.public_key])


def test_a_body_shorter_than_a_signature_is_refused():
    body = b'<SignedMessage SenderDomain="agr.example.com" SenderRole="AGR" Body="aGVsbG8="/>'
    with pytest.raises(SignatureRefused):
        open_envelope(read_envelope(body), public_keys=[KEY.public_key])


def test_a_large_body_is_refused_unread():
    with pytest.raises(BodyTooLarge, match="has 5000000 bytes, the limit is 4194304"):
        read_envelope(b"<" * 5_000_000)
    assert read_envelope(BODY, max_bytes=len(BODY)).sender_role is Role.AGR
    with pytest.raises(BodyTooLarge):
        read_envelope(BODY, max_bytes=len(BODY) - 1)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ((b"SignedMessage", b"FlexOffer"), "FlexOffer: is no envelope; wrap the signed message in SignedMessage"),
        ((b'"AGR"', b'"BRP"'), "SignedMessage@SenderRole: 'BRP' is not allowed; give one of AGR, CRO, DSO"),
        ((b'Body="', b'Body="\xc3\xa9'), "SignedMessage@Body"),
        ((b"SenderDomain=", b"Sender="), "SignedMessage@SenderDomain: is missing"),
        ((b"/>", b">x</SignedMessage>"), "SignedMessage: contains text between its tags"),
    ],
)
def test_what_is_no_envelope_is_refused_with_the_reason(change, problem):
    with pytest.raises(InvalidMessage) as caught:
        read_envelope(BODY.replace(*change))
    assert problem in str(caught.value)


@settings(max_examples=500, deadline=None)
@given(st.binary(max_size=100) | st.data())
def test_no_bytes_escape_with_another_exception(garbage):
    body = garbage
    if not isinstance(garbage, bytes):
        damaged = bytearray(BODY)
        start = garbage.draw(st.integers(0, len(damaged) - 1))
        damaged[start : start + garbage.draw(st.integers(0, 9))] = garbage.draw(st.binary(max_size=5))
        body = bytes(damaged)
    with suppress(InvalidXml, InvalidMessage, SignatureRefused):
        open_envelope(read_envelope(body), public_keys=[KEY.public_key])


def test_keys_survive_their_text_form():
    assert PrivateKey.from_text(KEY.to_text()) == KEY
    assert PublicKey.from_text(str(KEY.public_key)) == KEY.public_key
    assert PublicKey.from_text(f"cs1.{KEY.public_key}") == KEY.public_key
    assert PublicKey.from_text("cs1." + b64encode(KEY.public_key.raw + b"e" * 32).decode()) == KEY.public_key


def test_private_key_is_not_shown():
    assert KEY.to_text()[:8] not in repr(KEY)
    assert repr(KEY) == "PrivateKey()"


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (PublicKey.from_text, "not base64"),
        (PublicKey.from_text, b64encode(b"short").decode()),
        (PrivateKey.from_text, str(KEY.public_key)),
        (lambda text: key_from_seed(text.encode()), "short"),
    ],
)
def test_a_text_that_is_no_key_is_refused(read, text):
    with pytest.raises(InvalidKey):
        read(text)
