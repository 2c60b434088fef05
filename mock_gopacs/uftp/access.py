"""Access tokens, as an OAuth2 server hands them out for client credentials: opaque, short-lived, kept as fingerprints.

They live in real time: a client counts `expires_in` on its own clock, and a market that runs at sixty times the speed
must not make its tokens useless.
"""

import secrets
from datetime import UTC, datetime
from http import HTTPStatus

from django.db import transaction
from django.utils.crypto import constant_time_compare

from mock_gopacs.models import AccessToken, Market, UftpParticipant
from mock_gopacs.models.market import fingerprint

GRANT_TYPE = "client_credentials"


class TokenRefused(ValueError):
    """No token for this request; `error` is OAuth2's word for the reason."""

    def __init__(self, status: HTTPStatus, error: str, description: str) -> None:
        super().__init__(description)
        self.status = status
        self.error = error


@transaction.atomic
def issue_token(*, grant_type: str, client_id: str, client_secret: str) -> tuple[str, int]:
    """Return a new token and the seconds that it lasts; raise `TokenRefused` or `Market.DoesNotExist`."""
    lifetime = Market.lock().token_lifetime
    if grant_type != GRANT_TYPE:
        raise TokenRefused(HTTPStatus.BAD_REQUEST, "unsupported_grant_type", f"Use grant_type={GRANT_TYPE}.")
    participant = UftpParticipant.objects.filter(client_id=client_id.replace("\x00", "")).first()
    known = participant.client_secret_sha256 if participant else ""
    if participant is None or not constant_time_compare(fingerprint(client_secret), known):
        raise TokenRefused(
            HTTPStatus.UNAUTHORIZED, "unauthorized_client", "Invalid client or Invalid client credentials"
        )
    token, real_now = secrets.token_urlsafe(32), datetime.now(UTC)
    AccessToken.objects.filter(expires_at__lte=real_now).delete()
    AccessToken.objects.create(token_sha256=fingerprint(token), participant=participant, expires_at=real_now + lifetime)
    return token, int(lifetime.total_seconds())


def owner_of(authorization: str) -> UftpParticipant | None:
    """Return whose live token an `Authorization` header carries, if it does."""
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer":
        return None
    live = AccessToken.objects.select_related("participant").filter(
        token_sha256=fingerprint(token.strip()), expires_at__gt=datetime.now(UTC)
    )
    found = live.first()
    return found.participant if found else None


def expire_all() -> int:
    """End every token at once, as a restart of the token server does; return how many."""
    return AccessToken.objects.filter(expires_at__gt=datetime.now(UTC)).update(expires_at=datetime.now(UTC))
