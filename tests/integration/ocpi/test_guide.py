"""The examples of docs/ocpi.md, run as a CPO would: its shell blocks in order, against the service over real HTTP."""

import json
import re
import shutil
import subprocess

import pytest

from assets.models import OcpiConnection
from assets.ocpi.connections import open_connection
from tests.field_side import NOW, make_partner
from tests.integration.ocpi.cpo_platform import TOKEN_B
from tests.shared_data import REPOSITORY

GUIDE = (REPOSITORY / "docs" / "ocpi.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```sh\n(.*?)^```", GUIDE, flags=re.DOTALL | re.MULTILINE)
SAID = re.compile(r"^# (\{.*\})$", flags=re.MULTILINE)


@pytest.mark.skipif(not (shutil.which("curl") and shutil.which("jq")), reason="the guide's examples need curl and jq")
def test_every_example_of_the_guide_answers_as_it_says(transactional_db, live_server, platform, settings):
    settings.PUBLIC_URL = live_server.url
    _, token_a = open_connection(partner=make_partner("Stadsladen"), now=NOW)
    script = "\n".join(["set -euo pipefail", *(SAID.sub("echo", block) for block in BLOCKS)])

    run = subprocess.run(
        [shutil.which("bash"), "-c", script],
        env={
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "VERSIONS_URL": f"{live_server.url}/ocpi/versions",
            "TOKEN_A": token_a,
            "TOKEN_B": TOKEN_B,
            "YOUR_VERSIONS_URL": platform.versions_url,
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert run.returncode == 0, run.stderr
    promised = [json.loads(line) for block in BLOCKS for line in SAID.findall(block)]
    assert [json.loads(line) for line in run.stdout.splitlines() if line.strip()] == promised
    assert len(promised) == 6
    assert OcpiConnection.objects.get().registered_at == NOW
