"""Documents of balancing bids on their way to TenneT: the stored bytes go out until the gate, and are answered once."""

from datetime import timedelta

from aggregator.core.clock import Clock
from aggregator.core.http import RequestRefused, Response
from aggregator.core.messaging.operations import Verdict, deliver_due
from aggregator.core.models import OutboxMessage
from bidding.markets.afrr.client import Outcome, TennetClient
from bidding.operations.balancing_answers import awaits_answer, note_answer, note_unanswered
from bidding.operations.balancing_bids import CHANNEL

LONGEST_WAIT = timedelta(seconds=20)
"""Between attempts: the gate waits for nobody."""

WRITTEN_DOWN_FIRST = timedelta(seconds=1)
"""The same document may go out again at any time. So long it is not, so that each send is written down before it is
made: one over which we died is known to have been made, and its power stays sold."""

_VERDICTS = {
    Outcome.DONE: Verdict.DELIVERED,
    Outcome.DONE_IN_PART: Verdict.DELIVERED,
    Outcome.REFUSED: Verdict.DELIVERED,
    Outcome.WAIT: Verdict.TRY_AGAIN,
    Outcome.UNKNOWN: Verdict.UNKNOWN,
}


def send(*, tennet: TennetClient, clock: Clock) -> None:
    """Send what is due, and take over the answers."""

    def judge(message: OutboxMessage, answer: Response) -> Verdict:
        return _VERDICTS[tennet.meaning_of_document(answer, mrid=message.idempotency_key).outcome]

    def on_answer(message: OutboxMessage, answer: Response) -> None:
        mrid = message.idempotency_key
        sent = tennet.meaning_of_document(answer, mrid=mrid)
        note_answer(document_mrid=mrid, sent=sent, tennet=tennet, now=clock.now())

    deliver_due(
        clock=clock,
        channel=CHANNEL,
        http=tennet.http,
        credentials=lambda _message: tennet.credentials(),
        find_answer=_refuse_what_is_decided,
        in_flight=lambda _message: WRITTEN_DOWN_FIRST,
        judge=judge,
        on_answer=on_answer,
        on_dead=lambda message: _given_up(message, clock),
        longest_wait=LONGEST_WAIT,
    )


def _refuse_what_is_decided(message: OutboxMessage) -> None:
    """Let no document out whose bids have ended, as when a person sends it again; raises `RequestRefused`."""
    if not awaits_answer(message.idempotency_key):
        raise RequestRefused("Its bids are decided, so it must not be sent any more.")


def _given_up(message: OutboxMessage, clock: Clock) -> None:
    note_unanswered(
        document_mrid=message.idempotency_key,
        may_have_arrived=message.delivery_attempts.filter(may_have_arrived=True).exists(),
        why=message.last_error,
        now=clock.now(),
    )
