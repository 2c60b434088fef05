"""Running the shell examples of a guide, and holding what they print against what the guide says they print."""

import json
import re
import shutil
import subprocess

import pytest

from tests.shared_data import REPOSITORY

SAID = re.compile(r"^# (\{.*\})$", flags=re.MULTILINE)

HAS_SHELL_TOOLS = bool(shutil.which("curl") and shutil.which("jq"))
needs_shell_tools = pytest.mark.skipif(not HAS_SHELL_TOOLS, reason="the guide's examples need curl and jq")


def answers_as_it_says(guide, environment, *, examples):
    """Run every `sh` block of a guide in `docs`; each line `# {...}` in it is an answer that it promises."""
    text = (REPOSITORY / "docs" / guide).read_text(encoding="utf-8")
    blocks = re.findall(r"^```sh\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)
    script = "\n".join(["set -euo pipefail", *(SAID.sub("echo", block) for block in blocks)])
    run = subprocess.run(
        [shutil.which("bash"), "-c", script],
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    promised = [json.loads(line) for block in blocks for line in SAID.findall(block)]
    assert [json.loads(line) for line in run.stdout.splitlines() if line.strip()] == promised
    assert len(promised) == examples
