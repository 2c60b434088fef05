"""Reads a ReserveBid_MarketDocument 7.2 or 7.4 of a stranger into plain values, with every fault of its form.

Pure, and on its own: the other side's writer is what it tests, so it shares nothing with it but the XML parser.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from lxml import etree

from aggregator.core.interval import Interval, InvalidInterval
from bidding.markets.safe_xml import parse_xml
from mock_gopacs.tennet.findings import Finding, Reason, shown
from mock_gopacs.tennet.layout import HEADER, series_parts
from mock_gopacs.tennet.structure import ANY_NUMBER, THERE, Part, read_parts

MOST_SERIES = 2_000
_ROOT = "ReserveBid_MarketDocument"
_VERSIONS = {
    f"{{urn:iec62325.351:tc57wg16:451-7:reservebiddocument:{version}}}{_ROOT}": version for version in ("7:2", "7:4")
}


@dataclass(frozen=True, slots=True)
class BidSeries:
    """One bid: its single elements by name (units without the word in which versions differ), and its one point."""

    texts: dict[str, str]
    coded: dict[str, tuple[str, str]]
    period: Interval | None
    resolution: timedelta | None
    position: int | None
    quantity_mw: Decimal | None
    price_eur_per_mwh: Decimal | None
    beyond: tuple[str, ...]
    """What the schema knows but a simple, wholly divisible bid for one PTU has not."""

    @property
    def mrid(self) -> str:
        """The bid's own name."""
        return self.texts.get("mRID", "")


@dataclass(frozen=True, slots=True)
class BidDocument:
    """A document as far as it could be read; its values mean something to judge only if nothing was `found`."""

    texts: dict[str, str]
    coded: dict[str, tuple[str, str]]
    created_at: datetime | None
    period: Interval | None
    series: tuple[BidSeries, ...]
    found: tuple[Finding, ...]

    @property
    def mrid(self) -> str | None:
        """The document's own name, where it has a readable one."""
        return self.texts.get("mRID")


def read_document(body: bytes) -> BidDocument:
    """Return what a body says; raises `InvalidXml` when it is no plain XML at all."""
    root = parse_xml(body)
    version = _VERSIONS.get(str(root.tag))
    if version is None:
        text = f"The document is {shown(root.tag)}: send a {_ROOT} 7.2 or 7.4."
        return BidDocument({}, {}, None, None, (), (Finding(Reason.UNREADABLE, text),))
    found: list[Finding] = []
    series_part = Part("Bid_TimeSeries", lambda element, _: _read_series(element, version), 0, ANY_NUMBER)
    values = read_parts(root, (*HEADER, series_part), found)
    series = values.pop("Bid_TimeSeries")
    if len(series) > MOST_SERIES:
        text = f"The document has {len(series)} bids: send at most {MOST_SERIES} in one."
        found.append(Finding(Reason.UNREADABLE, text))
    return BidDocument(
        texts=_single(values, str),
        coded=_single(values, tuple),
        created_at=_only(values["createdDateTime"]),
        period=_interval(_only(values["reserveBid_Period.timeInterval"]), found),
        series=tuple(bid for bid, _ in series),
        found=(*found, *(finding for _, findings in series for finding in findings)),
    )


def _read_series(element: etree._Element, version: str) -> tuple[BidSeries, list[Finding]]:
    """Return a bid and its findings, which name it."""
    found: list[Finding] = []
    values = read_parts(element, series_parts(version), found)
    status = _only(values["status"])
    period = _only(values["Period"]) or {}
    point = _only(period.get("Point", [])) or {}
    beyond = [name for name, items in [*values.items(), *point.items()] if items and items[0] is THERE]
    beyond += [f"a second {name}" for name, items in (("Period", values["Period"]), *period.items()) if len(items) > 1]
    bid = BidSeries(
        texts=_single(values, str) | ({"status": status["value"][0]} if status and status["value"] else {}),
        coded=_single(values, tuple),
        period=_interval(_only(period.get("timeInterval", [])), found),
        resolution=_only(period.get("resolution", [])),
        position=_only(point.get("position", [])),
        quantity_mw=_only(point.get("quantity.quantity", [])),
        price_eur_per_mwh=_only(point.get("energy_Price.amount", [])),
        beyond=tuple(beyond),
    )
    return bid, [replace(finding, bid_mrid=bid.mrid or None) for finding in found]


def _only(values: list[Any]) -> Any:
    """Return the first of the values, which is the only one of what is well-formed."""
    return values[0] if values else None


def _single(values: dict[str, list[Any]], kind: type) -> dict[str, Any]:
    single = {name: items[0] for name, items in values.items() if items and isinstance(items[0], kind)}
    return {name.replace("_Measurement_", "_").replace("_Measure_", "_"): value for name, value in single.items()}


def _interval(ends: dict[str, list[datetime]] | None, found: list[Finding]) -> Interval | None:
    if not ends or not ends["start"] or not ends["end"]:
        return None  # told of already
    try:
        return Interval(ends["start"][0], ends["end"][0])
    except InvalidInterval:
        found.append(Finding(Reason.PERIOD, "A timeInterval does not end after it starts."))
        return None
