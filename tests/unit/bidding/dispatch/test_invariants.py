"""What must hold of every plan, whatever the fleet, the order, the records and the caps are."""

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from bidding.dispatch.allocation.caps import Scope, capped_kw
from bidding.dispatch.allocation.decision import Records, decide
from bidding.dispatch.allocation.expectations import expected, fitting_samples
from bidding.dispatch.allocation.plan import SteadyResources
from bidding.dispatch.allocation.release import LONGEST_PTUS, release_delays_ptus
from bidding.dispatch.allocation.tranches import taken
from bidding.dispatch.allocation.urgency import UrgencyPolicy
from bidding.dispatch.allocation.view import DispatchView
from bidding.flexibility.storage import ROUND_TRIP_EFFICIENCY
from bidding.forecast.outlook import Outlook

SAMPLES = 6


@st.composite
def fleets(draw):
    """Cars of every kind, V2G and full ones among them, batteries, and what is known of each."""
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    cars, steady = draw(st.integers(1, 25)), draw(st.integers(0, 4))
    power = random.choice([3.7, 11.0, 22.0], cars)
    elapsed = random.uniform(0, 8, cars)
    left = np.where(random.random(cars) < 0.5, random.uniform(0, 40, cars), np.nan)
    left[random.random(cars) < 0.2] = 0.0
    view = DispatchView(
        ptu_h=0.25,
        left_in_window_h=draw(st.integers(1, 12)) * 0.25,
        elapsed_h=elapsed,
        power_kw=power,
        takes_kw=power * np.where(random.random(cars) < 0.3, random.uniform(0.3, 1.0, cars), 1.0),
        floor_kw=np.where(random.random(cars) < 0.4, 1.4, 0.0),
        v2g=random.random(cars) < 0.3,
        energy_in_kwh=random.uniform(0, 30, cars),
        left_kwh=left,
        planned_kwh=None,
        outlook=Outlook(
            stay_h=elapsed[:, None] + random.gamma(1.0, 4.0, (cars, SAMPLES)),
            energy_kwh=random.gamma(2.0, 10.0, (cars, SAMPLES)),
            weight=np.ones((cars, SAMPLES)),
            own=draw(st.integers(0, SAMPLES)),
        ),
        is_limit=draw(st.booleans()),
    )
    usual = np.where(random.random(steady) < 0.5, 0.0, random.uniform(0, 3, steady))
    movable = np.where(usual > 0, usual, 100.0) * random.random(steady)
    records = [Records(follows=random.uniform(0.5, 1, n), burden=random.uniform(-0.02, 0.3, n)) for n in (cars, steady)]
    return view, SteadyResources(usual_kw=usual, movable_kw=movable), records, random


def planned(view, steady, records, direction, ordered_kw):
    return decide(
        direction=direction,
        wanted_kw=ordered_kw,
        plugs=view,
        steady=steady,
        policy=UrgencyPolicy(),
        plug_records=records[0],
        steady_records=records[1],
    )


def assert_harmless(view, steady, decision, direction):
    asked = decision.plan.plug_kw
    assert np.isfinite(asked).all()
    assert (asked <= view.power_kw + 1e-9).all()
    assert (asked >= np.where(view.v2g, -view.power_kw, 0.0) - 1e-9).all()  # only V2G cars feed in
    fed_in_kwh = np.maximum(-asked, 0.0) * view.left_in_window_h
    assert (fed_in_kwh <= view.energy_in_kwh + 1e-6).all()  # none below the level its driver keeps
    cannot_pause = (view.floor_kw > 0) & ~view.v2g & ~view.is_full
    assert (asked[cannot_pause] >= view.floor_kw[cannot_pause] - 1e-9).all()
    moved = decision.plan.steady_kw - steady.usual_kw
    assert (np.abs(moved) <= steady.movable_kw + 1e-9).all()
    assert ((moved <= 1e-9) if direction == "reduce" else (moved >= -1e-9)).all()


@given(fleets(), st.sampled_from(["reduce", "increase"]), st.floats(0, 500))
@settings(deadline=None)
def test_a_plan_asks_nobody_for_what_would_harm_it(fleet, direction, ordered_kw):
    view, steady, (plug_records, steady_records), _ = fleet
    decision = planned(view, steady, (plug_records, steady_records), direction, ordered_kw)
    assert_harmless(view, steady, decision, direction)


@given(fleets(), st.floats(0, 500), st.floats(0, 300), st.floats(0, 300))
@settings(deadline=None)
def test_a_plan_within_caps_ends_by_itself_and_returns_in_time(fleet, ordered_kw, moved_room, step_room):
    view, _, (records, _), random = fleet
    none = np.zeros(0)
    decision = decide(
        direction="reduce",
        wanted_kw=ordered_kw,
        plugs=view,
        steady=SteadyResources(usual_kw=none, movable_kw=none),
        policy=UrgencyPolicy(),
        plug_records=records,
        steady_records=Records(follows=none, burden=none),
    )
    count, alone = len(view.power_kw), view.power_kw
    everyone = np.zeros(count, dtype=np.int64)
    asked = capped_kw(
        asked_kw=decision.plan.plug_kw,
        standing_kw=alone,
        before_kw=alone,
        alone_kw=alone,
        order=random.permutation(count),
        moved=[Scope(everyone, np.array([moved_room]))],
        step=[Scope(everyone, np.array([step_room]))],
        may_change=random.random(count) < 0.9,
    )
    assert np.abs(asked - alone).sum() <= min(moved_room, step_room) + 1e-6
    delays = release_delays_ptus(
        spare_h=decision.laxity_h, needs_h=decision.need_h, power_kw=alone, is_held=asked < alone, ptu_h=view.ptu_h
    )
    assert ((delays >= 0) & (delays <= LONGEST_PTUS)).all()
    assert (delays[asked >= alone] == 0).all()
    assert (delays * view.ptu_h <= np.maximum(decision.laxity_h, 0.0) + 1e-9).all()  # nobody leaves late for it


@given(fleets(), st.sampled_from(["reduce", "increase"]), st.floats(0, 500))
@settings(deadline=None)
def test_whatever_assets_do_with_it_a_window_of_plans_harms_nobody(fleet, direction, ordered_kw):
    """Cars ignore what they are told, follow half, drive off or fall silent; every quarter hour is planned anew."""
    view, steady, (plug_records, steady_records), random = fleet
    told = ~np.isnan(view.left_kwh)
    wants_kwh = np.where(told, view.left_kwh, random.uniform(0, 40, len(told)))
    for _ in range(round(view.left_in_window_h / view.ptu_h)):
        if not len(view.power_kw):
            return
        decision = planned(view, steady, (plug_records, steady_records), direction, ordered_kw)
        assert_harmless(view, steady, decision, direction)
        obeys = random.choice([0.0, 0.5, 1.0], len(told), p=[0.3, 0.1, 0.6])
        drawn_kw = obeys * decision.plan.plug_kw + (1 - obeys) * view.power_kw
        drawn_kwh = np.minimum(drawn_kw * view.ptu_h, wants_kwh)
        energy_kwh = view.energy_in_kwh + np.where(drawn_kwh < 0, drawn_kwh / ROUND_TRIP_EFFICIENCY, drawn_kwh)
        assert (energy_kwh >= -1e-6).all()  # never below the charge on arrival
        wants_kwh -= energy_kwh - view.energy_in_kwh
        stays = np.flatnonzero(random.random(len(told)) < 0.85)
        silent = random.random(len(told)) < 0.1
        left_kwh = np.where(silent | ~told, np.nan, wants_kwh)
        view = replace(
            taken(replace(view, energy_in_kwh=np.maximum(energy_kwh, 0.0), left_kwh=left_kwh), stays),
            left_in_window_h=view.left_in_window_h - view.ptu_h,
        )
        view = replace(view, elapsed_h=view.elapsed_h + view.ptu_h)
        told, wants_kwh, plug_records = told[stays], wants_kwh[stays], plug_records.of(stays)


@given(fleets(), st.floats(0.05, 1.0))
@settings(deadline=None)
def test_no_reading_of_a_cars_power_makes_what_it_seems_to_give_grow(fleet, part):
    view, *_ = fleet
    as_rated, as_seen = replace(view, takes_kw=view.power_kw), replace(view, takes_kw=part * view.power_kw)
    usual_kwh, less_kwh = (expected(one, fitting_samples(one)).baseline_kwh for one in (as_rated, as_seen))
    assert (less_kwh <= usual_kwh + 1e-9).all()
    assert (less_kwh <= as_seen.takes_kw * view.ptu_h + 1e-9).all()
