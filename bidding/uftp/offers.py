"""Offers: for a request, of our own accord, and taken back."""

from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction

from aggregator.core import audit
from aggregator.core.interval import Interval
from aggregator.core.ptu import MARKET_ZONE, PTU, day_interval
from bidding.markets.uftp import messages as m
from bidding.markets.uftp.answers import mirror_offer
from bidding.markets.uftp.case import Records
from bidding.markets.uftp.codec import parse
from bidding.markets.uftp.powers import PowerMeaning
from bidding.markets.uftp.semantics import rejection_reasons
from bidding.markets.uftp.vocabulary import Role
from bidding.models import Contract, ContractCall, UftpMessage, UftpParticipant
from bidding.operations.ledger import why_not_against
from bidding.uftp.agreements import agreement_with, congestion_point_of
from bidding.uftp.calls import is_available
from bidding.uftp.demands import NOT_AVAILABLE, contract_reasons, demands_of
from bidding.uftp.sending import ANSWER_WITHIN, metadata, new_message_id, send
from bidding.uftp.services import own_domain


class NotOfferable(RuntimeError):
    """What cannot be offered under a contract; the text gives every reason."""


class NotRevocable(RuntimeError):
    """The offer was not accepted, is ordered, or is revoked already."""


def offer_for(request: m.FlexRequest, *, contract: Contract, now: datetime) -> m.FlexOffer:
    """Return the offer that confirms a request in the shares of the contract, an option for each.

    A deviation is one from the prognosis that the operator accepted, if there is one.
    """
    prognosis = contract.dso.messages.filter(
        way=UftpMessage.Way.SENT,
        element=m.DPrognosis.element,
        period=request.period,
        congestion_point=congestion_point_of(contract),
        result=UftpMessage.Result.ACCEPTED,
    )
    baseline = prognosis.order_by("-revision").first() if contract.power_meaning == PowerMeaning.DELTA else None
    return mirror_offer(
        request,
        message_id=new_message_id(),
        shares={new_message_id(): share for share in sorted(contract.offered_shares, reverse=True)},
        min_activation_factor=contract.min_activation_factor,
        d_prognosis_message_id=baseline.message_id if baseline else None,
        now=now,
    )


def available_options(offer: m.FlexOffer, *, contract: Contract) -> tuple[m.OfferOption, ...]:
    """Return the options of an offer whose power the ledger still holds; what has no power is none."""
    demands_of_option = [(o, demands_of(o.isps, period=offer.period, contract=contract)) for o in offer.options]
    return tuple(
        option for option, demands in demands_of_option if demands and is_available(contract=contract, demands=demands)
    )


@transaction.atomic
def offer_unasked(
    *,
    contract_id: int,
    window: Interval,
    power_w: int,
    expires_at: datetime,
    now: datetime,
    actor: AbstractBaseUser | None,
    reason: str,
) -> UftpMessage:
    """Offer a power under a contract that nobody asked for, in the PTUs of `window`, which lies in one local day.

    Its money is the contract's, as with a call. Raises `NotOfferable`.
    """
    contract = Contract.objects.select_for_update(of=("self",)).select_related("dso").get(pk=contract_id)
    day = day_interval(window.starts_at.astimezone(MARKET_ZONE).date())
    first, ptus = (window.starts_at - day.starts_at) // PTU + 1, (window.ends_at - window.starts_at) // PTU
    offer = m.FlexOffer(
        **metadata(contract.dso, now=now),
        isp_duration=PTU,
        time_zone=MARKET_ZONE.key,
        period=window.starts_at.astimezone(MARKET_ZONE).date(),
        congestion_point=congestion_point_of(contract),
        expires_at=expires_at,
        unsolicited=None if contract.dso.version == UftpParticipant.Version.V3_0_0 else True,
        contract_id=contract.contract_id,
        currency="EUR",
        options=(
            m.OfferOption(
                option_reference=new_message_id(),
                price=Decimal("0.00"),
                min_activation_factor=contract.min_activation_factor,
                isps=(m.PowerIsp(power_w=power_w, start=first, duration=ptus),),
            ),
        ),
    )
    reasons = list(
        rejection_reasons(
            offer,
            sender_domain=own_domain(),
            sender_role=Role.AGR,
            agreement=replace(agreement_with(contract.dso, contract), recipient_domains={contract.dso.domain}),
            records=Records(),
            now=now,
        )
    )
    if not reasons:
        demands = demands_of(offer.options[0].isps, period=offer.period, contract=contract)
        reasons = list(contract_reasons(demands, period=offer.period, contract=contract, called_at=None, now=now))
    if not reasons and not available_options(offer, contract=contract):
        reasons = [NOT_AVAILABLE]
    if reasons:
        raise NotOfferable(f"{contract} does not allow this offer: {'; '.join(reasons)}.")
    asked = [demand.ptu_start for demand in demands]
    group, direction = contract.aggregation_ean, demands[0].direction
    if against := why_not_against(aggregation_ean=group, direction=direction, ptus=asked):
        raise NotOfferable(against)
    row = send(participant=contract.dso, message=offer, now=now, deadline_at=expires_at, void_from=expires_at)
    audit.record(now=now, action="bidding.uftp-offer.made", subject=row, actor=actor, reason=reason)
    return row


@transaction.atomic
def revoke_offer(*, message_id: str, now: datetime, actor: AbstractBaseUser | None, reason: str) -> UftpMessage:
    """Withdraw an offer that was accepted and not ordered. An order that crosses this is rejected: revocation wins.

    Raises `NotRevocable`.
    """
    offers = UftpMessage.objects.filter(way=UftpMessage.Way.SENT, element=m.FlexOffer.element)
    offer = offers.select_for_update().filter(message_id=message_id).first()
    if offer is None:
        raise NotRevocable("This is no offer of ours. Only an offer that we sent can be taken back.")
    is_revoked = UftpMessage.objects.filter(element=m.FlexOfferRevocation.element, refers_to=message_id).exists()
    if offer.result != UftpMessage.Result.ACCEPTED or is_revoked or ContractCall.objects.filter(offer=offer).exists():
        raise NotRevocable("Only an offer that was accepted, and neither ordered nor revoked, can be taken back.")
    sent = parse(bytes(offer.document))
    revocation = m.FlexOfferRevocation(
        version=sent.version,
        sender_domain=sent.sender_domain,
        recipient_domain=sent.recipient_domain,
        time_stamp=now,
        message_id=new_message_id(),
        conversation_id=sent.conversation_id,
        flex_offer_message_id=message_id,
    )
    row = send(participant=offer.participant, message=revocation, now=now, deadline_at=now + ANSWER_WITHIN)
    audit.record(now=now, action="bidding.uftp-offer.revoked", subject=offer, actor=actor, reason=reason)
    return row
