"""What live dispatch may do to keep a promise, beside what the promise was sized with."""

from bidding.dispatch.allocation.driver_budget import KEEPING_FACTOR
from bidding.dispatch.allocation.live_policy import live_policy, rehearsed_policy


def test_a_promise_is_kept_with_more_risk_than_it_was_rehearsed_with():
    live, rehearsed = live_policy(0.2), rehearsed_policy(0.2).policy.policy
    assert live.most_risk == KEEPING_FACTOR * rehearsed.most_risk == KEEPING_FACTOR * 0.2
    assert live.safety == rehearsed.safety
