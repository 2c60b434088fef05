"""A statement as a document: plain values for JSON, rows for CSV, a page of text for people."""

import csv
import io
from collections import defaultdict
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import Sum
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from aggregator.core.money import price_text
from aggregator.core.ptu import MARKET_ZONE
from settlement.models import DeliveryPtu, Statement

AGGREGATOR = "aggregator"
CSV_COLUMNS = (
    "period_start",
    "period_end",
    "version",
    "aggregation_ean",
    "beneficiary",
    "delivered_wh",
    "amount_eur",
)


def statement_document(statement: Statement) -> dict[str, Any]:
    """Return a statement with its lines and the deliveries behind them; energy in Wh, money as text (4 queries).

    A delivery whose quarter hours are paid at one price has that; else it has none (None) and `prices` lists theirs.
    """
    prices = _prices(statement)
    deliveries = statement.deliveries.select_related("activation__aggregation_ean").order_by(
        "activation__aggregation_ean_id", "activation__starts_at", "pk"
    )
    lines = statement.lines.select_related("partner", "aggregation_ean").order_by("aggregation_ean_id", "pk")
    return {
        "starts_at": statement.starts_at.isoformat(),
        "ends_at": statement.ends_at.isoformat(),
        "version": statement.version,
        "issued_at": statement.issued_at.isoformat(),
        "total_eur": str(statement.total_eur),
        "lines": [
            {
                "aggregation_ean": line.aggregation_ean_id,
                "group": line.aggregation_ean.name,
                "partner": line.partner.name if line.partner else None,
                "delivered_wh": line.delivered_wh,
                "amount_eur": str(line.amount_eur),
            }
            for line in lines
        ],
        "charges": [
            {
                "contract": charge.contract.contract_id,
                "aggregation_ean": charge.contract.aggregation_ean_id,
                "kind": charge.kind,
                "amount_eur": str(charge.amount_eur),
            }
            for charge in statement.charges.select_related("contract").order_by("contract_id", "kind")
        ],
        "deliveries": [
            {
                "activation": delivery.activation.reference,
                "aggregation_ean": delivery.activation.aggregation_ean_id,
                "direction": delivery.activation.direction,
                "starts_at": delivery.activation.starts_at.isoformat(),
                "ends_at": delivery.activation.ends_at.isoformat(),
                "version": delivery.version,
                "baseline_method": delivery.baseline_method,
                "ordered_wh": delivery.ordered_wh,
                "delivered_wh": delivery.delivered_wh,
                "completeness": str(delivery.completeness),
                "estimated_assets": len(delivery.estimated_asset_ids),
                **prices[delivery.pk],
                "partner_share": str(delivery.partner_share),
            }
            for delivery in deliveries
        ],
    }


def _prices(statement: Statement) -> dict[int, dict[str, Any]]:
    """Return what a document says of the price of each delivery, by its primary key (1 query)."""
    ptus: dict[int, list[tuple[datetime, int, Decimal]]] = defaultdict(list)
    rows = (
        DeliveryPtu.objects.filter(delivery__statements=statement)
        .annotate(paid_wh=Sum("shares__paid_wh", default=0))
        .order_by("ptu_start", "pk")
        .values_list("delivery_id", "ptu_start", "paid_wh", "price_eur_per_mwh")
    )
    for delivery_id, *ptu in rows:
        ptus[delivery_id].append(tuple(ptu))
    return {delivery_id: _price_of(of_delivery) for delivery_id, of_delivery in ptus.items()}


def _price_of(ptus: list[tuple[datetime, int, Decimal]]) -> dict[str, Any]:
    """Return the one price at which PTUs are paid, or that of each; all count only where nothing is paid."""
    counting = [(start, paid_wh, price) for start, paid_wh, price in ptus if paid_wh] or ptus
    prices = {price for _, _, price in counting}
    if len(prices) == 1:
        return {"price_eur_per_mwh": price_text(prices.pop()), "prices": []}
    return {
        "price_eur_per_mwh": None,
        "prices": [
            {"ptu_start": start.isoformat(), "delivered_wh": paid_wh, "price_eur_per_mwh": price_text(price)}
            for start, paid_wh, price in counting
        ],
    }


def _price_on_page(delivery: dict[str, Any]) -> str:
    if delivery["price_eur_per_mwh"] is not None:
        return str(delivery["price_eur_per_mwh"])
    lowest, *_, highest = sorted((one["price_eur_per_mwh"] for one in delivery["prices"]), key=Decimal)
    return f"{lowest} to {highest}"


def statement_csv(document: dict[str, Any]) -> str:
    """Return the lines of a statement document as CSV with a header."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(CSV_COLUMNS)
    for line in document["lines"]:
        writer.writerow(
            [
                document["starts_at"],
                document["ends_at"],
                document["version"],
                line["aggregation_ean"],
                line["partner"] or AGGREGATOR,
                line["delivered_wh"],
                line["amount_eur"],
            ]
        )
    return text.getvalue()


def statement_page(statement: Statement, document: dict[str, Any]) -> RenderableType:
    """Return a statement for the terminal, in Dutch local time."""
    starts, ends, issued = (
        f"{instant.astimezone(MARKET_ZONE):%d-%m-%Y %H:%M}"
        for instant in (statement.starts_at, statement.ends_at, statement.issued_at)
    )
    lines = Table("Aggregation EAN", "Beneficiary", title="Money", title_justify="left")
    lines.add_column(r"Paid energy \[kWh]", justify="right")
    lines.add_column("Amount [EUR]", justify="right")
    for line in document["lines"]:
        energy = f"{line['delivered_wh'] / 1000:,.1f}" if line["partner"] else ""
        lines.add_row(line["aggregation_ean"], line["partner"] or AGGREGATOR, energy, line["amount_eur"])
    lines.add_section()
    lines.add_row("Total", "", "", document["total_eur"], style="bold")
    charges = Table("Contract", "Aggregation EAN", "For", title="In the aggregator's lines", title_justify="left")
    charges.add_column("Amount [EUR]", justify="right")
    for charge in document["charges"]:
        charges.add_row(charge["contract"], charge["aggregation_ean"], charge["kind"], charge["amount_eur"])
    deliveries = Table("Activation", "Aggregation EAN", "Baseline", title="What it is for", title_justify="left")
    for heading in ("Delivered of ordered", "Meter values", "Price [EUR/MWh]", "Share", "Version"):
        deliveries.add_column(heading, justify="right")
    for delivery in document["deliveries"]:
        ordered_wh = delivery["ordered_wh"] or 1
        deliveries.add_row(
            delivery["activation"],
            delivery["aggregation_ean"],
            delivery["baseline_method"],
            f"{delivery['delivered_wh'] * 100 / ordered_wh:.1f} %",
            f"{float(delivery['completeness']) * 100:.1f} %",
            _price_on_page(delivery),
            f"{float(delivery['partner_share']) * 100:.0f} %",
            str(delivery["version"]),
        )
    title = Text(f"Settlement statement {starts} to {ends} (Dutch time), version {statement.version}", style="bold")
    issued_text = Text(f"Issued {issued}; amounts without VAT")
    return Group(title, issued_text, lines, *([charges] if document["charges"] else []), deliveries)
