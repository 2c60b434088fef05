"""The first page an operator sees."""

from typing import Any

from django.http import HttpRequest


def dashboard_context(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG001 - Unfold's signature
    """Return the template context of the admin's front page."""
    return context
