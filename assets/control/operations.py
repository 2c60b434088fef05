"""Setpoints leave here, and what partners answer is kept.

    send_setpoints(*, now, aggregation_ean, order_reference, reason, revision, plan, deadline_at) -> list[SetpointBatch]
    record_setpoint_results(*, partner_id, rows, now) -> number updated
    deliver_setpoints(*, clock, http) -> DeliveryReport

A setpoint exists only because of an order or an operator with a reason, ends by itself, and lies within the limits of
its asset, its connection, its partner, its group and the fleet: what does not is refused, never trimmed. This is the
one place where setpoints leave, and they leave one plan at a time, so two plans cannot pass a limit together.
"""

import json
import logging
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import IntegrityError, connection, transaction
from django.db.backends.postgresql.psycopg_any import DateTimeTZRange
from django.db.models import Q

from aggregator.core import locks
from aggregator.core.clock import Clock
from aggregator.core.http import HttpClient, Response
from aggregator.core.messaging.operations import DeliveryReport, deliver_due
from aggregator.core.models import OutboxMessage
from assets.control.channel import SETPOINTS_CHANNEL
from assets.control.fallback import time_to_live_s
from assets.control.gate import broken_scope_limit
from assets.control.limits import AssetLimits, PlannedSetpoint, Refusal, refusals
from assets.control.own_rest import OwnRest
from assets.control.ports import ControlAdapter, SentSetpoint
from assets.control.webhooks import signed_headers
from assets.models import Asset, Membership, OcpiConnection, Partner, Setpoint, SetpointBatch
from assets.ocpi.commands import OcpiProfiles
from assets.operations.reports import Rows
from assets.staging import copied, staged
from assets.validation import kinds
from assets.validation.rows import InvalidRows, RowError

__all__ = [
    "PlannedSetpoint",
    "Refusal",
    "SetpointRefused",
    "deliver_setpoints",
    "record_setpoint_results",
    "send_setpoints",
]

logger = logging.getLogger(__name__)

ANSWER_ERRORS_LOGGED = 5


class SetpointRefused(ValueError):
    """Nothing was sent; `refusals` names each asset and why (an empty list: the whole request is at fault)."""

    def __init__(self, reason: str, refusals: Sequence[Refusal] = ()) -> None:
        super().__init__(reason)
        self.refusals = list(refusals)


@transaction.atomic
def send_setpoints(
    *,
    now: datetime,
    aggregation_ean: str,
    order_reference: str,
    reason: str,
    revision: int,
    plan: Sequence[PlannedSetpoint],
    deadline_at: datetime,
) -> list[SetpointBatch]:
    """Store what each partner is told and put it in the outbox; return one batch per partner, by partner.

    Raises `SetpointRefused`, and nothing is stored, when there is neither an order nor a reason, when an asset is not a
    member of the group through its whole period, when a value lies outside its limits, when a period is past, off the
    quarter hours or too long, or when a partner is stopped or inactive. `deadline_at`: after it a batch that could not
    be delivered is given up.
    """
    _refuse_request(now, order_reference, reason, plan, deadline_at)
    locks.take(locks.AdvisoryLock.STEERING_LIMITS, 0)
    limits = _limits(aggregation_ean, plan)
    # Locked in order, and before batch ids are drawn: a partner's batches commit in the order of their ids, so a
    # reader of the feed never skips one; and a stop either comes first and is seen, or waits and withdraws the message.
    partners = {
        partner.pk: partner
        for partner in Partner.objects.filter(pk__in={limit.partner_id for limit in limits.values()})
        .select_related("ocpi")
        .order_by("pk")
        .select_for_update(no_key=True, of=("self",))
    }
    stopped = {partner.pk: partner.name for partner in partners.values() if partner.is_stopped or not partner.is_active}
    refused = list(refusals(plan, limits=limits, stopped=stopped, now=now))
    if refused:
        raise SetpointRefused(
            f"{len(refused)} of {len(plan)} setpoints are refused, so none was sent. First: {refused[0].message}",
            refused,
        )
    broken = broken_scope_limit(now=now, aggregation_ean=aggregation_ean, plan=plan, limits=limits)
    if broken:
        raise SetpointRefused(f"{broken.message} Nothing was sent.", broken.refusals)
    try:
        with transaction.atomic():
            batches = SetpointBatch.objects.bulk_create(
                SetpointBatch(
                    partner=partner,
                    aggregation_ean_id=aggregation_ean,
                    order_reference=order_reference,
                    reason=reason,
                    revision=revision,
                    created_at=now,
                )
                for partner in partners.values()
            )
    except IntegrityError as error:
        raise SetpointRefused(
            f"Order {order_reference} already has setpoints of revision {revision}. Use the next revision."
        ) from error
    by_partner: dict[int, list[PlannedSetpoint]] = defaultdict(list)
    for planned in plan:
        by_partner[limits[planned.asset_id].partner_id].append(planned)
    for batch in batches:
        setpoints = _store(batch, by_partner[batch.partner_id], limits)
        batch.message = _adapter(batch.partner).enqueue(
            now=now, batch=batch, setpoints=setpoints, deadline_at=deadline_at
        )
    SetpointBatch.objects.bulk_update([batch for batch in batches if batch.message], ["message"])
    return batches


@transaction.atomic
def record_setpoint_results(*, partner_id: int, rows: Rows, now: datetime) -> int:
    """Keep the newest result of each setpoint; return how many changed.

    A row answers one setpoint, or a whole batch, as a partner does that divides the power of a group by itself; at the
    same instant what names the setpoint counts, and then the later row. Raises `InvalidRows` on foreign or unknown ids,
    and on results from the future, which would hide all that come after them. Rows as in
    `assets.validation.kinds.RESULT`.
    """
    columns = kinds.RESULT.read(rows)
    early = list(kinds.in_the_future(columns, "at", now=now))
    if early:
        raise InvalidRows(early)
    wanted = Q(pk__in=columns["setpoint_id"]) | Q(batch_id__in=columns["batch_id"])
    of_batch: dict[int, list[int]] = defaultdict(list)
    for setpoint_id, batch_id in (
        Setpoint.objects.filter(wanted, batch__partner_id=partner_id).order_by("pk").values_list("pk", "batch_id")
    ):
        of_batch[batch_id].append(setpoint_id)
    known = {setpoint_id for ids in of_batch.values() for setpoint_id in ids}
    newest: dict[tuple[bool, int], int] = {}
    unknown = []
    for index, (one, batch_id, at) in enumerate(
        zip(columns["setpoint_id"], columns["batch_id"], columns["at"], strict=True)
    ):
        is_named, number = (True, one) if one is not None else (False, batch_id)
        if number not in (known if is_named else of_batch):
            field, what = ("setpoint_id", "setpoint") if is_named else ("batch_id", "batch")
            unknown.append(RowError(index, field, "unknown-setpoint", f"No {what} {number} was sent to this partner."))
        if at >= columns["at"][newest.setdefault((is_named, number), index)]:
            newest[is_named, number] = index
    if unknown:
        raise InvalidRows(unknown)
    answered = (
        (setpoint_id, is_named, *(columns[name][index] for name in _ANSWER_TYPES))
        for (is_named, number), index in newest.items()
        for setpoint_id in ([number] if is_named else of_batch[number])
    )
    types = {"setpoint_id": "int8", "is_named": "bool", **_ANSWER_TYPES}
    with staged("answered", types, answered), connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE assets_setpoint AS old
            SET status = new.status, result_at = new.at, result_reason = new.reason,
                achieved_w = COALESCE(new.achieved_w, old.achieved_w)
            FROM (
                SELECT DISTINCT ON (setpoint_id) * FROM answered ORDER BY setpoint_id, at DESC, is_named DESC
            ) AS new
            WHERE old.id = new.setpoint_id AND (old.result_at IS NULL OR old.result_at <= new.at)
              AND (old.status, old.result_reason, old.achieved_w)
                  IS DISTINCT FROM (new.status, new.reason, COALESCE(new.achieved_w, old.achieved_w))
            """
        )
        return int(cursor.rowcount)


_ANSWER_TYPES = {"status": "text", "at": "timestamptz", "reason": "text", "achieved_w": "int8"}


def deliver_setpoints(*, clock: Clock, http: HttpClient) -> DeliveryReport:
    """Push what is due, signed, and keep what the partners answer."""

    def on_answer(message: OutboxMessage, answer: Response) -> None:
        _keep_answer(message, answer, now=clock.now())

    return deliver_due(
        clock=clock,
        channel=SETPOINTS_CHANNEL,
        http=http,
        credentials=lambda message: _signed(message, now=clock.now()),
        on_answer=on_answer,
        on_dead=_note_undelivered,
    )


def _adapter(partner: Partner) -> ControlAdapter:
    """Return how a partner is told: over OCPI once its platform is registered, else over our own interface."""
    connection: OcpiConnection | None = getattr(partner, "ocpi", None)
    return OcpiProfiles() if connection is not None and connection.registered_at is not None else OwnRest()


def _refuse_request(
    now: datetime, order_reference: str, reason: str, plan: Sequence[PlannedSetpoint], deadline_at: datetime
) -> None:
    if not order_reference and not reason.strip():
        raise SetpointRefused("A setpoint needs the order it serves, or an operator's reason. Give one of the two.")
    if not plan:
        raise SetpointRefused("The plan names no asset, so there is nothing to send.")
    if deadline_at <= now:
        raise SetpointRefused(f"The deadline {deadline_at.isoformat()} has passed. Plan for what is still ahead.")


def _limits(aggregation_ean: str, plan: Sequence[PlannedSetpoint]) -> dict[int, AssetLimits]:
    """Return the limits of each planned asset, with its membership in the group during the plan.

    Two plain reads put together here: the planner may misjudge their join just after a portfolio was loaded.
    """
    ids = [planned.asset_id for planned in plan]
    during = DateTimeTZRange(min(one.starts_at for one in plan), max(one.ends_at for one in plan))
    memberships: dict[int, tuple[datetime | None, datetime | None]] = {}
    for asset_id, period in (
        Membership.objects.filter(aggregation_ean=aggregation_ean, period__overlap=during)
        .order_by("asset_id", "-period")  # of several, the first one counts
        .values_list("asset_id", "period")
    ):
        memberships[asset_id] = (period.lower, period.upper)
    assets = Asset.objects.filter(pk__in=ids).values_list(
        "id", "partner_id", "external_id", "kind", "is_active", "max_import_w", "max_export_w"
    )
    return {row[0]: AssetLimits(*row[1:], membership=memberships.get(row[0])) for row in assets}


def _store(
    batch: SetpointBatch, planned: Sequence[PlannedSetpoint], limits: Mapping[int, AssetLimits]
) -> list[SentSetpoint]:
    """Copy a batch's setpoints in; return them with their ids and the assets' names."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT nextval(pg_get_serial_sequence('assets_setpoint', 'id')) FROM generate_series(1, %s)",
            [len(planned)],
        )
        ids = [number for (number,) in cursor.fetchall()]
    ttls_s = [time_to_live_s(limits[one.asset_id].kind, one.power_w) for one in planned]
    pending = str(Setpoint.Status.PENDING)
    copied(
        "assets_setpoint",
        {
            "id": "int8",
            "batch_id": "int8",
            "asset_id": "int8",
            "starts_at": "timestamptz",
            "ends_at": "timestamptz",
            "power_w": "int8[]",
            "start_early_s": "int2",
            "end_late_s": "int2",
            "ttl_s": "int2",
            "status": "varchar",
            "result_reason": "text",
        },
        (
            (
                number,
                batch.pk,
                one.asset_id,
                one.starts_at,
                one.ends_at,
                list(one.power_w),
                one.start_early_s,
                one.end_late_s,
                ttl_s,
                pending,
                "",
            )
            for number, one, ttl_s in zip(ids, planned, ttls_s, strict=True)
        ),
    )
    return [
        SentSetpoint(
            number,
            limits[one.asset_id].external_id,
            limits[one.asset_id].kind,
            one.starts_at,
            one.ends_at,
            one.power_w,
            one.start_early_s,
            one.end_late_s,
            ttl_s,
        )
        for number, one, ttl_s in zip(ids, planned, ttls_s, strict=True)
    ]


def _signed(message: OutboxMessage, *, now: datetime) -> Mapping[str, str]:
    partner = Partner.objects.get(setpoint_batches__message=message)
    is_retiring = bool(partner.retiring_callback_secret and partner.retires_at and now < partner.retires_at)
    return signed_headers(
        message_id=message.idempotency_key,
        # The machine's time, also where ours is a virtual one: receivers compare it with theirs.
        sent_at_s=int(time.time()),
        body=bytes(message.body),
        secrets=[partner.callback_secret, *([partner.retiring_callback_secret] if is_retiring else [])],
    )


def _keep_answer(message: OutboxMessage, answer: Response, *, now: datetime) -> None:
    """Store the results in a partner's answer. What cannot be read leaves the setpoints unanswered, and is reported."""
    batch = message.setpoint_batch
    try:
        results = _results_in(answer.body, now)
        record_setpoint_results(partner_id=batch.partner_id, rows=results, now=now)
    except (ValueError, RecursionError) as error:  # InvalidRows is a ValueError; nesting without end recurses
        detail = [f"{one.field}: {one.message}" for one in getattr(error, "errors", [])[:ANSWER_ERRORS_LOGGED]]
        logger.warning("The answer to setpoint batch %s is not usable: %s %s", batch.pk, error, detail)


def _results_in(body: bytes, now: datetime) -> list[dict[str, Any]]:
    document = json.loads(body)
    results = document.get("results") if isinstance(document, dict) else None
    if not isinstance(results, list) or not all(isinstance(result, dict) for result in results):
        raise ValueError('The answer has no list "results".')
    return [{**result, "at": now} for result in results]


def _note_undelivered(message: OutboxMessage) -> None:
    Setpoint.objects.filter(batch__message=message, status=Setpoint.Status.PENDING).update(
        result_reason=f"Not delivered: {message.last_error[:500]}"
    )
