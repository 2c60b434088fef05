"""Fitting a plan within what a group, a partner, a connection and the fleet may do: who goes, who stays as it was.

Two kinds of cap. A cap on *moved* power bounds how far a scope may be from its own ways at any time: whoever does not
fit is left alone. A cap on a *step* bounds how much may change at one moment: whoever does not fit keeps what it was
told before, and can follow at the next plan.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]
Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Scope:
    """One way to cut the fleet into parts with room of their own.

    Attributes:
        part: which part each asset belongs to, shape (n,), 0 to p - 1.
        room_kw: what each part may still take on, shape (p,); infinite without a limit.
    """

    part: Integers
    room_kw: Floats


def within_room(*, load_kw: Floats, scopes: Sequence[Scope], order: NDArray[np.intp]) -> Booleans:
    """Return which assets fit, shape (n,), taken in `order` until the room of a part is used up.

    What fits is a prefix of each part in that order, cut again by every further scope. An asset without load always
    fits.
    """
    fits = np.ones(len(load_kw), dtype=np.bool_)
    for scope in scopes:
        kept = order[fits[order]]
        by_part = kept[np.argsort(scope.part[kept], kind="stable")]
        part = scope.part[by_part]
        used = np.cumsum(load_kw[by_part])
        starts = np.flatnonzero(np.r_[True, part[1:] != part[:-1]]) if len(part) else np.zeros(0, dtype=np.intp)
        before = np.repeat(used[starts] - load_kw[by_part][starts], np.diff(np.r_[starts, len(part)]))
        is_over = used - before > scope.room_kw[part] + 1e-9
        fits[by_part[is_over & (load_kw[by_part] > 0)]] = False
    return fits


def capped_kw(
    *,
    asked_kw: Floats,
    standing_kw: Floats,
    before_kw: Floats,
    alone_kw: Floats,
    order: NDArray[np.intp],
    moved: Sequence[Scope],
    step: Sequence[Scope],
    may_change: Booleans,
) -> Floats:
    """Return the powers that respect every cap, each one of what is asked, what stood, or being left alone.

    A step towards being left alone is never held back: the safe side must always be open.

    Args:
        asked_kw: what the plan asks, shape (n,).
        standing_kw: what each asset is told so far for the moment the plan starts.
        before_kw: what it is told just before that moment.
        alone_kw: the value that leaves it to its own ways.
        order: whom to take first.
        moved: room for power that is moved away from `alone_kw`.
        step: room for change at once.
        may_change: False for an asset that turned round too often of late.
    """
    powers_kw = np.where(may_change, asked_kw, standing_kw)
    powers_kw = np.where(
        within_room(load_kw=np.abs(powers_kw - alone_kw), scopes=moved, order=order), powers_kw, alone_kw
    )
    load_kw, stood_kw = np.abs(powers_kw - alone_kw), np.abs(before_kw - alone_kw)
    is_crossing = (powers_kw - alone_kw) * (before_kw - alone_kw) < 0
    outward_kw = np.where(is_crossing, load_kw, np.maximum(load_kw - stood_kw, 0.0))
    fits = within_room(load_kw=outward_kw, scopes=step, order=order)
    return np.where(fits, powers_kw, np.where(is_crossing, alone_kw, before_kw))
