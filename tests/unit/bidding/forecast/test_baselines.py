import tracemalloc

import numpy as np

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
