"""Every rule: the smallest change to a good message that breaks it, and the exact reasons."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bidding.markets.uftp.case import Agreement, Records
from bidding.markets.uftp.messages import FlexOrderResponse, PowerIsp, PrognosisIsp
from bidding.markets.uftp.powers import PowerMeaning
from bidding.markets.uftp.reasons import Reason
from bidding.markets.uftp.references import reference_of
from bidding.markets.uftp.semantics import rejection_reasons
from bidding.markets.uftp.vocabulary import Disposition, MeteringUnit, Role
from tests.conformance.uftp.samples import (
    ACCEPTED,
    AGR,
    CONGESTION_POINT,
    CONTRACT,
    DSO,
    EVENING,
    EXPIRES,
    METERING,
    NOW,
    OFFER,
    OPTION,
    ORDER,
    OTHER_ID,
    PROGNOSIS,
    REQUEST,
    RESERVATION_UPDATE,
    REVOCATION,
    SAMPLES,
    SETTLEMENT,
    in_version,
    metadata,
)
from tests.conformance.uftp.strategies import any_message

AGREEMENT = Agreement(
    recipient_domains={AGR, DSO},
    congestion_points={CONGESTION_POINT},
    contract_ids={CONTRACT},
    baseline_references={"forecast"},
)
REFERENCED = {type(message): message for message in (REQUEST, OFFER, ORDER, REVOCATION)}


def judge(message, *, agreement: Agreement = AGREEMENT, now: datetime = NOW, **records: Any) -> tuple[str, ...]:
    reference = reference_of(message)
    known = REFERENCED.get(reference[0]) if reference else None
    return rejection_reasons(
        message,
        sender_domain=message.sender_domain,
        sender_role=min(message.sent_by),
        agreement=agreement,
        records=Records(**{"reference": known, **records}),
        now=now,
    )


def isp(start: int, duration: int = 1) -> PowerIsp:
    return PowerIsp(power_w=-100_000, start=start, duration=duration)


def requested(**changes: Any):
    return replace(REQUEST, isps=tuple(replace(row, **changes) for row in REQUEST.isps))


def settling(**changes: Any):
    return replace(SETTLEMENT, order_settlements=(replace(SETTLEMENT.order_settlements[0], **changes),))


def offering(**changes: Any):
    return replace(OFFER, options=(replace(OPTION, **changes),))


@pytest.mark.parametrize(
    "message", [REQUEST, OFFER, ORDER, REVOCATION, RESERVATION_UPDATE, PROGNOSIS, SETTLEMENT, METERING]
)
@pytest.mark.parametrize("version", ["3.0.0", "3.1.0"])
def test_good_messages_are_accepted(message, version):
    assert judge(in_version(message, version)) == ()


@pytest.mark.parametrize(
    ("message", "reasons"),
    [
        # the day and its ISPs
        (replace(REQUEST, isp_duration=timedelta(minutes=5)), ["ISP duration rejected"]),
        (replace(METERING, isp_duration=timedelta(hours=1)), ["ISP duration rejected"]),
        (replace(REQUEST, time_zone="Europe/London"), ["TimeZone rejected"]),
        (replace(REQUEST, congestion_point="ean.871685900000000000"), ["Invalid CongestionPoint"]),
        (replace(RESERVATION_UPDATE, period=date(2026, 6, 29)), ["Period out of bounds"]),
        (replace(RESERVATION_UPDATE, isps=(isp(97),)), ["ISPs out of bounds"]),
        (replace(RESERVATION_UPDATE, isps=(isp(96, 2),)), ["ISPs out of bounds"]),
        (replace(RESERVATION_UPDATE, isps=(isp(2**62, 2**62),)), ["ISPs out of bounds"]),
        (replace(PROGNOSIS, isps=(PrognosisIsp(power_w=1, start=0),)), ["ISPs out of bounds"]),
        (replace(RESERVATION_UPDATE, isps=(isp(2), isp(1, 2))), ["ISP conflict"]),
        # request
        (replace(REQUEST, expires_at=NOW), ["ExpirationDateTime out of bounds"]),
        (
            replace(REQUEST, expires_at=datetime(2026, 7, 1, 17, 0, 1, tzinfo=UTC)),
            ["ExpirationDateTime out of bounds (ISPs related)"],
        ),
        (replace(REQUEST, contract_id="CBC-2"), ["Unknown reference ContractID"]),
        (requested(disposition=Disposition.AVAILABLE), ["Lacking Requested disposition"]),
        (requested(disposition=None), ["Lacking Requested disposition"]),
        (
            requested(min_power_w=-1, max_power_w=1),
            ["One or more ISPs with a 'Requested' disposition has no direction"],
        ),
        (requested(min_power_w=2, max_power_w=1), ["One or more ISPs has a MinPower above its MaxPower"]),
        # offer
        (
            replace(OFFER, version="3.1.0", unsolicited=True),
            ["FlexRequestMessageID must (only) be present if not unsolicited"],
        ),
        (
            replace(OFFER, version="3.1.0", unsolicited=None, flex_request_message_id=None),
            ["FlexRequestMessageID must (only) be present if not unsolicited"],
        ),
        (replace(OFFER, options=(OPTION, OPTION)), ["OptionReference is not unique within the FlexOffer"]),
        (replace(OFFER, currency="USD"), ["Currency in FlexOffer is not accepted"]),
        (offering(price=Decimal("1.001")), ["Price in FlexOffer option is not valid for the given currency"]),
        (replace(OFFER, baseline_reference="other"), ["Unknown reference BaselineReference"]),
        (replace(OFFER, flex_request_message_id=OTHER_ID), ["Unknown FlexRequestMessageID reference"]),
        (replace(OFFER, period=date(2026, 7, 2)), ["Reference Period mismatch"]),
        (
            offering(isps=(isp(69, 8),)),
            [
                Reason.OFFER_MISSES_REQUEST.value,
            ],
        ),
        # order
        (replace(ORDER, flex_offer_message_id=OTHER_ID), ["Unknown FlexOfferMessageID reference"]),
        (replace(ORDER, period=date(2026, 7, 2)), ["Reference Period mismatch"]),
        (replace(ORDER, currency="USD"), ["Currency in the order does not match the currency given in the offer"]),
        (replace(ORDER, option_reference="opt-2"), ["Unknown reference OptionReference in FlexOrder"]),
        (replace(ORDER, isps=EVENING[1:]), ["ISPs from the FlexOrder do not match the ISPs given in the FlexOffer"]),
        (
            replace(ORDER, isps=(replace(EVENING[0], power_w=-99_999), *EVENING[1:])),
            ["Ordered flexibility does not match the offered flexibility"],
        ),
        (replace(ORDER, price=Decimal("0.01")), ["Price in the order does not match the price given in the offer"]),
        (
            replace(ORDER, activation_factor=Decimal("0.99")),
            ["ActivationFactor is below the MinActivationFactor of the FlexOffer option"],
        ),
        (
            replace(ORDER, version="3.1.0", flex_offer_message_id=None, unsolicited=True),
            ["Unsolicited FlexOrder not agreed"],
        ),
        (
            replace(ORDER, version="3.1.0", unsolicited=True),
            ["FlexOfferMessageID must (only) be present if not unsolicited"],
        ),
        # settlement and metering
        (replace(SETTLEMENT, period_start=date(2026, 7, 2)), ["Period out of bounds"]),
        (replace(SETTLEMENT, period_end=date(2026, 6, 30)), ["Period out of bounds"]),
        (settling(congestion_point="ean.000000000000"), ["Invalid CongestionPoint"]),
        (settling(contract_id="CBC-2"), ["Unknown reference ContractID"]),
        (
            replace(
                SETTLEMENT, contract_settlements=(replace(SETTLEMENT.contract_settlements[0], contract_id="CBC-2"),)
            ),
            ["Unknown reference ContractID"],
        ),
        (
            replace(METERING, profiles=(replace(METERING.profiles[0], unit=MeteringUnit.KWH),)),
            ["Unit does not match ProfileType"],
        ),
    ],
)
def test_one_broken_rule_gives_its_reason(message, reasons):
    assert list(judge(message)) == reasons


@pytest.mark.parametrize(
    ("message", "records", "reasons"),
    [
        (REQUEST, {"latest_revision": 1}, ["Revision not increased"]),
        (REQUEST, {"latest_revision": 0}, []),
        (OFFER, {"reference": replace(REQUEST, expires_at=NOW)}, ["Reference message expired"]),
        (
            OFFER,
            {"reference": replace(REQUEST, congestion_point="ean.000000000000")},
            ["Invalid CongestionPoint"],
        ),
        (OFFER, {"reference": None}, ["Unknown FlexRequestMessageID reference"]),
        (
            replace(OFFER, d_prognosis_message_id=OTHER_ID),
            {"d_prognosis_ids": ()},
            ["Unknown D-PrognosisMessageID reference"],
        ),
        (REVOCATION, {"accepted": False}, ["FlexOffer was not accepted"]),
        (REVOCATION, {"revoked": True}, ["Reference message revoked"]),
        (REVOCATION, {"ordered": True}, ["FlexOffer was already ordered"]),
        (ORDER, {"revoked": True}, ["Reference message revoked"]),
        (ORDER, {"ordered": True}, ["FlexOffer was already ordered"]),
        (ORDER, {"reference": replace(OFFER, expires_at=NOW)}, ["Reference message expired"]),
        (ORDER, {"reference": replace(OFFER, congestion_point="ean.000000000000")}, ["Invalid CongestionPoint"]),
        (ORDER, {"reference": replace(OFFER, contract_id="CBC-0")}, ["Unknown reference ContractID"]),
        (
            FlexOrderResponse(**metadata(Role.AGR), **ACCEPTED, flex_order_message_id=OTHER_ID),
            {},
            ["Unknown FlexOrderMessageID reference"],
        ),
    ],
)
def test_what_is_on_record_decides(message, records, reasons):
    assert list(judge(message, **records)) == reasons


@pytest.mark.parametrize(
    ("envelope", "agreement", "reasons"),
    [
        ({"sender_domain": "other.nl"}, {}, ["Mismatch SenderDomain"]),
        ({"sender_role": Role.AGR}, {}, ["Invalid Sender (not matching role)"]),
        ({}, {"recipient_domains": {"other.nl"}}, ["Unknown RecipientDomain"]),
        ({}, {"versions": {"3.1.0"}}, ["Unsupported Version"]),
        ({}, {"barred": True}, ["Barred Sender"]),
        (
            {"sender_domain": "other.nl", "sender_role": Role.CRO},
            {"recipient_domains": (), "versions": ()},
            [
                "Mismatch SenderDomain",
                "Invalid Sender (not matching role)",
                "Unknown RecipientDomain",
                "Unsupported Version",
            ],
        ),
    ],
)
def test_sender_and_receiver_must_be_right(envelope, agreement, reasons):
    found = rejection_reasons(
        REQUEST,
        **{"sender_domain": DSO, "sender_role": Role.DSO, **envelope},
        agreement=replace(AGREEMENT, **agreement),
        records=Records(),
        now=NOW,
    )
    assert list(found) == reasons


def test_limits_in_both_directions_are_no_contradiction():
    both = requested(min_power_w=-20_000, max_power_w=50_000)
    assert judge(both, agreement=replace(AGREEMENT, power_meaning=PowerMeaning.LIMIT)) == ()


def test_unsolicited_order_can_be_agreed():
    order = replace(ORDER, version="3.1.0", flex_offer_message_id=None, unsolicited=True)
    assert judge(order, agreement=replace(AGREEMENT, unsolicited_orders=True)) == ()


@pytest.mark.parametrize(
    ("day", "last"), [(date(2027, 3, 28), 92), (date(2026, 10, 25), 100), (date(2026, 10, 26), 96)]
)
def test_a_day_has_92_96_or_100_isps(day, last):
    update = replace(RESERVATION_UPDATE, period=day)
    assert judge(replace(update, isps=(isp(last),))) == ()
    assert judge(replace(update, isps=(isp(last + 1),))) == ("ISPs out of bounds",)


def test_today_is_counted_in_the_market_zone():
    late = datetime(2026, 6, 30, 22, 30, tzinfo=UTC)  # 00:30 on 1 July in Amsterdam
    today, yesterday = replace(RESERVATION_UPDATE, period=date(2026, 7, 1)), date(2026, 6, 30)
    assert judge(today, now=late) == ()
    assert judge(replace(today, period=yesterday), now=late) == ("Period out of bounds",)


def test_an_expiry_at_the_end_of_time_is_judged_with_a_clock_that_may_be_wrong():
    forever, doubtful = datetime.max.replace(tzinfo=UTC), replace(AGREEMENT, clock_tolerance=timedelta(minutes=1))
    assert judge(replace(REQUEST, expires_at=forever), agreement=doubtful) == (Reason.EXPIRATION_AFTER_ISPS,)


def test_an_offer_may_expire_with_its_last_isp():
    last_end = datetime(2026, 7, 1, 17, tzinfo=UTC)
    reference = replace(REQUEST, expires_at=last_end)
    assert judge(replace(OFFER, expires_at=last_end), reference=reference, now=EXPIRES) == ()


@pytest.mark.parametrize("option_reference", [None, ""])
def test_an_order_names_its_option_only_when_there_are_several(option_reference):
    order = replace(ORDER, option_reference=option_reference)
    assert judge(order) == ()
    two = replace(OFFER, options=(OPTION, replace(OPTION, option_reference="opt-2")))
    assert judge(order, reference=two) == ("Unknown reference OptionReference in FlexOrder",)
    assert judge(replace(ORDER, option_reference="opt-2"), reference=two) == ()


@settings(max_examples=150, deadline=None)
@given(any_message("3.1.0"), st.sampled_from([None, *SAMPLES]))
def test_any_wellformed_message_can_be_judged(message, reference):
    reasons = judge(message, reference=reference)
    assert all(isinstance(reason, str) for reason in reasons)


@pytest.mark.parametrize(
    ("message", "instant"),
    [
        (REQUEST, EXPIRES),
        (OFFER, EXPIRES),
        (ORDER, EXPIRES),
        (RESERVATION_UPDATE, datetime(2026, 7, 1, 22, tzinfo=UTC)),
    ],
)
def test_a_clock_that_is_a_little_behind_is_no_reason(message, instant):
    tolerant = replace(AGREEMENT, clock_tolerance=timedelta(minutes=1))
    assert judge(message, now=instant) != ()
    assert judge(message, agreement=tolerant, now=instant + timedelta(seconds=59)) == ()
    assert judge(message, agreement=tolerant, now=instant + timedelta(seconds=60)) == judge(message, now=instant)
