"""The addresses of the service."""

from django.contrib import admin
from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from oauth2_provider.views import TokenView

from aggregator.core import health
from aggregator.operator.metrics import metrics
from bidding.markets.uftp.transport import MESSAGE_PATH
from bidding.uftp.views import receive_message
from bidding.views import take_push

handler404 = "aggregator.core.problems.not_found"
handler500 = "aggregator.core.problems.server_error"

urlpatterns = [
    path("admin/", admin.site.urls),
    path("healthz", health.live),
    path("readyz", health.ready),
    path("metrics", metrics),
    # The toolkit's other pages (authorisation by people, application management) have no use here and stay closed.
    path("oauth/token/", TokenView.as_view()),
    path("api/v1/", include("assets.cpo_api.urls")),
    path("ocpi/", include("assets.ocpi.urls")),
    path("exchange/orders", take_push),
    path(MESSAGE_PATH.lstrip("/"), receive_message),
    path("api/schema", SpectacularAPIView.as_view(), name="schema"),
    path("api/docs", SpectacularSwaggerSplitView.as_view(url_name="schema", template_name="operator/api_docs.html")),
]
