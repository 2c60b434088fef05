"""What an alarm of too little says to who reads it at night."""

import pytest

from bidding.dispatch.operations import _loop_alarms
from bidding.dispatch.watching import Seen
from bidding.models import Activation, ActivationSample


@pytest.mark.parametrize(
    ("is_balancing", "ordered_w", "delivered_w", "words"),
    [
        (False, 200_000, 150_000, "150 kW of 200 kW ordered."),
        (False, -60_000, -70_000, "10 kW beyond the limit."),
        (False, 0, -1_000, "1 kW beyond the limit."),  # only a limit asks for nothing
        (True, 0, -50_000, "-50 kW of 0 kW ordered."),
    ],
)
def test_what_an_alarm_of_too_little_says(is_balancing, ordered_w, delivered_w, words):
    seen = Seen(
        sample=ActivationSample(ordered_w=ordered_w, delivered_w=delivered_w),
        lost_by_assets_w=0, found={}, failing={}, silent_partners=(), brought_w=0, assumed_w=0,
    )  # fmt: skip
    assert _loop_alarms(Activation(is_balancing=is_balancing), seen, is_below=True)["below_order"] == words
