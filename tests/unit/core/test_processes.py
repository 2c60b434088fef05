import os
import signal
import subprocess
import sys

from aggregator.processes import Supervisor

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]


def test_only_what_an_earlier_run_left_is_stopped(tmp_path):
    directory = tmp_path / "processes"
    directory.mkdir()
    ours = {**os.environ, "AGGREGATOR_VAR": str(tmp_path)}
    with (
        subprocess.Popen(SLEEP, env=ours, start_new_session=True) as left,
        subprocess.Popen(SLEEP, start_new_session=True) as stranger,
    ):
        # a run that was killed between making a file and writing it left one that is empty
        for name, text in {"web": str(left.pid), "beat": str(stranger.pid), "worker": ""}.items():
            (directory / f"{name}.pid").write_text(text)
        try:
            with Supervisor(directory):
                assert left.wait(5) == -signal.SIGKILL
                assert stranger.poll() is None
                assert list(directory.glob("*.pid")) == []
        finally:
            left.kill()
            stranger.kill()
