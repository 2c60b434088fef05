"""The market's addresses."""

from django.urls import path

from mock_gopacs.views import announcements, control, health, orders, page

_ORDERS = "public-api/2.0/electricity/orders/gopacs"

urlpatterns = [
    path("", page.book),
    path("healthz", health.alive),
    path("readyz", health.ready),
    path("public/announcements", announcements.public_page),
    path("machineannouncements", announcements.machine_list),
    path(
        "public-api/1.0/announcements/<str:announcement_id>/eansolvingeffectivity",
        announcements.ean_solving_effectivity,
    ),
    path(_ORDERS, orders.collection),
    path(f"{_ORDERS}/<str:order_id>", orders.single),
    path("control/scenario", control.scenario),
    path("control/reset", control.reset),
    path("control/step", control.step),
    path("control/announcements/<uuid:announcement_id>/withdraw", control.withdraw),
    path("control/orders", control.orders),
    path("control/clearings", control.clearings),
    path("control/log", control.log),
    path("control/faults", control.fault_switches),
]

handler400 = "mock_gopacs.views.answers.bad_request"
handler404 = "mock_gopacs.views.answers.not_found"
handler500 = "mock_gopacs.views.answers.server_error"
