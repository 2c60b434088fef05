"""What `manage.py serve` refuses before it starts anything, and what it starts where a market is set."""

import socket
from datetime import UTC, datetime

import pytest
from django.core.management import CommandError, call_command

from aggregator.demo.stage import Stage


def test_a_port_that_is_taken_is_told_at_once():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(CommandError, match=rf"Port {port} cannot be used .*in use.* Give another with --port"):
            call_command("serve", port=port)


def test_a_port_that_is_none_is_told_at_once():
    with pytest.raises(CommandError, match="Port 99999 cannot be used"):
        call_command("serve", port=99999)


@pytest.mark.parametrize("party_id", ["", "8712345000004"])
def test_tennet_is_followed_where_it_is_set(party_id, settings, tmp_path, monkeypatch):
    settings.TENNET_URL, settings.TENNET_API_KEY, settings.TENNET_PARTY_ID = "https://tennet.example", "key", party_id
    started = []
    monkeypatch.setattr(Stage, "_start", lambda _self, name, *words, **_more: started.append((name, words)))
    monkeypatch.setattr(Stage, "wait_for_http", lambda *_args: None)
    stage = Stage(tmp_path, starts_at=datetime(2026, 1, 14, tzinfo=UTC))
    try:
        stage.start_service()
    finally:
        stage.close()
    assert (("follow-balancing", ("manage.py", "follow_balancing")) in started) is bool(party_id)
