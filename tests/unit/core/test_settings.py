import secrets

import pytest

from aggregator import settings


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
