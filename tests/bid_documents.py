"""Bid documents for TenneT as a BSP writes them, built as plain text so that a test can break any part."""

from datetime import UTC, datetime, timedelta

from bidding.markets.afrr.client import DOCUMENT_HEADERS, Sent, TennetClient

NAMESPACE = "urn:iec62325.351:tc57wg16:451-7:reservebiddocument:"
TENNET = "8716867999983"
BSP = "8712345000004"
PTU_17 = datetime(2026, 1, 14, 17, tzinfo=UTC)


def minute(instant: datetime) -> str:
    return instant.strftime("%Y-%m-%dT%H:%MZ")


def bid(
    mrid: str = "bid-1",
    *,
    start: datetime = PTU_17,
    end: datetime | None = None,
    direction: str = "A01",
    quantity: str = "5",
    price: str | None = "100.00",
    resolution: str = "PT15M",
    more: str = "",
) -> str:
    """One Bid_TimeSeries in the words of 7.4; `more` stands before its period."""
    amount = "" if price is None else f"<energy_Price.amount>{price}</energy_Price.amount>"
    interval = f"<start>{minute(start)}</start><end>{minute(end or start + timedelta(minutes=15))}</end>"
    return (
        f"<Bid_TimeSeries><mRID>{mrid}</mRID><businessType>B74</businessType>"
        '<acquiring_Domain.mRID codingScheme="A01">10YNL----------L</acquiring_Domain.mRID>'
        '<connecting_Domain.mRID codingScheme="A01">10YNL----------L</connecting_Domain.mRID>'
        "<quantity_Measurement_Unit.name>MAW</quantity_Measurement_Unit.name>"
        "<currency_Unit.name>EUR</currency_Unit.name><divisible>A01</divisible><status><value>A06</value></status>"
        f"<flowDirection.direction>{direction}</flowDirection.direction>"
        "<energyPrice_Measurement_Unit.name>MWH</energyPrice_Measurement_Unit.name>"
        f"<standard_MarketProduct.marketProductType>A01</standard_MarketProduct.marketProductType>{more}"
        f"<Period><timeInterval>{interval}</timeInterval><resolution>{resolution}</resolution>"
        f"<Point><position>1</position><quantity.quantity>{quantity}</quantity.quantity>{amount}</Point></Period>"
        "</Bid_TimeSeries>"
    )


def document(*bids: str, mrid: str = "document-1", version: str = "7:4", sender: str = BSP) -> bytes:
    """A ReserveBid_MarketDocument of a whole Dutch day with these bids."""
    text = (
        f'<?xml version="1.0" encoding="UTF-8"?><ReserveBid_MarketDocument xmlns="{NAMESPACE}{version}">'
        f"<mRID>{mrid}</mRID><revisionNumber>1</revisionNumber><type>A37</type>"
        "<process.processType>A51</process.processType>"
        f'<sender_MarketParticipant.mRID codingScheme="A10">{sender}</sender_MarketParticipant.mRID>'
        "<sender_MarketParticipant.marketRole.type>A46</sender_MarketParticipant.marketRole.type>"
        f'<receiver_MarketParticipant.mRID codingScheme="A10">{TENNET}</receiver_MarketParticipant.mRID>'
        "<receiver_MarketParticipant.marketRole.type>A04</receiver_MarketParticipant.marketRole.type>"
        "<createdDateTime>2026-01-14T12:00:00Z</createdDateTime><reserveBid_Period.timeInterval>"
        "<start>2026-01-13T23:00Z</start><end>2026-01-14T23:00Z</end></reserveBid_Period.timeInterval>"
        f'<domain.mRID codingScheme="A01">10YNL----------L</domain.mRID>{"".join(bids)}</ReserveBid_MarketDocument>'
    )
    return (text if version == "7:4" else text.replace("_Measurement_", "_Measure_")).encode()


def post_document(client: TennetClient, body: bytes, *, mrid: str) -> Sent:
    """Post a document as the outbox does, and return what its answer means."""
    headers = {**DOCUMENT_HEADERS, **client.credentials()}
    answer = client.http.request(method="POST", url=client.documents_url, headers=headers, body=body)
    return client.meaning_of_document(answer, mrid=mrid)
