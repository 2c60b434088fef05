"""The tables of the demo's report, for the page and for the terminal. Times are on the Dutch clock."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aggregator.demo.report_charts import local

AGGREGATOR = "Aggregator"
MEANINGS = {"limit": "limit", "delta": "deviation"}
OUTCOMES = {"cleared": "Cleared in full", "partly_cleared": "Cleared in part", "not_cleared": "Not cleared"}
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of a table."""

    text: str
    is_number: bool = False
    style: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    """One column's heading."""

    name: str
    is_number: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """A table of the page."""

    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    heading: str = ""
    caption: str = ""
    total: Sequence[Cell] = ()


def announcement_table(report: Row) -> Table:
    """Return what grid operators asked for."""
    return Table(
        heading="What was announced",
        columns=[
            Column("Area"),
            Column("Wanted"),
            Column("From"),
            Column("Until"),
            _number_column("Most in a PTU [kW]"),
        ],
        rows=[
            [
                Cell(row["congestion_area"] or "none of ours"),
                Cell(_direction(row["direction"])),
                Cell(_time(row["starts_at"])),
                Cell(_time(row["ends_at"])),
                _number(max(row["required_power_w"]) / 1000),
            ]
            for row in report["announcements"]
        ],
    )


def bid_table(report: Row, names: Mapping[str, str]) -> Table:
    """Return what was offered and what became of it; groups go by name where it is known."""
    return Table(
        heading="What was offered",
        columns=[
            Column("Aggregation EAN"),
            Column("Window"),
            *map(_number_column, ("Bid [kW]", "Price [EUR/MWh]", "Reliability")),
            Column("Outcome"),
            *map(_number_column, ("Cleared [kW]", "Delivered")),
        ],
        rows=[
            [
                _group(bid, names),
                Cell(f"{_time(bid['starts_at'])} to {_time(bid['ends_at'])}", style="whole"),
                _number(bid["power_w"] / 1000),
                Cell(bid["price_eur_per_mwh"], is_number=True),
                Cell(f"{bid['reliability']:.1%}", is_number=True),
                Cell(OUTCOMES.get(bid["outcome"], bid["outcome"]), style=f"outcome {bid['outcome']}"),
                _number(bid["cleared_power_w"] / 1000),
                Cell(delivered_share(deliveries_of(report, bid)), is_number=True),
            ]
            for bid in report["bids"]
        ],
    )


def call_table(report: Row, names: Mapping[str, str]) -> Table:
    """Return what grid operators called under contracts; groups go by name where it is known."""
    return Table(
        heading="What was called under a contract",
        columns=[
            Column("Aggregation EAN"),
            Column("Contract"),
            Column("Called"),
            Column("Window"),
            Column("Powers are"),
            *map(_number_column, ("Power [kW]", "Price [EUR/MWh]", "Delivered")),
        ],
        rows=[
            [
                _group(call, names),
                Cell(f"{call['kind']} {call['contract_id']}"),
                Cell(_time(call["called_at"])),
                Cell(f"{_time(call['starts_at'])} to {_time(call['ends_at'])}", style="whole"),
                Cell(MEANINGS[call["power_meaning"]]),
                Cell(powers_kw(call), is_number=True),
                Cell(call["price_eur_per_mwh"], is_number=True),
                Cell(delivered_share(deliveries_of(report, call)), is_number=True),
            ]
            for call in report["calls"]
        ],
    )


def powers_kw(call: Row) -> str:
    """Return the power of a call, or the range of its powers."""
    low, high = min(call["power_w"]) / 1000, max(call["power_w"]) / 1000
    return f"{low:,.0f}" if low == high else f"{low:,.0f} to {high:,.0f}"


def conversation_table(call: Row) -> Table:
    """Return what was said over UFTP about a call."""
    return Table(
        heading="What was said over UFTP",
        columns=[Column("Time"), Column("Message"), Column("From"), Column("Answered")],
        rows=[
            [
                Cell(f"{local(message['at']):%H:%M:%S}"),
                Cell(message["element"]),
                Cell(call["grid_operator"] if message["way"] == "received" else "us"),
                Cell(message["result"]),
            ]
            for message in call["messages"]
        ],
    )


def power_table(series: Row, deliveries: Sequence[Row]) -> Table:
    """Return the numbers of a power chart."""
    delivered_w = {row["ptu_start"]: row["delivered_w"] for row in deliveries}
    columns = ("baseline_w", "plan_w", "metered_w", "undisturbed_w", "ordered_w")
    return Table(
        caption="Mean power per quarter hour, kW.",
        columns=[Column("Start")]
        + [
            _number_column(name)
            for name in ("Baseline", "Plan", "Metered", "Undisturbed (simulator)", "Ordered", "Delivered")
        ],
        rows=[
            [Cell(_time(start)), *map(_kilowatt, values), _kilowatt(delivered_w.get(start))]
            for start, *values in zip(series["ptu_starts"], *(series[name] for name in columns), strict=True)
        ],
    )


def curve_table(curve: Sequence[Sequence[float]]) -> Table:
    """Return the numbers of a reliability chart."""
    return Table(
        columns=[_number_column("Reliability"), _number_column("Power [kW]")],
        rows=[
            [Cell(f"{probability:.1%}", is_number=True), _number(power_kw)]
            for probability, power_kw in sorted((point[0], point[1]) for point in curve)
        ],
    )


def limit_table(power: Mapping[str, float]) -> Table:
    """Return the way from rated to deliverable power in the scenarios that limit a bid."""
    steps = (
        ("Cars connected, by their rating", "rated_kw", 1),
        ("Full, or need nothing then", "energy_kw", -1),
        ("Left out so that drivers get their energy before they leave", "departures_kw", -1),
        ("Drawn by cars that cannot pause", "pause_floor_kw", -1),
        ("Deliverable", "deliverable_kw", 1),
        ("Of which by cars not there yet at bidding time", "not_yet_arrived_kw", 1),
    )
    return Table(
        heading="What limits it",
        caption="Mean of the worst scenarios in the quarter hours with least room.",
        columns=[Column("Power"), _number_column("kW")],
        rows=[[Cell(text), _number(sign * power[name])] for text, name, sign in steps if name in power],
    )


def money_table(report: Row, names: Mapping[str, str]) -> Table:
    """Return the statement lines and their total; groups go by name where it is known."""
    lines = report["settlement"]["lines"]
    return Table(
        columns=[
            Column("Aggregation EAN"),
            Column("Beneficiary"),
            _number_column("Paid energy [kWh]"),
            _number_column("Amount [EUR]"),
        ],
        rows=[
            [
                _group(line, names),
                Cell(line["partner"] or AGGREGATOR),
                Cell(f"{line['delivered_wh'] / 1000:,.3f}" if line["partner"] else "", is_number=True),
                Cell(line["amount_eur"], is_number=True),
            ]
            for line in lines
        ],
        total=[
            Cell("Total"),
            Cell(""),
            Cell(f"{sum(line['delivered_wh'] for line in lines) / 1000:,.3f}", is_number=True),
            Cell(report["settlement"]["total_eur"], is_number=True),
        ],
    )


def timing_table(report: Row) -> Table:
    """Return the seconds per step."""
    return Table(
        caption="Real seconds per step on the machine that made this report.",
        columns=[Column("Step"), _number_column("Seconds")],
        rows=[[Cell(step), Cell(f"{seconds:.1f}", is_number=True)] for step, seconds in report["timings"].items()],
    )


def deliveries_of(report: Row, order: Row) -> list[Row]:
    """Return the delivery in the window of a bid or call."""
    ean, starts_at, ends_at = order["aggregation_ean"], order["starts_at"], order["ends_at"]
    return [
        row for row in report["deliveries"] if row["aggregation_ean"] == ean and starts_at <= row["ptu_start"] < ends_at
    ]


def delivered_share(deliveries: Sequence[Row]) -> str:
    """Return the paid part of the ordered energy."""
    paid_w = sum(max(0, min(row["delivered_w"], row["ordered_w"])) for row in deliveries)
    return percent(paid_w, sum(row["ordered_w"] for row in deliveries))


def _group(row: Row, names: Mapping[str, str]) -> Cell:
    ean = row["aggregation_ean"]
    return Cell(f"{names[ean]} {ean}" if ean in names else ean)


def _time(text: str) -> str:
    return f"{local(text):%H:%M}"


def _direction(direction: str) -> str:
    return {"reduce": "less consumption", "increase": "more consumption"}[direction]


def percent(part: int, whole: int) -> str:
    """Return a share as text; a dash when there is nothing to share."""
    return f"{part / whole:.1%}" if whole else "-"


def _number(value: float) -> Cell:
    return Cell(f"{value:,.0f}", is_number=True)


def _kilowatt(value: int | None) -> Cell:
    return Cell("" if value is None else f"{value / 1000:,.1f}", is_number=True)


def _number_column(name: str) -> Column:
    return Column(name, is_number=True)
