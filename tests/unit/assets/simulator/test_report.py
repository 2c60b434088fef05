"""What every driver got, as the simulator's report tells it."""

import numpy as np

from assets.simulator.faults import Faults, FaultShares
from assets.simulator.report import build_report
from tests.unit.assets.simulator.test_world import ASSETS, PORTFOLIO, Told, make_world, play


def test_the_report_says_what_every_driver_got_and_what_a_fault_cost_those_it_hit():
    faults = Faults(shares=FaultShares(never_wakes=0.5), n=len(ASSETS), seed=1)
    sleepy = faults.has("never_wakes")
    world, undisturbed = make_world(never_wakes=sleepy), make_world()
    outcomes = play(world, Told(0.0))
    play(undisturbed, Told(np.nan))

    drivers = build_report(
        portfolio=PORTFOLIO,
        world=world,
        undisturbed=undisturbed,
        outcomes=outcomes,
        batches=[],
        judgements=[],
        faults=faults,
    )["drivers"]

    hit = drivers["by_fault"]["never_wakes"]
    assert drivers["by_fault"].keys() == {"never_wakes"}
    assert hit["assets"] == sleepy.sum()
    mine = [one for one in outcomes if sleepy[world.sessions.asset[one.row]]]
    assert hit["sessions"] == len(mine) < drivers["sessions"] == len(outcomes)
    assert hit["unserved_kwh"] == round(sum(one.missing_kwh for one in mine), 3) > 0
    assert hit["unserved_kwh"] <= drivers["unserved_kwh"]
    assert hit["served"] < hit["sessions"]
