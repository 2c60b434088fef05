"""Who may call the partners' interface."""

from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView


class IsActivePartner(BasePermission):
    """The token belongs to the application of an active partner."""

    def has_permission(self, request: Request, view: APIView) -> bool:  # noqa: ARG002 - DRF's signature
        """Tell whether the caller is an active partner."""
        application = getattr(request.auth, "application", None)
        partner = getattr(application, "partner", None)
        return partner is not None and partner.is_active
