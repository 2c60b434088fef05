"""Our end of the line to the peer: the PyPI package shapeshifter-uftp in its own environment."""

import base64
import json
import subprocess
from pathlib import Path
from typing import Any, Self

from scripts.peer_environment import peer_python


class Peer:
    """A running peer process; use it in a `with` block. Raises `PeerUnavailable` on entry."""

    def __enter__(self) -> Self:
        command = [str(peer_python("uftp")), str(Path(__file__).with_name("peer_side.py"))]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(timeout=10)

    def ask(self, operation: str, **values: Any) -> dict[str, Any]:
        """Return the peer's answer; bytes in `values` travel as base64."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        packed = {name: base64.b64encode(v).decode() if isinstance(v, bytes) else v for name, v in values.items()}
        self._process.stdin.write(json.dumps({"operation": operation, **packed}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the peer died during {operation!r}; its traceback is on stderr")
        answer: dict[str, Any] = json.loads(line)
        return answer
