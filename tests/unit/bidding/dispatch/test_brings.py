import numpy as np

from bidding.dispatch.allocation.brings import Outlooks, brings_kw


def outlooks(direction, usual_kw, most_kw):
    return Outlooks(direction=direction, usual_kw=np.array(usual_kw), most_kw=np.array(most_kw))


def test_a_car_brings_its_baseline_less_what_it_will_take():
    # held; held at its least and nearly full; feeding in; left alone, and held before: it takes back
    cars = outlooks("reduce", [11.0, 5.0, 11.0, 0.0], [11.0, 3.0, 11.0, 11.0])
    assert brings_kw(np.array([0.0, 4.0, -6.0, 11.0]), cars).tolist() == [11.0, 2.0, 17.0, -11.0]


def test_a_car_that_charges_ahead_is_left_alone_and_brings_what_it_will_take_beyond_its_baseline():
    cars = outlooks("increase", [0.0, 5.0], [11.0, 5.0])
    assert brings_kw(np.array([11.0, 11.0]), cars).tolist() == [11.0, 0.0]
