"""Taking an offer back."""

from datetime import datetime

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction

from aggregator.core import audit
from bidding.markets.uftp import messages as m
from bidding.markets.uftp.codec import parse
from bidding.models import ContractCall, UftpMessage
from bidding.uftp.sending import ANSWER_WITHIN, new_message_id, send


class NotRevocable(RuntimeError):
    """The offer was not accepted, is ordered, or is revoked already."""


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
