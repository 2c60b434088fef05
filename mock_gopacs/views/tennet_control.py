"""The control API of TenneT's side: look at merit orders and measurements, want more or less, misbehave."""

from datetime import UTC, datetime
from typing import Any

from django.http import HttpRequest, JsonResponse

from aggregator.core.clock import clock_from_environment
from aggregator.core.ptu import ptu_start
from mock_gopacs.models import AfrrFault, AfrrTerms, Bsp, DemandChange, Market, PoolMeasurement
from mock_gopacs.scenario_values import InvalidScenario
from mock_gopacs.tennet import steering
from mock_gopacs.tennet.cycles import cycle_of
from mock_gopacs.tennet.facts import activation_over
from mock_gopacs.tennet.plans import demand_mw
from mock_gopacs.tennet.wire import measurement_document, merit_order_document
from mock_gopacs.views.answers import number_parameter, refuse
from mock_gopacs.views.control import control_view, json_body
from mock_gopacs.wire import epoch_ms, number

LARGEST_PAGE = 500
LATEST_EPOCH_MS = 4_102_444_800_000


@control_view("GET")
def merit_order(request: HttpRequest) -> JsonResponse:
    """Show the merit order of a PTU: the present one, with what is activated now, or that which holds `at`."""
    now = clock_from_environment().now()
    at = number_parameter(request, "at", default=epoch_ms(now), low=0, high=LATEST_EPOCH_MS)
    instant = datetime.fromtimestamp(at / 1000, UTC)
    ptu, cycle = ptu_start(instant), cycle_of(instant)
    try:
        activation = activation_over(range(cycle, cycle + 1))
    except AfrrTerms.DoesNotExist:
        refuse(404, "NO_SCENARIO", "The market is empty: load a scenario.")
    return JsonResponse(
        merit_order_document(
            ptu,
            cycle=cycle,
            activation=activation,
            bsps=list(Bsp.objects.exclude(api_key_sha256=None).order_by("pk")),
            gate_at=ptu - activation.terms.gate_lead,
            now=now,
        )
    )


@control_view("GET", "POST")
def demand(request: HttpRequest) -> JsonResponse:
    """List the changes of the demand, or make one."""
    if request.method == "POST":
        return JsonResponse(_change(_demand_set(json_body(request))))
    return JsonResponse([_change(row) for row in DemandChange.objects.order_by("at")], safe=False)


@control_view("GET")
def measurements(request: HttpRequest) -> JsonResponse:
    """List measurements, oldest first."""
    after = number_parameter(request, "after", default=0, low=0, high=2**62)
    rows = PoolMeasurement.objects.filter(pk__gt=after).order_by("pk")[:LARGEST_PAGE]
    return JsonResponse([measurement_document(row) for row in rows], safe=False)


@control_view("GET", "POST", "DELETE")
def fault_switches(request: HttpRequest) -> JsonResponse:
    """List what is wrong now, arm a fault, or end all."""
    now = clock_from_environment().now()
    if request.method == "DELETE":
        AfrrFault.objects.all().delete()
    elif request.method == "POST":
        _arm(json_body(request), now)
    rows = AfrrFault.objects.filter(ends_at__gt=now).order_by("pk")
    return JsonResponse([{"id": row.pk, "kind": row.kind, "endsAt": epoch_ms(row.ends_at)} for row in rows], safe=False)


def _demand_set(body: dict[str, Any]) -> DemandChange:
    if unknown := body.keys() - {"mw", "at"}:
        refuse(400, "FIELD_UNKNOWN", f"A demand has no {sorted(unknown)}: it takes mw and at.")
    try:
        at = datetime.fromtimestamp(body["at"] / 1000, UTC) if "at" in body else None
        return steering.set_demand(demand_mw(body["mw"]), at=at, now=clock_from_environment().now())
    except Market.DoesNotExist:
        refuse(404, "NO_SCENARIO", "The market is empty: load a scenario.")
    except (steering.InvalidSteering, InvalidScenario) as error:
        refuse(400, "FIELD_INVALID", str(error))
    except (KeyError, TypeError, ValueError, ArithmeticError, OSError) as error:
        refuse(400, "FIELD_INVALID", f"Give mw as a number, and at, if at all, in epoch milliseconds: {error}")


def _arm(body: dict[str, Any], now: datetime) -> None:
    if unknown := body.keys() - {"kind", "seconds"}:
        refuse(400, "FAULT_INVALID", f"A fault of TenneT has no {sorted(unknown)}: it takes kind and seconds.")
    seconds = body.get("seconds")
    if not isinstance(seconds, int | float) or isinstance(seconds, bool):
        refuse(400, "FAULT_INVALID", "A fault of TenneT needs its seconds of market time, as a number.")
    try:
        steering.misbehave(str(body.get("kind")), seconds=seconds, now=now)
    except steering.InvalidSteering as error:
        refuse(400, "FAULT_INVALID", str(error))


def _change(row: DemandChange) -> dict[str, Any]:
    return {"at": epoch_ms(row.at), "mw": number(row.mw)}
