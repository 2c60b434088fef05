"""What live dispatch may do to keep a promise, beside what the promise was sized with."""

from bidding.dispatch.allocation.driver_budget import KEEPING_FACTOR
from bidding.dispatch.allocation.live_policy import LIVE_POLICY, REHEARSED_POLICY


def test_a_promise_is_kept_with_more_risk_than_it_was_rehearsed_with():
    rehearsed = REHEARSED_POLICY.policy.policy
    assert LIVE_POLICY.most_risk == KEEPING_FACTOR * rehearsed.most_risk
    assert LIVE_POLICY.safety == rehearsed.safety
