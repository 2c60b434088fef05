"""Asking a counterparty how things stand, under the same pauses as messages; it may ask for one here, too."""

from collections.abc import Mapping
from dataclasses import dataclass

from aggregator.core.clock import Clock
from aggregator.core.http import RequestFailed, Response, SendsRequests
from aggregator.core.messaging import breaker
from aggregator.core.ptu import dutch_time


@dataclass(frozen=True, slots=True)
class PollingClient:
    """Sends requests that the next round repeats anyway, and so can be left out."""

    http: SendsRequests
    clock: Clock

    def request(self, *, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Response:
        """Send one request; raises as `HttpClient.request` does, also while the counterparty is left alone."""
        counterparty, now = breaker.counterparty_of(url), self.clock.now()
        rests = breaker.resting(now).filter(counterparty=counterparty)
        if until := rests.values_list("rests_until", flat=True).first():
            raise RequestFailed(
                f"{counterparty} is left alone, as it failed or asked for it (Retry-After): not asked before "
                f"{dutch_time(until, '%H:%M:%S')} Dutch time."
            )
        answer = self.http.request(method=method, url=url, headers=headers, body=body)
        now = self.clock.now()
        breaker.leave_alone(counterparty, asked=answer.asks_to_wait(now), now=now)
        return answer
