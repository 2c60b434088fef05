import tracemalloc
from datetime import UTC, datetime

import numpy as np
import pytest

from bidding.forecast.baselines import PTU_S, PriceCurve, price_kwh

START_S = 40_000 * PTU_S
DAY_S = 86_400
EDGES_S = START_S + PTU_S * np.arange(0, 97, dtype=np.int64)
PRICES = PriceCurve(START_S, np.random.default_rng(1).uniform(-20, 100, 96))


def mixed_stays(count):
    """Some minutes to a day, and one of sixty days."""
    rng = np.random.default_rng(2)
    plug_in_s = START_S + rng.integers(-DAY_S, DAY_S, count)
    stay_s = rng.integers(0, DAY_S, count)
    stay_s[count // 2] = 60 * DAY_S
    power_kw = rng.choice([3.7, 11.0], count)
    energy_kwh = rng.uniform(0, 1, count) * power_kw * stay_s / 3600
    return plug_in_s, plug_in_s + stay_s, energy_kwh, power_kw


def test_one_very_long_stay_costs_no_memory_for_the_others():
    stays = mixed_stays(1_000)
    tracemalloc.start()

    price_kwh(*stays, EDGES_S, prices=PRICES)

    peak_mb = tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()
    assert peak_mb < 40


def test_every_stay_is_charged_as_if_it_were_alone():
    stays = mixed_stays(1_000)

    together = price_kwh(*stays, EDGES_S, prices=PRICES)

    alone = [price_kwh(*(column[[row]] for column in stays), EDGES_S, prices=PRICES) for row in range(1_000)]
    assert np.array_equal(together, np.concatenate(alone))


def _s(*when):
    return int(datetime(*when, tzinfo=UTC).timestamp())


@pytest.mark.parametrize(
    ("now", "ends"),
    [
        ((2024, 3, 29, 11, 59), (2024, 3, 29, 23)),  # a minute before 13:00 in Amsterdam
        ((2024, 3, 29, 12), (2024, 3, 30, 23)),
        ((2024, 3, 30, 12), (2024, 3, 31, 22)),  # the next day has 23 hours
        ((2024, 3, 1), (2024, 3, 29, 0, 15)),  # before the curve: its first price, which tells nothing
        ((2024, 4, 9), (2024, 4, 2)),
    ],
)
def test_the_prices_of_a_day_are_out_at_one_o_clock_of_the_day_before(now, ends):
    curve = PriceCurve(_s(2024, 3, 29), np.arange(4.0 * 96))
    known = curve.published_by(_s(*now), timezone="Europe/Amsterdam")
    assert (known.starts_s, known.ends_s) == (curve.starts_s, _s(*ends))
    assert known.eur_per_mwh.tolist() == curve.eur_per_mwh[: len(known.eur_per_mwh)].tolist()
