"""The same request under the same key happens once, whoever repeats it, whenever, and however often at once."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client

from assets import operations
from assets.models import AnsweredRequest, Asset, MeterInterval
from tests.field_side import NOW, charger, make_assets, token_for

KEY = {"Idempotency-Key": "0b0c8f1e-4c58"}


def _value(**fields):
    return {"asset": "a", "starts_at": "2026-01-14T15:00:00Z", "import_wh": 2_000, **fields}


def test_a_repeat_gets_the_first_answer_and_does_nothing(call, partner):
    make_assets(partner, [charger("a")])

    first = call("POST", "/meter-values", {"values": [_value()]}, headers=KEY)
    again = call("POST", "/meter-values", {"values": [_value()]}, headers=KEY)

    assert (first.status_code, first.json()) == (200, {"stored": 1, "duplicates": 0})
    assert (again.status_code, again.json()) == (200, {"stored": 1, "duplicates": 0})
    assert ("Idempotency-Replayed" in first, again["Idempotency-Replayed"]) == (False, "true")


def test_a_refusal_is_repeated_too_with_its_status_and_its_type(call, partner):
    first = call("POST", "/meter-values", {"values": [_value()]}, headers=KEY)
    make_assets(partner, [charger("a")])  # now it could succeed, but that would be another answer

    again = call("POST", "/meter-values", {"values": [_value()]}, headers=KEY)

    assert (first.status_code, again.status_code) == (400, 400)
    assert first.json() == again.json()
    assert again["Content-Type"] == "application/problem+json"
    assert not MeterInterval.objects.exists()


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        pytest.param("POST", "/meter-values", {"values": [_value(import_wh=1)]}, id="other-body"),
        pytest.param("POST", "/states", {"values": [_value()]}, id="other-address"),
    ],
)
def test_another_request_under_a_known_key_is_refused(call, partner, method, path, body):
    make_assets(partner, [charger("a")])
    call("POST", "/meter-values", {"values": [_value()]}, headers=KEY)

    answer = call(method, path, body, headers=KEY)

    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency-key-reused")
    assert MeterInterval.objects.get().import_wh == 2_000


def test_keys_of_partners_do_not_meet(call, client: Client, partner, other_partner):
    body = '{"assets": [{"external_id": "a", "kind": "charger", "category": "public", "max_import_w": 11000}]}'
    call("PUT", "/assets", body, headers=KEY)

    other = client.put(
        "/api/v1/assets",
        body,
        content_type="application/json",
        headers={"Authorization": f"Bearer {token_for(other_partner)}", **KEY},
    )

    assert other.json() == {"created": 1, "updated": 0, "unchanged": 0}
    assert Asset.objects.count() == 2


@pytest.mark.parametrize("key", ["", "x" * 256, "é"])
def test_a_key_that_cannot_be_kept_is_refused(call, key):
    answer = call("PUT", "/assets", {"assets": [charger("a")]}, headers={"Idempotency-Key": key})

    assert (answer.status_code, answer.json()["code"]) == (400, "bad-idempotency-key")
    assert not Asset.objects.exists()


def test_a_request_that_fails_on_our_side_leaves_its_key_free(call, monkeypatch, partner):
    def fail(**_):
        raise RuntimeError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(operations, "upsert_assets", fail)
        with pytest.raises(RuntimeError, match="disk"):
            call("PUT", "/assets", {"assets": [charger("a")]}, headers=KEY)

    assert not AnsweredRequest.objects.exists()
    assert call("PUT", "/assets", {"assets": [charger("a")]}, headers=KEY).json()["created"] == 1


@pytest.mark.django_db(transaction=True)
def test_the_same_request_many_times_at_once_happens_once(partner):
    token = token_for(partner)
    body = '{"assets": [{"external_id": "a", "kind": "charger", "category": "public", "max_import_w": 11000}]}'

    def send(_):
        try:
            answer = Client().put(
                "/api/v1/assets",
                body,
                content_type="application/json",
                headers={"Authorization": f"Bearer {token}", **KEY},
            )
            return answer.status_code, answer.json(), "Idempotency-Replayed" in answer
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(send, range(12)))

    assert {(status, str(body)) for status, body, _ in answers} == {
        (200, "{'created': 1, 'updated': 0, 'unchanged': 0}")
    }
    assert [is_replay for *_, is_replay in answers].count(False) == 1


def test_answers_are_forgotten_when_nobody_will_ask_again(call, partner):
    call("PUT", "/assets", {"assets": [charger("a")]}, headers=KEY)

    early = operations.forget_answers(now=NOW + timedelta(hours=47), kept_for=timedelta(hours=48))
    late = operations.forget_answers(now=NOW + timedelta(hours=49), kept_for=timedelta(hours=48))

    assert (early, late) == (0, 1)
    assert call("PUT", "/assets", {"assets": [charger("a")]}, headers=KEY).json()["unchanged"] == 1
