"""The addresses of OCPI, under /ocpi/."""

import re

from django.urls import URLPattern, path, re_path
from django.views import View

from assets.ocpi.views import base, locations, profiles, registration, sessions
from assets.ocpi.wire import VERSION

_OURS = re.escape(VERSION)
_PARTY = r"/*(?P<country_code>[^/]{2})/(?P<party_id>[^/]{3})"
"""Behind an address of ours, with a slash between: peers put in one, two, or none (extrawest-ocpi)."""
_ID = r"[^/]{1,36}"


def _at(pattern: str, view: type[View]) -> URLPattern:
    """Return an address, with or without a slash behind it: peers differ."""
    return re_path(rf"^{pattern}/?$", view.as_view())


urlpatterns = [
    _at("versions", registration.VersionsView),
    _at(_OURS, registration.VersionView),
    _at(f"{_OURS}/credentials", registration.CredentialsView),
    _at(f"{_OURS}/sessions{_PARTY}/(?P<session_id>{_ID})", sessions.SessionView),
    _at(f"{_OURS}/locations{_PARTY}/(?P<location_id>{_ID})", locations.LocationView),
    _at(f"{_OURS}/locations{_PARTY}/(?P<location_id>{_ID})/(?P<evse_uid>{_ID})", locations.LocationView),
    _at(
        f"{_OURS}/locations{_PARTY}/(?P<location_id>{_ID})/(?P<evse_uid>{_ID})/(?P<connector_id>{_ID})",
        locations.LocationView,
    ),
    _at(rf"{_OURS}/chargingprofiles/results/(?P<reference>[0-9a-f]{{32}})", profiles.ResultView),
    _at(f"{_OURS}/chargingprofiles/(?P<session_id>{_ID})", profiles.ActiveProfileView),
    path("<path:rest>", base.NothingHere.as_view()),
]
