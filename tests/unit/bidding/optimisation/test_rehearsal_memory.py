from dataclasses import replace

import numpy as np
import pytest

from bidding.optimisation.interface import WindowSpec
from bidding.optimisation.rehearsal import rehearsed_lead_s
from bidding.optimisation.rehearsal_memory import RehearsalMemory, Rehearsed, basis_of
from bidding.optimisation.sizing import size_window
from bidding.replay.past_windows import PastWindows
from tests.unit.bidding.forecast.fleets import evening_fleet, group_at, instant_s

SESSIONS = evening_fleet(chargers=30, days=60)
NOON_S = instant_s(52, 12)


def sized(memory, *, now_s=NOON_S, sessions=SESSIONS):
    window = WindowSpec(
        starts_s=instant_s(52, 17), ends_s=instant_s(52, 19), direction="reduce", baseline="arrival",
        reliability=0.9, min_bid_kw=1.0, step_kw=1.0,
    )  # fmt: skip
    return size_window(
        window=window, now_s=now_s, timezone="UTC", groups=[group_at(sessions, now_s)], scenarios=60, memory=memory
    )


def corrected(day):
    """The same sessions, but on one day everybody took half as much."""
    is_of_day = SESSIONS.plug_in_s // 86_400 == instant_s(day, 12) // 86_400
    return replace(SESSIONS, energy_kwh=np.where(is_of_day, SESSIONS.energy_kwh / 2, SESSIONS.energy_kwh))


@pytest.fixture
def plays(monkeypatch):
    """Count what is played."""
    starts_s, kept_kw = [], PastWindows.kept_kw
    monkeypatch.setattr(
        PastWindows,
        "kept_kw",
        lambda self, window, **other: starts_s.append(window.starts_s) or kept_kw(self, window, **other),
    )
    return starts_s


def test_sized_anew_a_bid_rests_on_the_same_rehearsals(plays):
    memory = RehearsalMemory(most=100)
    first = sized(memory)
    count = len(plays)
    assert count == len(set(plays)) > 20
    assert sized(memory).explanation == first.explanation == sized(None).explanation
    assert len(plays) == 2 * count  # only the one without a memory played again

    later = sized(memory, now_s=NOON_S + 600)  # of 5 hours lead, ten minutes less
    assert len(plays) == 2 * count
    assert later.bid_kw > 0


def test_a_corrected_session_is_rehearsed_and_one_that_ends_today_waits_for_tomorrow():
    def basis(sessions, now_s=NOON_S):
        return basis_of([group_at(sessions, now_s)], "reduce", now_s=now_s, prices=None, outdoor_c=None)

    assert basis(SESSIONS) == basis(SESSIONS, NOON_S + 3600) == basis(corrected(52))
    assert basis(SESSIONS) != basis(corrected(50))
    assert basis(SESSIONS) != basis(SESSIONS, NOON_S + 86_400)


def test_what_else_a_rehearsal_rests_on_tells_it_apart():
    group = group_at(SESSIONS, NOON_S)
    steady = {"now_s": NOON_S, "prices": None, "outdoor_c": None}
    bases = [
        basis_of([group], "reduce", **steady),
        basis_of([group], "increase", **steady),
        basis_of([group], "reduce", np.zeros(8), **steady),
        basis_of([group], "reduce", np.ones(8), **steady),
        basis_of([replace(group, traits=replace(group.traits, v2g=~group.traits.v2g))], "reduce", **steady),
        basis_of([group], "reduce", **(steady | {"outdoor_c": {NOON_S // 86_400 - 1: 3.0}})),
    ]
    assert len(set(bases)) == len(bases)
    assert basis_of([group], "reduce", **(steady | {"outdoor_c": {NOON_S // 86_400: 3.0}})) == bases[0]  # of today


def test_the_windows_asked_for_last_are_remembered():
    memory, rehearsed = RehearsalMemory(most=2), []

    def recall(now_s):
        return memory.recall(
            b"", now_s=now_s, starts_s=0, rehearse=lambda: rehearsed.append(now_s) or Rehearsed(None, float(now_s))
        )

    assert [recall(now_s).kept_kw for now_s in (1, 2, 1, 3, 1, 2)] == [1, 2, 1, 3, 1, 2]
    assert rehearsed == [1, 2, 3, 2]


@pytest.mark.parametrize(
    ("lead_s", "rehearsed_s"),
    [(0, 0), (60, 900), (3600, 3600), (3601, 4500), (14_400, 14_400), (16_500, 18_000), (86_400, 86_400)],
)
def test_a_lead_is_rehearsed_in_few_lengths_never_a_shorter_one(lead_s, rehearsed_s):
    assert rehearsed_lead_s(lead_s) == rehearsed_s
