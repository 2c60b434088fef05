"""Meter values over HTTP, from the bytes a partner sends to committed rows, beside the least and the usual.

Ours: 10,000 rows of JSON a post with token, rate limit and idempotency key, to gunicorn with two workers. The floor is
a bare binary COPY of the same rows, ready made, into a staging table and an upsert from there, on one connection. The
peer is a plain Django REST framework serializer with `bulk_create` under the same server. Rounds alternate; each way
has partitions of its own and starts every round with them empty; the best round counts.
"""

import json
import time
import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection

from tests.benchmarks.report import Report
from tests.benchmarks.served import bench_database, web_server

ROWS_PER_POST = 10_000
POSTS, ROUNDS = 12, 5
CLIENTS = 4
NOW = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
STAGED = ("asset_id", "start", "revision", "import_wh", "export_wh", "is_estimated")
UPSERT = """
    INSERT INTO floor_values (asset_id, starts_at, revision, import_wh, export_wh, quality, known_at)
    SELECT asset_id, to_timestamp(start), revision, import_wh, export_wh,
           CASE is_estimated WHEN 1 THEN 'estimated' ELSE 'measured' END, now()
    FROM floor_staging
    ON CONFLICT (asset_id, starts_at, revision) DO UPDATE SET
        (import_wh, export_wh, quality, known_at)
        = (excluded.import_wh, excluded.export_wh, excluded.quality, excluded.known_at)
"""


def run(report: Report) -> None:
    """Measure the three ways in turns."""
    rows, posts, rounds = (1_000, 2, 1) if report.quick else (ROWS_PER_POST, POSTS, ROUNDS)
    with ExitStack() as stack:
        stack.enter_context(bench_database())
        token, ids = _partner(rows)
        ours_port = stack.enter_context(web_server())
        peer_port = stack.enter_context(web_server(settings="tests.benchmarks.plain_settings"))
        bodies = [_body(rows, number) for number in range(posts)]
        floor_rows = [_floor_rows(ids, number) for number in range(posts)]
        best = dict.fromkeys(("ours", "repeat", "floor", "peer"), float("inf"))
        for turn in range(rounds + 1):  # the first one warms up
            _empty()
            _floor_table()
            keys = [str(uuid.uuid4()) for _ in bodies]
            seconds = {
                "floor": _floor(floor_rows),
                "ours": _post(ours_port, "/api/v1/meter-values", token, bodies, keys),
                "repeat": _post(ours_port, "/api/v1/meter-values", token, bodies, [str(uuid.uuid4()) for _ in bodies]),
            }
            _check(rows * posts)
            _empty()
            seconds["peer"] = _post(peer_port, "/values", token, bodies, keys)
            _check(rows * posts)
            if turn:
                best = {name: min(best[name], value) for name, value in seconds.items()}
        for name, peer, target in (
            ("ours", "floor", "<= 2x"),
            ("ours", "peer", ">= 4x"),
            ("repeat", "floor", None),
        ):
            what = f"{posts} posts of {rows:,} meter values"
            report.row(
                name=what if name == "ours" else f"{what}, all known already",
                ours_s=best[name],
                peer={"floor": "bare binary COPY + upsert", "peer": "plain DRF + bulk_create"}[peer],
                peer_s=best[peer],
                target=target,
                note=f"{rows * posts / best[name]:,.0f} rows/s, theirs {rows * posts / best[peer]:,.0f}",
            )


def _partner(assets: int) -> tuple[str, Sequence[int]]:
    from assets.models import Asset  # noqa: PLC0415 - needs Django set up
    from assets.operations import maintain_partitions  # noqa: PLC0415 - same
    from tests.field_side import charger, make_assets, make_partner, token_for  # noqa: PLC0415 - same

    partner = make_partner("Bench")
    names = [f"NL-UTR-{number:06d}" for number in range(assets)]
    for start in range(0, assets, 5_000):
        make_assets(partner, [charger(name) for name in names[start : start + 5_000]])
    maintain_partitions(now=NOW - timedelta(days=40))
    return token_for(partner), list(Asset.objects.order_by("external_id").values_list("id", flat=True))


def _start(number: int) -> datetime:
    return NOW - timedelta(days=2) + timedelta(minutes=15 * number)


def _body(rows: int, number: int) -> bytes:
    at = f"{_start(number):%Y-%m-%dT%H:%M:%SZ}"
    values = [
        {"asset": f"NL-UTR-{row:06d}", "starts_at": at, "import_wh": row * 7 % 2750, "export_wh": 0}
        for row in range(rows)
    ]
    return json.dumps({"values": values}).encode()


def _floor_rows(ids: Sequence[int], number: int) -> bytes:
    from assets.staging import binary_rows  # noqa: PLC0415 - needs Django set up

    count = len(ids)
    imports = [row * 7 % 2750 for row in range(count)]
    start = int(_start(number).timestamp())
    return binary_rows([ids, [start] * count, [0] * count, imports, [0] * count, [0] * count])


def _floor_table() -> None:
    from django.db import connection  # noqa: PLC0415 - needs Django set up

    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS floor_values, floor_staging")
        cursor.execute(
            """
            CREATE TABLE floor_values (
                asset_id bigint NOT NULL, starts_at timestamptz NOT NULL, revision integer NOT NULL,
                import_wh bigint NOT NULL, export_wh bigint NOT NULL, quality varchar(9) NOT NULL,
                known_at timestamptz NOT NULL, PRIMARY KEY (asset_id, starts_at, revision))
            """
        )
        cursor.execute(f"CREATE UNLOGGED TABLE floor_staging ({', '.join(f'{name} bigint' for name in STAGED)})")


def _floor(batches: Sequence[bytes]) -> float:
    from django.db import connection, transaction  # noqa: PLC0415 - needs Django set up

    began = time.perf_counter()
    for batch in batches:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("TRUNCATE floor_staging")
            with cursor.copy("COPY floor_staging FROM STDIN (FORMAT binary)") as copy:
                copy.write(batch)
            cursor.execute(UPSERT)
    return time.perf_counter() - began


def _post(port: int, path: str, token: str, bodies: Sequence[bytes], keys: Sequence[str]) -> float:
    """Send all bodies over a few kept connections; return the time until the last answer."""

    def client(first: int) -> None:
        connection = HTTPConnection("127.0.0.1", port, timeout=120)
        for body, key in zip(bodies[first::CLIENTS], keys[first::CLIENTS], strict=True):
            headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}", "Idempotency-Key": key}
            connection.request("POST", path, body, headers)
            answer = connection.getresponse()
            content = answer.read()
            if answer.status != 200:
                raise AssertionError(content[:1000])
        connection.close()

    began = time.perf_counter()
    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(client, range(CLIENTS)))
    return time.perf_counter() - began


def _empty() -> None:
    from django.db import connection  # noqa: PLC0415 - needs Django set up

    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE assets_meterinterval")
        cursor.execute("CHECKPOINT")


def _check(rows: int) -> None:
    from assets.models import MeterInterval  # noqa: PLC0415 - needs Django set up

    if MeterInterval.objects.count() != rows:
        raise AssertionError("not every value was stored")
