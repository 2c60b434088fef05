import pytest

from bidding.optimisation.replayed_capacity import REPLAYED_RISKS, ReplayedCapacity


def test_every_replay_is_told_what_the_one_below_it_kept():
    told = []

    def capacity_kw_at(risk, likely_kw):
        told.append((risk, likely_kw))
        return 100 * risk

    capacity = ReplayedCapacity.replay(capacity_kw_at, also=0.3)

    assert [risk for risk, _ in told] == sorted({*REPLAYED_RISKS, 0.3})
    assert [likely_kw for _, likely_kw in told] == [0.0, *capacity.capacity_kw[:-1]]
    assert capacity.at(0.3) == pytest.approx(30.0)


def test_between_two_limits_the_capacity_lies_between_and_beyond_them_it_stays():
    capacity = ReplayedCapacity((0.1, 0.4), (10.0, 30.0))
    assert capacity.at(0.2) == pytest.approx(20.0)  # halfway on the logarithm
    assert (capacity.at(0.05), capacity.at(0.9)) == (10.0, 30.0)
    assert ReplayedCapacity.constant(7.0).at(0.2) == 7.0
