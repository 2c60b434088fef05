"""Whether the web process lives, and whether it can serve."""

from django.db import DatabaseError
from django.http import HttpRequest, JsonResponse

from mock_gopacs.models import Market
from mock_gopacs.views.answers import json_view, refuse


@json_view("GET")
def alive(_request: HttpRequest) -> JsonResponse:
    """Answer as long as the process runs."""
    return JsonResponse({"status": "alive"})


@json_view("GET")
def ready(_request: HttpRequest) -> JsonResponse:
    """Answer when the database does and is migrated; tell which scenario is loaded."""
    try:
        scenario = Market.objects.values_list("scenario", flat=True).first()
    except DatabaseError as error:
        refuse(503, "DATABASE", f"The database does not serve: {error}. Run python -m mock_gopacs migrate.")
    return JsonResponse({"status": "ready", "scenario": scenario})
