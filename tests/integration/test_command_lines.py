"""What commands say of words that they cannot read; none of them gets as far as the database."""

import os
import subprocess
import sys

import pytest
from django.core.management import CommandError, call_command

from aggregator.embedded import CHECKOUT


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["demo", "--day", "01-07-2026"], "--day: a day reads like 2026-07-01, not '01-07-2026'"),
        (["demo", "--zone", "Amsterdam"], "--zone: there is no time zone 'Amsterdam'; write one like Europe/Amsterdam"),
        (["serve", "--speed", "0"], "--speed 0 would stand still"),
        (["contract", "--active-from", "2026-13-01"], "--active-from: a day reads like 2026-07-01"),
        (["contract", "--window-starts", "25:00"], "--window-starts: a local time reads like 17:00, not '25:00'"),
        (["contract", "--price-eur-per-mwh", "95,00"], "--price-eur-per-mwh: a number reads like 95.00, not '95,00'"),
        (["contract", "--price-eur-per-mwh", "NaN"], "--price-eur-per-mwh: a number reads like 95.00, not 'NaN'"),
        (["uftp_offer", "--day", "tomorrow"], "--day: a day reads like 2026-07-01, not 'tomorrow'"),
        (["uftp_offer", "--from", "17:00+02:00"], "--from: a local time reads like 17:00, not '17:00\\+02:00'"),
    ],
)
def test_what_cannot_be_read_is_told_with_an_example(words, says):
    with pytest.raises(CommandError, match=says):
        call_command(*words)


@pytest.mark.parametrize("words", [["partner", "--help"], ["migrate", "-h"]])
def test_help_starts_no_servers(words, tmp_path):
    environment = {name: value for name, value in os.environ.items() if name not in {"DATABASE_URL", "REDIS_URL"}}
    done = subprocess.run(
        [sys.executable, "manage.py", *words],
        cwd=CHECKOUT,
        env={**environment, "AGGREGATOR_VAR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("usage: manage.py")
    assert not (tmp_path / "postgres").exists()
