"""Recomputes what a demo report says from its own parts: delivered energy, money, and counts that must agree.

Written from the description of the report and not from the code that makes it, so that one can find the other wrong.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

PTU = timedelta(minutes=15)
OUTCOMES = {"cleared", "partly_cleared", "not_cleared"}
SERVED_WITHIN_KWH = 0.1
"""A driver who misses no more than this counts as served."""

Report = Mapping[str, Any]


def problems(report: Report) -> list[str]:
    """Return what is wrong with a report, in sentences; an empty list means that its numbers hold together."""
    return [
        *_problems_of_bids(report),
        *_problems_of_deliveries(report),
        *_problems_of_energy(report),
        *_problems_of_money(report),
        *_problems_of_counts(report),
    ]


def paid_wh(delivery: Report) -> int:
    """Return the paid energy of one PTU: delivered power between zero and ordered, for a quarter hour."""
    return max(0, min(int(delivery["delivered_w"]), int(delivery["ordered_w"]))) // 4


def exact_amounts_eur(report: Report) -> dict[str, Decimal]:
    """Return the unrounded money of each aggregation EAN, from deliveries and the prices of bids and calls."""
    amounts: dict[str, Decimal] = {}
    for delivery in report["deliveries"]:
        order = _bid_of(report, delivery) or _call_of(report, delivery)
        if order is not None:
            ean = delivery["aggregation_ean"]
            amount = Decimal(paid_wh(delivery)) * Decimal(order["price_eur_per_mwh"]) / 1_000_000
            amounts[ean] = amounts.get(ean, Decimal(0)) + amount
    return amounts


def _bid_of(report: Report, delivery: Report) -> Report | None:
    """Return the cleared bid that a PTU was delivered for."""
    start = _instant(delivery["ptu_start"])
    for bid in report["bids"]:
        if (
            bid["aggregation_ean"] == delivery["aggregation_ean"]
            and bid["cleared_power_w"] > 0
            and _instant(bid["starts_at"]) <= start < _instant(bid["ends_at"])
        ):
            return bid
    return None


def _call_of(report: Report, delivery: Report) -> Report | None:
    """Return the call that a PTU was delivered for."""
    start = _instant(delivery["ptu_start"])
    for call in report["calls"]:
        if call["aggregation_ean"] == delivery["aggregation_ean"] and _instant(call["starts_at"]) <= start < _instant(
            call["ends_at"]
        ):
            return call
    return None


def _problems_of_bids(report: Report) -> Iterator[str]:
    if not report["announcements"]:
        yield "nothing was announced"
    delivered = {(row["aggregation_ean"], row["ptu_start"]) for row in report["deliveries"]}
    for bid in report["bids"]:
        name = f"the bid of {bid['aggregation_ean']} from {bid['starts_at']}"
        if bid["outcome"] not in OUTCOMES:
            yield f"{name} never got its answer: {bid['outcome']}"
        if not 0 < bid["reliability"] < 1:
            yield f"{name} has reliability {bid['reliability']}, which is no probability"
        cleared, offered = bid["cleared_power_w"], bid["power_w"]
        outcome = "not_cleared" if cleared == 0 else "cleared" if cleared == offered else "partly_cleared"
        if not 0 <= cleared <= offered or bid["outcome"] != outcome:
            yield f"{name} is {bid['outcome']} with {cleared} of {offered} W"
        if cleared:
            yield from _missing_deliveries(name, bid, delivered)
        if _call_of(report, {"aggregation_ean": bid["aggregation_ean"], "ptu_start": bid["starts_at"]}):
            yield f"{name} is for power that was called"
    for call in report["calls"]:
        yield from _missing_deliveries(f"the call {call['order_reference']}", call, delivered)


def _missing_deliveries(name: str, order: Report, delivered: set[tuple[str, str]]) -> Iterator[str]:
    start, end = _instant(order["starts_at"]), _instant(order["ends_at"])
    wanted = {f"{start + number * PTU:%Y-%m-%dT%H:%M:%SZ}" for number in range((end - start) // PTU)}
    missing = {ptu for ptu in wanted if (order["aggregation_ean"], ptu) not in delivered}
    if missing:
        yield f"{name} has no delivery in {len(missing)} PTUs, the first at {min(missing)}"


def _problems_of_deliveries(report: Report) -> Iterator[str]:
    seen = set()
    for row in report["deliveries"]:
        name = f"the delivery of {row['aggregation_ean']} at {row['ptu_start']}"
        bid = _bid_of(report, row)
        order = bid or _call_of(report, row)
        if order is None:
            yield f"{name} belongs to no cleared bid and no call"
            continue
        if bid is not None and row["ordered_w"] > bid["cleared_power_w"]:
            yield f"{name} was ordered {row['ordered_w']} W, more than the {bid['cleared_power_w']} W cleared"
        sign = 1 if order["direction"] == "reduce" else -1
        if row["delivered_w"] != sign * (row["baseline_w"] - row["metered_w"]):
            yield f"{name} is not baseline minus metered"
        if (row["aggregation_ean"], row["ptu_start"]) in seen:
            yield f"{name} is counted twice"
        seen.add((row["aggregation_ean"], row["ptu_start"]))


def _problems_of_energy(report: Report) -> Iterator[str]:
    expected: dict[str, int] = {}
    for row in report["deliveries"]:
        ean = row["aggregation_ean"]
        expected[ean] = expected.get(ean, 0) + paid_wh(row)
    stated: dict[str, int] = {}
    for line in report["settlement"]["lines"]:
        if line["delivered_wh"] < 0 or (line["partner"] is None and line["delivered_wh"]):
            yield f"a line of {line['partner']} has {line['delivered_wh']} Wh"
        stated[line["aggregation_ean"]] = stated.get(line["aggregation_ean"], 0) + line["delivered_wh"]
    for ean in sorted(expected.keys() | stated.keys()):
        if expected.get(ean, 0) != stated.get(ean, 0):
            yield f"{ean} was paid for {stated.get(ean, 0)} Wh and delivered {expected.get(ean, 0)} Wh"


def _problems_of_money(report: Report) -> Iterator[str]:
    settlement = report["settlement"]
    total = Decimal(settlement["total_eur"])
    by_ean: dict[str, Decimal] = {}
    for line in settlement["lines"]:
        amount = Decimal(line["amount_eur"])
        if amount != amount.quantize(Decimal("0.01")):
            yield f"{amount} EUR of {line['partner']} is not on whole cents"
        by_ean[line["aggregation_ean"]] = by_ean.get(line["aggregation_ean"], Decimal(0)) + amount
    if sum(by_ean.values(), Decimal(0)) != total:
        yield f"the lines add up to {sum(by_ean.values(), Decimal(0))} EUR and the total is {total} EUR"
    exact = exact_amounts_eur(report)
    for ean in sorted(exact.keys() | by_ean.keys()):
        expected = exact.get(ean, Decimal(0)).quantize(Decimal("0.01"), ROUND_HALF_EVEN)
        expected += sum(Decimal(row["amount_eur"]) for row in settlement["charges"] if row["aggregation_ean"] == ean)
        if by_ean.get(ean, Decimal(0)) != expected:
            yield f"{ean} gets {by_ean.get(ean, Decimal(0))} EUR and earned {expected} EUR"


def _problems_of_counts(report: Report) -> Iterator[str]:
    setpoints, drivers = report["setpoints"], report["drivers"]
    if not 0 <= setpoints["followed"] <= setpoints["judged"] <= setpoints["accepted"] <= setpoints["sent"]:
        yield f"setpoints do not count down: {setpoints}"
    if not 0 <= drivers["served"] <= drivers["sessions"] or drivers["unserved_kwh"] < 0:
        yield f"drivers do not add up: {drivers}"
    unserved = drivers["sessions"] - drivers["served"]
    if drivers["unserved_kwh"] < unserved * SERVED_WITHIN_KWH or (
        unserved == 0 and drivers["unserved_kwh"] > drivers["sessions"] * SERVED_WITHIN_KWH
    ):
        yield f"drivers contradict themselves: {drivers}"


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)
