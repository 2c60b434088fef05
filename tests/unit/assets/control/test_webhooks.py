"""Signatures of what we push, read by a library that is not ours."""

import time

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from assets.control.webhooks import new_secret, signed_headers
from assets.simulator.signatures import is_genuine

BODY = '{"batch_id":1,"naam":"Straße"}'.encode()


def _headers(*secrets, sent_at_s=None, body=BODY):
    sent_at_s = int(time.time()) if sent_at_s is None else sent_at_s
    return dict(signed_headers(message_id="setpoint-batch-1", sent_at_s=sent_at_s, body=body, secrets=secrets))


def test_while_a_secret_is_replaced_both_holders_can_read():
    old, new = new_secret(), new_secret()
    headers = _headers(new, old)

    for secret in (old, new):
        assert Webhook(secret).verify(BODY, headers) == {"batch_id": 1, "naam": "Straße"}
        assert is_genuine(secret=secret, headers=headers, body=BODY, now_s=time.time())


@pytest.mark.parametrize(
    ("change", "body"),
    [
        pytest.param({}, BODY + b" ", id="body"),
        pytest.param({"webhook-id": lambda _: "setpoint-batch-2"}, BODY, id="id"),
        pytest.param({"webhook-timestamp": lambda sent_at_s: str(int(sent_at_s) + 1)}, BODY, id="moment"),
        pytest.param({"webhook-signature": lambda _: "v1,AAAA"}, BODY, id="signature"),
    ],
)
def test_nothing_signed_can_be_changed(change, body):
    secret = new_secret()
    headers = _headers(secret)
    headers |= {name: changed(headers[name]) for name, changed in change.items()}

    with pytest.raises(WebhookVerificationError, match="No matching signature"):
        Webhook(secret).verify(body, headers)
    assert not is_genuine(secret=secret, headers=headers, body=body, now_s=time.time())


def test_an_old_message_cannot_be_sent_again_by_others():
    secret = new_secret()
    headers = _headers(secret, sent_at_s=int(time.time()) - 301)

    with pytest.raises(WebhookVerificationError, match="too old"):
        Webhook(secret).verify(BODY, headers)
    assert not is_genuine(secret=secret, headers=headers, body=BODY, now_s=time.time())


def test_a_secret_from_before_the_specification_still_signs():
    assert _headers("plain text")["webhook-signature"].startswith("v1,")
