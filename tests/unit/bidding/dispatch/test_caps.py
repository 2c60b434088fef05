import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bidding.dispatch.allocation.caps import Scope, capped_kw, within_room

NOBODY = np.inf


@st.composite
def fleets(draw):
    """A fleet of cars and batteries in parts, what it was told, what a plan asks, and rooms of any size."""
    count = draw(st.integers(1, 30))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    alone = random.choice([0.0, 3.7, 11.0], count)
    kilowatt = st.floats(0.0, 200.0)
    return {
        "asked_kw": random.uniform(-11.0, alone),
        "standing_kw": np.where(random.random(count) < 0.5, alone, random.uniform(-11.0, 11.0, count)),
        "before_kw": np.where(random.random(count) < 0.5, alone, random.uniform(-11.0, 11.0, count)),
        "alone_kw": alone,
        "order": random.permutation(count),
        "moved": [scope(random, count, draw(kilowatt)), scope(random, count, draw(kilowatt))],
        "step": [scope(random, count, draw(kilowatt))],
        "may_change": random.random(count) < draw(st.sampled_from([0.5, 1.0])),
    }


def scope(random, count, room_kw):
    return Scope(random.integers(0, 3, count), np.array([room_kw, NOBODY, room_kw / 3]))


def used(scope, load_kw):
    return np.bincount(scope.part, weights=load_kw, minlength=3)


def test_who_comes_first_fits_first():
    fits = within_room(
        load_kw=np.array([5.0, 5.0, 5.0]),
        scopes=[Scope(np.zeros(3, dtype=int), np.array([10.0]))],
        order=np.array([2, 0, 1]),
    )
    assert fits.tolist() == [True, False, True]


@given(fleets())
def test_no_scope_takes_on_more_than_its_room(fleet):
    fits = within_room(
        load_kw=np.abs(fleet["asked_kw"] - fleet["alone_kw"]), scopes=fleet["moved"], order=fleet["order"]
    )
    load = np.where(fits, np.abs(fleet["asked_kw"] - fleet["alone_kw"]), 0.0)
    for one in fleet["moved"]:
        assert (used(one, load) <= one.room_kw + 1e-6).all()


@given(fleets())
def test_a_capped_plan_keeps_every_cap(fleet):
    asked, alone, standing, before = (fleet[f"{name}_kw"] for name in ("asked", "alone", "standing", "before"))
    capped = capped_kw(**fleet)
    # An asset that may not turn, or was further out before, keeps what it was told: nothing new is asked of it.
    new = np.where((capped == standing) | (capped == before), 0.0, np.abs(capped - alone))
    for one in fleet["moved"]:
        assert (used(one, new) <= one.room_kw + 1e-6).all()
    outward = np.maximum(np.abs(capped - alone) - np.abs(before - alone), 0.0)
    for one in fleet["step"]:
        assert (used(one, outward) <= one.room_kw + 1e-6).all()
    assert np.isin(capped, np.concatenate([asked, standing, before, alone])).all()


@given(fleets())
def test_being_left_alone_is_always_open(fleet):
    fleet["asked_kw"] = fleet["alone_kw"]
    fleet["may_change"][:] = True
    assert (capped_kw(**fleet) == fleet["alone_kw"]).all()
