"""What past windows came to: played once a day, however often a bid is sized anew.

A rehearsal rests on the chargers and on the sessions that were over when the day began, and these are what it is found
again by. So a corrected session, another charger or another policy is rehearsed anew at once; what ends in the course
of the day is taken in with the next one.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import blake2b
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bidding.forecast.baselines import PriceCurve
from bidding.forecast.window_forecast import ChargerGroup
from bidding.optimisation.reliability_curve import ReliabilityCurve

Array = NDArray[np.generic]

DAY_S = 86_400


class Rehearsed(NamedTuple):
    """A past window: what was forecast of it (None with too little history then), and what dispatch would have kept."""

    curve: ReliabilityCurve | None
    kept_kw: float


class RehearsalMemory:
    """Remembers the windows asked for last, `most` of them."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._known: OrderedDict[tuple[bytes, int, int], Rehearsed] = OrderedDict()

    def recall(self, basis: bytes, *, now_s: int, starts_s: int, rehearse: Callable[[], Rehearsed]) -> Rehearsed:
        """Return what a window came to; rehearse it if that is not known.

        Args:
            basis: all that a rehearsal rests on but its moments, from `basis_of`.
            now_s: when it was forecast.
            starts_s: when it began.
            rehearse: does it.
        """
        key = basis, now_s, starts_s
        rehearsed = self._known.pop(key, None) or rehearse()
        self._known[key] = rehearsed
        while len(self._known) > self._most:
            self._known.popitem(last=False)
        return rehearsed


def basis_of(
    groups: Sequence[ChargerGroup],
    *others: object,
    now_s: int,
    prices: PriceCurve | None,
    outdoor_c: Mapping[int, float] | None,
) -> bytes:
    """Return a digest of what rehearsals at `now_s` rest on; `others` are told apart by what they print or hold."""
    day_starts_s = now_s - now_s % DAY_S
    if prices is not None:
        others = (*others, prices.starts_s, prices.eur_per_mwh)
    known_c = sorted((day, celsius) for day, celsius in (outdoor_c or {}).items() if day < now_s // DAY_S)
    digest = blake2b(repr(known_c).encode(), digest_size=16)
    for other in others:
        digest.update(other.tobytes() if isinstance(other, np.ndarray) else repr(other).encode())
    for group in groups:
        digest.update(repr((group.name, group.stays)).encode())
        for array in _arrays_of(group, day_starts_s):
            digest.update(np.ascontiguousarray(array).tobytes())
    return digest.digest()


def _arrays_of(group: ChargerGroup, day_starts_s: int) -> Iterator[Array]:
    over = group.history.completed_before(day_starts_s)
    yield from (over.charger, over.plug_in_s, over.plug_out_s, over.energy_kwh, over.power_kw)
    if over.card is not None:
        yield over.card
    yield from (group.traits.floor_kw, group.traits.v2g)
    if group.reported_s is not None:
        yield group.reported_s[group.reported_s <= day_starts_s]
    if group.declared is not None:
        is_told = group.declared.told_s <= day_starts_s
        said = group.declared
        yield from (column[is_told] for column in (said.session, said.told_s, said.plug_out_s, said.energy_kwh))
