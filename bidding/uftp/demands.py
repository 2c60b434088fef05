"""What a request or order asks of a group, PTU by PTU, and whether the contract allows it to be asked."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from aggregator.core.ptu import MARKET_ZONE, PTU, ptus_of_day
from bidding.markets.uftp.messages import PowerIsp
from bidding.markets.uftp.powers import PowerMeaning, Side, absolute_limits, deviations
from bidding.models import Contract, Direction
from bidding.uftp.reservations import ABOVE_VOLUME, callable_w

NOT_CALLED = "The contract holds without calls"
NOT_ACTIVE = "The contract is not active on this day"
OUTSIDE_WINDOW = "ISPs outside the window of the contract"
CALLED_TOO_LATE = "Called after the deadline of the contract"
ALREADY_STARTED = "One or more ISPs have already started"
BOTH_DIRECTIONS = "Powers in both directions in one message are not supported"
NOTHING_ASKED = "No power is asked"
NOT_AVAILABLE = "Capacity is not available: it is already sold in one or more ISPs"


@dataclass(frozen=True, slots=True)
class Demand:
    """What is asked in one PTU. A limit has one of its two bounds, a deviation none."""

    ptu_start: datetime
    power_w: int
    max_import_w: int | None = None
    max_export_w: int | None = None

    @property
    def is_limit(self) -> bool:
        """Whether the power is a limit of the connection."""
        return self.max_import_w is not None or self.max_export_w is not None

    @property
    def direction(self) -> Direction:
        """Which way consumption must move for it."""
        reduces = self.max_import_w is not None if self.is_limit else self.power_w < 0
        return Direction.REDUCE if reduces else Direction.INCREASE

    def reserved_w(self, callable_w: int) -> int:
        """Return what it takes from the ledger, when the operator may call `callable_w`.

        A limit may take up to all of that, however high consumption turns out, so all of it is kept.
        """
        return callable_w if self.is_limit else abs(self.power_w)


def demands_of(isps: Sequence[PowerIsp], *, period: date, contract: Contract) -> tuple[Demand, ...]:
    """Return the demands of powers under a contract, in order of time; a deviation of zero demands nothing."""
    powers = deviations(isps, period=period)
    if contract.power_meaning == PowerMeaning.DELTA:
        found = [Demand(start, power_w) for start, power_w in powers if power_w]
    else:
        limits = absolute_limits(isps, period=period, side=Side(contract.zero_side))
        found = [
            Demand(start, power_w, limit.max_import_w, limit.max_export_w)
            for (start, power_w), limit in zip(powers, limits, strict=True)
        ]
    return tuple(sorted(found, key=lambda demand: demand.ptu_start))


def contract_reasons(
    demands: Sequence[Demand], *, period: date, contract: Contract, called_at: datetime | None, now: datetime
) -> Iterator[str]:
    """Yield why the contract does not bind us to `demands`.

    `called_at` is when the request of this call arrived; None when we offered of our own accord, which waives the
    deadline.
    """
    if contract.limit_w is not None:
        yield NOT_CALLED
    if not is_active(contract, period):
        yield NOT_ACTIVE
    if not all(_in_window(demand.ptu_start, contract) for demand in demands):
        yield OUTSIDE_WINDOW
    if (
        called_at
        and contract.call_until is not None
        and called_at > _call_deadline(period, contract, contract.call_until)
    ):
        yield CALLED_TOO_LATE
    if any(demand.ptu_start <= now for demand in demands):
        yield ALREADY_STARTED
    most_w = callable_w(contract, [demand.ptu_start for demand in demands])
    if any(max(demand.reserved_w(most_w[demand.ptu_start]), 1) > most_w[demand.ptu_start] for demand in demands):
        yield ABOVE_VOLUME
    if not demands:
        yield NOTHING_ASKED
    if len({demand.direction for demand in demands}) > 1:
        yield BOTH_DIRECTIONS


def standing_demands(*, day: date, limit_w: int, contract: Contract, now: datetime) -> tuple[Demand, ...]:
    """Return what a contract that holds without calls demands on a day, as far as it lies ahead and is not released."""
    caps_import = contract.zero_side == Side.IMPORT
    starts = [start for start in ptus_of_day(day) if start > now and _in_window(start, contract)]
    most_w = callable_w(contract, starts)
    return tuple(
        Demand(
            start,
            limit_w if caps_import else -limit_w,
            max_import_w=limit_w if caps_import else None,
            max_export_w=None if caps_import else limit_w,
        )
        for start in starts
        if most_w[start]
    )


def is_active(contract: Contract, day: date) -> bool:
    """Tell whether a contract runs on a day."""
    return contract.active_from <= day and (contract.active_until is None or day <= contract.active_until)


def gaps(demands: Iterable[Demand]) -> tuple[datetime, ...]:
    """Return the PTUs between the first and the last of `demands` in which nothing is asked."""
    asked = {demand.ptu_start for demand in demands}
    ptus = (max(asked) - min(asked)) // PTU
    return tuple(start for start in (min(asked) + n * PTU for n in range(ptus)) if start not in asked)


def _in_window(ptu_start: datetime, contract: Contract) -> bool:
    if contract.window_starts is None or contract.window_ends is None:
        return True
    at = ptu_start.astimezone(MARKET_ZONE).time()
    if contract.window_starts < contract.window_ends:
        return contract.window_starts <= at < contract.window_ends
    return at >= contract.window_starts or at < contract.window_ends  # to or past midnight


def _call_deadline(period: date, contract: Contract, until: time) -> datetime:
    day = period - timedelta(days=contract.call_days_before)
    return datetime.combine(day, until, MARKET_ZONE).astimezone(UTC)
