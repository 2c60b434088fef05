"""Following TenneT's setpoint: each cycle it is heard, kept and ordered of the groups, and our power is told.

A cycle never waits for a plan: the groups that need one are handed over, and read the newest order themselves. When
TenneT falls silent the last setpoint holds for a short while; then nothing is asked any more, for TenneT stops counting
on whom it does not hear, and drivers come first.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings

from aggregator.core.clock import Clock
from aggregator.core.ptu import PTU, ptu_start
from bidding.dispatch.balancing.accounting import account, account_for_missed
from bidding.dispatch.balancing.measuring import measure
from bidding.dispatch.balancing.orders import Orders, give_orders
from bidding.dispatch.balancing.replanning import FULL_ACTIVATION, is_to_wait
from bidding.dispatch.balancing.runs import keep_runs
from bidding.dispatch.balancing.signals import forget_old_signals, last_followed, note_setpoint, note_silence
from bidding.markets.afrr.client import Outcome, TennetClient, TennetUnavailable
from bidding.markets.afrr.real_time import InvalidMeasurement, Setpoint, SignalTerms, Use, judge_setpoint
from bidding.models import ActivationPtu, BalancingSignal

logger = logging.getLogger(__name__)

KEEP_EVERY = timedelta(seconds=15)
"""Between looks at the bids: they are final 25 minutes ahead, so there is time."""

_Use = BalancingSignal.Use


@dataclass(frozen=True, slots=True)
class _Handed:
    at: datetime
    is_zero: bool


class Follower:
    """Follows TenneT's setpoint, one cycle at a time.

    Args:
        tennet: TenneT's side; its answers must come well within a cycle.
        clock: tells the time.
        plan: hands an activation to planning, at once and without waiting for it.
    """

    def __init__(self, *, tennet: TennetClient, clock: Clock, plan: Callable[[int], None]) -> None:
        self._tennet, self._clock, self._plan = tennet, clock, plan
        self._terms = SignalTerms(longest_age=settings.AFRR_SETPOINT_LONGEST_AGE)
        self._previous: Setpoint | None = None
        last = last_followed()
        self._heard_at = last.last_at if last else clock.now()
        self._delta_w = (last.delta_w or 0) if last else 0
        self._use = _Use.FOLLOWED
        self._handed: dict[int, _Handed] = {}
        self._troubles: set[str] = set()
        self._is_active = False
        self._keeps_at: datetime | None = None
        self._forgets_at: datetime | None = None

    def cycle(self) -> None:
        """Do what one cycle asks; without a bid now or next that is nothing. Raises `DatabaseError`."""
        now = self._clock.now()
        if self._keeps_at is None or now >= self._keeps_at:
            self._look_after(now)
        if not self._is_active:
            return
        why = self._listen()
        now = self._clock.now()
        self._judge_silence(why, now)
        orders = give_orders(delta_w=self._delta_w, now=now)
        self._say(
            "beyond",
            orders.beyond_w > 0,
            f"TenneT asks {orders.beyond_w / 1_000:,.0f} kW beyond our bids, which no group is asked. After a bid that "
            "ends that is the call running out; else ask TenneT.",
        )
        self._hand_over(orders, now)
        self._send_measurement(orders, now)

    def _look_after(self, now: datetime) -> None:
        """Keep activations and accounts up to date, and see whether there is anything to follow."""
        keep_runs(now=now)
        present = ptu_start(now)
        # A call runs out beyond the last bid, and TenneT settles that too.
        followed = ActivationPtu.objects.filter(
            activation__is_balancing=True,
            ptu_start__gt=now - PTU - FULL_ACTIVATION - KEEP_EVERY,
            ptu_start__lte=present + PTU,
        )
        self._is_active = followed.exists()
        if self._keeps_at is None:
            account_for_missed(now=now)
        elif self._is_active:
            account(present - PTU, now=now)
            account(present, now=now)
        if self._forgets_at is None or now >= self._forgets_at:
            forget_old_signals(now=now)
            self._forgets_at = now + PTU
        self._keeps_at = now + KEEP_EVERY

    def _listen(self) -> str:
        """Fetch the setpoint of this cycle and keep it where it can be used; else return why not."""
        try:
            received = self._tennet.fetch_setpoint()
        except TennetUnavailable as failure:
            return str(failure)
        judged = judge_setpoint(self._previous, received, now=self._clock.now(), terms=self._terms)
        if judged.use is Use.USABLE:
            note_setpoint(received, longest_age=self._terms.longest_age)
            self._previous, self._heard_at, self._delta_w = received, received.at, received.delta_w
        return "" if judged.use in {Use.USABLE, Use.REPEATED} else judged.why

    def _judge_silence(self, why: str, now: datetime) -> None:
        """Hold the last setpoint while nothing usable comes, for as long as is set; then go back to 0."""
        silent = now - self._heard_at
        if silent <= self._terms.longest_age:
            use = _Use.FOLLOWED
        elif silent <= self._terms.longest_age + settings.AFRR_HOLD:
            use = _Use.LOST
        else:
            use = _Use.GIVEN_UP
            self._previous, self._delta_w = None, 0  # whoever comes back may count anew
        if use == self._use:
            return
        since = f"No usable setpoint of TenneT since {self._heard_at:%H:%M:%S} UTC. {why}".strip()
        if use == _Use.FOLLOWED:
            logger.warning("TenneT's setpoint is heard again; it is followed.")
        elif use == _Use.LOST:
            logger.warning("%s The last one holds for %s.", since, settings.AFRR_HOLD)
        else:
            logger.error(
                "%s Nothing is asked of the groups any more. Look at the line to TenneT, and call TenneT: it may "
                "still count on us.",
                since,
            )
        if use != _Use.FOLLOWED:
            note_silence(use, since, now=now)
        self._use = use

    def _hand_over(self, orders: Orders, now: datetime) -> None:
        for activation_id, is_zero in orders.is_zero.items():
            last = self._handed.get(activation_id)
            since_last = now - last.at if last else None
            if is_to_wait(since_last=since_last, is_zero=is_zero, was_zero=bool(last and last.is_zero)):
                continue
            try:
                self._plan(activation_id)
            except Exception as error:  # noqa: BLE001 - whatever the broker's client raises: the next cycle comes soon
                text = f"Plans could not be handed over; dispatch makes them each minute: {error}"
                self._say("broker", True, text)
                continue
            self._say("broker", False)
            self._handed[activation_id] = _Handed(now, is_zero)

    def _send_measurement(self, orders: Orders, now: datetime) -> None:
        if not orders.rows:
            return
        try:
            sent = self._tennet.send_measurement(measure(orders.rows, now=now))
        except InvalidMeasurement as error:
            self._say("measurement", True, str(error))
            return
        self._say("measurement", sent.outcome is not Outcome.DONE, f"TenneT did not take our measurement. {sent.why}")

    def _say(self, about: str, is_trouble: bool, text: str = "") -> None:  # noqa: FBT001 - what it is called with
        """Log a trouble once, and that it is over."""
        if is_trouble and about not in self._troubles:
            self._troubles.add(about)
            logger.warning("%s", text)
        elif not is_trouble and about in self._troubles:
            self._troubles.remove(about)
            logger.warning("Over: the trouble with %s.", about)
