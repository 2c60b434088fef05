import numpy as np

from bidding.forecast.declarations import Declarations

AT_S = 1_700_000_000


def said(*words):
    """Declarations of (charger, plug-in, told, departure, energy), seconds from `AT_S`."""
    charger, plug_in_s, told_s, plug_out_s, energy_kwh = zip(*words, strict=True)
    return Declarations.of(
        charger=np.array(charger, dtype=np.int32),
        plug_in_s=AT_S + np.array(plug_in_s),
        told_s=AT_S + np.array(told_s),
        plug_out_s=AT_S + np.array(plug_out_s, dtype=np.float64),
        energy_kwh=np.array(energy_kwh, dtype=np.float64),
    )


def known(declarations, *cars, now):
    charger, plug_in_s = zip(*cars, strict=True)
    departures_s, energies_kwh = declarations.known_at(
        np.array(charger, dtype=np.int32), AT_S + np.array(plug_in_s), now_s=AT_S + now
    )
    return (departures_s - AT_S).tolist(), energies_kwh.tolist()


def test_a_word_counts_from_when_it_was_told_until_the_next():
    declarations = said((3, 0, 60, 900, 8.0), (3, 0, 20, 500, 5.0))

    np.testing.assert_equal(known(declarations, (3, 0), now=19), ([np.nan], [np.nan]))
    assert known(declarations, (3, 0), now=20) == ([500], [5.0])
    assert known(declarations, (3, 0), now=60) == ([900], [8.0])


def test_a_word_is_about_one_session_of_one_charger():
    declarations = said((3, 0, 0, 900, 8.0), (4, 100, 100, np.nan, 2.0))

    found = known(declarations, (4, 100), (3, 100), (5, 0), (3, 0), now=200)

    np.testing.assert_equal(found, ([np.nan, np.nan, np.nan, 900], [2.0, np.nan, np.nan, 8.0]))


def test_groups_keep_their_words_when_their_chargers_are_numbered_on():
    both = Declarations.joined([said((0, 0, 0, 900, 8.0)), said((0, 0, 0, 700, 7.0))], first_charger=[0, 10])

    assert known(both, (10, 0), (0, 0), now=0) == ([700, 900], [7.0, 8.0])


def test_who_never_says_anything_is_known_by_nothing():
    np.testing.assert_equal(known(Declarations.none(), (0, 0), now=0), ([np.nan], [np.nan]))
