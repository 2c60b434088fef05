"""The guide's examples, run as a partner would: its shell blocks in order, against the service over real HTTP."""

import json
import re
import shutil
import subprocess

import pytest

from assets import operations
from tests.field_side import NOW
from tests.shared_data import REPOSITORY

GUIDE = (REPOSITORY / "docs" / "cpo-guide.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```sh\n(.*?)^```", GUIDE, flags=re.DOTALL | re.MULTILINE)
SAID = re.compile(r"^# (\{.*\})$", flags=re.MULTILINE)


@pytest.mark.skipif(not (shutil.which("curl") and shutil.which("jq")), reason="the guide's examples need curl and jq")
def test_every_example_of_the_guide_answers_as_it_says(transactional_db, live_server):
    _, credentials = operations.register_partner(name="Stroom Utrecht (sandbox)", now=NOW, is_sandbox=True)
    script = "\n".join(["set -euo pipefail", *(SAID.sub("echo", block) for block in BLOCKS)])

    run = subprocess.run(
        [shutil.which("bash"), "-c", script],
        env={
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "BASE": live_server.url,
            "CLIENT_ID": credentials.client_id,
            "CLIENT_SECRET": credentials.client_secret,
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert run.returncode == 0, run.stderr
    promised = [json.loads(line) for block in BLOCKS for line in SAID.findall(block)]
    assert [json.loads(line) for line in run.stdout.splitlines() if line.strip()] == promised
    assert len(promised) == 10
