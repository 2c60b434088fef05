"""From one-minute readings to the 15-minute energy of groups, by the roll-up beside the raw rows and beside DuckDB.

One day of 10,000 assets, a reading every minute (14.4 million rows), 100 groups. The raw rows lie in a table without
indexes, which is the best a scan can get; DuckDB has them in its own table, in its own process, on as many threads.
Ours sums the quarters that were added up as the readings came in, joins who was a member when, and says how complete
each quarter is. Tables are vacuumed first, as the server does by itself once rows have come in.
"""

import json
import subprocess
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from aggregator.core.ean import Ean18
from aggregator.core.interval import Interval
from scripts.peer_environment import PeerUnavailable, peer_python
from tests.benchmarks.report import Report
from tests.benchmarks.served import bench_database

ASSETS, GROUPS, MINUTES = 10_000, 100, 24 * 60
ROUNDS = 5
DAY = Interval(datetime(2026, 1, 14, tzinfo=UTC), datetime(2026, 1, 15, tzinfo=UTC))
EANS = [str(Ean18.from_body(f"871685900{group:08d}")) for group in range(GROUPS)]
DUCKDB = Path(__file__).with_name("duckdb_peer.py")
RAW = """
    SELECT member.aggregation_ean_id, date_bin('15 minutes', raw.starts_at, '2026-01-01') AS ptu,
           sum(greatest(raw.power_w, 0)) / 60, sum(greatest(-raw.power_w, 0)) / 60, count(*)
    FROM raw_readings AS raw JOIN assets_membership AS member
      ON member.asset_id = raw.asset_id AND member.period @> raw.starts_at
    GROUP BY 1, 2
"""
ROLL_UP = """
    SELECT member.aggregation_ean_id, quarter.starts_at, sum(quarter.import_wmin), sum(quarter.export_wmin)
    FROM assets_readingquarter AS quarter JOIN assets_membership AS member USING (asset_id)
    GROUP BY 1, 2
"""
"""The least that can be asked of a roll-up: no dates of membership, no completeness."""


def run(report: Report) -> None:
    """Measure storing, all groups and one group."""
    assets, rounds = (1_000, 1) if report.quick else (ASSETS, ROUNDS)
    with bench_database():
        from django.db import connection  # noqa: PLC0415 - needs Django set up

        from assets.energy import energy_by_ptu, response_by_ptu  # noqa: PLC0415 - same

        partner_id = _portfolio(assets)
        per_row_s = _store_one_minute(partner_id, assets, rounds)
        _raw_day(assets)
        day = f"{assets:,} assets, {assets * MINUTES:,} readings"
        ours_s = _best(lambda: response_by_ptu(aggregation_eans=EANS, interval=DAY), rounds)
        with connection.cursor() as cursor:
            raw_s = _best(lambda: cursor.execute(RAW), min(rounds, 2))
            roll_up_s = _best(lambda: cursor.execute(ROLL_UP) and cursor.fetchall(), rounds)
        what = f"energy of {GROUPS} groups in one day, {day}"
        report.row(name=what, ours_s=ours_s, target="<= 0.44 s")
        report.row(name=what, ours_s=ours_s, peer="the barest SQL over the roll-up", peer_s=roll_up_s, target="<= 1.5x")
        report.row(name=what, ours_s=ours_s, peer="SQL over the raw rows", peer_s=raw_s)
        try:
            duckdb_s = _duckdb(assets, rounds)
        except PeerUnavailable as reason:
            report.skip(f"beside DuckDB: {reason}")
        else:
            report.row(name=what, ours_s=ours_s, peer="DuckDB over the raw rows, in memory", peer_s=duckdb_s)
        for name, read in (
            ("readings", lambda: response_by_ptu(aggregation_eans=EANS[:1], interval=DAY)),
            ("meter values", lambda: energy_by_ptu(aggregation_ean=EANS[0], interval=DAY)),
        ):
            report.row(
                name=f"one group, one day, from {name} of {assets:,} assets",
                ours_s=_best(read, 3 * rounds),
                target="<= 50 ms",
            )
        report.row(
            name=f"{assets:,} readings of one minute stored and added up",
            ours_s=per_row_s,
            note=f"{assets / per_row_s:,.0f} rows/s",
        )


def _best(work: Callable[[], object], rounds: int) -> float:
    best = float("inf")
    for _ in range(rounds + 1):
        began = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - began)
    return best


def _portfolio(assets: int) -> int:
    from assets.models import AggregationEan  # noqa: PLC0415 - needs Django set up
    from assets.operations import maintain_partitions  # noqa: PLC0415 - same
    from tests.field_side import charger, enrol, make_area, make_assets, make_group, make_partner  # noqa: PLC0415 - same

    partner, area = make_partner("Bench"), make_area()
    rows = [charger(f"NL-UTR-{number:06d}") for number in range(assets)]
    made = [asset for start in range(0, assets, 5_000) for asset in make_assets(partner, rows[start : start + 5_000])]
    for group, ean in enumerate(EANS):
        make_group(area, ean=ean)
        enrol(AggregationEan.objects.get(pk=ean), made[group::GROUPS])
    maintain_partitions(now=DAY.starts_at)
    return partner.pk


def _store_one_minute(partner_id: int, assets: int, rounds: int) -> float:
    """Return the best time to store a reading of every asset, each round the next minute; nothing of it stays."""
    from django.db import connection  # noqa: PLC0415 - needs Django set up

    from assets.operations import store_readings  # noqa: PLC0415 - same

    best = float("inf")
    for minute in range(rounds + 1):
        at = (DAY.starts_at + timedelta(minutes=minute)).isoformat()
        rows = [{"asset": f"NL-UTR-{row:06d}", "starts_at": at, "power_w": row % 11_000} for row in range(assets)]
        began = time.perf_counter()
        store_readings(partner_id=partner_id, rows=rows, now=DAY.ends_at)
        best = min(best, time.perf_counter() - began)
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE assets_minutereading, assets_readingquarter")
    return best


def _raw_day(assets: int) -> None:
    """Put a day of readings into a bare table, and what storing them would leave into ours."""
    from django.db import connection  # noqa: PLC0415 - needs Django set up

    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS raw_readings")
        cursor.execute("CREATE UNLOGGED TABLE raw_readings (asset_id bigint, starts_at timestamptz, power_w bigint)")
        cursor.execute(
            """
            INSERT INTO raw_readings
            SELECT asset.id, minute, (asset.id * 37 + extract(epoch FROM minute)::bigint / 60 * 13) %% 15000 - 4000
            FROM generate_series(%s, %s - interval '1 minute', interval '1 minute') AS minute
            CROSS JOIN assets_asset AS asset
            """,
            [DAY.starts_at, DAY.ends_at],
        )
        cursor.execute(
            """
            INSERT INTO assets_readingquarter
            SELECT asset_id, date_bin('15 minutes', starts_at, '2026-01-01') AS ptu, count(*),
                   sum(greatest(power_w, 0)), sum(greatest(-power_w, 0))
            FROM raw_readings GROUP BY asset_id, ptu ORDER BY ptu, asset_id
            """
        )
        cursor.execute(
            """
            INSERT INTO assets_meterinterval
            SELECT asset_id, starts_at, 0, import_wmin / 60, export_wmin / 60, 'measured', now()
            FROM assets_readingquarter ORDER BY starts_at, asset_id
            """
        )
        cursor.execute("VACUUM ANALYZE raw_readings, assets_readingquarter, assets_meterinterval, assets_membership")


def _duckdb(assets: int, rounds: int) -> float:
    result = subprocess.run(
        [peer_python("duckdb"), DUCKDB, str(assets), str(GROUPS), str(rounds)],
        capture_output=True,
        text=True,
        check=True,
    )
    return float(np.min(json.loads(result.stdout)))
