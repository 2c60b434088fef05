"""What a page of ours may load and run: a content security policy on every answer."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; object-src 'none'; "
    "base-uri 'self'; frame-ancestors 'none'; form-action 'self'"
)
# Alpine.js compiles the expressions in the theme's templates; without that no menu of an operator page works.
THEME_POLICY = POLICY.replace("script-src 'self'", "script-src 'self' 'unsafe-eval'")
THEME_PATH = "/admin/"


class PagePolicy:
    """Send the policy with whatever is answered: inline scripts run nowhere, and only the theme's pages compile any."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Pass the request on and add the header to its answer."""
        answer = self._get_response(request)
        is_themed = request.path.startswith(THEME_PATH)
        answer["Content-Security-Policy"] = THEME_POLICY if is_themed else POLICY
        return answer
