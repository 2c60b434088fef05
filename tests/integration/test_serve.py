"""What `manage.py serve` refuses before it starts anything."""

import socket

import pytest
from django.core.management import CommandError, call_command


def test_a_port_that_is_taken_is_told_at_once():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(CommandError, match=rf"Port {port} cannot be used .*in use.* Give another with --port"):
            call_command("serve", port=port)


def test_a_port_that_is_none_is_told_at_once():
    with pytest.raises(CommandError, match="Port 99999 cannot be used"):
        call_command("serve", port=99999)
