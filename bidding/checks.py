"""What Django checks of our settings before it serves or works."""

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, register

from bidding.forecast.stay_models import StayModelUnavailable, stay_models


@register
def stay_model_is_installed(app_configs: Sequence[AppConfig] | None, **given: Any) -> list[CheckMessage]:
    """A model of departures that cannot be had would fail every sizing."""
    del app_configs, given
    try:
        stay_models(settings.STAY_MODEL)
    except StayModelUnavailable as error:
        return [Error(str(error), hint="Set STAY_MODEL, or install its extra.", id="bidding.E001")]
    return []
