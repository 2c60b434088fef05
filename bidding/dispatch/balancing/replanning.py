"""When a change of what is asked of a group is worth a new plan. Pure."""

from datetime import timedelta

FULL_ACTIVATION = timedelta(minutes=5)
"""[cited: EU, full activation time] In which all that is asked must be there: until then less is not too little."""
LEAST_BETWEEN = timedelta(seconds=30)
"""Between plans of a group. Chargers answer within seconds to a minute, and a plan is to show before the next one
replaces it; the first response to a change is due after 30 s [cited: TenneT's older rules, the German model]."""
DEADBAND_SHARE = 0.02
"""Of the part in the bid. As `SHORT_SHARE` in dispatch: less than that is not short of it yet."""
LEAST_CHANGE_W = 4_000
"""About what the slowest car charges with: a smaller change moves none."""


def is_worth_a_plan(*, ordered_w: int, planned_for_w: int, part_w: int) -> bool:
    """Tell whether a group needs a plan for what is ordered, where its newest one was made for `planned_for_w`.

    Back to 0 always does. All of a small part does too.
    """
    if ordered_w == 0:
        return planned_for_w > 0
    deadband_w = min(max(round(DEADBAND_SHARE * part_w), LEAST_CHANGE_W), max(part_w, 1))
    return abs(ordered_w - planned_for_w) >= deadband_w


def is_to_wait(*, since_last: timedelta | None, is_zero: bool, was_zero: bool) -> bool:
    """Tell whether a plan that is worth it waits for the one before to show.

    `since_last` is the time since the group was handed to planning, None when it never was. From 0 and back to 0 goes
    at once: also when the setpoint crosses, which is both.
    """
    return since_last is not None and since_last < LEAST_BETWEEN and is_zero == was_zero
