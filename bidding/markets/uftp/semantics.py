"""Whether a well-formed message is acceptable: every rule of the specification and the reference library.

Pure: what was agreed with the counterparty, what our records know and what time it is come as parameters. The same
rules judge what we receive (answered with a rejection) and what we are about to send (never sent when it fails).
Each rule yields the reasons it finds; all reasons are reported, in the specification's order.
"""

from collections.abc import Iterator
from datetime import datetime
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from bidding.markets.uftp import messages as m
from bidding.markets.uftp import settlement_messages as s
from bidding.markets.uftp.case import Agreement, Case, Records, Rule
from bidding.markets.uftp.isps import end_of_last, isp_count, isp_spans, overlapping, within_day
from bidding.markets.uftp.reasons import Reason, unknown_reference
from bidding.markets.uftp.references import reference_of
from bidding.markets.uftp.trading_rules import offer_rule, order_rule, request_rule, revocation_rule
from bidding.markets.uftp.vocabulary import MeteringUnit, Profile, Role


def rejection_reasons(
    message: m.PayloadMessage,
    *,
    sender_domain: str,
    sender_role: Role,
    agreement: Agreement,
    records: Records,
    now: datetime,
) -> tuple[str, ...]:
    """Return why `message` must be rejected; an empty tuple accepts it.

    Args:
        message: parsed, so its structure is right.
        sender_domain: of the envelope, proven by its signature.
        sender_role: of the envelope.
        agreement: with that sender.
        records: what is known of the referenced message.
        now: when the message is judged.
    """
    case = Case(
        message=message,
        sender_domain=sender_domain,
        sender_role=sender_role,
        agreement=agreement,
        records=records,
        now=now,
    )
    message_type: Any = type(message)
    return tuple(dict.fromkeys(reason for rule in _rules_for(message_type) for reason in rule(case)))


@cache
def _rules_for(message_type: Any) -> list[Rule]:
    return [rule for types, rules in _RULES for rule in rules if issubclass(message_type, types)]


def _parties(case: Case) -> Iterator[str]:
    if case.agreement.barred:
        yield Reason.BARRED_SENDER
    if case.message.sender_domain != case.sender_domain:
        yield Reason.MISMATCHED_SENDER
    if case.sender_role not in case.message.sent_by:
        yield Reason.WRONG_ROLE
    if case.message.recipient_domain not in case.agreement.recipient_domains:
        yield Reason.UNKNOWN_RECIPIENT
    if case.message.version not in case.agreement.versions:
        yield Reason.UNSUPPORTED_VERSION


def _reference(case: Case) -> Iterator[str]:
    reference = reference_of(case.message)
    if reference is None:
        return
    referenced_type, message_id = reference
    known = case.records.reference
    if type(known) is not referenced_type or known.message_id != message_id:
        yield unknown_reference(referenced_type)


def _day(case: Case) -> Iterator[str]:
    if case.message.isp_duration != case.agreement.isp_duration:
        yield Reason.ISP_DURATION
    if case.message.time_zone != case.agreement.time_zone:
        yield Reason.TIME_ZONE


def _not_past(case: Case) -> Iterator[str]:
    now = case.now - case.agreement.clock_tolerance
    today = now.astimezone(ZoneInfo(case.agreement.time_zone)).date()
    if case.message.period < today:
        yield Reason.PERIOD_OUT_OF_BOUNDS


def _isps(case: Case) -> Iterator[str]:
    for period, spans in isp_spans(case.message):
        if not within_day(spans, isp_count(period, case.agreement.isp_duration)):
            yield Reason.ISPS_OUT_OF_BOUNDS
        if overlapping(spans):
            yield Reason.ISP_CONFLICT


def _congestion_point(case: Case) -> Iterator[str]:
    if case.message.congestion_point not in case.agreement.congestion_points:
        yield Reason.CONGESTION_POINT


def _contract(case: Case) -> Iterator[str]:
    if case.message.contract_id is not None and case.message.contract_id not in case.agreement.contract_ids:
        yield Reason.UNKNOWN_CONTRACT


def _baseline(case: Case) -> Iterator[str]:
    # An empty reference is what the Dutch platform's clients send for "none".
    if case.message.baseline_reference and case.message.baseline_reference not in case.agreement.baseline_references:
        yield Reason.UNKNOWN_BASELINE
    prognosis_id = case.message.d_prognosis_message_id
    if prognosis_id is not None and prognosis_id not in case.records.d_prognosis_ids:
        yield unknown_reference(m.DPrognosis)


def _expiration(case: Case) -> Iterator[str]:
    if case.is_over(case.message.expires_at):
        yield Reason.EXPIRATION_OUT_OF_BOUNDS
    duration = case.agreement.isp_duration
    ends = [
        end_of_last(spans, period, duration)
        for period, spans in isp_spans(case.message)
        if within_day(spans, isp_count(period, duration))
    ]
    if ends and case.message.expires_at > max(ends):
        yield Reason.EXPIRATION_AFTER_ISPS


def _revision(case: Case) -> Iterator[str]:
    if case.records.latest_revision is not None and case.message.revision <= case.records.latest_revision:
        yield Reason.REVISION


def _settlement(case: Case) -> Iterator[str]:
    settlement: s.FlexSettlement = case.message
    for period, _ in isp_spans(settlement):
        if not settlement.period_start <= period <= settlement.period_end:
            yield Reason.PERIOD_OUT_OF_BOUNDS
    for order in settlement.order_settlements:
        if order.congestion_point not in case.agreement.congestion_points:
            yield Reason.CONGESTION_POINT
    contract_ids = [order.contract_id for order in settlement.order_settlements]
    contract_ids += [contract.contract_id for contract in settlement.contract_settlements]
    if any(name is not None and name not in case.agreement.contract_ids for name in contract_ids):
        yield Reason.UNKNOWN_CONTRACT


def _metering(case: Case) -> Iterator[str]:
    for profile in case.message.profiles:
        power = profile.profile_type is Profile.POWER
        if profile.unit is not (MeteringUnit.KW if power else MeteringUnit.KWH):
            yield Reason.METERING_UNIT


_MessageTypes = type[Any] | tuple[type[Any], ...]
_RULES: tuple[tuple[_MessageTypes, tuple[Rule, ...]], ...] = (
    (m.PayloadMessage, (_parties, _reference)),
    ((m.FlexMessage, s.Metering), (_day,)),
    (m.FlexMessage, (_not_past, _congestion_point)),
    ((m.FlexMessage, s.Metering, s.FlexSettlement), (_isps,)),
    ((m.FlexRequest, m.FlexOffer), (_expiration,)),
    ((m.FlexRequest, m.FlexOffer, m.FlexOrder, m.FlexReservationUpdate), (_contract,)),
    ((m.FlexOffer, m.FlexOrder), (_baseline,)),
    ((m.FlexRequest, m.DPrognosis, s.Metering), (_revision,)),
    (m.FlexRequest, (request_rule,)),
    (m.FlexOffer, (offer_rule,)),
    (m.FlexOfferRevocation, (revocation_rule,)),
    (m.FlexOrder, (order_rule,)),
    (s.FlexSettlement, (_settlement,)),
    (s.Metering, (_metering,)),
)
