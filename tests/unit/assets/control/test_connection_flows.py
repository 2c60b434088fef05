"""What setpoints ask of a connection, and who fits through it."""

import numpy as np

from assets.control.connection_flows import ConnectionFlow, Flow, asked_of_connection_w, fitting_w

CAR_W, BATTERY_W = 11_000, 0  # what leaves each to its own ways


def test_a_ceiling_asks_nothing_and_a_battery_is_charged_by_all_it_is_told():
    told_w = np.array([-11_000, 0, 5_000, 11_000])
    assert asked_of_connection_w(power_w=told_w, alone_w=CAR_W).tolist() == [-11_000, 0, 0, 0]
    assert asked_of_connection_w(power_w=told_w, alone_w=BATTERY_W).tolist() == told_w.tolist()


def test_who_comes_first_fits_first_and_the_last_gets_a_part():
    fits_w = fitting_w(
        wanted_w=np.array([5, 5, 5, 5, 5]),
        places=np.array(["a", "b", "a", "", "a"]),
        room_w={"a": 8, "b": 0, "c": 0},
    )
    assert fits_w.tolist() == [5, 0, 3, 5, 0]


def flow(way=Flow.FEEDING_IN):
    return ConnectionFlow("871", way, 20_000, {1: np.array([-15_000, 0]), 2: np.array([0, -9_000])})


def test_who_asks_for_more_than_others_leave_is_named_and_nobody_else():
    assert flow().room_w([2]).tolist() == [5_000, 20_000]
    assert flow().too_much_for_it({2: np.array([-5_000, -20_000])}) == {}
    refused = flow().too_much_for_it({2: np.array([-6_000, -20_000]), 3: np.array([0, 0])})
    assert refused == {2: "Connection 871: 21.0 kW would be fed in; at most 20.0 kW is allowed."}


def test_each_way_has_a_limit_of_its_own():
    assert flow().too_much_for_it({3: np.array([90_000, 90_000])}) == {}
    [why] = flow(Flow.CHARGING).too_much_for_it({3: np.array([20_001, 0])}).values()
    assert why.endswith("at most 20.0 kW is left beside what the other assets there may take.")


def test_a_limit_that_was_lowered_refuses_nobody_who_asks_no_more_than_before():
    lowered = ConnectionFlow("871", Flow.FEEDING_IN, 0, {1: np.array([-15_000, -15_000])})
    assert lowered.too_much_for_it({1: np.array([-15_000, -4_000])}) == {}
    assert lowered.too_much_for_it({1: np.array([-15_000, -15_001])}).keys() == {1}
