"""Correcting what a group is asked of balancing energy, by what the loop has just seen of it.

The share that plans aim for is kept with the activation and changed in the transaction of the look that shows why, one
at a time: who comes second, or after a crash, finds it done and the next look too early.
"""

from datetime import timedelta

from bidding.dispatch.balancing.accounting import asked_before_w
from bidding.dispatch.balancing.correction import ANSWER_TIME, Measured, corrected_share
from bidding.dispatch.intent import aim_w, within_cap
from bidding.dispatch.watching import Seen
from bidding.models import Activation, ActivationPtu

SHOWS_AFTER = timedelta(minutes=1)
"""A plan in states: the field's chargers follow within a minute or do not."""


def correct(activation: Activation, ptu: ActivationPtu, seen: Seen) -> bool:
    """Let plans aim for more or less from now on if the group brings too little or too much; tell whether they do.

    `activation` is locked, and saved, by the caller. Who was found not to do its part is replaced by the next plan, so
    like who is not seen it is taken to bring its part.
    """
    sample = seen.sample
    if sample.asked_w <= 0 or (activation.replanned_at and sample.at < activation.replanned_at + SHOWS_AFTER):
        return False
    least_w, most_w = asked_before_w(activation, at=sample.at, within=ANSWER_TIME)
    # What a plan cannot reach, or must keep, no other aim would change; here as what would be brought of it.
    short_w = max(aim_w(activation, ptu.planned_for_w or 0) - (ptu.planned_w or 0), 0) / activation.aim_share
    kept_w = ptu.kept_w / activation.aim_share
    share = corrected_share(
        activation.aim_share,
        Measured(
            least_w=within_cap(activation, least_w) - short_w,
            most_w=within_cap(activation, most_w) + kept_w,
            brought_w=seen.brought_w,
            measured_share=1.0 - (seen.assumed_w + seen.lost_by_assets_w) / sample.asked_w,
        ),
    )
    if share == activation.aim_share:
        return False
    activation.aim_share = share
    return True
