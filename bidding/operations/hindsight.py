"""Replaying promises in hindsight: what dispatch would have held, once it is known what cars did.

Few promises are called, and a call says only whether that one was kept. Every promise that cars carry can be replayed:
their real sessions, under the policy and the limit on drivers' risk of its day, knowing at each moment what was known
then (`bidding/replay`). So the record of a group grows every day, called or not. Batteries and heat pumps count with
what they told when the promise was made: what they would have done is not known.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from aggregator.core.interval import Interval
from aggregator.core.ptu import MARKET_ZONE
from aggregator.core.units import kilowatt, watt
from assets.models import AggregationEan
from bidding.dispatch.allocation.live_policy import rehearsed_policy
from bidding.driver_record import KNOWN_AFTER, driver_record
from bidding.models import BalancingHeadroom, Bid
from bidding.operations.sizing import charger_groups, histories_of
from bidding.optimisation.balancing import held_block
from bidding.optimisation.interface import WindowSpec
from bidding.portfolio import Group, group_during
from bidding.replay.past_windows import PastWindows

REACH = timedelta(days=14)
"""Older promises are left: after so long a stop of the service nobody waits for them."""

Promise = BalancingHeadroom | Bid


@dataclass(frozen=True, slots=True)
class _Field:
    """What some windows are replayed on: the chargers of a group, and the limit on the risk of their drivers."""

    members: tuple[int, ...]
    most_risk: float


def waiting(*, aggregation_ean: AggregationEan, now: datetime, gate: timedelta) -> list[Promise]:
    """Return the promises of a group that can be replayed and are not, oldest first (2 queries).

    A window counts from a day after its end, when its cars are gone or had the time to be full again.
    """
    known = now - KNOWN_AFTER
    of_group = {"aggregation_ean": aggregation_ean, "capacity_w__isnull": True}
    headroom = BalancingHeadroom.objects.filter(
        **of_group, steady_w__isnull=False, reliable_w__gt=0, ptu_start__gte=known - REACH, ptu_start__lt=known
    )
    bids = Bid.objects.filter(
        **of_group,
        explanation__has_key="replay",
        status__in=Bid.STANDS_APPROVED,
        ends_at__gt=known - REACH,
        ends_at__lte=known,
    )
    found: list[Promise] = [
        *headroom.select_related("aggregation_ean").order_by("ptu_start"),
        *bids.select_related("aggregation_ean").order_by("starts_at", "pk"),
    ]
    over = [one for one in found if _window(one, gate).ends_at <= known]
    return sorted(over, key=lambda one: _window(one, gate).starts_at)


class Hindsight:
    """Replays promises; the past is read once for windows in a row with the same chargers and limit."""

    def __init__(self, *, gate: timedelta, now: datetime) -> None:
        self._gate = gate
        self._now = now
        self._field: _Field | None = None
        self._past: PastWindows | None = None

    def replay(self, promise: Promise) -> None:
        """Write down what would have been held. Done twice, or by two at once, it writes the same again."""
        window = _window(promise, self._gate)
        past = self._past_of(promise.aggregation_ean, window)
        promise.capacity_w = _capacity_w(promise, window, past) if past else 0
        promise.save(update_fields=["capacity_w"])

    def _past_of(self, aggregation_ean: AggregationEan, window: Interval) -> PastWindows | None:
        """Return the sessions known by now; None when no charger is left that was a member then."""
        group = group_during(aggregation_ean=aggregation_ean, period=window)
        most_risk = driver_record(aggregation_ean=aggregation_ean, now=window.starts_at).most_risk
        field = _Field(tuple(asset.pk for asset in group.plugs), most_risk)
        if field != self._field:
            self._field, self._past = field, self._read(group, window, most_risk) if group.plugs else None
        return self._past

    def _read(self, group: Group, window: Interval, most_risk: float) -> PastWindows:
        histories = histories_of(group.plugs, self._now)
        return PastWindows(
            charger_groups(group=group, histories=histories, period=window, now=self._now),
            now_s=int(self._now.timestamp()),
            policy=rehearsed_policy(most_risk),
            timezone=MARKET_ZONE.key,
        )


def _window(promise: Promise, gate: timedelta) -> Interval:
    """Return the PTUs that a promise holds in."""
    if isinstance(promise, Bid):
        return Interval(promise.starts_at, promise.ends_at)
    return held_block(promise.ptu_start, gate=gate)


def _capacity_w(promise: Promise, window: Interval, past: PastWindows) -> int:
    if isinstance(promise, Bid):
        promised_w, steady_w = promise.explanation["replay"]["promised_w"], promise.explanation["replay"]["steady_w"]
    else:
        promised_w, steady_w = promise.reliable_w, promise.steady_w
    spec = WindowSpec(
        starts_s=int(window.starts_at.timestamp()),
        ends_s=int(window.ends_at.timestamp()),
        direction="reduce",
        baseline="arrival",
        reliability=float(promise.reliability),
        min_bid_kw=1.0,
        step_kw=1.0,
    )
    return watt(past.kept_kw(spec, others_kw=kilowatt(steady_w), promised_kw=kilowatt(promised_w)))
