"""Following TenneT's setpoint: our side against the mock TenneT, cars told by the real dispatch."""

from datetime import date, timedelta
from decimal import Decimal

import pytest

from aggregator.core.clock import VirtualClock
from aggregator.core.ean import Ean13
from aggregator.core.http import HttpClient
from aggregator.core.ptu import ptu_start
from assets.models import AssetState
from bidding.dispatch.acts import hold_activation, stop_activation
from bidding.dispatch.balancing.accounting import account_for_missed
from bidding.dispatch.balancing.correction import TOLERANCE_W
from bidding.dispatch.balancing.following import Follower
from bidding.dispatch.balancing.measuring import measure
from bidding.dispatch.balancing.orders import give_orders
from bidding.dispatch.operations import run_activation
from bidding.markets.afrr.bid_document import BidDocument, bid_document_xml
from bidding.markets.afrr.bids import Bid
from bidding.markets.afrr.client import Outcome, TennetClient
from bidding.markets.afrr.terms import ProductTerms
from bidding.models import (
    Activation,
    BalancingPtu,
    BalancingSignal,
    DispatchAlarm,
)
from tests.bid_documents import BSP, post_document
from tests.integration.bidding.balancing_side import CYCLE, MADE_AT, MINUTE, MW, PART_W, PTU, make_bid, rows_of
from tests.integration.bidding.evening import STARTS_AT, asked_w
from tests.integration.mock_gopacs.bsp_side import tennet_scenario

ASKED = [{"at": "17:05", "mw": 1}, {"at": "17:20", "mw": 0.5}, {"at": "17:25", "mw": 0}]


class Night:
    """Plays cycles: each setpoint is followed, plans are made at once, and cars do as they are told."""

    def __init__(self, market, fleet) -> None:
        self.market, self.fleet = market, fleet
        self.handed = []
        self.client = TennetClient(
            http=HttpClient(allowed_private_hosts=frozenset({"127.0.0.1"})), base_url=market.address, api_key="bsp-key"
        )
        self.follower = self.begin()

    def begin(self):
        """Start a follower anew, as after a crash."""
        self.follower = Follower(
            tennet=self.client, clock=VirtualClock(self.market.clock_file), plan=self.handed.append
        )
        return self.follower

    def offer(self, parts, *, ptus):
        """Bid 1 MW in some quarter hours, at TenneT and in our own books."""
        for number in range(ptus):
            made = make_bid(STARTS_AT + number * PTU, parts)
            bid = Bid(made.mrid, made.ptu_start, "reduce", made.power_w, made.price_eur_per_mwh)
            document = BidDocument(f"document-{number}", Ean13(BSP), MADE_AT, (bid,))
            body = bid_document_xml(document, terms=ProductTerms(), version="7.4")
            sent = post_document(self.client, body, mrid=document.mrid)
            assert sent.outcome is Outcome.DONE, sent.why

    def play(self, starts_at, ends_at, *, skip=()):
        """Play the cycles of a time, but for those in `skip`."""
        now = starts_at
        while now < ends_at:
            self.market.set_clock(now)
            if now not in skip:
                self.follower.cycle()
            self.plan(now)
            now += CYCLE

    def plan(self, now):
        if now.second == 0:
            told = asked_w(ptu_start(now))
            for asset in self.fleet:
                alone = 0 if asset.kind == "battery" else 11_000
                AssetState.objects.filter(asset=asset).update(at=now, power_w=told.get(asset.pk, alone))
            self.handed += Activation.objects.exclude(status="finished").values_list("pk", flat=True)
        for pk in dict.fromkeys(self.handed):
            run_activation(activation_id=pk, now=now)
        self.handed.clear()

    def moved_kw(self, now):
        """Return how much less the assets are told to take than they would."""
        alone = {asset.pk: 0 if asset.kind == "battery" else 11_000 for asset in self.fleet}
        return sum(alone[pk] - power_w for pk, power_w in asked_w(ptu_start(now)).items()) / 1_000

    def settled(self, ptu):
        """Return what TenneT itself settles of a quarter hour [Wh], up and down."""
        self.market.set_clock(STARTS_AT + timedelta(hours=22))
        [period] = [one for one in self.client.fetch_settlement(date(2026, 1, 14)).periods if one.starts_at == ptu]
        return tuple(one.requested_mwh * MW for one in (period.reduce, period.increase))


@pytest.fixture
def night(market_process, fleet, group, other):
    def begin(**terms):
        market_process.set_clock(MADE_AT)
        market_process.load(tennet_scenario(demand=ASKED, terms=terms))
        made = Night(market_process, fleet)
        made.offer({group: PART_W, other: MW - PART_W}, ptus=2)
        return made

    return begin


def requested_wh(ptu):
    row = BalancingPtu.objects.get(ptu_start=ptu)
    return tuple(Decimal(ws) / 3600 for ws in (row.requested_reduce_ws, row.requested_increase_ws))


def local(text):
    hour, minute = text.split(":")
    return STARTS_AT.replace(hour=int(hour) - 1, minute=int(minute))


@pytest.mark.parametrize("terms", [{}, {"is_ramped": True}], ids=["stepped", "ramped"])
def test_cars_follow_tennet_over_the_boundary_and_what_was_asked_is_what_tennet_settles(night, group, terms):
    played = night(**terms)
    played.play(local("16:59"), local("17:05"))
    assert played.moved_kw(local("17:04")) == 0

    played.play(local("17:05"), local("17:14"))
    assert rows_of()[group.ean].ordered_w == PART_W
    moved_kw = [played.moved_kw(local("17:13"))]
    for second in range(0, 120, 4):
        at = local("17:14") + timedelta(seconds=second)
        played.play(at, at + CYCLE)
        moved_kw += [played.moved_kw(at), played.moved_kw(max(at, STARTS_AT + PTU))]
    assert min(moved_kw) >= PART_W / 1_000  # nobody is let go where the quarter hour turns
    assert max(moved_kw) < 2 * PART_W / 1_000
    assert rows_of(STARTS_AT + PTU)[group.ean].ordered_w == PART_W

    played.play(local("17:16"), local("17:24"))
    is_ramped = bool(terms)
    if not is_ramped:
        assert rows_of(STARTS_AT + PTU)[group.ean].ordered_w == PART_W // 2
        assert abs(played.moved_kw(local("17:24")) * 1_000 - PART_W / 2) <= TOLERANCE_W
    played.play(local("17:24"), local("17:29"))
    if not is_ramped:
        assert played.moved_kw(local("17:29")) == 0
    played.play(local("17:29"), local("17:31") + CYCLE)

    for ptu in (STARTS_AT, STARTS_AT + PTU):
        row = BalancingPtu.objects.get(ptu_start=ptu)
        assert (row.cycles, row.lost_cycles) == (225, 0)
        assert tuple(round(wh) for wh in requested_wh(ptu)) == played.settled(ptu)
        assert played.settled(ptu)[0] > 0
        mean_w = row.requested_reduce_ws / 900
        assert sum(one.ordered_w for one in rows_of(ptu).values()) == pytest.approx(mean_w, abs=2)
        assert rows_of(ptu)[group.ean].ordered_w == pytest.approx(mean_w * PART_W / MW, abs=1)
    run = Activation.objects.get(aggregation_ean=group)
    assert run.status == Activation.Status.FINISHED
    assert not DispatchAlarm.objects.filter(activation=run).exists()


def test_when_tennet_falls_silent_the_setpoint_holds_for_a_minute_and_then_goes_back_to_0(night, group, caplog):
    played = night()
    played.play(local("17:04"), local("17:07"))
    assert played.moved_kw(local("17:06")) >= PART_W / 1_000
    played.market.control("POST", "tennet/faults", json={"kind": "invalid", "seconds": 600})

    played.play(local("17:07"), local("17:08"))
    assert rows_of()[group.ean].ordered_w == PART_W  # 60 s after the last one, less than 12 + 60
    lost = BalancingSignal.objects.get(use="lost")
    assert "not valid" in lost.why
    played.play(local("17:08"), local("17:09"))
    assert rows_of()[group.ean].ordered_w == 0
    assert played.moved_kw(local("17:08")) == 0
    assert BalancingSignal.objects.get(use="given_up").at == local("17:08") + 3 * CYCLE
    played.play(local("17:09"), local("17:11"))
    own = [record for record in caplog.records if record.name.endswith("following")]
    assert [record.levelname for record in own] == ["WARNING", "ERROR"]  # once each, not once per cycle
    # What was asked counts until it was too old; TenneT counts on, and says so in its settlement.
    played.play(local("17:11"), local("17:11") + MINUTE / 4)
    row = BalancingPtu.objects.get(ptu_start=STARTS_AT)
    assert row.requested_reduce_ws == (2 * 60 - 4 + 12) * MW
    assert row.lost_cycles >= 15 + 4 * 15


def test_a_tennet_that_is_heard_again_is_followed_again(night, group, caplog):
    played = night()
    played.play(local("17:04"), local("17:06"))
    played.market.control("POST", "tennet/faults", json={"kind": "not_a_number", "seconds": 120})
    played.play(local("17:06"), local("17:07") + MINUTE / 2)
    assert rows_of()[group.ean].ordered_w == 0
    played.play(local("17:07") + MINUTE / 2, local("17:08") + MINUTE / 2)
    assert rows_of()[group.ean].ordered_w == PART_W
    assert caplog.messages.count("TenneT's setpoint is heard again; it is followed.") == 1


def test_a_follower_that_was_killed_goes_on_and_counts_nothing_twice(night, group):
    played = night()
    played.play(local("17:00"), local("17:06"))
    played.begin()  # and asks for the cycle that the one before had
    played.play(local("17:06") - CYCLE, local("17:08"))
    played.begin()
    lost = [local("17:08") + number * CYCLE for number in range(2)]
    played.play(local("17:08"), local("17:10"), skip=lost)
    played.begin()
    played.play(local("17:10"), local("17:15") + MINUTE / 2)

    row = BalancingPtu.objects.get(ptu_start=STARTS_AT)
    assert (row.cycles, row.lost_cycles) == (223, 2)
    # Two cycles fit into the age that a setpoint may have, so nothing is missing.
    assert tuple(round(wh) for wh in requested_wh(STARTS_AT)) == played.settled(STARTS_AT)


def test_of_quarter_hours_in_which_nobody_listened_it_is_known_that_they_are_lost(group):
    make_bid(STARTS_AT, {group: PART_W})
    account_for_missed(now=STARTS_AT + 3 * PTU)
    row = BalancingPtu.objects.get()
    assert (row.ptu_start, row.requested_reduce_ws, row.cycles, row.lost_cycles) == (STARTS_AT, 0, 0, 225)


def test_two_followers_at_once_do_no_harm(night, group):
    """Only one should run; if two do all the same, each finds done what the other did."""
    played = night()
    first, second = played.begin(), played.begin()
    now = local("17:03")
    while now < local("17:07"):
        played.market.set_clock(now)
        for follower in (first, second):
            follower.cycle()
        played.plan(now)
        now += CYCLE
    account_for_missed(now=now)
    row = BalancingPtu.objects.get(ptu_start=STARTS_AT)
    assert (row.requested_reduce_ws, row.cycles) == (120 * MW, 60)


# What the minute loop makes of it.


def test_it_is_not_below_order_while_the_full_activation_time_lasts(night, group):
    played = night()
    played.play(local("17:04"), local("17:05") + CYCLE)
    run = Activation.objects.get(aggregation_ean=group)
    assert run.samples.get().lost_by_cause == {"asked_now": PART_W}  # the plan is made after the look
    played.fleet = []  # nobody follows any more
    AssetState.objects.exclude(asset__kind="battery").update(power_w=11_000)
    played.play(local("17:05") + CYCLE, local("17:06"))

    def look(at):
        AssetState.objects.update(at=at)
        played.play(at, at + CYCLE)
        return run.alarms.filter(kind="below_order", cleared_at=None).exists()

    for minute in range(6, 10):
        assert not look(local(f"17:{minute:02}"))
        played.play(local(f"17:{minute:02}") + CYCLE, local(f"17:{minute + 1:02}"))
    assert not look(local("17:10"))
    played.play(local("17:10") + CYCLE, local("17:11"))
    assert look(local("17:11"))


def test_without_a_follower_dispatch_itself_lets_go_of_what_was_asked(night, group):
    played = night()
    played.play(local("17:04"), local("17:07"))
    assert played.moved_kw(local("17:07")) >= PART_W / 1_000
    played.plan(local("17:08"))
    assert played.moved_kw(local("17:08")) >= PART_W / 1_000
    played.plan(local("17:09"))
    assert rows_of()[group.ean].ordered_w == 0
    assert played.moved_kw(local("17:09")) == 0


def test_an_operator_stops_what_is_called_and_no_plan_starts_it_again(night, group, admin_user):
    played = night()
    played.play(local("17:04"), local("17:07"))
    run = Activation.objects.get(aggregation_ean=group)
    stop_activation(activation_id=run.pk, now=local("17:07"), actor=admin_user, reason="A driver called.")
    told = asked_w(STARTS_AT + 3 * PTU)
    played.play(local("17:07"), local("17:09"))
    assert asked_w(STARTS_AT + 3 * PTU) == told
    assert rows_of()[group.ean].ordered_w == PART_W  # still asked, and missed


# What TenneT is told.


def test_tennet_is_told_our_power_and_what_it_would_be_without_the_call(night, group, fleet, admin_user):
    played = night()
    played.play(local("17:04"), local("17:07") + CYCLE)
    now = local("17:07") + CYCLE
    rows = give_orders(delta_w=-MW, now=now).rows
    told = measure(rows, now=now)
    taken_w = sum(AssetState.objects.values_list("power_w", flat=True))
    assert told.measured_w == taken_w
    assert told.reference_w - told.measured_w == pytest.approx(played.moved_kw(now) * 1_000, rel=0.01)
    assert told.reference_w == pytest.approx(220_000, rel=0.01)
    assert (told.available_reduce_w, told.available_increase_w, told.is_in_control) == (0, 0, True)

    rows = give_orders(delta_w=-MW // 2, now=now).rows
    assert measure(rows, now=now).available_reduce_w == MW // 2
    run = Activation.objects.get(aggregation_ean=group)
    hold_activation(activation_id=run.pk, now=now, actor=admin_user, reason="Looking.")
    held = measure(give_orders(delta_w=-MW // 2, now=now).rows, now=now)
    assert (held.available_reduce_w, held.is_in_control) == ((MW - PART_W) // 2, False)


def test_measuring_takes_one_query(night, group, django_assert_num_queries):
    played = night()
    played.play(local("17:04"), local("17:06"))
    rows = give_orders(delta_w=-MW, now=local("17:06")).rows
    with django_assert_num_queries(1):
        measure(rows, now=local("17:06"))


def test_without_a_bid_now_or_next_tennet_is_not_asked(group, market_process):
    market_process.set_clock(STARTS_AT)
    follower = Follower(tennet=None, clock=VirtualClock(market_process.clock_file), plan=None)
    follower.cycle()
    make_bid(STARTS_AT + 2 * PTU, {group: PART_W})
    market_process.set_clock(STARTS_AT + MINUTE)
    follower.cycle()
