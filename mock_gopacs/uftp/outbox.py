"""Messages of the played grid operators: stored before they are sent, in order per conversation, the same bytes again.

A message is sent until the other side took it, or said that it never will; then it is given up and the next one goes.
"""

import uuid
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Min

from aggregator.core.http import HttpClient, RequestFailed, RequestRefused
from bidding.markets.uftp.messages import PayloadMessage
from bidding.markets.uftp.transport import CONTENT_TYPE, Outcome, outcome_of_status
from mock_gopacs.models import UftpFault, UftpMessage, UftpParticipant
from mock_gopacs.uftp.address_book import new_private_key, rotate, signing_key
from mock_gopacs.uftp.letters import ORDER_BEFORE_OFFER_RESPONSE, ROTATED_KEY, Signer, letters

TIMEOUT_SECONDS = 5.0
LONGEST_BACK_OFF = timedelta(seconds=30)

_client = HttpClient(allowed_private_hosts=settings.WEBHOOK_PRIVATE_HOSTS)


def put(message: PayloadMessage, *, dso: UftpParticipant, aggregator: UftpParticipant, now: datetime) -> None:
    """Sign a message and store it for delivery, in the transaction of what it reports; armed faults act on it here."""
    faults = _take_faults(message.element)
    if ROTATED_KEY in faults:
        rotate(dso.domain, now=now, overlap=timedelta(0))
    signer = Signer(domain=dso.domain, key=signing_key(dso), forged_key=new_private_key())
    real_now = datetime.now(UTC)
    for letter in letters(message, signer=signer, faults=faults, now=now):
        UftpMessage.objects.create(
            direction=UftpMessage.Direction.OUTGOING,
            dso=dso,
            aggregator=aggregator,
            element=letter.message.element,
            message_id=letter.message.message_id,
            conversation_id=letter.message.conversation_id,
            body=letter.body,
            document=letter.document,
            stored_at=now,
            fault=letter.fault,
            next_attempt_at=real_now,
        )


def order_comes_first() -> bool:
    """Tell whether the fault is armed that lets an order overtake the answer to its offer, and use it up."""
    return bool(UftpFault.objects.filter(kind=ORDER_BEFORE_OFFER_RESPONSE).delete()[0])


def send_due() -> int:
    """Try the oldest waiting message of every conversation whose turn it is; return how many were settled."""
    waiting = UftpMessage.objects.filter(next_attempt_at__isnull=False)
    oldest = waiting.values("conversation_id").annotate(oldest=Min("pk")).order_by("oldest")
    return sum(_send(row["oldest"]) for row in oldest)


def _take_faults(element: str) -> list[str]:
    """Return the faults armed for this kind of message, oldest first, and use them up."""
    armed = UftpFault.objects.filter(element__in=["", element]).exclude(kind=ORDER_BEFORE_OFFER_RESPONSE)
    kinds = list(armed.order_by("pk").values_list("kind", flat=True))
    armed.delete()
    return list(dict.fromkeys(kinds))


@transaction.atomic
def _send(key: int) -> bool:
    """Send one message. Its row is held meanwhile, so that two processes neither repeat nor overtake it."""
    rows = UftpMessage.objects.select_for_update(skip_locked=True, of=("self",)).select_related("aggregator")
    message = rows.filter(pk=key, next_attempt_at__lte=datetime.now(UTC)).first()
    if message is None:
        return False
    outcome = _attempt(message)
    if outcome is Outcome.RETRY_LATER:
        pause = timedelta(seconds=0.5 * 2 ** min(message.attempts, 10))
        message.next_attempt_at = datetime.now(UTC) + min(pause, LONGEST_BACK_OFF)
    else:
        message.next_attempt_at = None
        message.delivered_at = datetime.now(UTC) if outcome is Outcome.DELIVERED else None
    message.save()
    return outcome is not Outcome.RETRY_LATER


def _attempt(message: UftpMessage) -> Outcome:
    message.attempts += 1
    try:
        response = _client.request(
            method="POST",
            url=message.aggregator.endpoint,
            headers={"Content-Type": CONTENT_TYPE},
            body=bytes(message.body),
            timeout_seconds=TIMEOUT_SECONDS,
        )
    except (RequestFailed, RequestRefused) as error:
        message.status, message.last_error = None, str(error)
        return Outcome.RETRY_LATER
    text = response.body.decode(errors="replace")
    message.status = response.status_code
    message.last_error = "" if response.is_success else text[:1000].replace("\x00", "")
    return outcome_of_status(response.status_code, body=text)


def new_message_id() -> str:
    """Return a fresh MessageID."""
    return str(uuid.uuid4())
