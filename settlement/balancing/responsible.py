"""Requested energy split over balance responsible parties (BRPs). Pure.

TenneT corrects the imbalance of the BRPs of the connections by the volume that it asked for. How it learns which part
is whose is not public; that each has the part that its groups have in the bid is our reading [I].
"""

from collections.abc import Mapping
from decimal import Decimal

from aggregator.core.money import split_exactly

NOBODY = ""
"""Whose the energy is that was asked for without a bid of ours."""


def split_over_brps(requested_wh: int, power_w: Mapping[str, int]) -> dict[str, int]:
    """Split energy of a PTU and direction by what each BRP's groups have in the bid, in whole Wh that add up to it.

    >>> split_over_brps(1_000, {"8716871000002": 200_000, "8716871000019": 100_000})
    {'8716871000002': 667, '8716871000019': 333}
    """
    brps = sorted(power_w)  # ties must not depend on the order of rows
    if not brps:
        return {NOBODY: requested_wh} if requested_wh else {}
    parts = split_exactly(Decimal(requested_wh), [Decimal(power_w[brp]) for brp in brps], quantum=Decimal(1))
    return {brp: int(part) for brp, part in zip(brps, parts, strict=True)}
