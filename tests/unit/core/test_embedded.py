import subprocess
import sys

from aggregator import embedded

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]


def test_the_second_database_of_a_configured_server_keeps_the_options_of_the_address(monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgresql://u:p@h:5433/grid?sslmode=require")
    assert embedded.database_url() == "postgresql://u:p@h:5433/grid?sslmode=require"
    assert embedded.database_url("mock_gopacs") == "postgresql://u:p@h:5433/grid_mock_gopacs?sslmode=require"


def test_a_process_with_the_number_of_a_server_that_died_is_neither_taken_for_it_nor_stopped(monkeypatch, tmp_path):
    monkeypatch.setenv("AGGREGATOR_VAR", str(tmp_path))
    with subprocess.Popen(SLEEP) as stranger:
        for file in ("postgres/postmaster.pid", "valkey/valkey.pid"):
            (tmp_path / file).parent.mkdir()
            (tmp_path / file).write_text(f"{stranger.pid}\n")
        assert (embedded._postgres_pid(), embedded._valkey_pid()) == (None, None)
        embedded.stop()
        assert stranger.poll() is None
        stranger.kill()
