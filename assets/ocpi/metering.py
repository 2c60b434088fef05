"""Energy per quarter hour from a session's charging periods. Pure.

Periods begin when the platform likes, so the registers at quarter hours lie on straight lines between those at the
periods' starts: an estimate, and marked as one. What no period tells is not known; it is never zero.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from itertools import pairwise

import numpy as np

from aggregator.core.ptu import PTU, ptu_start
from assets.ocpi.objects import W_PER_KW, Session

LONGEST_SESSION = timedelta(days=31)
"""What claims to be longer is a session that nobody ended."""
WH_PER_KWH = W_PER_KW


def quarter_energy(session: Session) -> dict[datetime, tuple[int, int]]:
    """Return what a session took and gave [Wh] in each PTU that it was in and of which it tells all.

    Of a PTU in which the session starts or ends that is its own part. The newest period of a session that goes on is
    still open, and says nothing yet.
    """
    starts = [period.starts_at for period in session.periods]
    end = session.until if session.is_over else (starts[-1] if starts else session.starts_at)
    volumes = [_energy_wh(period.volumes) for period in session.periods]
    edges = [*starts, end] if session.is_over else starts
    if len(edges) < 2 or end - session.starts_at > LONGEST_SESSION or any(b < a for a, b in pairwise(edges)):  # noqa: PLR2004 - a period has two ends
        return {}
    known = volumes[: len(edges) - 1]
    unknown = [edges[number : number + 2] for number, energy in enumerate(known) if energy is None]
    if session.starts_at < edges[0]:
        unknown.append([session.starts_at, edges[0]])
    at_s = [edge.timestamp() for edge in edges]
    registers = np.vstack([np.zeros(2), np.cumsum([energy or (0.0, 0.0) for energy in known], axis=0)])
    found = {}
    ptu = ptu_start(session.starts_at)
    while ptu < end:
        is_told = session.is_over or ptu + PTU <= end
        if is_told and not any(start < ptu + PTU and stop > ptu for start, stop in unknown):
            borders = [ptu.timestamp(), (ptu + PTU).timestamp()]
            taken, given = (np.diff(np.rint(np.interp(borders, at_s, registers[:, way]))) for way in (0, 1))
            found[ptu] = int(taken[0]), int(given[0])
        ptu += PTU
    return found


def _energy_wh(volumes: Mapping[str, float]) -> tuple[float, float] | None:
    """Return import and export of a period, from the registers if it has both kinds; None where it tells no energy."""
    net = volumes.get("ENERGY")
    taken = volumes.get("ENERGY_IMPORT", None if net is None else max(net, 0.0))
    given = volumes.get("ENERGY_EXPORT", None if net is None else max(-net, 0.0))
    if taken is None and given is None:
        return None
    return max(taken or 0.0, 0.0) * WH_PER_KWH, max(given or 0.0, 0.0) * WH_PER_KWH
