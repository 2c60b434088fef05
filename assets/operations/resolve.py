"""From the names partners use to our rows."""

from collections.abc import Iterable, Sequence

from django.db import connection

from assets.validation.rows import InvalidRows, RowError

FEW_NAMES = 2_000
"""Up to here single look-ups (about 2 µs each) are cheaper than reading all names of a partner (about 0.5 µs each)."""


def asset_ids(*, partner_id: int, names: Sequence[str], field: str = "asset") -> list[int]:
    """Return the id of each named asset of the partner; raise `InvalidRows` for names that are not its own.

    Another partner's asset is as unknown as one that does not exist.
    """
    wanted = set(names)
    condition = "AND external_id = ANY(%s)" if len(wanted) <= FEW_NAMES else ""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT external_id, id FROM assets_asset WHERE partner_id = %s {condition}",  # noqa: S608 - both are ours
            [partner_id, list(wanted)] if condition else [partner_id],
        )
        known: dict[str, int] = dict(cursor.fetchall())
    try:
        return [known[name] for name in names]
    except KeyError:
        raise InvalidRows(_unknown(names, known, field)) from None


def _unknown(names: Iterable[str], known: dict[str, int], field: str) -> Iterable[RowError]:
    for index, name in enumerate(names):
        if name not in known:
            yield RowError(
                index,
                field,
                "unknown-asset",
                f"No asset {name!r} is registered for this partner. Register it first, or correct the name.",
            )
