"""Who may call the partners' interface."""

from oauth2_provider.contrib.rest_framework import TokenHasScope
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView


class IsActivePartner(BasePermission):
    """The token belongs to the application of an active partner."""

    message = "These credentials belong to no active partner."

    def has_permission(self, request: Request, view: APIView) -> bool:  # noqa: ARG002 - DRF's signature
        """Tell whether the caller is an active partner."""
        application = getattr(request.auth, "application", None)
        partner = getattr(application, "partner", None)
        return partner is not None and partner.is_active


class HasScope(TokenHasScope):  # type: ignore[misc] # the toolkit has no types
    """The token carries the scope that the view names."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Tell whether the token's scopes suffice, and say which one is wanted when they do not."""
        wanted = " ".join(self.get_scopes(request, view))
        self.message = f"This call needs a token with scope {wanted}. Ask for it at /oauth/token/."
        return bool(super().has_permission(request, view))
