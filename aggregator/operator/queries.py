"""What the front page reads. Every function makes a fixed number of queries, however many rows there are."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.conf import settings
from django.db import connection
from django.db.models import Case, Count, Exists, F, Min, OuterRef, Q, Sum, When

from aggregator.core.interval import Interval
from aggregator.core.messaging.breaker import resting
from aggregator.core.models import Breaker, Job, OutboxMessage
from aggregator.core.ptu import PTU
from assets.models import AggregationEan, Asset, Partner, Setpoint, SteeringLimit
from bidding.models import Activation, Announcement, Bid, LedgerEntry, NoBid
from bidding.queries import groups_asked, newest_announcements
from settlement.models import DeliveryShare
from settlement.queries import latest_deliveries, unsettled_activations
from settlement.remuneration.shares import EnergyShare, lines_of_ean

SHOWN_ACTIVATIONS = 12
SHOWN_TROUBLE = 5
SILENT_AFTER = 2 * PTU
"""An asset that did not report for this long is taken to draw nothing when a PTU is planned (bidding.dispatch)."""


@dataclass(frozen=True, slots=True)
class GroupLedger:
    """What a group may sell and has sold in each PTU of a day where anything was sized, by (direction, PTU)."""

    ean: str
    name: str
    sellable_w: dict[tuple[str, datetime], int]
    committed_w: dict[tuple[str, datetime], int]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a group said to an announcement: a bid, a reason for none, or nothing yet."""

    ean: str
    group: str
    autonomy: str
    bid: Bid | None
    no_bid: NoBid | None


@dataclass(frozen=True, slots=True)
class OpenAnnouncement:
    """The newest revision of a call that is not over, with the answers of the groups in its area."""

    announcement: Announcement
    gate_closes_at: datetime
    answers: tuple[Answer, ...]


@dataclass(frozen=True, slots=True)
class Quarter:
    """One PTU of an activation. Powers are averages over the PTU; None is not known, which is not zero."""

    starts_at: datetime
    ordered_w: int
    expected_w: int | None
    metered_w: int | None
    received: int
    members: int
    limit_w: int | None = None
    """The consumption that a call allows at most; where it is to rise, at least: what may be fed in is below zero."""

    @property
    def is_complete(self) -> bool:
        """Whether every member's meter value is in."""
        return 0 < self.members == self.received


@dataclass(frozen=True, slots=True)
class ActivationNow:
    """An activation that is not settled, quarter hour by quarter hour."""

    activation: Activation
    quarters: tuple[Quarter, ...]


@dataclass(frozen=True, slots=True)
class PartnerToday:
    """How a partner's assets behave."""

    partner: Partner
    assets: int
    silent: int
    setpoints: dict[str, int]


@dataclass(frozen=True, slots=True)
class Waiting:
    """Messages of one channel that are neither delivered nor given up."""

    channel: str
    messages: int
    oldest: OutboxMessage
    first_deadline_at: datetime


@dataclass(frozen=True, slots=True)
class Trouble:
    """Messages given up and jobs failed since a moment: how many, and the last few."""

    dead: int
    last_dead: tuple[OutboxMessage, ...]
    failed: int
    last_failed: tuple[Job, ...]


@dataclass(frozen=True, slots=True)
class Earnings:
    """Money for the newest delivery versions of a period, rounded as a statement rounds it."""

    total_eur: Decimal
    partners_eur: Decimal
    delivered_wh: int
    unsettled: int


def ledger_of(day: Interval) -> list[GroupLedger]:
    """Return every group with its ledger in a period, by name (2 queries)."""
    groups = {
        ean: GroupLedger(ean, name, {}, {})
        for ean, name in AggregationEan.objects.order_by("name").values_list("ean", "name")
    }
    rows = LedgerEntry.objects.filter(ptu_start__gte=day.starts_at, ptu_start__lt=day.ends_at)
    for ean, direction, ptu, sellable_w, committed_w in rows.values_list(
        "aggregation_ean_id", "direction", "ptu_start", "sellable_w", "committed_w"
    ):
        groups[ean].sellable_w[direction, ptu] = sellable_w
        groups[ean].committed_w[direction, ptu] = committed_w
    return list(groups.values())


def open_announcements(now: datetime) -> list[OpenAnnouncement]:
    """Return the calls that are open and not over, soonest first, with every answer (4 queries)."""
    asked = groups_asked(newest_announcements().filter(is_open=True, ends_at__gt=now))
    announcements = list(asked)
    external_ids = [announcement.external_id for announcement in announcements]
    answered = {"announcement__external_id__in": external_ids}
    bids = {
        (bid.announcement.external_id, bid.aggregation_ean_id): bid
        for bid in Bid.objects.filter(**answered).select_related("announcement").order_by("created_at", "pk")
    }
    no_bids = {
        (no_bid.announcement.external_id, no_bid.aggregation_ean_id): no_bid
        for no_bid in NoBid.objects.filter(**answered).select_related("announcement").order_by("decided_at", "pk")
    }
    return [
        OpenAnnouncement(
            announcement,
            announcement.starts_at - settings.EXCHANGE_GATE,
            tuple(
                Answer(
                    group.ean,
                    group.name,
                    group.autonomy,
                    bids.get((announcement.external_id, group.ean)),
                    no_bids.get((announcement.external_id, group.ean)),
                )
                for group in sorted(asked[announcement], key=lambda group: group.name)
            ),
        )
        for announcement in announcements
    ]


def activations_now() -> list[ActivationNow]:
    """Return activations that are not settled, with what was metered so far (2 queries).

    If there are too many, those that run and come first are among them, then those that finished last.
    """
    waits = Case(When(status=Activation.Status.FINISHED, then=F("ends_at")))
    pressing = (
        Activation.objects.exclude(status=Activation.Status.SETTLED)
        .select_related("aggregation_ean")
        .order_by(waits.desc(nulls_first=True), "starts_at", "pk")[:SHOWN_ACTIVATIONS]
    )
    activations = sorted(pressing, key=lambda one: (one.starts_at, one.pk))
    quarters = _quarters(activations)
    return [ActivationNow(activation, tuple(quarters[activation.pk])) for activation in activations]


# Every PTU of some activations, the consumption that was expected before the bid, and the sum over the members of
# that moment whose meter value is in, at its highest revision.
_QUARTERS = """
    WITH quarter AS MATERIALIZED (
        SELECT activation.id, activation.aggregation_ean_id AS ean, ptu.ptu_start, ptu.ordered_w, nomination.power_w,
               coalesce(ptu.max_import_w, -ptu.max_export_w) AS limit_w
          FROM bidding_activation activation
          JOIN bidding_activationptu ptu ON ptu.activation_id = activation.id
          LEFT JOIN bidding_baselinenomination nomination
            ON nomination.bid_id = activation.bid_id AND nomination.ptu_start = ptu.ptu_start
         WHERE activation.id = ANY(%(activations)s)
    ), latest AS MATERIALIZED (
        SELECT DISTINCT ON (asset_id, starts_at) asset_id, starts_at, import_wh - export_wh AS net_wh
          FROM assets_meterinterval
         WHERE starts_at >= %(first)s AND starts_at < %(last)s
           AND starts_at IN (SELECT ptu_start FROM quarter)
           AND asset_id IN (
               SELECT asset_id FROM assets_membership WHERE aggregation_ean_id IN (SELECT ean FROM quarter))
         ORDER BY asset_id, starts_at, revision DESC
    )
    SELECT quarter.id, quarter.ptu_start, quarter.ordered_w, quarter.power_w,
           sum(latest.net_wh)::bigint, count(latest.asset_id), count(member.asset_id), quarter.limit_w
      FROM quarter
      LEFT JOIN assets_membership member
        ON member.aggregation_ean_id = quarter.ean AND member.period @> quarter.ptu_start
      LEFT JOIN latest ON latest.asset_id = member.asset_id AND latest.starts_at = quarter.ptu_start
     GROUP BY quarter.id, quarter.ptu_start, quarter.ordered_w, quarter.power_w, quarter.limit_w
     ORDER BY quarter.id, quarter.ptu_start
"""


def _quarters(activations: Sequence[Activation]) -> dict[int, list[Quarter]]:
    found: dict[int, list[Quarter]] = defaultdict(list)
    if not activations:
        return found
    with connection.cursor() as cursor:
        cursor.execute(
            _QUARTERS,
            {
                "activations": [activation.pk for activation in activations],
                "first": min(activation.starts_at for activation in activations),
                "last": max(activation.ends_at for activation in activations),
            },
        )
        for activation_id, starts_at, ordered_w, expected_w, net_wh, *counted in cursor.fetchall():
            metered_w = None if net_wh is None else net_wh * (timedelta(hours=1) // PTU)
            found[activation_id].append(Quarter(starts_at, ordered_w, expected_w, metered_w, *counted))
    return found


def partners_today(*, day: Interval, now: datetime) -> list[PartnerToday]:
    """Return every partner with its assets, those that are silent, and the setpoints sent in `day` (2 queries)."""
    silent = Q(assets__state__isnull=True) | Q(assets__state__at__lt=now - SILENT_AFTER)
    is_active = Q(assets__is_active=True)
    partners = Partner.objects.annotate(
        active_assets=Count("assets", filter=is_active), silent_assets=Count("assets", filter=is_active & silent)
    ).order_by("name")
    counts: dict[int, dict[str, int]] = defaultdict(dict)
    statuses = (
        Setpoint.objects.filter(batch__created_at__gte=day.starts_at, batch__created_at__lt=day.ends_at)
        .values("batch__partner", "status")
        .annotate(number=Count("pk"))
        .values_list("batch__partner", "status", "number")
        .order_by()
    )
    for partner_id, status, number in statuses:
        counts[partner_id][status] = number
    return [
        PartnerToday(partner, partner.active_assets, partner.silent_assets, counts[partner.pk]) for partner in partners
    ]


def limits_of_nobody() -> list[SteeringLimit]:
    """Return the limits of connections that no active asset names: a wrong EAN, or all is gone there (1 query)."""
    there = Asset.objects.filter(connection_ean=OuterRef("connection_ean"), is_active=True)
    return list(SteeringLimit.objects.exclude(Q(connection_ean="") | Exists(there)).order_by("connection_ean"))


def waiting_messages() -> list[Waiting]:
    """Return what has not been delivered yet, by channel (2 queries)."""
    undelivered = OutboxMessage.objects.filter(delivered_at__isnull=True, dead_at__isnull=True)
    oldest = undelivered.order_by("channel", "created_at", "pk").distinct("channel")
    by_channel = {message.channel: message for message in oldest.defer("body", "headers")}
    counts = undelivered.values("channel").annotate(messages=Count("pk"), first=Min("deadline_at")).order_by("channel")
    return [
        Waiting(row["channel"], row["messages"], by_channel[row["channel"]], row["first"])
        for row in counts
        if row["channel"] in by_channel
    ]


def counterparties_in_trouble(now: datetime) -> list[Breaker]:
    """Return the counterparties that are left alone now, the longest first (1 query)."""
    return list(resting(now).order_by("-failures", "counterparty"))


def trouble_since(since: datetime) -> Trouble:
    """Return the messages given up and the jobs that failed since a moment (4 queries)."""
    dead = OutboxMessage.objects.filter(dead_at__gte=since).defer("body", "headers").order_by("-dead_at", "-pk")
    failed = Job.objects.filter(status=Job.Status.FAILED, finished_at__gte=since).order_by("-finished_at", "-pk")
    return Trouble(dead.count(), tuple(dead[:SHOWN_TROUBLE]), failed.count(), tuple(failed[:SHOWN_TROUBLE]))


def earnings(interval: Interval) -> Earnings:
    """Return the money of a period on what is settled now, to the cent as its statement would say (2 queries).

    Fees and penalties of contracts come on top of it.
    """
    rows = (
        DeliveryShare.objects.filter(
            ptu__delivery__in=latest_deliveries(interval).order_by().values("pk"),
            ptu__ptu_start__gte=interval.starts_at,
            ptu__ptu_start__lt=interval.ends_at,
        )
        .values_list(
            "ptu__delivery__activation__aggregation_ean_id",
            "partner_id",
            "ptu__price_eur_per_mwh",
            "ptu__delivery__partner_share",
        )
        .annotate(energy_wh=Sum("paid_wh"))
        .order_by()
    )
    shares: dict[str, list[EnergyShare]] = defaultdict(list)
    for ean, partner_id, price, partner_share, energy_wh in rows:
        shares[ean].append(EnergyShare(partner_id, energy_wh, price, partner_share))
    lines = [line for of_ean in shares.values() for line in lines_of_ean(of_ean)]
    return Earnings(
        total_eur=sum((line.amount_eur for line in lines), Decimal("0.00")),
        partners_eur=sum((line.amount_eur for line in lines if line.partner_id is not None), Decimal("0.00")),
        delivered_wh=sum(line.delivered_wh for line in lines),
        unsettled=unsettled_activations(interval).order_by().count(),
    )
