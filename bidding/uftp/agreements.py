"""What was agreed with a counterparty and what our records know, as the protocol's rules ask for it."""

from collections.abc import Container
from datetime import timedelta

from django.db.models import Max

from bidding.markets.uftp import messages as m
from bidding.markets.uftp.case import EVERYTHING, Agreement, Records
from bidding.markets.uftp.codec import parse
from bidding.markets.uftp.powers import PowerMeaning
from bidding.markets.uftp.references import reference_of
from bidding.models import Contract, ContractCall, UftpMessage, UftpParticipant
from bidding.uftp.demands import is_active
from bidding.uftp.services import own_domain

CONGESTION_POINT_PREFIX = "ean."
CLOCK_TOLERANCE = timedelta(minutes=1)
"""Ours [I]: nobody promises synchronised clocks. We take a minute late as in time, and are a minute early ourselves."""


def congestion_point_of(contract: Contract) -> str:
    """Return a contract's congestion point as messages write it."""
    return f"{CONGESTION_POINT_PREFIX}{contract.congestion_point}"


def contract_of(participant: UftpParticipant, message: m.PayloadMessage) -> Contract | None:
    """Return the contract a message is about: the one it names, that of its offer, or the only one at its place.

    Of several there, the only one that can be called for its day.
    """
    contracts = participant.contracts.select_related("aggregation_ean")
    name = getattr(message, "contract_id", None)
    if name is None and isinstance(message, m.FlexOrder) and message.flex_offer_message_id:
        offer = participant.messages.filter(way=UftpMessage.Way.SENT, message_id=message.flex_offer_message_id).first()
        name = offer.contract_id if offer else None
    if name:
        return contracts.filter(contract_id=name).first()
    place = getattr(message, "congestion_point", "").removeprefix(CONGESTION_POINT_PREFIX)
    there, day = list(contracts.filter(congestion_point=place)), getattr(message, "period", None)
    fitting = [one for one in there if one.limit_w is None and day is not None and is_active(one, day)] or there
    return fitting[0] if len(fitting) == 1 else None


def agreement_with(participant: UftpParticipant, contract: Contract | None) -> Agreement:
    """Return what holds for a message of `participant` about `contract`, or about any of its contracts."""
    contracts = [contract] if contract else list(participant.contracts.all())
    return Agreement(
        recipient_domains={own_domain()},
        versions={participant.version},
        congestion_points={congestion_point_of(each) for each in contracts},
        contract_ids={each.contract_id for each in contracts},
        power_meaning=PowerMeaning(contract.power_meaning) if contract else PowerMeaning.DELTA,
        clock_tolerance=CLOCK_TOLERANCE,
        unsolicited_orders=contract is not None and contract.takes_unsolicited_orders,
        barred=participant.is_barred,
    )


def message_row(participant: UftpParticipant, kind: type[m.PayloadMessage], message_id: str) -> UftpMessage | None:
    """Return a message exchanged with `participant`, in either direction."""
    return participant.messages.filter(element=kind.element, message_id=message_id).first()


def records_of(participant: UftpParticipant, message: m.PayloadMessage) -> Records:
    """Return what we know of the message that `message` refers to, and of earlier revisions of itself."""
    reference = reference_of(message)
    row = message_row(participant, *reference) if reference else None
    return Records(
        reference=parse(bytes(row.document)) if row else None,
        accepted=row is None or row.result == UftpMessage.Result.ACCEPTED,
        revoked=row is not None
        and participant.messages.filter(
            element=m.FlexOfferRevocation.element, refers_to=row.message_id, way=UftpMessage.Way.SENT
        ).exists(),
        ordered=row is not None and ContractCall.objects.filter(offer=row).exists(),
        latest_revision=_latest_revision(participant, message),
        d_prognosis_ids=_sent_prognoses(participant, message),
    )


def _sent_prognoses(participant: UftpParticipant, message: m.PayloadMessage) -> Container[str]:
    """Return the prognoses of ours that a message may rest on."""
    if getattr(message, "d_prognosis_message_id", None) is None:
        return EVERYTHING
    sent = participant.messages.filter(way=UftpMessage.Way.SENT, element=m.DPrognosis.element)
    return set(sent.values_list("message_id", flat=True))


def _latest_revision(participant: UftpParticipant, message: m.PayloadMessage) -> int | None:
    """Return the highest revision that we accepted in the same conversation for the same period, place and contract.

    An operator may make several requests for a day, each with revisions of its own.
    """
    if not isinstance(message, m.FlexRequest):
        return None
    same = participant.messages.filter(
        element=message.element,
        conversation_id=message.conversation_id,
        period=message.period,
        congestion_point=message.congestion_point,
        contract_id=message.contract_id or "",
        result=UftpMessage.Result.ACCEPTED,
    )
    latest: int | None = same.aggregate(Max("revision"))["revision__max"]
    return latest
