"""The market's addresses."""

from django.urls import path

from bidding.markets.uftp.transport import MESSAGE_PATH
from mock_gopacs.views import announcements, control, health, orders, page, tennet, tennet_control, uftp, uftp_control

_ADDRESS_BOOK = "uftp-participants"
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
    path("realms/gopacs/protocol/openid-connect/token", uftp.token),
    path(f"{_ADDRESS_BOOK}/v3/participants/contracts/<str:contract_id>/roles/<str:role>", uftp.participant_of_contract),
    path(f"{_ADDRESS_BOOK}/v3/participants/<str:domain>", uftp.participant),
    path(f"{_ADDRESS_BOOK}/v2/participants/<str:role>", uftp.participant_v2),
    path(f"{_ADDRESS_BOOK}/v2/participants/<str:role>/<str:domain>", uftp.participant_v2),
    path(MESSAGE_PATH.removeprefix("/"), uftp.message),
    path("tennet/documents", tennet.documents),
    path("tennet/setpoint", tennet.setpoint),
    path("tennet/measurements", tennet.measurements),
    path("tennet/settlements/<str:day>", tennet.settlements),
    path("control/tennet/merit-order", tennet_control.merit_order),
    path("control/tennet/demand", tennet_control.demand),
    path("control/tennet/measurements", tennet_control.measurements),
    path("control/tennet/faults", tennet_control.fault_switches),
    path("control/uftp/calls", uftp_control.calls),
    path("control/uftp/messages", uftp_control.messages),
    path("control/uftp/faults", uftp_control.fault_switches),
    path("control/uftp/participants/<str:domain>/rotate-key", uftp_control.rotate_key),
    path("control/uftp/participants/<str:domain>/endpoint", uftp_control.move_endpoint),
    path("control/uftp/tokens/expire", uftp_control.expire_tokens),
    path("control/uftp/address-book-v2", uftp_control.address_book_v2),
    path("control/scenario", control.scenario),
    path("control/reset", control.reset),
    path("control/step", control.step),
    path("control/announcements/<uuid:announcement_id>/withdraw", control.withdraw),
    path("control/announcements/<uuid:announcement_id>/change", control.change),
    path("control/announcements/<uuid:announcement_id>/show", control.show),
    path("control/orders", control.orders),
    path("control/clearings", control.clearings),
    path("control/log", control.log),
    path("control/faults", control.fault_switches),
]

handler400 = "mock_gopacs.views.answers.bad_request"
handler404 = "mock_gopacs.views.answers.not_found"
handler500 = "mock_gopacs.views.answers.server_error"
