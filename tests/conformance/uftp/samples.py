"""One believable message of every kind: a called contract in Amsterdam, 1 July 2026, 17:00-19:00 (ISPs 69-76)."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from bidding.markets.uftp import messages as m
from bidding.markets.uftp import settlement_messages as s
from bidding.markets.uftp.vocabulary import (
    Disposition,
    MeteringUnit,
    Profile,
    Result,
    Role,
    SettlementDisposition,
)

AGR, DSO = "agr.example.com", "dso.example.com"
DAY = date(2026, 7, 1)
NOW = datetime(2026, 6, 30, 6, 0, tzinfo=UTC)
EXPIRES = datetime(2026, 6, 30, 13, 0, tzinfo=UTC)
CONGESTION_POINT = "ean.871685900012636543"
CONTRACT = "CBC-1"
REQUEST_ID = "11111111-1111-4111-8111-111111111111"
OFFER_ID = "22222222-2222-4222-8222-222222222222"
ORDER_ID = "33333333-3333-4333-8333-333333333333"
OTHER_ID = "44444444-4444-4444-8444-444444444444"
CONVERSATION_ID = "55555555-5555-4555-8555-555555555555"


def metadata(sender: Role, message_id: str = OTHER_ID) -> dict[str, Any]:
    sender_domain, recipient_domain = (AGR, DSO) if sender is Role.AGR else (DSO, AGR)
    return {
        "version": "3.0.0",
        "sender_domain": sender_domain,
        "recipient_domain": recipient_domain,
        "time_stamp": NOW,
        "message_id": message_id,
        "conversation_id": CONVERSATION_ID,
    }


DAY_FIELDS: dict[str, Any] = {
    "isp_duration": timedelta(minutes=15),
    "time_zone": "Europe/Amsterdam",
    "period": DAY,
    "congestion_point": CONGESTION_POINT,
}
ACCEPTED: dict[str, Any] = {"result": Result.ACCEPTED}
EVENING = tuple(m.PowerIsp(power_w=-100_000, start=start) for start in range(69, 77))

REQUEST = m.FlexRequest(
    **metadata(Role.DSO, REQUEST_ID),
    **DAY_FIELDS,
    revision=1,
    expires_at=EXPIRES,
    contract_id=CONTRACT,
    isps=tuple(
        m.FlexRequestIsp(disposition=Disposition.REQUESTED, min_power_w=-100_000, max_power_w=0, start=start)
        for start in range(69, 77)
    ),
)
OPTION = m.OfferOption(option_reference="opt-1", price=Decimal("0.00"), isps=EVENING)
OFFER = m.FlexOffer(
    **metadata(Role.AGR, OFFER_ID),
    **DAY_FIELDS,
    expires_at=EXPIRES,
    flex_request_message_id=REQUEST_ID,
    contract_id=CONTRACT,
    baseline_reference="",
    currency="EUR",
    options=(OPTION,),
)
ORDER = m.FlexOrder(
    **metadata(Role.DSO, ORDER_ID),
    **DAY_FIELDS,
    flex_offer_message_id=OFFER_ID,
    contract_id=CONTRACT,
    price=Decimal("0.00"),
    currency="EUR",
    order_reference="order-1",
    option_reference="opt-1",
    isps=EVENING,
)
REVOCATION = m.FlexOfferRevocation(**metadata(Role.AGR), flex_offer_message_id=OFFER_ID)
RESERVATION_UPDATE = m.FlexReservationUpdate(
    **metadata(Role.DSO), **DAY_FIELDS, contract_id=CONTRACT, reference="release-1", isps=EVENING
)
PROGNOSIS = m.DPrognosis(
    **metadata(Role.AGR),
    **DAY_FIELDS,
    revision=2,
    isps=(m.PrognosisIsp(power_w=250_000, start=1, duration=68), m.PrognosisIsp(power_w=-5, start=69, duration=28)),
)
SETTLEMENT = s.FlexSettlement(
    **metadata(Role.DSO),
    **ACCEPTED,
    period_start=DAY,
    period_end=DAY,
    currency="EUR",
    order_settlements=(
        s.OrderSettlement(
            order_reference="order-1",
            period=DAY,
            contract_id=CONTRACT,
            congestion_point=CONGESTION_POINT,
            price=Decimal("120.5"),
            penalty=Decimal("20.1234"),
            net_settlement=Decimal("100.3766"),
            isps=(
                s.OrderSettlementIsp(
                    start=69,
                    duration=8,
                    baseline_power_w=300_000,
                    ordered_flex_power_w=-100_000,
                    actual_power_w=210_000,
                    delivered_flex_power_w=-90_000,
                    power_deficiency_w=10_000,
                ),
            ),
        ),
    ),
    contract_settlements=(
        s.ContractSettlement(
            contract_id=CONTRACT,
            periods=(
                s.ContractSettlementPeriod(
                    period=DAY,
                    isps=(
                        s.ContractSettlementIsp(start=69, duration=4, reserved_power_w=100_000),
                        s.ContractSettlementIsp(start=73, reserved_power_w=100_000, ordered_power_w=100_000),
                    ),
                ),
            ),
        ),
    ),
)
METERING = s.Metering(
    **metadata(Role.AGR),
    revision=1,
    isp_duration=timedelta(minutes=15),
    time_zone="Europe/Amsterdam",
    period=DAY,
    ean="E8716859000126365",
    profiles=(
        s.MeteringProfile(
            profile_type=Profile.POWER,
            unit=MeteringUnit.KW,
            isps=(s.MeteringIsp(start=1, value=Decimal("12.375")), s.MeteringIsp(start=2, value=Decimal(-3))),
        ),
    ),
)
RESPONSES: tuple[m.PayloadMessage, ...] = (
    m.TestMessageResponse(**metadata(Role.DSO)),
    m.FlexRequestResponse(
        **metadata(Role.AGR), result=Result.REJECTED, rejection_reason="ISP conflict;Period out of bounds",
        flex_request_message_id=REQUEST_ID,
    ),
    m.FlexOfferResponse(**metadata(Role.DSO), **ACCEPTED, flex_offer_message_id=OFFER_ID),
    m.FlexOfferRevocationResponse(**metadata(Role.DSO), **ACCEPTED, flex_offer_revocation_message_id=OTHER_ID),
    m.FlexOrderResponse(**metadata(Role.AGR), **ACCEPTED, flex_order_message_id=ORDER_ID),
    m.FlexReservationUpdateResponse(**metadata(Role.AGR), **ACCEPTED, flex_reservation_update_message_id=OTHER_ID),
    m.DPrognosisResponse(
        **metadata(Role.DSO), **ACCEPTED, d_prognosis_message_id=OTHER_ID,
        order_statuses=(m.FlexOrderStatus(flex_order_message_id=ORDER_ID, is_validated=True),),
    ),
    s.FlexSettlementResponse(
        **metadata(Role.AGR), **ACCEPTED, flex_settlement_message_id=OTHER_ID,
        statuses=(
            s.OrderSettlementStatus(order_reference="order-1", disposition=SettlementDisposition.ACCEPTED),
            s.OrderSettlementStatus(disposition=SettlementDisposition.DISPUTED, dispute_reason="meter < order & price"),
        ),
    ),
    s.MeteringResponse(**metadata(Role.DSO), **ACCEPTED, metering_message_id=OTHER_ID),
)  # fmt: skip
SAMPLES: tuple[m.PayloadMessage, ...] = (
    m.TestMessage(**metadata(Role.AGR)), REQUEST, OFFER, REVOCATION, ORDER, RESERVATION_UPDATE, PROGNOSIS, SETTLEMENT,
    METERING, *RESPONSES,
)  # fmt: skip


def in_version(message: m.PayloadMessage, version: str) -> m.PayloadMessage:
    """Return the message as said in another version, where offers and orders say whether they are unsolicited."""
    says_so = version != "3.0.0" and isinstance(message, m.FlexOffer | m.FlexOrder)
    return replace(message, version=version, **({"unsolicited": False} if says_so else {}))


def offer_of(isps: int) -> m.FlexOffer:
    """Return an offer over `isps` ISPs from the evening on, or earlier if they do not fit, each with its own power."""
    first = min(69, 97 - isps)
    powers = tuple(m.PowerIsp(power_w=-100_000 - start, start=start) for start in range(first, first + isps))
    return replace(OFFER, options=(replace(OPTION, isps=powers),))
