"""Energy per quarter hour from charging periods."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.ocpi.metering import quarter_energy
from assets.ocpi.objects import read_session
from tests.field_side import at
from tests.integration.ocpi.cpo_platform import session


def period(start, **volumes):
    rows = [{"type": name, "volume": volume} for name, volume in volumes.items()]
    return {"start_date_time": f"2026-01-14T{start}:00Z", "dimensions": rows}


def energy(*periods, start="16:00", end=None):
    over = {"status": "COMPLETED", "end_date_time": f"2026-01-14T{end}:00Z"} if end else {}
    document = session(
        start_date_time=f"2026-01-14T{start}:00Z",
        charging_periods=list(periods),
        last_updated="2026-01-14T18:00:00Z",
        **over,
    )
    return {f"{ptu:%H:%M}": value for ptu, value in quarter_energy(read_session(document)).items()}


@pytest.mark.parametrize(
    ("periods", "times", "expected"),
    [
        pytest.param(
            [period("16:00", ENERGY=3)],
            {"end": "16:45"},
            {"16:00": (1000, 0), "16:15": (1000, 0), "16:30": (1000, 0)},
            id="pro rata",
        ),
        pytest.param(
            [period("16:00", ENERGY=1), period("16:20", ENERGY=2), period("16:30", POWER=5)],
            {},
            {"16:00": (750, 0), "16:15": (2250, 0)},
            id="the open period says nothing",
        ),
        pytest.param(
            [period("16:05", ENERGY=1)], {"start": "16:05", "end": "16:10"}, {"16:00": (1000, 0)}, id="within one"
        ),
        pytest.param(
            [period("16:00", ENERGY=-2)], {"end": "16:30"}, {"16:00": (0, 1000), "16:15": (0, 1000)}, id="fed in"
        ),
        pytest.param(
            [period("16:00", ENERGY_IMPORT=2, ENERGY_EXPORT=1, ENERGY=1)],
            {"end": "16:15"},
            {"16:00": (2000, 1000)},
            id="both ways",
        ),
        pytest.param(
            [period("16:00", ENERGY=1), period("16:15", POWER=5), period("16:30", ENERGY=1)],
            {"end": "16:45"},
            {"16:00": (1000, 0), "16:30": (1000, 0)},
            id="no energy told is not zero",
        ),
        pytest.param(
            [period("16:20", ENERGY=1)], {"end": "16:45"}, {"16:30": (600, 0)}, id="the beginning is not told"
        ),
        pytest.param([period("16:00", POWER=5)], {"end": "16:45"}, {}, id="power is no energy"),
        pytest.param([], {"end": "16:45"}, {}, id="no periods"),
        pytest.param(
            [period("16:00", ENERGY=3), period("17:00", ENERGY=3)], {"end": "16:45"}, {}, id="ends before its period"
        ),
        pytest.param([period("16:00", ENERGY=0)], {"end": "16:15"}, {"16:00": (0, 0)}, id="a told zero is zero"),
    ],
)
def test_energy_by_quarter_hour(periods, times, expected):
    assert energy(*periods, **times) == expected


@given(st.lists(st.tuples(st.integers(1, 50), st.integers(0, 9_999)), min_size=1, max_size=20), st.integers(0, 59))
def test_nothing_is_lost_or_made_up(pieces, minute):
    """Whatever the periods, the quarter hours add up to what was told, to the watt-hour."""
    at_minute, periods = minute, []
    for minutes, wh in pieces:
        clock = f"{at_minute // 60:02}:{at_minute % 60:02}"
        periods.append(period(clock, ENERGY=wh / 1000))
        at_minute += minutes
    end = f"{at_minute // 60:02}:{at_minute % 60:02}"

    found = energy(*periods, start=f"00:{minute:02}", end=end)

    assert sum(taken for taken, _ in found.values()) == sum(wh for _, wh in pieces)
    assert all(taken >= 0 for taken, _ in found.values())


def test_a_session_that_nobody_ended_is_not_taken_apart():
    document = session(
        start_date_time="2025-01-01T00:00:00Z",
        status="COMPLETED",
        end_date_time="2026-01-14T16:00:00Z",
        charging_periods=[{"start_date_time": "2025-01-01T00:00:00Z", "dimensions": [{"type": "ENERGY", "volume": 9}]}],
    )
    assert quarter_energy(read_session(document)) == {}
    assert at("16:00") > read_session(document).starts_at
