"""How sure a counted share is."""

from math import sqrt

Z_95 = 1.959963984540054
"""97.5 % quantile of the normal distribution: a two-sided 95 % interval."""


def wilson_interval(kept: int, total: int) -> tuple[float, float] | None:
    """Return the 95 % Wilson score interval of a proportion, None without observations.

    Source: Wilson 1927; Brown, Cai, DasGupta 2001 recommend it for its coverage at small counts.
    """
    if total == 0:
        return None
    share = kept / total
    spread = Z_95 * sqrt(share * (1 - share) / total + Z_95**2 / (4 * total**2))
    middle = share + Z_95**2 / (2 * total)
    scale = 1 + Z_95**2 / total
    return max((middle - spread) / scale, 0.0), min((middle + spread) / scale, 1.0)
