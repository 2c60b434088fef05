"""Saying how much of an order was missed, and why, so that the reasons add up to the whole."""

from collections.abc import Mapping
from decimal import Decimal

from aggregator.core.money import split_exactly

UNEXPLAINED = "unexplained"


def attributed_w(*, missing_w: int, lost_w: Mapping[str, int]) -> dict[str, int]:
    """Split what was missed over its causes; the parts add up to `missing_w` to the watt.

    Where causes took away more than was missed in the end (a reserve made up for a part), each counts in proportion.
    Where they took less, the rest is `UNEXPLAINED`: the group took more than was expected of it.

    Args:
        missing_w: ordered minus delivered, at least 0.
        lost_w: what each cause took away while it ran, at least 0 each.
    """
    if missing_w <= 0:
        return {}
    causes = {cause: watts for cause, watts in lost_w.items() if watts > 0}
    total_w = sum(causes.values())
    if total_w <= missing_w:
        rest_w = missing_w - total_w
        return causes | ({UNEXPLAINED: rest_w} if rest_w else {})
    parts = split_exactly(Decimal(missing_w), [Decimal(watts) for watts in causes.values()], quantum=Decimal(1))
    return {cause: int(watts) for cause, watts in zip(causes, parts, strict=True) if watts}
