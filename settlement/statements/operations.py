"""Issuing statements: the money of a period, per aggregation EAN and beneficiary."""

from collections import defaultdict
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from django.db import transaction

from aggregator.core import audit, locks
from aggregator.core.interval import Interval
from settlement import queries
from settlement.models import Delivery, DeliveryShare, Statement, StatementCharge, StatementLine
from settlement.remuneration.shares import EnergyShare, Line, lines_of_ean
from settlement.statements.charges import Charge, charges_of

# Activations lock their own number, which starts at 1.
_STATEMENTS = 0


@transaction.atomic
def issue_statement(*, interval: Interval, now: datetime) -> Statement:
    """Return the statement of a period, on the newest version of every delivery with a PTU in it.

    The first call makes version 1. Later calls make a new version when a delivery was corrected or added since, or a
    contract's fees or penalties changed, and return the last one otherwise. A delivery that spans two periods is
    counted in each for its own PTUs. Fees and penalties of contracts are in the aggregator's own line.
    """
    locks.take(locks.AdvisoryLock.SETTLEMENT, _STATEMENTS)
    last = queries.latest_statement(interval)
    deliveries = list(queries.latest_deliveries(interval))
    charges = charges_of(deliveries, interval)
    if last and _is_the_same(last, deliveries, charges):
        return last
    lines = _lines(deliveries, interval)
    for charge in charges:
        lines[charge.aggregation_ean] = _with_charge(lines.get(charge.aggregation_ean, []), charge)
    statement = Statement.objects.create(
        starts_at=interval.starts_at,
        ends_at=interval.ends_at,
        version=last.version + 1 if last else 1,
        issued_at=now,
        total_eur=sum((line.amount_eur for of_ean in lines.values() for line in of_ean), Decimal("0.00")),
    )
    statement.deliveries.set(deliveries)
    StatementLine.objects.bulk_create(
        StatementLine(
            statement=statement,
            partner_id=line.partner_id,
            aggregation_ean_id=ean,
            delivered_wh=line.delivered_wh,
            amount_eur=line.amount_eur,
        )
        for ean, of_ean in lines.items()
        for line in of_ean
    )
    StatementCharge.objects.bulk_create(
        StatementCharge(
            statement=statement, contract_id=charge.contract_id, kind=charge.kind, amount_eur=charge.amount_eur
        )
        for charge in charges
    )
    audit.record(
        now=now,
        action="settlement.statement.issue-success",
        subject=statement,
        before={"version": last.version, "total_eur": str(last.total_eur)} if last else None,
        after={"version": statement.version, "total_eur": str(statement.total_eur)},
    )
    return statement


def _is_the_same(last: Statement, deliveries: list[Delivery], charges: list[Charge]) -> bool:
    return set(last.deliveries.values_list("pk", flat=True)) == {delivery.pk for delivery in deliveries} and set(
        last.charges.values_list("contract_id", "kind", "amount_eur")
    ) == {(charge.contract_id, charge.kind, charge.amount_eur) for charge in charges}


def _with_charge(lines: list[Line], charge: Charge) -> list[Line]:
    """Return the lines of an aggregation EAN with a charge in the aggregator's own, which is the last."""
    *partners, own = lines or [Line(partner_id=None, delivered_wh=0, amount_eur=Decimal("0.00"))]
    return [*partners, replace(own, amount_eur=own.amount_eur + charge.amount_eur)]


def _lines(deliveries: list[Delivery], interval: Interval) -> dict[str, list[Line]]:
    """Return the lines by aggregation EAN."""
    shares: dict[str, list[EnergyShare]] = defaultdict(list)
    rows = (
        DeliveryShare.objects.filter(
            ptu__delivery__in=deliveries,
            ptu__ptu_start__gte=interval.starts_at,
            ptu__ptu_start__lt=interval.ends_at,
        )
        .order_by("ptu__delivery__activation__aggregation_ean_id", "ptu__ptu_start", "partner_id", "pk")
        .values_list(
            "ptu__delivery__activation__aggregation_ean_id",
            "partner_id",
            "paid_wh",
            "ptu__price_eur_per_mwh",
            "ptu__delivery__partner_share",
        )
    )
    for ean, partner_id, paid_wh, price_eur_per_mwh, partner_share in rows:
        shares[ean].append(EnergyShare(partner_id, paid_wh, price_eur_per_mwh, partner_share))
    return {ean: lines_of_ean(of_ean) for ean, of_ean in shares.items()}
