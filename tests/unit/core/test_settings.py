import os
import secrets
import subprocess
import sys

import pytest

from aggregator import settings
from aggregator.embedded import CHECKOUT


def checked_for_a_server(**environment):
    """Let Django check the settings as they are on a server behind a proxy that ends TLS."""
    return subprocess.run(
        [sys.executable, "-m", "django", "check", "--deploy", "--fail-level", "WARNING"],
        cwd=CHECKOUT,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "aggregator.settings", "BEHIND_TLS": "1", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_django_finds_nothing_to_warn_a_server_of():
    checked = checked_for_a_server(SECRET_KEY=secrets.token_urlsafe(48), ALLOWED_HOSTS="aggregator.example")
    assert checked.returncode == 0, checked.stderr


def test_a_server_without_a_key_of_its_own_does_not_start():
    checked = checked_for_a_server(SECRET_KEY="")
    assert checked.returncode == 1
    assert "Set SECRET_KEY" in checked.stderr


def test_a_process_that_dies_while_it_makes_the_key_leaves_none_that_is_empty(monkeypatch, tmp_path):
    monkeypatch.setenv("AGGREGATOR_VAR", str(tmp_path))

    def dies(_length):
        raise SystemExit

    with monkeypatch.context() as dying:
        dying.setattr(secrets, "token_urlsafe", dies)
        with pytest.raises(SystemExit):
            settings._machine_secret()
    key = settings._machine_secret()
    assert len(key) > 48
    assert settings._machine_secret() == key
    assert (tmp_path / "secret_key").stat().st_mode & 0o777 == 0o600
