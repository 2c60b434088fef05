from bidding.backtest.traits import PAUSE_FLOOR_KW, charger_traits

CHARGERS = [f"C{number}" for number in range(2_000)]


def drawn(chargers=CHARGERS, *, floor=0.3, v2g=0.4, seed=0):
    return charger_traits(chargers, pause_floor_share=floor, v2g_share=v2g, seed=seed)


def test_shares_are_met_and_a_v2g_car_can_pause():
    traits = drawn()
    assert abs(traits.v2g.mean() - 0.4) < 0.03
    assert set(traits.floor_kw.tolist()) == {0.0, PAUSE_FLOOR_KW}
    assert abs((traits.floor_kw > 0).mean() - 0.3 * 0.6) < 0.03  # drawn independently of V2G
    assert not (traits.v2g & (traits.floor_kw > 0)).any()


def test_none_and_all_are_exact():
    assert not drawn(floor=0.0, v2g=0.0).v2g.any()
    assert drawn(floor=1.0, v2g=0.0).floor_kw.min() == PAUSE_FLOOR_KW
    assert drawn(floor=1.0, v2g=1.0).v2g.all()


def test_a_draw_depends_on_charger_and_seed_only():
    whole, part = drawn(), drawn(CHARGERS[500:600][::-1])
    assert part.v2g[::-1].tolist() == whole.v2g[500:600].tolist()
    assert part.floor_kw[::-1].tolist() == whole.floor_kw[500:600].tolist()
    assert drawn(seed=1).v2g.tolist() != whole.v2g.tolist()
