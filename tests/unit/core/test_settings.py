import os
import secrets
import subprocess
import sys

import pytest

from aggregator import settings
from aggregator.embedded import CHECKOUT

NO_NUMBER = "TICK_SECONDS", "abc", "TICK_SECONDS is 'abc'"
NO_ADDRESS = "MOCK_GOPACS_DATABASE_URL", "mysql://h/x", "MOCK_GOPACS_DATABASE_URL cannot be read"


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
    assert checked.returncode == 3
    assert "Set SECRET_KEY" in checked.stderr
    assert "Traceback" not in checked.stderr


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("TICK_SECONDS", "abc", "TICK_SECONDS is 'abc'; write a number like 60 or 0.5."),
        ("TICK_SECONDS", "nan", "TICK_SECONDS is 'nan'; write a number like 60 or 0.5."),
        ("READING_MONTHS", "three", "READING_MONTHS is 'three'; write a whole number like 48."),
        ("DEBUG", "ture", "DEBUG is 'ture'; write 1 or 0."),
        ("UFTP_PROGNOSIS_AT", "25:00", "UFTP_PROGNOSIS_AT is '25:00'; write a time like 06:00."),
        ("TRUSTED_PROXIES", "300.1.1.1", "TRUSTED_PROXIES is '300.1.1.1'; write addresses or networks like 127.0.0.1"),
        ("LOG_LEVEL", "LOUD", "LOG_LEVEL is 'LOUD'; write DEBUG, INFO, WARNING, ERROR or CRITICAL."),
        ("DATABASE_URL", "mysql://u:pass-word@h/x", "DATABASE_URL cannot be read; write an address like postgresql://"),
        ("DATABASE_URL", "postgresql://u:pass-word@h:five/x", "DATABASE_URL cannot be read; write an address like"),
        ("REDIS_URL", "http://:pass-word@h", "REDIS_URL cannot be read; write an address like redis://"),
        ("REDIS_URL", "redis://:pass-word@h:six/0", "REDIS_URL cannot be read; write an address like redis://"),
        ("AFRR_GATE_MINUTES", "-1", "AFRR_GATE_MINUTES is -1; write a number from 0 to 1440."),
        ("AFRR_GATE_MINUTES", "1441", "AFRR_GATE_MINUTES is 1441; write a number from 0 to 1440."),
        ("AFRR_MOST_UP_MW", "1.5", "AFRR_MOST_UP_MW is '1.5'; write a whole number like 48."),
        ("AFRR_MOST_DOWN_MW", "-2", "AFRR_MOST_DOWN_MW is -2; write a number from 0 to 9999."),
        ("AFRR_DOCUMENT_VERSION", "8", "AFRR_DOCUMENT_VERSION is '8'; write 7.4 or 7.2."),
        ("TENNET_PARTY_ID", "8712345000005", "TENNET_PARTY_ID is '8712345000005'; write 13 digits, of which the last"),
    ],
)
def test_a_setting_that_cannot_be_read_is_told_in_one_sentence(name, value, says):
    ended = subprocess.run(
        [sys.executable, "-c", "import aggregator.settings"],
        cwd=CHECKOUT,
        env={**os.environ, name: value},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 3
    assert ended.stderr.startswith(f"Wrong setting. {says}")
    assert ended.stderr.count("\n") == 1
    assert "pass-word" not in ended.stderr


def settings_are_read(module, **environment):
    return subprocess.run(
        [sys.executable, "-c", f"import {module} as read; print(read.SECRET_KEY, read.ALLOWED_HOSTS)"],
        cwd=CHECKOUT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("key", ["$ecret", "$SECRET_KEY", "$$x", "$HOME"])
def test_a_text_that_begins_with_a_dollar_is_not_taken_for_the_name_of_another_variable(key):
    read = settings_are_read("aggregator.settings", SECRET_KEY=key, ALLOWED_HOSTS="$a.example, b.example,")
    assert read.stdout == f"{key} ['$a.example', 'b.example']\n", read.stderr


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("MOCK_GOPACS_DATABASE_URL", "MOCK_GOPACS_DATABASE_URL cannot be read; write an address like postgresql://"),
        ("DATABASE_URL", "DATABASE_URL cannot be read; write an address like postgresql://"),
    ],
)
def test_a_setting_of_the_mock_market_that_cannot_be_read_is_told_in_one_sentence(name, says):
    ended = settings_are_read("mock_gopacs.settings", **{name: "postgresql://u:pass-word@h:five/x"})
    assert ended.returncode == 3
    assert ended.stderr.startswith(f"Wrong setting. {says}")
    assert ended.stderr.count("\n") == 1
    assert "pass-word" not in ended.stderr


@pytest.mark.parametrize(
    ("words", "name", "value", "says"),
    [
        (("manage.py", "check"), *NO_NUMBER),
        (("-m", "celery", "-A", "aggregator", "worker"), *NO_NUMBER),
        (("-m", "gunicorn", "aggregator.wsgi", "--bind", "127.0.0.1:0"), *NO_NUMBER),
        (("-m", "gunicorn", "aggregator.uftp", "--bind", "127.0.0.1:0", "--worker-class", "asgi"), *NO_NUMBER),
        (("-m", "gunicorn", "mock_gopacs.wsgi", "--bind", "127.0.0.1:0"), *NO_ADDRESS),
    ],
)
def test_no_process_starts_with_a_wrong_setting(words, name, value, says):
    ended = subprocess.run(
        [sys.executable, *words],
        cwd=CHECKOUT,
        env={**os.environ, name: value},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ended.returncode == 3
    assert says in ended.stderr
    assert "Traceback" not in ended.stderr


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
