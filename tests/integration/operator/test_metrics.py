"""What a monitoring system reads."""

from datetime import timedelta

import pytest
from django.test import Client

from aggregator.core.models import Breaker, InboxMessage
from tests.integration.operator.conftest import NOW

pytestmark = pytest.mark.django_db
TOKEN = {"Authorization": "Bearer sesame"}


@pytest.fixture(autouse=True)
def _token(settings, evening):
    settings.METRICS_TOKEN = "sesame"


def gauges():
    answer = Client().get("/metrics", headers=TOKEN)
    assert (answer.status_code, answer["Content-Type"].split(";")[0]) == (200, "text/plain")
    lines = [line for line in answer.content.decode().splitlines() if not line.startswith("#")]
    return {name.removeprefix("aggregator_"): float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}


def test_what_waits_is_told_against_its_deadline(evening):
    evening.message("a", deadline_at=NOW + timedelta(minutes=10))
    evening.message("b", created_at=NOW - timedelta(minutes=2), deadline_at=NOW + timedelta(minutes=5))
    evening.message("c", channel="uftp", dead_at=NOW, last_error="HTTP 400")
    InboxMessage.objects.create(channel="uftp", sender="x", message_id="1", body=b"", body_sha256="", received_at=NOW)
    Breaker.objects.create(counterparty="https://broker.example", failures=3)

    assert gauges() == {
        'outbox_waiting_messages{channel="exchange"}': 2,
        'outbox_oldest_waiting_seconds{channel="exchange"}': 20 * 60,
        'outbox_seconds_to_first_deadline{channel="exchange"}': 5 * 60,
        'outbox_dead_messages{channel="uftp"}': 1,
        'inbox_waiting_messages{channel="uftp"}': 1,
        'counterparty_failures_in_a_row{counterparty="https://broker.example"}': 3,
    }


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer "}, {"Authorization": "Bearer sesam"}])
def test_without_the_token_there_is_nothing(headers):
    assert Client().get("/metrics", headers=headers).status_code == 404


def test_without_the_setting_there_is_nothing(settings):
    settings.METRICS_TOKEN = ""
    assert Client().get("/metrics", headers={"Authorization": "Bearer "}).status_code == 404
