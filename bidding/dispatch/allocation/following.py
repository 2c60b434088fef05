"""The closed loop's eye: which assets do what they were told, from what was measured in the minute before."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]
Integers = NDArray[np.int64]

SAMPLES_TO_FAIL = 2
TOLERANCE_KW = 0.25
TOLERANCE_SHARE = 0.1


@dataclass(frozen=True, slots=True, eq=False)
class Response:
    """What each asset showed, shape (n,).

    Attributes:
        misses: samples in a row in which it was off.
        has_failed: off in `SAMPLES_TO_FAIL` samples in a row.
        lost_kw: what is missing of its part because it is off.
    """

    misses: Integers
    has_failed: Booleans
    lost_kw: Floats


def judged(*, asked_kw: Floats, alone_kw: Floats, measured_kw: Floats, is_new: Booleans, misses: Integers) -> Response:
    """Judge one round of samples.

    An asset that is left alone cannot be off. Taking less than its limit is following; so is feeding in more, or a
    battery charging harder. A sample that was seen before, or that is missing (NaN), changes nothing.

    Args:
        asked_kw: what each asset was told, shape (n,).
        alone_kw: the value that leaves it to its own ways.
        measured_kw: its power in its newest sample; NaN without one.
        is_new: whether that sample is newer than the one judged before, and late enough to show a response.
        misses: samples in a row it was off until then.
    """
    sign = np.sign(alone_kw - asked_kw)  # 1: it was told to take less than it might, -1: more
    off_kw = np.nan_to_num(np.maximum(sign * (measured_kw - asked_kw), 0.0))
    tolerance_kw = np.maximum(TOLERANCE_KW, TOLERANCE_SHARE * np.abs(alone_kw - asked_kw))
    is_off = off_kw > tolerance_kw
    counts = is_new & ~np.isnan(measured_kw)
    after = np.where(counts, np.where(is_off, misses + 1, 0), misses)
    return Response(
        misses=after.astype(np.int64),
        has_failed=after >= SAMPLES_TO_FAIL,
        lost_kw=np.where(is_off & (sign != 0), off_kw, 0.0),
    )
