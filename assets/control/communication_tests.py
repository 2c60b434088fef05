"""Moving an asset for a few minutes, to see that a setpoint reaches it and how long that takes.

    start_communication_tests(*, partner_id, rows, now) -> list[CommunicationTest]
    communication_report(*, partner_id, test_id, now) -> CommunicationReport | None

A test goes the way of every setpoint: the same limits, the same outbox, an end by itself. It never runs while an order
rules the asset, and an order that comes meanwhile replaces it.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction

from aggregator.core import locks
from aggregator.core.ptu import PTU, ptu_start
from assets.control.limits import PlannedSetpoint
from assets.control.operations import SetpointRefused, send_setpoints
from assets.models import AssetState, CommunicationTest, Membership, Setpoint
from assets.operations.movements import TOLERANCE_W
from assets.operations.reports import Rows
from assets.operations.resolve import asset_ids
from assets.validation import kinds
from assets.validation.rows import InvalidRows, RowError

SHORTEST = timedelta(minutes=5)
"""With less left of the present quarter hour, the test takes the next one too."""

REPORTS_MAY_TAKE = timedelta(minutes=10)
"""How long after its end a test waits for reports of what happened."""

REASON = "Communication test, asked for by the partner"


class NotNow(RuntimeError):
    """The tests cannot run now: a limit of the group, the partner or the fleet is in the way."""


@dataclass(frozen=True, slots=True)
class CommunicationReport:
    """How far a test has come. Times are None until something happened.

    `verdict`: waiting, moved, rejected (the partner said so), undelivered, or not_moved (it ended without a report of
    the power asked). `round_trip_ms`: our push and the partner's answer to it.
    """

    test_id: int
    asset: str
    power_w: int
    starts_at: datetime
    ends_at: datetime
    sent_at: datetime
    answered_at: datetime | None
    round_trip_ms: int | None
    answer: str
    reason: str
    before_w: int | None
    moved_at: datetime | None
    moved_w: int | None
    moved_after_s: int | None
    verdict: str


@transaction.atomic
def start_communication_tests(*, partner_id: int, rows: Rows, now: datetime) -> list[CommunicationTest]:
    """Ask assets to keep a power below their present one for some minutes; return a test for each, in order.

    Raises `InvalidRows` (and nothing is sent) for assets that are unknown, in no group, under an order or a test, or
    that take no more than is asked, and for power outside their limits; `NotNow` when a wider limit is in the way.
    Rows as in `assets.validation.kinds.COMMUNICATION_TEST`.
    """
    columns = kinds.COMMUNICATION_TEST.read(rows)
    assets = asset_ids(partner_id=partner_id, names=columns["asset"])
    asked_w: dict[int, int] = dict(zip(assets, columns["power_w"], strict=True))
    locks.take(locks.AdvisoryLock.STEERING_LIMITS, 0)  # no order may slip in between looking and sending
    groups = dict(
        Membership.objects.filter(asset_id__in=assets, period__contains=now).values_list(
            "asset_id", "aggregation_ean_id"
        )
    )
    before_w = dict(AssetState.objects.filter(asset_id__in=assets).values_list("asset_id", "power_w"))
    errors = list(_obstacles(asked_w, groups, before_w, now))
    if errors:
        raise InvalidRows(errors)
    start = ptu_start(now)
    end = start + PTU if start + PTU - now >= SHORTEST else start + 2 * PTU
    plans: dict[str, list[PlannedSetpoint]] = defaultdict(list)
    for asset_id, power_w in asked_w.items():
        plans[groups[asset_id]].append(PlannedSetpoint(asset_id, start, end, [power_w] * ((end - start) // PTU)))
    setpoints: dict[int, Setpoint] = {}
    for ean, plan in sorted(plans.items()):
        try:
            batches = send_setpoints(
                now=now,
                aggregation_ean=ean,
                order_reference="",
                reason=REASON,
                revision=1,
                plan=plan,
                deadline_at=end,
            )
        except SetpointRefused as refused:
            if not refused.refusals:
                raise NotNow(str(refused)) from refused
            raise InvalidRows(
                RowError(assets.index(one.asset_id), "power_w", one.code, one.message) for one in refused.refusals
            ) from refused
        setpoints |= {one.asset_id: one for one in Setpoint.objects.filter(batch__in=batches)}
    return CommunicationTest.objects.bulk_create(
        CommunicationTest(setpoint=setpoints[asset_id], before_w=before_w[asset_id]) for asset_id in assets
    )


def communication_report(*, partner_id: int, test_id: int, now: datetime) -> CommunicationReport | None:
    """Return how far one of a partner's tests has come, or None when it has no such test."""
    test = (
        CommunicationTest.objects.filter(pk=test_id, setpoint__batch__partner_id=partner_id)
        .select_related("setpoint__asset", "setpoint__batch__message")
        .first()
    )
    if test is None:
        return None
    setpoint, batch = test.setpoint, test.setpoint.batch
    message = batch.message
    last = message.delivery_attempts.order_by("-id").first() if message else None
    moved_after = test.moved_at - batch.created_at if test.moved_at else None
    return CommunicationReport(
        test_id=test.pk,
        asset=setpoint.asset.external_id,
        power_w=setpoint.power_w[0],
        starts_at=setpoint.starts_at,
        ends_at=setpoint.ends_at,
        sent_at=batch.created_at,
        answered_at=setpoint.result_at,
        round_trip_ms=last.duration_ms if last and message and message.delivered_at else None,
        answer=setpoint.status,
        reason=setpoint.result_reason,
        before_w=test.before_w,
        moved_at=test.moved_at,
        moved_w=test.moved_w,
        moved_after_s=round(moved_after.total_seconds()) if moved_after else None,
        verdict=_verdict(test, now),
    )


def _verdict(test: CommunicationTest, now: datetime) -> str:
    message = test.setpoint.batch.message
    if test.moved_at:
        return "moved"
    if test.setpoint.status == Setpoint.Status.REJECTED:
        return "rejected"
    if message and message.dead_at:
        return "undelivered"
    return "waiting" if now < test.setpoint.ends_at + REPORTS_MAY_TAKE else "not_moved"


def _obstacles(
    asked_w: dict[int, int], groups: dict[int, str], before_w: dict[int, int], now: datetime
) -> Iterable[RowError]:
    standing = Setpoint.objects.filter(asset_id__in=asked_w, ends_at__gt=now).exclude(status=Setpoint.Status.REJECTED)
    ordered = set(standing.exclude(batch__order_reference="").values_list("asset_id", flat=True))
    told = set(standing.values_list("asset_id", flat=True))
    for index, (asset_id, power_w) in enumerate(asked_w.items()):
        power_now = before_w.get(asset_id)
        if asset_id not in groups:
            yield RowError(index, "asset", "in-no-group", "The asset is in no aggregation EAN now. Ask us to enrol it.")
        elif asset_id in ordered:
            yield RowError(index, "asset", "under-order", "An order rules the asset. Test after it has ended.")
        elif asset_id in told:
            yield RowError(index, "asset", "under-test", "The asset follows another setpoint. Wait until it has ended.")
        elif power_now is None:
            yield RowError(index, "asset", "no-state", "The asset has no state. Report its state first.")
        elif power_now <= power_w + TOLERANCE_W:
            yield RowError(
                index,
                "power_w",
                "nothing-to-see",
                f"The asset takes {power_now} W, so keeping to {power_w} W would not show. Ask for at least "
                f"{TOLERANCE_W} W less than it takes, or test when it takes more.",
            )
