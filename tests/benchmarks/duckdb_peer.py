"""DuckDB on the day of readings of `bench_readings`; run in its own environment, prints seconds per round as JSON."""

import json
import sys
import time

import duckdb

assets, groups, rounds = map(int, sys.argv[1:])
database = duckdb.connect()
database.execute(  # the numbers are whole and come from our own command line
    f"""
    CREATE TABLE raw AS
    SELECT asset.id AS asset_id, TIMESTAMP '2026-01-14' + INTERVAL (minute.n) MINUTE AS starts_at,
           (asset.id * 37 + (29472480 + minute.n) * 13) % 15000 - 4000 AS power_w
    FROM range(1440) AS minute(n), range({assets}) AS asset(id);
    CREATE TABLE member AS
    SELECT id AS asset_id, id % {groups} AS ean, TIMESTAMP '2026-01-01' AS joined, NULL::TIMESTAMP AS gone
    FROM range({assets}) AS asset(id);
    """  # noqa: S608
)
seconds = []
for _ in range(rounds + 1):
    began = time.perf_counter()
    database.execute(
        """
        SELECT ean, time_bucket(INTERVAL 15 MINUTE, starts_at) AS ptu,
               sum(greatest(power_w, 0)) / 60, sum(greatest(-power_w, 0)) / 60, count(*)
        FROM raw JOIN member USING (asset_id)
        WHERE starts_at >= joined AND (gone IS NULL OR starts_at < gone)
        GROUP BY ALL
        """
    ).fetchall()
    seconds.append(time.perf_counter() - began)
sys.stdout.write(json.dumps(seconds))
