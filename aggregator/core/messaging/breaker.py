"""Leaving a counterparty alone that does not answer, so that it does not hold up the others.

After some failures in a row nothing goes to an address (scheme, host and port) for a while. Then one message is let
through, by one worker; its answer opens the way again, its failure makes the next pause longer. Who asks to be left
alone (Retry-After) is, from the first failure on. Pauses stay short beside the deadlines of messages, in any case.
Questions that are no messages (`polling`) are not asked meanwhile either.
"""

import logging
import re
from datetime import datetime, timedelta

from django.db.models import F, QuerySet

from aggregator.core.http import Response
from aggregator.core.models import Breaker

logger = logging.getLogger(__name__)

FAILURES_IN_A_ROW = 5
FIRST_PAUSE = timedelta(seconds=5)
LONGEST_PAUSE = timedelta(minutes=1)


def resting(now: datetime) -> QuerySet[Breaker]:
    """Return the counterparties that are left alone now."""
    return Breaker.objects.filter(rests_until__gt=now)


def counterparty_of(url: str) -> str:
    """Return whom an address belongs to: as the database cuts it out of a message's, scheme, host and port."""
    match = re.match("[a-z]+://[^/]+", url)
    return match[0] if match else ""


def lets_pass(counterparty: str, *, now: datetime) -> bool:
    """Tell whether a message may go out; the caller holds the transaction until it has the answer.

    When the pause is over, the first worker that asks holds the row meanwhile, and the others are told no.
    """
    known = Breaker.objects.filter(counterparty=counterparty)
    if not known.filter(rests_until__isnull=False).exists():
        return True
    return known.filter(rests_until__lte=now).select_for_update(skip_locked=True).first() is not None


def is_trouble(answer: Response | None) -> bool:
    """Tell whether an outcome is the counterparty's failure and not this one message's: no answer, 429, 5xx."""
    return answer is None or answer.status_code == 429 or answer.status_code >= 500  # noqa: PLR2004 - HTTP statuses


def note(counterparty: str, *, trouble: bool, now: datetime, asked: timedelta = timedelta(0)) -> None:
    """Count a failure, after which the counterparty `asked` for a pause, or forget them all after an answer."""
    known = Breaker.objects.filter(counterparty=counterparty)
    if not trouble:
        known.delete()
        return
    Breaker.objects.bulk_create([Breaker(counterparty=counterparty)], ignore_conflicts=True)
    if not known.update(failures=F("failures") + 1):
        return  # another worker had an answer meanwhile
    failures = known.values_list("failures", flat=True)[0]
    pause = asked
    if failures >= FAILURES_IN_A_ROW:
        pause = max(asked, FIRST_PAUSE * 2 ** min(failures - FAILURES_IN_A_ROW, 10))
    if pause:
        _rest(counterparty, pause, now=now, why=f"failed {failures} times in a row")


def leave_alone(counterparty: str, *, asked: timedelta, now: datetime) -> None:
    """Leave a counterparty alone as long as it `asked` in its answer to a question.

    That is no failure to count: what questions come to does not tell whether messages are taken.
    """
    if asked:
        Breaker.objects.bulk_create([Breaker(counterparty=counterparty)], ignore_conflicts=True)
        _rest(counterparty, asked, now=now, why="asked to be left alone")


def _rest(counterparty: str, pause: timedelta, *, now: datetime, why: str) -> None:
    pause = min(pause, LONGEST_PAUSE)
    Breaker.objects.filter(counterparty=counterparty).update(rests_until=now + pause)
    logger.warning("%s %s; nothing is sent to it for %s", counterparty, why, pause)


def try_now(counterparty: str, *, now: datetime) -> None:
    """End a pause, because a person wants to know."""
    Breaker.objects.filter(counterparty=counterparty, rests_until__gt=now).update(rests_until=now)
