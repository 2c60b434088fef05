import json
from datetime import UTC, datetime

import pytest

from aggregator.core.interval import Interval
from assets.simulator.config import InvalidConfiguration, read_configuration

DOCUMENT = {
    "api_url": "http://127.0.0.1:8000/api/v1/",
    "token_url": "http://127.0.0.1:8000/oauth/token/",
    "listen": {"port": 8100},
    "state_directory": "state",
    "day": "2026-01-14",
    "portfolio": {"seed": 1},
    "partners": {"remise": {"client_id": "a", "client_secret": "b", "callback_secret": "c"}},
}


def read(tmp_path, **changes: object):
    file = tmp_path / "simulator.json"
    file.write_text(json.dumps({**DOCUMENT, **changes}))
    return read_configuration(file)


def test_what_is_left_out_has_a_default(tmp_path):
    configuration = read(tmp_path)
    assert configuration.api_url == "http://127.0.0.1:8000/api/v1"
    assert configuration.period == Interval(
        datetime(2026, 1, 14, 11, tzinfo=UTC), datetime(2026, 1, 15, 11, tzinfo=UTC)
    )
    assert configuration.scale == 1.0
    assert configuration.sessions.file is None
    assert configuration.sessions.history_weeks == 8


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"starts_at": "2026-01-14T12:00:00"}, "no time zone"),
        ({"starts_at": "2026-01-14T12:07:00Z"}, "quarter hour"),
        ({"ends_at": "2026-01-14T10:00:00Z"}, "not after its start"),
        ({"portfolio": {}}, "lacks 'seed'"),
        ({"day": "14-01-2026"}, "cannot be used"),
        ({"sessions": {"zone": "Amsterdam"}}, "no time zone 'Amsterdam'"),
    ],
)
def test_a_bad_configuration_says_what_is_wrong(tmp_path, changes, complaint):
    with pytest.raises(InvalidConfiguration, match=complaint):
        read(tmp_path, **changes)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InvalidConfiguration, match=r"absent\.json"):
        read_configuration(tmp_path / "absent.json")
