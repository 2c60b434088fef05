# noqa: INP001 - a folder of programs, not a package
"""Make the virtual environment of a foreign implementation that our conformance tests and benchmarks talk to.

A peer gets its own environment under `var/peers/`, because its dependencies are not ours; it is talked to through a
subprocess, or its script runs in a page. By hand, to prepare a machine: `python scripts/peer_environment.py uftp`.
"""

import fcntl
import os
import subprocess
import sys
import venv
from pathlib import Path

PEERS: dict[str, tuple[str, ...]] = {
    # From 0.140.0 FastAPI breaks the peer's services; the other pins keep figures comparable from run to run.
    "uftp": ("shapeshifter-uftp==2.4.0", "fastapi==0.139.2", "lxml==6.1.3", "pynacl==1.6.2", "xsdata==26.10"),
    "ocpi": (
        "extrawest-ocpi==2025.7.16",
        "uvicorn==0.54.0",
        "fastapi==0.101.1",
        "pydantic==1.10.12",
        "httpx==0.24.1",
        "starlette==0.27.0",
    ),
    "duckdb": ("duckdb==2.0.1",),
    "axe": ("axe-playwright-python==0.1.8",),
}
SWITCH = "PEER_TESTS"
"""0 does without peers, `required` makes the tests fail that cannot have one; else they skip."""
_FOLDER = Path(__file__).resolve().parent.parent / "var" / "peers"
_INSTALL_SECONDS = 300


class PeerUnavailable(RuntimeError):
    """The peer is switched off or cannot be installed here; the text says which."""


def peer_python(name: str) -> Path:
    """Return the interpreter of a peer's environment, made on first use; raise `PeerUnavailable`."""
    if os.environ.get(SWITCH, "1") == "0":
        raise PeerUnavailable(f"peers are switched off ({SWITCH}=0)")
    environment = _FOLDER / name
    python, stamp = environment / "bin" / "python", environment / "installed.txt"
    wanted = "\n".join(PEERS[name])
    environment.parent.mkdir(parents=True, exist_ok=True)
    with (_FOLDER / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # parallel test workers all come here at once
        if not stamp.exists() or stamp.read_text() != wanted:
            venv.create(environment, clear=True, with_pip=True)
            _install(python, PEERS[name])
            stamp.write_text(wanted)
    return python


def _install(python: Path, packages: tuple[str, ...]) -> None:
    command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages]
    try:
        result = subprocess.run(  # noqa: S603 - the pins above are all that goes into the command
            command, capture_output=True, text=True, timeout=_INSTALL_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise PeerUnavailable(f"installing {', '.join(packages)} took over {_INSTALL_SECONDS} s") from None
    if result.returncode:
        reason = (result.stderr.strip().splitlines() or ["pip said nothing"])[-1]
        raise PeerUnavailable(f"cannot install {', '.join(packages)}: {reason}")


if __name__ == "__main__":
    for peer in sys.argv[1:] or PEERS:
        sys.stdout.write(f"{peer}: {peer_python(peer)}\n")
