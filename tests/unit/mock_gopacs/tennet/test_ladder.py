"""The merit order of a PTU: who is taken, how much, at which price."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from mock_gopacs.tennet.ladder import Direction, Offer, clear

UP, DOWN = Direction.UP, Direction.DOWN


def offer(key, price, mw=10, *, direction=UP, bsp="ours"):
    return Offer(key, bsp, f"bid-{key}", direction, Decimal(mw), Decimal(price))


def taken(clearing):
    return {item.key: volume for item, volume in clearing.taken}


def test_up_takes_the_cheapest_first_and_the_last_in_part_sets_the_price():
    clearing = clear([offer(1, 90), offer(2, 50), offer(3, 70)], demand_mw=Decimal("14.5"))
    assert taken(clearing) == {2: 10, 3: Decimal("4.5")}
    assert clearing.price_eur_per_mwh == 70
    assert clearing.target_mw("ours") == Decimal("14.5")


def test_down_takes_first_who_pays_most_and_is_told_with_a_minus():
    offers = [offer(1, 40, direction=DOWN), offer(2, -10, direction=DOWN), offer(3, 5, direction=DOWN), offer(4, 1)]
    clearing = clear(offers, demand_mw=Decimal(-25))
    assert taken(clearing) == {1: 10, 3: 10, 2: 5}
    assert clearing.price_eur_per_mwh == -10
    assert clearing.target_mw("ours") == -25


def test_of_equal_prices_the_earlier_bid_is_taken_first():
    assert taken(clear([offer(2, 50), offer(1, 50)], demand_mw=Decimal(10))) == {1: 10}


def test_bids_of_a_lost_bsp_are_passed_by():
    offers = [offer(1, 10, bsp="lost"), offer(2, 99)]
    clearing = clear(offers, demand_mw=Decimal(5), unavailable={"lost"})
    assert (taken(clearing), clearing.price_eur_per_mwh, clearing.target_mw("lost")) == ({2: 5}, 99, 0)


def test_without_demand_or_bids_there_is_no_price():
    assert clear([offer(1, 50)], demand_mw=Decimal(0)).price_eur_per_mwh is None
    assert clear([], demand_mw=Decimal(5)).price_eur_per_mwh is None


@st.composite
def ladders(draw):
    row = st.tuples(
        st.integers(-500, 500), st.integers(1, 40), st.sampled_from(Direction), st.sampled_from(["ours", "a", "b"])
    )
    rows = draw(st.lists(row, max_size=12))
    return [offer(key, price, mw, direction=way, bsp=bsp) for key, (price, mw, way, bsp) in enumerate(rows)]


demands = st.integers(-200_000, 200_000).map(lambda kw: Decimal(kw) / 1000)


@given(ladders(), demands, st.sets(st.sampled_from(["ours", "a", "b"])))
def test_never_more_than_the_demand_or_the_ladder_and_the_setpoints_are_the_whole_of_it(offers, demand, lost):
    clearing = clear(offers, demand_mw=demand, unavailable=lost)
    volume = sum(taken(clearing).values())
    reach = sum(item.quantity_mw for item in offers if item.direction is clearing.direction and item.bsp not in lost)
    # all that is wanted, or all there is
    assert volume == min(abs(demand), reach)
    assert all(0 < mw <= item.quantity_mw and item.bsp not in lost for item, mw in clearing.taken)
    assert sum(clearing.target_mw(bsp) for bsp in ("ours", "a", "b")) == clearing.direction.sign * volume


@given(ladders(), demands, demands)
def test_more_demand_never_makes_a_better_price(offers, one, other):
    less, more = sorted((abs(one), abs(other)))
    for direction in Direction:
        prices = [clear(offers, demand_mw=direction.sign * demand).price_eur_per_mwh for demand in (less, more)]
        if None not in prices:
            assert direction.sign * prices[0] <= direction.sign * prices[1]
        # and nobody is taken at a price worse than its own
        clearing = clear(offers, demand_mw=direction.sign * more)
        for item, _ in clearing.taken:
            assert direction.sign * item.price_eur_per_mwh <= direction.sign * clearing.price_eur_per_mwh
