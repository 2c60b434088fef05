"""Which partner is calling: an OAuth2 bearer token of its own application."""

import hashlib

from drf_spectacular.contrib.django_oauth_toolkit import DjangoOAuthToolkitScheme
from oauth2_provider.contrib.rest_framework import OAuth2Authentication
from oauth2_provider.models import AccessToken, get_access_token_model
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from assets.models import Partner


class BearerAuthentication(OAuth2Authentication):  # type: ignore[misc] # the toolkit has no types
    """Reads the Authorization header only.

    The toolkit's own class also looks for a token in form bodies, and so reads a body of megabytes before it knows
    who sends it.
    """

    def authenticate(self, request: Request) -> tuple[None, AccessToken] | None:
        """Return the token, None without one, or raise when it is not valid (any more)."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        found = (
            get_access_token_model()
            .objects.select_related("application__partner")
            .filter(token_checksum=hashlib.sha256(token.strip().encode()).hexdigest())
            .first()
        )
        if found is None or found.is_expired():
            raise AuthenticationFailed("The token is unknown or has expired. Get a new one from /oauth/token/.")
        return None, found


class BearerScheme(DjangoOAuthToolkitScheme):  # type: ignore[no-untyped-call] # registers itself
    """How the OpenAPI document describes it."""

    target_class = "assets.cpo_api.authentication.BearerAuthentication"


def calling_partner(request: Request) -> Partner:
    """Return the partner whose token it is; permissions have made sure that there is one."""
    partner: Partner = request.auth.application.partner  # type: ignore[union-attr] # our tokens come from the toolkit
    return partner
