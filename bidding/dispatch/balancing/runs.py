"""The activations for balancing energy: they grow with the bids that TenneT may call.

A group has one per direction for each unbroken run of quarter hours within a Dutch day. It is there half an hour before
its first quarter hour: bids are final by then, and dispatch plans ahead.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from django.db import transaction

from aggregator.core.interval import Interval
from aggregator.core.locks import AdvisoryLock, try_take
from aggregator.core.ptu import MARKET_ZONE, PTU, ptu_range, ptu_start
from bidding.models import Activation, ActivationPtu, BalancingBid
from bidding.queries import balancing_parts

AHEAD = timedelta(minutes=30)
KNOWN = (BalancingBid.Status.STANDS, BalancingBid.Status.UNKNOWN)
"""What TenneT has, or may have; what is being sent may still be refused."""

_OVER = (Activation.Status.FINISHED, Activation.Status.SETTLED)

Key = tuple[str, str]
Parts = Mapping[datetime, int]


@transaction.atomic
def keep_runs(*, now: datetime) -> None:
    """Have an activation for each part of a group in a known bid for the running and the coming quarter hours.

    None is made shorter unless a bid has ended. One that is being planned is left to the next time.
    """
    present = ptu_start(now)
    parts = _parts(Interval(present, ptu_start(now + AHEAD) + PTU))
    runs: dict[Key, list[Activation]] = defaultdict(list)
    for run in _open_runs(present):
        runs[run.aggregation_ean_id, run.direction].append(run)
    for key in sorted({*parts, *runs}):
        _keep(key, runs[key], parts.get(key, {}), now=now)


def _parts(period: Interval) -> dict[Key, dict[datetime, int]]:
    found: dict[Key, dict[datetime, int]] = defaultdict(lambda: defaultdict(int))
    for ptu in ptu_range(period):
        for part in balancing_parts(ptu).filter(balancing_bid__status__in=KNOWN):
            found[part.entry.aggregation_ean_id, part.entry.direction][ptu] += part.power_w
    return found


def _open_runs(present: datetime) -> list[Activation]:
    """Return those that go on now, or ended just now and may go on."""
    found = Activation.objects.filter(is_balancing=True, ends_at__gte=present).exclude(status__in=_OVER)
    return list(found.prefetch_related("ptus").order_by("starts_at", "pk"))


def _keep(key: Key, runs: list[Activation], parts: Parts, *, now: datetime) -> None:
    """Give each part to the run that has its quarter hour, or that ends where it begins; else begin one."""
    present = ptu_start(now)
    rows = {run: {ptu.ptu_start: ptu for ptu in run.ptus.all()} for run in runs}
    wanted = {run: {at: parts.get(at, 0) for at in known if at >= present} for run, known in rows.items()}
    for start in sorted(parts):
        if any(start in known for known in rows.values()) or any(start in more for more in wanted.values()):
            continue
        run = next((run for run in wanted if _goes_on(run, [*rows[run], *wanted[run]], start)), None)
        if run is None:
            run = _begin(key, start, now=now)
            rows[run], wanted[run] = {}, {}
        wanted[run][start] = parts[start]
    for run, own in wanted.items():
        known = rows[run]
        changed = {at: part_w for at, part_w in own.items() if at not in known or known[at].part_w != part_w}
        if changed and try_take(AdvisoryLock.DISPATCH, run.pk) and not _is_over(run):
            _change(run, changed, known, now=now)


def _goes_on(run: Activation, ptus: Iterable[datetime], start: datetime) -> bool:
    """Tell whether a run may grow by the quarter hour at `start`."""
    days = {instant.astimezone(MARKET_ZONE).date() for instant in (run.starts_at, start)}
    return len(days) == 1 and start == max(ptus, default=run.starts_at) + PTU


def _begin(key: Key, start: datetime, *, now: datetime) -> Activation:
    ean, direction = key
    return Activation.objects.create(
        reference=f"afrr-{ean}-{direction}-{start:%Y%m%dT%H%MZ}",
        is_balancing=True,
        aggregation_ean_id=ean,
        direction=direction,
        starts_at=start,
        ends_at=start + PTU,
        ordered_at=now,
        updated_at=now,
    )


def _is_over(run: Activation) -> bool:
    """Tell whether dispatch ended a run since it was read: what it gets now nobody would plan, so another begins."""
    return Activation.objects.filter(pk=run.pk, status__in=_OVER).exists()


def _change(run: Activation, parts: Parts, known: Mapping[datetime, ActivationPtu], *, now: datetime) -> None:
    """Take over what a group has in the bids of some quarter hours, and let the run end after the last of them."""
    for start, part_w in sorted(parts.items()):
        row = known.get(start)
        if row is None:
            ActivationPtu.objects.create(activation=run, ptu_start=start, part_w=part_w, ordered_w=0)
            continue
        row.part_w, row.ordered_w = part_w, min(row.ordered_w, part_w)
        row.save(update_fields=["part_w", "ordered_w"])  # what was planned meanwhile stays
    rows, changed = list(run.ptus.order_by("ptu_start")), {"ends_at", "updated_at"}
    while len(rows) > 1 and not rows[-1].part_w and rows[-1].ptu_start > now:
        rows.pop().delete()
        run.planned_until = None  # what was told to its old end is told anew
        changed.add("planned_until")
    run.ends_at, run.updated_at = rows[-1].ptu_start + PTU, now
    run.save(update_fields=changed)
