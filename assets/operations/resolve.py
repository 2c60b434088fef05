"""From the names partners use to our rows."""

from collections.abc import Iterable, Sequence

from assets.models import Asset
from assets.validation.rows import InvalidRows, RowError


def asset_ids(*, partner_id: int, names: Sequence[str], field: str = "asset") -> list[int]:
    """Return the id of each named asset of the partner; raise `InvalidRows` for names that are not its own.

    Another partner's asset is as unknown as one that does not exist.
    """
    known: dict[str, int] = dict(
        Asset.objects.filter(partner_id=partner_id, external_id__in=set(names)).values_list("external_id", "id")
    )
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
