"""What partners report about their assets: the assets themselves, their states and their sessions."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper

from aggregator.core import locks
from assets.models import ChargingSession, Declaration, Partner
from assets.operations.movements import note_movements
from assets.operations.resolve import asset_ids
from assets.operations.sandbox import join_sandbox
from assets.pseudonyms import pseudonym
from assets.staging import staged
from assets.validation import kinds
from assets.validation.rows import InvalidRows, RowError

Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Upserted:
    """How many rows were new, changed, or already as reported."""

    created: int
    updated: int
    unchanged: int


@dataclass(frozen=True, slots=True)
class StatesRecorded:
    """How many states became the newest of their asset; the others were older than what is known."""

    accepted: int
    stale: int


@transaction.atomic
def upsert_assets(*, partner_id: int, rows: Rows, now: datetime) -> Upserted:
    """Register a partner's assets, or bring them up to date, by the partner's own `external_id`.

    A row describes the whole asset: an absent field takes its default. All rows are stored or none: raises
    `InvalidRows`. Rows as in `assets.validation.kinds.ASSET`.
    """
    columns = kinds.ASSET.read(rows)
    locks.take(locks.AdvisoryLock.PARTNER_REPORTS, partner_id)
    names = kinds.ASSET.names
    types = dict.fromkeys(names, "int8") | {
        "external_id": "text",
        "kind": "text",
        "category": "text",
        "connection_ean": "text",
        "pausing": "text",
        "round_trip_efficiency": "numeric",
    }
    changing = ", ".join(names[1:])
    described = ", ".join(f"new.{name}" for name in names[1:])
    with staged("reported", types, zip(*(columns[name] for name in names), strict=True)), connection.cursor() as cursor:
        cursor.execute(
            f"""
            UPDATE assets_asset AS old SET ({changing}) = ROW({described}) FROM reported AS new
            WHERE old.partner_id = %s AND old.external_id = new.external_id
              AND ({", ".join(f"old.{name}" for name in names[1:])}) IS DISTINCT FROM ({described})
            """,  # noqa: S608 - column names are ours
            [partner_id],
        )
        updated = cursor.rowcount
        cursor.execute(
            f"""
            INSERT INTO assets_asset (partner_id, is_active, registered_at, external_id, {changing})
            SELECT %s, true, %s, external_id, {changing} FROM reported ORDER BY external_id
            ON CONFLICT (partner_id, external_id) DO NOTHING
            """,  # noqa: S608 - column names are ours
            [partner_id, now],
        )
        created = cursor.rowcount
    if Partner.objects.filter(pk=partner_id, is_sandbox=True).exists():
        join_sandbox(partner_id=partner_id, now=now)
    return Upserted(created, updated, len(rows) - created - updated)


@transaction.atomic
def record_states(*, partner_id: int, rows: Rows, now: datetime) -> StatesRecorded:
    """Keep the newest state of each asset; older ones are counted as stale. Raises `InvalidRows`.

    What a driver declared holds for the session that is open at the asset too.
    Rows as in `assets.validation.kinds.STATE`.
    """
    columns = kinds.STATE.read(rows)
    _refuse(kinds.in_the_future(columns, "at", now=now))
    assets = asset_ids(partner_id=partner_id, names=columns["asset"])
    newest: dict[int, int] = {}
    for index, (asset, at) in enumerate(zip(assets, columns["at"], strict=True)):
        if asset not in newest or at > columns["at"][newest[asset]]:
            newest[asset] = index
    locks.take(locks.AdvisoryLock.PARTNER_REPORTS, partner_id)  # sessions are changed here as well as by their reports
    values = ((asset, *(columns[name][index] for name in _STATE_TYPES)) for asset, index in sorted(newest.items()))
    names = ", ".join(_STATE_TYPES)
    with staged("reported", {"asset_id": "int8", **_STATE_TYPES}, values), connection.cursor() as cursor:
        # Who knows the storage's size and the state of charge, knows the level.
        cursor.execute(
            """
            UPDATE reported SET level_wh = round(asset.capacity_wh * reported.soc_percent / 100)
            FROM assets_asset AS asset
            WHERE asset.id = reported.asset_id AND reported.level_wh IS NULL
              AND reported.soc_percent IS NOT NULL AND asset.capacity_wh IS NOT NULL
            """
        )
        cursor.execute(
            f"""
            INSERT INTO assets_assetstate AS old (asset_id, {names})
            SELECT asset_id, {names} FROM reported ORDER BY asset_id
            ON CONFLICT (asset_id) DO UPDATE SET
                ({names}) = ({", ".join(f"excluded.{name}" for name in _STATE_TYPES)})
            WHERE excluded.at > old.at
            """  # noqa: S608 - column names are ours
        )
        accepted = cursor.rowcount
        _tell_open_sessions(cursor, now)
    note_movements(partner_id=partner_id)
    return StatesRecorded(accepted, len(rows) - accepted)


_STATE_TYPES = {
    "at": "timestamptz",
    "power_w": "int8",
    "level_wh": "int8",
    "soc_percent": "numeric",
    "is_plugged_in": "bool",
    "is_available": "bool",
    "declared_departure_at": "timestamptz",
    "declared_energy_wh": "int8",
}


def _tell_open_sessions(cursor: CursorWrapper, now: datetime) -> None:
    """Let what drivers declared in the newest states hold for the sessions that are open at their assets."""
    cursor.execute(
        """
        WITH told AS (
            UPDATE assets_chargingsession AS session SET
                declared_departure_at = COALESCE(said.declared_departure_at, session.declared_departure_at),
                declared_energy_wh = COALESCE(said.declared_energy_wh, session.declared_energy_wh),
                known_at = %s
            FROM reported AS said
            JOIN assets_assetstate AS state ON state.asset_id = said.asset_id AND state.at = said.at
            WHERE session.asset_id = said.asset_id AND session.plug_out_at IS NULL AND session.plug_in_at <= said.at
              AND (said.declared_departure_at > session.plug_in_at OR said.declared_departure_at IS NULL)
              AND (COALESCE(said.declared_departure_at, session.declared_departure_at),
                   COALESCE(said.declared_energy_wh, session.declared_energy_wh))
                  IS DISTINCT FROM (session.declared_departure_at, session.declared_energy_wh)
            RETURNING session.id, session.declared_departure_at, session.declared_energy_wh
        )
        INSERT INTO assets_declaration (session_id, told_at, departure_at, energy_wh)
        SELECT id, %s, declared_departure_at, declared_energy_wh FROM told
        ON CONFLICT (session_id, told_at) DO UPDATE
            SET departure_at = excluded.departure_at, energy_wh = excluded.energy_wh
        """,
        [now, now],
    )


_SESSION_TYPES = {
    "row_index": "int4",
    "asset_id": "int8",
    "external_id": "text",
    "plug_in_at": "timestamptz",
    "plug_out_at": "timestamptz",
    "energy_wh": "int8",
    "max_import_w": "int8",
    "declared_departure_at": "timestamptz",
    "declared_energy_wh": "int8",
    "declared_at": "timestamptz",
    "arrival_level_wh": "int8",
    "required_energy_wh": "int8",
    "driver_token": "text",
    "car_model": "text",
}
_SESSION_VALUES = tuple(
    name for name in _SESSION_TYPES if name not in {"row_index", "asset_id", "external_id", "declared_at"}
)
_ALWAYS_REPORTED = frozenset({"plug_in_at", "energy_wh", "max_import_w"})


@transaction.atomic
def record_sessions(*, partner_id: int, rows: Rows, now: datetime) -> Upserted:
    """Record charging sessions by (asset, external_id). Raises `InvalidRows`; then nothing was stored.

    A later report replaces an earlier one, but an absent optional field keeps what was reported before, and a report
    without `plug_out_at` about a session that has ended is a late one and changes nothing. The driver's token is kept
    as a keyed hash only. What a driver declared counts as told now; of a session that is new to us and over, as told at
    `declared_at`. Rows as in `assets.validation.kinds.SESSION`.
    """
    columns = kinds.SESSION.read(rows)
    _refuse(kinds.in_the_future(columns, "plug_in_at", "plug_out_at", "declared_at", now=now))
    columns["asset_id"] = asset_ids(partner_id=partner_id, names=columns["asset"])
    columns["driver_token"] = [pseudonym(partner_id, token) for token in columns["driver_token"]]
    columns["row_index"] = list(range(len(rows)))
    locks.take(locks.AdvisoryLock.PARTNER_REPORTS, partner_id)
    with staged("reported", _SESSION_TYPES, zip(*(columns[name] for name in _SESSION_TYPES), strict=True)):
        updated = _update_sessions(now)
        _refuse(_second_open_sessions())
        created = _insert_sessions(now)
    return Upserted(created, updated, len(rows) - created - updated)


def remember_declaration(*, session: ChargingSession) -> None:
    """Remember what an operator entered for a driver, as told when it was entered."""
    said = {"departure_at": session.declared_departure_at, "energy_wh": session.declared_energy_wh}
    if any(value is not None for value in said.values()):
        Declaration.objects.update_or_create(session=session, told_at=session.known_at, defaults=said)


def _update_sessions(now: datetime) -> int:
    def value(name: str) -> str:
        if name in _ALWAYS_REPORTED:
            return f"new.{name}"
        if name in {"driver_token", "car_model"}:
            return f"COALESCE(NULLIF(new.{name}, ''), old.{name})"
        return f"COALESCE(new.{name}, old.{name})"

    values = ", ".join(map(value, _SESSION_VALUES))
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH changed AS (
                UPDATE assets_chargingsession AS old SET ({", ".join(_SESSION_VALUES)}, known_at) = ({values}, %(now)s)
                FROM reported AS new
                WHERE old.asset_id = new.asset_id AND old.external_id = new.external_id
                  AND (new.plug_out_at IS NOT NULL OR old.plug_out_at IS NULL)
                  AND ({", ".join(f"old.{name}" for name in _SESSION_VALUES)}) IS DISTINCT FROM ({values})
                RETURNING old.id, old.declared_departure_at AS departure_at, old.declared_energy_wh AS energy_wh
            ), told AS (
                INSERT INTO assets_declaration (session_id, told_at, departure_at, energy_wh)
                SELECT id, %(now)s, departure_at, energy_wh FROM changed
                WHERE (departure_at IS NOT NULL OR energy_wh IS NOT NULL)
                  AND (departure_at, energy_wh) IS DISTINCT FROM (
                    SELECT (departure_at, energy_wh) FROM assets_declaration AS last
                    WHERE last.session_id = changed.id ORDER BY told_at DESC LIMIT 1)
                ON CONFLICT (session_id, told_at) DO UPDATE
                    SET departure_at = excluded.departure_at, energy_wh = excluded.energy_wh
            )
            SELECT count(*) FROM changed
            """,  # noqa: S608 - column names are ours
            {"now": now},
        )
        return int(cursor.fetchone()[0])


def _second_open_sessions() -> Iterable[RowError]:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH opening AS (
                SELECT row_index, asset_id, external_id,
                       row_number() OVER (PARTITION BY asset_id ORDER BY plug_in_at, row_index) AS place
                FROM reported AS new
                WHERE plug_out_at IS NULL AND NOT EXISTS (
                    SELECT FROM assets_chargingsession AS old
                    WHERE old.asset_id = new.asset_id AND old.external_id = new.external_id)
            )
            SELECT opening.row_index, other.external_id FROM opening
            LEFT JOIN assets_chargingsession AS other
              ON other.asset_id = opening.asset_id AND other.plug_out_at IS NULL
            WHERE opening.place > 1 OR other.id IS NOT NULL
            """
        )
        for index, other in cursor.fetchall():
            known = f"Session {other!r} of this asset has not ended. " if other else ""
            yield RowError(
                index,
                "plug_out_at",
                "second-open-session",
                f"{known}An asset has one open session at a time: report the earlier one's plug_out_at first.",
            )


def _insert_sessions(now: datetime) -> int:
    names = ", ".join(("asset_id", "external_id", *_SESSION_VALUES))
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH added AS (
                INSERT INTO assets_chargingsession ({names}, known_at)
                SELECT {names}, %(now)s FROM reported ORDER BY row_index
                ON CONFLICT (asset_id, external_id) DO NOTHING
                RETURNING id, asset_id, external_id
            ), told AS (
                INSERT INTO assets_declaration (session_id, told_at, departure_at, energy_wh)
                SELECT id, CASE WHEN plug_out_at IS NULL THEN %(now)s ELSE LEAST(declared_at, %(now)s) END,
                       declared_departure_at, declared_energy_wh
                FROM added JOIN reported USING (asset_id, external_id)
                WHERE declared_departure_at IS NOT NULL OR declared_energy_wh IS NOT NULL
            )
            SELECT count(*) FROM added
            """,  # noqa: S608 - column names are ours
            {"now": now},
        )
        return int(cursor.fetchone()[0])


def _refuse(errors: Iterable[RowError]) -> None:
    found = list(errors)
    if found:
        raise InvalidRows(found)
