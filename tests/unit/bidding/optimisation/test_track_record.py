import pytest

from bidding.optimisation.small_samples import wilson_interval
from bidding.optimisation.track_record import PlacedBid, TrackRecord, track_records

DAY_S, HOUR_S = 86_400, 3_600


def bid(day, *, hour=17, is_kept, reliability=0.95, bid_kw=100.0):
    starts_s = day * DAY_S + hour * HOUR_S
    return PlacedBid(starts_s=starts_s, bid_kw=bid_kw, reliability=reliability, is_kept=is_kept).tally


def test_bids_are_counted_per_promise():
    records = track_records([bid(1, is_kept=True), bid(2, is_kept=False), bid(3, is_kept=True, reliability=0.9)])
    assert [(record.promised, record.bids, record.kept) for record in records] == [(0.9, 1, 1), (0.95, 2, 1)]


def test_the_sentence_names_promise_share_count_and_interval():
    (record,) = track_records([bid(number, is_kept=number != 3) for number in range(40)])
    assert record.sentence() == ("promised 95%, kept 97.5% (40 windows with a bid, 95 % interval 87.1% to 99.6%)")


def test_the_sentence_of_a_single_window_speaks_of_one():
    (record,) = track_records([bid(1, is_kept=True)])
    assert "(1 window with a bid, 95" in record.sentence()


@pytest.mark.parametrize(("kept", "is_below"), [(95, False), (92, False), (80, True)])
def test_a_record_is_below_its_promise_when_chance_does_not_explain_it(kept, is_below):
    record = TrackRecord(
        promised=0.95,
        bids=100,
        days=100,
        kept=kept,
        kept_share=kept / 100,
        interval=wilson_interval(kept, 100),
        mean_bid_kw=1.0,
    )
    assert record.is_below_promise is is_below


def test_without_bids_there_is_no_record():
    assert track_records([]) == ()


def test_bids_of_one_day_that_were_broken_together_say_less_than_those_of_many():
    together = [bid(day, hour=hour, is_kept=day != 3) for day in range(20) for hour in range(5)]
    apart = [bid(day, is_kept=day % 20 != 3) for day in range(100)]
    [of_days], [of_bids] = track_records(together), track_records(apart)
    assert (of_days.bids, of_days.days, of_days.kept_share) == (100, 20, 0.95)
    assert (of_bids.bids, of_bids.days, of_bids.kept_share) == (100, 100, 0.95)
    assert of_days.interval == pytest.approx(wilson_interval(19, 20))
    assert of_bids.interval == pytest.approx(wilson_interval(95, 100))
    assert of_days.mean_bid_kw == 100.0
