"""What Django checks of our settings before it serves or works."""

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import WARNING, CheckMessage, Error, register

from bidding.forecast.stay_models import StayModelUnavailable, stay_models

POLLED_EVERY_TICKS = 5
FASTEST_POLL_SECONDS = 300


@register
def stay_model_is_installed(app_configs: Sequence[AppConfig] | None, **given: Any) -> list[CheckMessage]:
    """A model of departures that cannot be had would fail every sizing."""
    del app_configs, given
    try:
        stay_models(settings.STAY_MODEL)
    except StayModelUnavailable as error:
        return [Error(str(error), hint="Set STAY_MODEL, or install its extra.", id="bidding.E001")]
    return []


@register
def gopacs_is_polled_no_faster_than_it_asks(
    app_configs: Sequence[AppConfig] | None, **given: Any
) -> list[CheckMessage]:
    """A virtual clock belongs to a market of our own, which may be asked more often."""
    del app_configs, given
    every_seconds = POLLED_EVERY_TICKS * settings.TICK_SECONDS
    if not settings.GOPACS_URL or settings.CLOCK_FILE or every_seconds >= FASTEST_POLL_SECONDS:
        return []
    return [
        CheckMessage(
            WARNING,
            f"GOPACS is polled every {every_seconds:g} seconds; it asks for {FASTEST_POLL_SECONDS} or more.",
            hint=f"Set TICK_SECONDS to at least {FASTEST_POLL_SECONDS // POLLED_EVERY_TICKS}.",
            id="bidding.W001",
        )
    ]
